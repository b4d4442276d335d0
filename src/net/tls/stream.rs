//! The encrypted stream.
//!
//! It is read and written like a TCP stream. Its data arrives in records of up to 16 KiB, and a record can be decrypted
//! only when it is complete. So in addition to its session a stream stores only the bytes of an incomplete record.
//! Records are received and decrypted in a buffer that all streams of a connector share, and their content is copied to
//! the reader's buffer.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::session::{Session, ToSend};
use super::{TlsConnector, TlsError};
use crate::net::TcpStream;

/// The maximum size of a record: 16 KiB of content, the overhead of encryption, and the header (RFC 8446 §5.2).
const MAX_RECORD_BYTES: usize = (1 << 14) + 256 + 5;

/// The maximum content of one record.
const MAX_CONTENT_BYTES: usize = 1 << 14;

/// The maximum number of reads in [`TlsStream::has_no_input`].
const DRAIN_READS: usize = 8;

/// A TCP connection encrypted with TLS. Dropping it sends `close_notify`, if that is possible without blocking, and
/// closes the connection.
///
/// An idle stream uses memory for an incomplete record, if there is one, and for the session. In the latter, rustls
/// keeps the keys, the server's certificates and the secrets for key updates: 4 to 5 KiB in total with a short
/// certificate.
pub struct TlsStream {
    socket: TcpStream,
    session: Session,
    connector: TlsConnector,
    /// The received bytes of an incomplete record.
    incomplete_record: Vec<u8>,
    /// Decrypted content that did not fit into the reader's buffer.
    pending_plaintext: Vec<u8>,
    /// How many of the bytes passed to [`poll_write`](Self::poll_write) are encrypted in records that are still to be
    /// sent.
    pending_write: usize,
}

/// The result of a read.
pub(super) enum ReadOutcome {
    /// Data was received, with this many bytes of content for the reader, possibly 0.
    Records(usize),
    /// The TCP connection has ended.
    End,
}

impl TlsStream {
    /// Creates a stream whose ClientHello is ready to be sent.
    pub(super) fn start(
        socket: TcpStream,
        connector: TlsConnector,
        configuration: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<TlsStream, TlsError> {
        let session = Session::new(configuration, name).map_err(TlsError::from_rustls)?;
        let (incomplete_record, pending_plaintext) = (Vec::new(), Vec::new());
        let mut stream =
            TlsStream { socket, session, connector, incomplete_record, pending_plaintext, pending_write: 0 };
        stream.send(ToSend::Nothing)?;
        Ok(stream)
    }

    /// Returns whether the handshake is complete and the server is authenticated.
    pub(super) fn is_open(&self) -> bool {
        self.session.is_open()
    }

    /// Returns whether there are records to be sent.
    pub(super) fn has_pending_records(&self) -> bool {
        !self.session.outgoing().is_empty()
    }

    /// Returns the underlying TCP stream.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    // -- Reading ---------------------------------------------------------------------------------------------------

    /// Reads content into `buffer` and returns its length. 0 means that the server has ended the data with
    /// `close_notify`.
    ///
    /// # Errors
    /// The error of the socket; `InvalidData` if the server violates the protocol; `UnexpectedEof` if the connection
    /// ends without `close_notify`, since an attacker could have closed it to truncate the data.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.pending_plaintext.is_empty() {
                let copied = self.pending_plaintext.len().min(buffer.len());
                buffer[..copied].copy_from_slice(&self.pending_plaintext[..copied]);
                self.pending_plaintext.drain(..copied);
                return Poll::Ready(Ok(copied));
            }
            if self.session.is_ended() {
                return Poll::Ready(Ok(0));
            }
            match ready!(self.receive(buffer, |socket, buffer| socket.poll_read(cx, buffer)))? {
                // A session ticket or a part of a record: read on, until WouldBlock.
                ReadOutcome::Records(0) => {}
                ReadOutcome::Records(copied) => return Poll::Ready(Ok(copied)),
                ReadOutcome::End => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, MissingCloseNotify)));
                }
            }
        }
    }

    /// Waits for input on an idle connection: content, the end of the data, or an error. Session tickets and key
    /// updates are processed and do not count.
    pub fn poll_unexpected_input(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.has_unread_input() {
            match ready!(self.receive(&mut [], |socket, buffer| socket.poll_read(cx, buffer))) {
                Ok(ReadOutcome::Records(_)) => {}
                Ok(ReadOutcome::End) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    /// Reads until WouldBlock and returns whether there was no input at all, not even the end of the data. Session
    /// tickets are processed and do not count. An incomplete record counts, since its type is not known yet.
    pub fn has_no_input(&mut self) -> bool {
        for _ in 0..DRAIN_READS {
            match self.receive(&mut [], TcpStream::try_read) {
                Poll::Pending => return self.incomplete_record.is_empty() && !self.has_unread_input(),
                Poll::Ready(Ok(ReadOutcome::Records(_))) => {}
                Poll::Ready(_) => return false,
            }
        }
        false
    }

    /// Returns whether there is content that has not been read, or the server has sent `close_notify`.
    pub fn has_unread_input(&self) -> bool {
        !self.pending_plaintext.is_empty() || self.session.is_ended()
    }

    /// Reads from the socket once and processes the data. Content is copied to `buffer`, the rest of it to
    /// `pending_plaintext`. Reads at most the size of the buffer, or one record if that is more.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        read: impl FnOnce(&mut TcpStream, &mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<Result<ReadOutcome, TlsError>> {
        let shared = self.connector.shared.clone();
        let mut scratch = shared.scratch.take();
        let start = self.incomplete_record.len();
        let end = buffer.len().max(start + MAX_RECORD_BYTES);
        if scratch.len() < end {
            scratch.resize(end, 0);
        }
        let received = match read(&mut self.socket, &mut scratch[start..end]) {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(ReadOutcome::End)),
            Poll::Ready(Ok(read)) => {
                scratch[..start].copy_from_slice(&self.incomplete_record);
                Poll::Ready(self.process(&mut scratch[..start + read], buffer))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(TlsError::Connection(error))),
            Poll::Pending => Poll::Pending,
        };
        shared.scratch.set(scratch);
        received
    }

    /// Passes received data to the session and copies the content to `buffer`.
    fn process(&mut self, incoming: &mut [u8], buffer: &mut [u8]) -> Result<ReadOutcome, TlsError> {
        let (mut copied, pending_plaintext) = (0, &mut self.pending_plaintext);
        let consumed = self.session.advance(incoming, ToSend::Nothing, |content| {
            let fits = content.len().min(buffer.len() - copied);
            buffer[copied..copied + fits].copy_from_slice(&content[..fits]);
            copied += fits;
            pending_plaintext.extend_from_slice(&content[fits..]);
        });
        match consumed {
            Ok(consumed) => {
                self.incomplete_record.clear();
                self.incomplete_record.extend_from_slice(&incoming[consumed..]);
                Ok(ReadOutcome::Records(copied))
            }
            Err(error) => {
                // The alert, as far as it can be sent without blocking.
                let _best_effort = self.socket.try_write(self.session.outgoing());
                Err(TlsError::from_rustls(error))
            }
        }
    }

    // -- Writing ---------------------------------------------------------------------------------------------------

    /// Encrypts and writes up to one record of content, and returns the number of bytes written. After `Pending` the
    /// caller must pass the same bytes again, since they are already encrypted.
    ///
    /// # Errors
    /// The error of the socket.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.pending_write == 0 {
            let content = &bytes[..bytes.len().min(MAX_CONTENT_BYTES)];
            self.send(ToSend::ApplicationData(content))?;
            self.pending_write = content.len();
        }
        ready!(self.poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.pending_write)))
    }

    /// Writes all pending records.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_pending_records() {
            let written = ready!(self.socket.poll_write(cx, self.session.outgoing()))?;
            self.session.advance_sent(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Adds records to be sent to the session.
    fn send(&mut self, send: ToSend<'_>) -> Result<(), TlsError> {
        let pending_plaintext = &mut self.pending_plaintext;
        let take = |content: &[u8]| pending_plaintext.extend_from_slice(content);
        // The session may still need the bytes of the incomplete record.
        let consumed = self.session.advance(&mut self.incomplete_record, send, take).map_err(TlsError::from_rustls)?;
        self.incomplete_record.drain(..consumed);
        Ok(())
    }

    /// Sets whether this stream is ignored by deadlock detection (I16), as an idle connection is. An unref'd stream
    /// also frees unused memory.
    pub fn set_unref(&mut self, is_unref: bool) {
        if is_unref {
            self.incomplete_record.shrink_to_fit();
            self.pending_plaintext.shrink_to_fit();
            self.session.shrink();
        }
        self.socket.set_unref(is_unref);
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        // `close_notify` shows the server that the connection was not truncated (RFC 8446 §6.1). It is omitted after a
        // partially sent record, where the server could not parse it, and sent only if that does not block.
        let can_send = self.is_open() && !self.has_pending_records();
        if can_send && self.send(ToSend::CloseNotify).is_ok() {
            let _best_effort = self.socket.try_write(self.session.outgoing());
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// The error of a connection that ended without `close_notify`.
#[derive(Debug)]
struct MissingCloseNotify;

impl fmt::Display for MissingCloseNotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ended without a TLS close_notify, so the data may be truncated")
    }
}

impl std::error::Error for MissingCloseNotify {}
