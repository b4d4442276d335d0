//! The requests that come out of a connection.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::http::buffers::{Buffers, ReadBuffer};
use crate::http::proto::{ProtocolError, RequestDecoder, RequestEvent, RequestHead};
use crate::net::TcpStream;

/// A connection's input: the decoder, and what has been read and not yet decoded.
#[derive(Debug, Default)]
pub(super) struct Input {
    decoder: RequestDecoder,
    /// Requests behind the one that is being answered (pipelining). Nothing while the connection is idle.
    unread: Option<ReadBuffer>,
}

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    /// The head of a request.
    Head(Box<RequestHead>),
    /// So many bytes of its body.
    Body(u64),
    /// The end of it.
    End,
    /// Something that is no request.
    Fault(ProtocolError),
    /// Nothing will come any more: the connection is broken.
    Broken(io::Error),
}

impl Input {
    /// The next thing that comes. What has been read already is looked at first, so a request that is there costs no
    /// system call.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        buffers: &Rc<Buffers>,
    ) -> Poll<Received> {
        loop {
            if let Some(received) = self.decode() {
                return Poll::Ready(received);
            }
            let mut buffer = buffers.lend();
            match ready!(stream.poll_read(cx, buffer.room())) {
                Ok(0) => return Poll::Ready(self.end()),
                Ok(read) => {
                    buffer.fill(read);
                    self.unread = Some(buffer);
                }
                Err(error) => return Poll::Ready(Received::Broken(error)),
            }
        }
    }

    /// The next thing in what has been read; if there is none, nothing is left of it.
    fn decode(&mut self) -> Option<Received> {
        loop {
            let unread = self.unread.as_ref().map_or(&[][..], ReadBuffer::unread);
            let (consumed, received) = match self.decoder.decode(unread) {
                Ok(step) => {
                    let received = match step.event {
                        RequestEvent::NeedMore => None,
                        RequestEvent::Head(head) => Some(Received::Head(Box::new(head))),
                        RequestEvent::Data(bytes) => Some(Received::Body(bytes.len() as u64)),
                        RequestEvent::Trailers(_) => Some(Received::Body(0)),
                        RequestEvent::End { .. } => Some(Received::End),
                    };
                    (step.consumed, received)
                }
                Err(error) => return Some(Received::Fault(error)),
            };
            let is_used_up = self.unread.as_mut().is_none_or(|buffer| {
                buffer.consume(consumed);
                buffer.unread().is_empty()
            });
            if is_used_up {
                self.unread = None;
            }
            if received.is_some() || is_used_up {
                return received;
            }
        }
    }

    /// The client has ended its stream.
    fn end(&mut self) -> Received {
        match self.decoder.on_eof() {
            Ok(_) => Received::End,
            Err(error) => Received::Fault(error),
        }
    }

    /// Takes the end of a request whose head says that it has no body.
    pub(super) fn end_without_body(&mut self) {
        let end = self.decoder.decode(&[]);
        debug_assert!(matches!(end.map(|step| step.event), Ok(RequestEvent::End { .. })));
    }

    /// Whether no byte of a request has come that has not been answered.
    pub(super) fn is_idle(&self) -> bool {
        self.decoder.is_idle() && self.unread.is_none()
    }

    /// Whether something is there to be decoded without a read.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.is_some()
    }
}
