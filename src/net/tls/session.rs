//! The protocol as bytes in and bytes out.
//!
//! rustls has an interface for this, its "unbuffered" one: it keeps neither what has come nor what is to be sent, and says
//! after each step what it needs next. The steps come in many orders, since both sides may speak out of turn (a session
//! ticket after the response, a change of keys in the middle of a body). So one loop goes through all of them until
//! nothing is left to do with the bytes at hand, in the handshake and after it.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error};

/// One side of a TLS connection: the client's.
pub(super) struct Session {
    protocol: UnbufferedClientConnection,
    /// Records to be sent, and how many of their bytes have been.
    outgoing: Vec<u8>,
    sent: usize,
    /// Whether content may be sent: the server has shown who it is.
    is_open: bool,
    /// Whether the server has said that it will send nothing more (`close_notify`).
    is_ended: bool,
}

/// What to say once the session is open.
#[derive(Clone, Copy)]
pub(super) enum Say<'a> {
    Nothing,
    Content(&'a [u8]),
    /// That nothing more will be said (`close_notify`, RFC 8446 §6.1).
    Goodbye,
}

impl Session {
    /// A session that has not begun. [`advance`](Self::advance) makes it say hello.
    pub(super) fn new(configuration: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Session, Error> {
        let protocol = UnbufferedClientConnection::new(configuration, name)?;
        Ok(Session { protocol, outgoing: Vec::new(), sent: 0, is_open: false, is_ended: false })
    }

    /// Goes as far as it can with what has come, and then says something. `incoming` begins with what an earlier call has
    /// not consumed; it is decrypted in place. Content is handed to `take`, records to be sent are put behind those that
    /// wait. Returns how many bytes are consumed: the rest is the beginning of a record, or of a message of several.
    ///
    /// # Errors
    /// What is wrong with what the server says. An alert that tells the server waits to be sent, where there is one.
    pub(super) fn advance(
        &mut self,
        incoming: &mut [u8],
        say: Say<'_>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, Error> {
        let mut consumed = 0;
        loop {
            let UnbufferedStatus { mut discard, state, .. } =
                self.protocol.process_tls_records(&mut incoming[consumed..]);
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    self.is_open = false;
                    self.encode_alert(&mut incoming[consumed..]);
                    return Err(error);
                }
            };
            let is_all = match state {
                ConnectionState::EncodeTlsData(mut record) => {
                    append(&mut self.outgoing, |room| record.encode(room).map_err(room_to_encode))?;
                    false
                }
                // They go out with what comes next: the last flight of the handshake with the request, in one write.
                ConnectionState::TransmitTlsData(flight) => {
                    flight.done();
                    false
                }
                ConnectionState::BlockedHandshake => true,
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        take(record.payload);
                    }
                    false
                }
                ConnectionState::WriteTraffic(mut traffic) => {
                    self.is_open = true;
                    append(&mut self.outgoing, |room| {
                        let said = match say {
                            Say::Nothing => return Ok(0),
                            Say::Content(content) => traffic.encrypt(content, room),
                            Say::Goodbye => traffic.queue_close_notify(room),
                        };
                        said.map_err(room_to_encrypt)
                    })?;
                    true
                }
                ConnectionState::PeerClosed => {
                    self.is_ended = true;
                    false
                }
                ConnectionState::Closed => {
                    self.is_ended = true;
                    true
                }
                // A client gets no early data; the type allows for states that do not exist yet.
                _ => return Err(Error::HandshakeNotComplete),
            };
            consumed += discard;
            if is_all {
                return Ok(consumed);
            }
        }
    }

    /// After an error rustls has an alert at hand, as a rule.
    fn encode_alert(&mut self, incoming: &mut [u8]) {
        if let Ok(ConnectionState::EncodeTlsData(mut alert)) = self.protocol.process_tls_records(incoming).state {
            let _no_room_for_it = append(&mut self.outgoing, |room| alert.encode(room).map_err(room_to_encode));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// What waits to be sent.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing[self.sent..]
    }

    /// So many bytes of it have been sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
    }

    /// Gives back the memory that is not in use.
    pub(super) fn shrink(&mut self) {
        self.outgoing.shrink_to_fit();
    }
}

/// Lets `encode` write behind what is there, with as much room as it asks for.
fn append(
    outgoing: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    let begin = outgoing.len();
    match encode(&mut []) {
        Ok(_) => return Ok(()), // nothing to say
        Err(needed) => outgoing.resize(begin + needed.ok_or(Error::EncryptError)?, 0),
    }
    let written = encode(&mut outgoing[begin..]);
    outgoing.truncate(begin + written.as_ref().map_or(0, |written| *written));
    written.map(|_| ()).map_err(|_| Error::EncryptError)
}

/// How much room it takes to encode a record, if that is what was missing.
fn room_to_encode(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(error) => Some(error.required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

/// The same for encrypting one.
fn room_to_encrypt(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(error) => Some(error.required_size),
        EncryptError::EncryptExhausted => None,
    }
}
