//! This loop's TCP stream as hyper wants it.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use glassloop::net::TcpStream;
use hyper::rt::{Read, ReadBufCursor, Write};

/// Bytes read at once.
const READ: usize = 16 << 10;

/// A stream, and a buffer through which what is read goes. hyper's own buffer may be uninitialised memory, which can be
/// written to without `unsafe` only by copying.
pub struct Stream {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

impl Stream {
    pub fn new(stream: TcpStream) -> Stream {
        Stream { stream, buffer: vec![0; READ].into() }
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Stream { stream, buffer } = &mut *self;
        let room = buffer.len().min(into.remaining());
        let length = ready!(stream.poll_read(cx, &mut buffer[..room]))?;
        into.put_slice(&buffer[..length]);
        Poll::Ready(Ok(()))
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // what is written has gone to the kernel
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.stream.shutdown(Shutdown::Write) {
            // The other side was quicker.
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
