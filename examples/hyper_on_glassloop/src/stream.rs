//! Implements hyper's `Read` and `Write` for this loop's TCP stream.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use glassloop::net::TcpStream;
use hyper::rt::{Read, ReadBufCursor, Write};

/// The size of the read buffer in bytes.
const BUFFER_BYTES: usize = 16 << 10;

/// A stream with a read buffer. hyper's buffer may be uninitialized, and without `unsafe` the only way to fill it is to
/// copy from an initialized one.
pub struct Stream {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

impl Stream {
    pub fn new(stream: TcpStream) -> Stream {
        Stream { stream, buffer: vec![0; BUFFER_BYTES].into() }
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Stream { stream, buffer } = &mut *self;
        let capacity = buffer.len().min(into.remaining());
        let length = ready!(stream.poll_read(cx, &mut buffer[..capacity]))?;
        into.put_slice(&buffer[..length]);
        Poll::Ready(Ok(()))
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // there is no write buffer
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream.shutdown(Shutdown::Write) {
            // The peer has already closed the connection.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            shut => Poll::Ready(shut),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write_vectored(cx, pieces)
    }
}
