//! Reads and decodes the requests on a connection.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::http::buffers::{Buffers, ReadBuffer};
use crate::http::proto::{ProtocolError, RequestDecoder, RequestEvent, RequestHead};
use crate::net::TcpStream;

/// The input of a connection: the decoder, and received bytes that are not decoded yet.
#[derive(Debug, Default)]
pub(super) struct Input {
    decoder: RequestDecoder,
    /// Received bytes after the request in progress (pipelining). `None` while the connection is idle.
    unread: Option<ReadBuffer>,
}

/// An event of the input.
#[derive(Debug)]
pub(super) enum InputEvent {
    /// A request head.
    Head(Box<RequestHead>),
    /// A part of the request body, of this length.
    Body(u64),
    /// The end of the request.
    End,
    /// An invalid request.
    Invalid(ProtocolError),
    /// A read error.
    Failed(io::Error),
}

impl Input {
    /// Waits for the next event. Bytes that have been received are decoded first, so a pipelined request takes no
    /// system call.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        buffers: &Rc<Buffers>,
    ) -> Poll<InputEvent> {
        loop {
            if let Some(received) = self.decode() {
                return Poll::Ready(received);
            }
            let mut buffer = buffers.take();
            match ready!(stream.poll_read(cx, buffer.as_mut_slice())) {
                Ok(0) => return Poll::Ready(self.end()),
                Ok(read) => {
                    buffer.fill(read);
                    self.unread = Some(buffer);
                }
                Err(error) => return Poll::Ready(InputEvent::Failed(error)),
            }
        }
    }

    /// Decodes the next event. Returns `None` if more input is needed; all bytes are consumed then.
    fn decode(&mut self) -> Option<InputEvent> {
        loop {
            let unread = self.unread.as_ref().map_or(&[][..], ReadBuffer::unread);
            let (consumed, received) = match self.decoder.decode(unread) {
                Ok(step) => {
                    let received = match step.event {
                        RequestEvent::NeedMore => None,
                        RequestEvent::Head(head) => Some(InputEvent::Head(Box::new(head))),
                        RequestEvent::Data(bytes) => Some(InputEvent::Body(bytes.len() as u64)),
                        RequestEvent::Trailers(_) => Some(InputEvent::Body(0)),
                        RequestEvent::End { .. } => Some(InputEvent::End),
                    };
                    (step.consumed, received)
                }
                Err(error) => return Some(InputEvent::Invalid(error)),
            };
            let is_consumed = self.unread.as_mut().is_none_or(|buffer| {
                buffer.consume(consumed);
                buffer.unread().is_empty()
            });
            if is_consumed {
                self.unread = None;
            }
            if received.is_some() || is_consumed {
                return received;
            }
        }
    }

    /// Handles EOF.
    fn end(&mut self) -> InputEvent {
        match self.decoder.on_eof() {
            Ok(_) => InputEvent::End,
            Err(error) => InputEvent::Invalid(error),
        }
    }

    /// Consumes the `End` event of a request without a body.
    pub(super) fn end_without_body(&mut self) {
        let end = self.decoder.decode(&[]);
        debug_assert!(matches!(end.map(|step| step.event), Ok(RequestEvent::End { .. })));
    }

    /// Returns whether no byte of a further request has been received.
    pub(super) fn is_idle(&self) -> bool {
        self.decoder.is_idle() && self.unread.is_none()
    }

    /// Returns whether there are received bytes that are not decoded yet.
    pub(super) fn has_unread(&self) -> bool {
        self.unread.is_some()
    }
}
