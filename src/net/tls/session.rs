//! The client side of one TLS session, sans-I/O.
//!
//! This uses the unbuffered API of rustls, which keeps neither received bytes nor bytes to be sent, and returns after
//! each step the state that the connection is in. The order of the states varies, since either side may send
//! post-handshake messages at any time (session tickets, key updates). So one loop handles all states, during the
//! handshake and after it, until no more can be done with the bytes received so far.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error};

/// The client side of a TLS session.
pub(super) struct Session {
    protocol: UnbufferedClientConnection,
    /// Encrypted records to be sent.
    outgoing: Vec<u8>,
    /// The number of bytes of `outgoing` that have been sent.
    sent: usize,
    /// Whether application data may be sent: the handshake is complete and the server is authenticated.
    is_open: bool,
    /// Whether the server has sent `close_notify`.
    is_ended: bool,
}

/// What [`Session::advance`] sends if the session is open.
#[derive(Clone, Copy)]
pub(super) enum ToSend<'a> {
    Nothing,
    ApplicationData(&'a [u8]),
    /// The alert that ends the sending direction (RFC 8446 §6.1).
    CloseNotify,
}

impl Session {
    /// Creates a session. The first call of [`advance`](Self::advance) produces the ClientHello.
    pub(super) fn new(configuration: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Session, Error> {
        let protocol = UnbufferedClientConnection::new(configuration, name)?;
        Ok(Session { protocol, outgoing: Vec::new(), sent: 0, is_open: false, is_ended: false })
    }

    /// Processes received bytes, then sends `send` if the session is open.
    ///
    /// `incoming` must start with the bytes that the previous call did not consume, followed by newly received ones. It
    /// is decrypted in place. `take` is called with the plaintext; records to be sent are appended to
    /// [`outgoing`](Self::outgoing). Returns the number of bytes consumed. The rest is the beginning of a record, or of
    /// a handshake message that spans several records.
    ///
    /// # Errors
    /// If the server violates the protocol or cannot be authenticated. An alert for the server, if rustls has one, is
    /// then appended to `outgoing`.
    pub(super) fn advance(
        &mut self,
        incoming: &mut [u8],
        send: ToSend<'_>,
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
            let is_blocked = match state {
                ConnectionState::EncodeTlsData(mut record) => {
                    append(&mut self.outgoing, |buffer| record.encode(buffer).map_err(size_to_encode))?;
                    false
                }
                // The records stay in `outgoing`, so that the last flight of the handshake and the request are sent in
                // one write.
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
                    append(&mut self.outgoing, |buffer| {
                        let encrypted = match send {
                            ToSend::Nothing => return Ok(0),
                            ToSend::ApplicationData(content) => traffic.encrypt(content, buffer),
                            ToSend::CloseNotify => traffic.queue_close_notify(buffer),
                        };
                        encrypted.map_err(size_to_encrypt)
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
                // Early data occurs only on servers; the enum is non-exhaustive.
                _ => return Err(Error::HandshakeNotComplete),
            };
            consumed += discard;
            if is_blocked {
                return Ok(consumed);
            }
        }
    }

    /// Appends the alert that rustls usually has ready after an error.
    fn encode_alert(&mut self, incoming: &mut [u8]) {
        if let Ok(ConnectionState::EncodeTlsData(mut alert)) = self.protocol.process_tls_records(incoming).state {
            let _unsent = append(&mut self.outgoing, |buffer| alert.encode(buffer).map_err(size_to_encode));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Returns the records that are still to be sent.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing[self.sent..]
    }

    /// Removes bytes that have been sent from [`outgoing`](Self::outgoing).
    pub(super) fn advance_sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
    }

    /// Frees unused memory.
    pub(super) fn shrink(&mut self) {
        self.outgoing.shrink_to_fit();
    }
}

/// Appends the output of `encode`, which returns the required size if its buffer is too small.
fn append(
    outgoing: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Error> {
    let start = outgoing.len();
    match encode(&mut []) {
        Ok(_) => return Ok(()), // there is nothing to encode
        Err(required) => outgoing.resize(start + required.ok_or(Error::EncryptError)?, 0),
    }
    let written = encode(&mut outgoing[start..]);
    outgoing.truncate(start + written.as_ref().map_or(0, |written| *written));
    written.map(|_| ()).map_err(|_| Error::EncryptError)
}

/// Returns the size that encoding a record requires, if the buffer was too small.
fn size_to_encode(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(error) => Some(error.required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

/// Returns the size that encrypting a record requires, if the buffer was too small.
fn size_to_encrypt(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(error) => Some(error.required_size),
        EncryptError::EncryptExhausted => None,
    }
}
