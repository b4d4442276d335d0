//! A connection on which everything is encrypted.
//!
//! It is read and written like the TCP stream under it. What differs is that bytes come in records of up to 16 KiB, of
//! which none can be used before it is complete. So there is one more thing for a connection to hold: the record that has
//! begun to come. It holds nothing else. Records lie in a buffer that all connections share, are decrypted there, and are
//! copied to where the reader wants their content.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::session::{Say, Session};
use super::{TlsConnector, TlsError};
use crate::net::TcpStream;

/// The most that one record takes on the wire: 16 KiB of content, and what encryption adds (RFC 8446 §5.2).
const RECORD_BYTES: usize = (1 << 14) + 256 + 5;

/// How much of what is written becomes one record.
const CONTENT_BYTES: usize = 1 << 14;

/// How often the kernel is asked whether there is more of what nobody wanted.
const UNASKED_READS: usize = 8;

/// A TCP connection secured by TLS. Dropping it says goodbye, as far as that is possible at once, and closes it.
///
/// One that waits for its turn holds the record that has begun to come, if one has, and the session, of which rustls keeps
/// the keys, the server's certificates, and what it takes to change keys: 4 to 5 KiB in all with a short certificate.
pub struct TlsStream {
    socket: TcpStream,
    session: Session,
    connector: TlsConnector,
    /// What has come of a record that is not complete.
    unfinished: Vec<u8>,
    /// Content for which the reader had no room.
    spilled: Vec<u8>,
    /// How much of the content offered to [`poll_write`](Self::poll_write) is in records that wait to be sent.
    promised: usize,
}

/// What a read has brought.
pub(super) enum Received {
    /// Records, with so many bytes of content for the reader. It may be none.
    Records(usize),
    /// The end of the TCP connection.
    End,
}

impl TlsStream {
    /// A connection on which the client is about to say hello.
    pub(super) fn begin(
        socket: TcpStream,
        connector: TlsConnector,
        configuration: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<TlsStream, TlsError> {
        let session = Session::new(configuration, name).map_err(TlsError::of)?;
        let (unfinished, spilled) = (Vec::new(), Vec::new());
        let mut stream = TlsStream { socket, session, connector, unfinished, spilled, promised: 0 };
        stream.say(Say::Nothing)?;
        Ok(stream)
    }

    /// Whether the server has shown who it is.
    pub(super) fn is_open(&self) -> bool {
        self.session.is_open()
    }

    /// Whether records wait to be sent.
    pub(super) fn has_something_to_say(&self) -> bool {
        !self.session.outgoing().is_empty()
    }

    /// The connection underneath.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    // -- Reading ---------------------------------------------------------------------------------------------------

    /// Reads content, at most as much as `buffer` holds. 0 is the end, of which the server has told.
    ///
    /// # Errors
    /// What the system says; what is wrong with what the server says; an end of which the server has not told
    /// (`UnexpectedEof`): anyone on the way could have made it, and what has come may not be all.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.spilled.is_empty() {
                let copied = self.spilled.len().min(buffer.len());
                buffer[..copied].copy_from_slice(&self.spilled[..copied]);
                self.spilled.drain(..copied);
                return Poll::Ready(Ok(copied));
            }
            if self.session.is_ended() {
                return Poll::Ready(Ok(0));
            }
            match ready!(self.receive(buffer, |socket, room| socket.poll_read(cx, room)))? {
                // A ticket, or a part of a record: on with it, until the socket has no more.
                Received::Records(0) => {}
                Received::Records(copied) => return Poll::Ready(Ok(copied)),
                Received::End => return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, Unannounced))),
            }
        }
    }

    /// Waits for what nobody has asked for: content, the end of it, or an error. Session tickets and new keys are dealt
    /// with and do not count.
    pub fn poll_unasked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.has_spoken() {
            match ready!(self.receive(&mut [], |socket, room| socket.poll_read(cx, room))) {
                Ok(Received::Records(_)) => {}
                Ok(Received::End) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    /// Whether there is nothing to read, not even the end, by the word of the kernel. Session tickets that have come are
    /// dealt with; the beginning of a record is something, since nobody knows yet of what.
    pub fn is_silent(&mut self) -> bool {
        for _ in 0..UNASKED_READS {
            match self.receive(&mut [], TcpStream::read_now) {
                Poll::Pending => return self.unfinished.is_empty() && !self.has_spoken(),
                Poll::Ready(Ok(Received::Records(_))) => {}
                Poll::Ready(_) => return false,
            }
        }
        false
    }

    /// Whether there is content that nobody has read, or the server has said that there will be no more.
    pub fn has_spoken(&self) -> bool {
        !self.spilled.is_empty() || self.session.is_ended()
    }

    /// Reads once, behind what there is of a record, and lets the session have it. Content goes to `room`; what does not
    /// fit there is kept. No more is read than would fill the room, or one record.
    pub(super) fn receive(
        &mut self,
        room: &mut [u8],
        read: impl FnOnce(&mut TcpStream, &mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<Result<Received, TlsError>> {
        let shared = self.connector.shared.clone();
        let mut scratch = shared.scratch.take();
        let begun = self.unfinished.len();
        let most = room.len().max(begun + RECORD_BYTES);
        if scratch.len() < most {
            scratch.resize(most, 0);
        }
        let received = match read(&mut self.socket, &mut scratch[begun..most]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(Received::End)),
            Poll::Ready(Ok(read)) => {
                scratch[..begun].copy_from_slice(&self.unfinished);
                Poll::Ready(self.digest(&mut scratch[..begun + read], room))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(TlsError::Connection(error))),
            Poll::Pending => Poll::Pending,
        };
        shared.scratch.set(scratch);
        received
    }

    /// Lets the session have what has come.
    fn digest(&mut self, incoming: &mut [u8], room: &mut [u8]) -> Result<Received, TlsError> {
        let (mut copied, spilled) = (0, &mut self.spilled);
        let consumed = self.session.advance(incoming, Say::Nothing, |content| {
            let fits = content.len().min(room.len() - copied);
            room[copied..copied + fits].copy_from_slice(&content[..fits]);
            copied += fits;
            spilled.extend_from_slice(&content[fits..]);
        });
        match consumed {
            Ok(consumed) => {
                self.unfinished.clear();
                self.unfinished.extend_from_slice(&incoming[consumed..]);
                Ok(Received::Records(copied))
            }
            Err(error) => {
                // The server is told what it did wrong, if there is room for that now.
                let _untold = self.socket.write_now(self.session.outgoing());
                Err(TlsError::of(error))
            }
        }
    }

    // -- Writing ---------------------------------------------------------------------------------------------------

    /// Writes content, at most a record of it, as soon as there is room. After `Pending` the same bytes have to be offered
    /// again: they are encrypted by then.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.promised == 0 {
            let content = &bytes[..bytes.len().min(CONTENT_BYTES)];
            self.say(Say::Content(content))?;
            self.promised = content.len();
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.promised)))
    }

    /// Writes the records that wait.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_something_to_say() {
            let written = ready!(self.socket.poll_write(cx, self.session.outgoing()))?;
            self.session.sent(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Has the session say something.
    fn say(&mut self, say: Say<'_>) -> Result<(), TlsError> {
        let spilled = &mut self.spilled;
        let take = |content: &[u8]| spilled.extend_from_slice(content);
        // It may still refer to the message that has begun to come.
        let consumed = self.session.advance(&mut self.unfinished, say, take).map_err(TlsError::of)?;
        self.unfinished.drain(..consumed);
        Ok(())
    }

    /// Whether waiting for it counts as something that may still happen (I16). One that does not matter gives back the
    /// memory that it does not need.
    pub fn set_background(&mut self, background: bool) {
        if background {
            self.unfinished.shrink_to_fit();
            self.spilled.shrink_to_fit();
            self.session.shrink();
        }
        self.socket.set_background(background);
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        // Goodbye, so that the server knows that nobody else has cut the connection (RFC 8446 §6.1). Behind a record of
        // which a part is missing it would mean nothing, and there is nobody left to wait for room.
        let may_speak = self.is_open() && !self.has_something_to_say();
        if may_speak && self.say(Say::Goodbye).is_ok() {
            let _unheard = self.socket.write_now(self.session.outgoing());
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// The connection has ended, and the server had not said that it would.
#[derive(Debug)]
struct Unannounced;

impl fmt::Display for Unannounced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ended without the farewell of TLS (close_notify), so it was cut")
    }
}

impl std::error::Error for Unannounced {}
