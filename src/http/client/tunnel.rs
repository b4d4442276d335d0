//! A tunnel through an HTTP proxy, established with `CONNECT` (RFC 9110 §9.3.6).
//!
//! ```text
//!   WriteHead ──▶ ReadHead ──▶ Done: the connection now reaches the server
//! ```
//!
//! A 2xx response to `CONNECT` has no body. With any other status, the connection is closed without reading the body.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::Method;
use http::header::{HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};

use super::error::TunnelError;
use super::origin::Origin;
use super::proxy::Proxy;
use crate::http::buffers::{Buffers, ReadBuffer};
use crate::http::proto::{RequestTarget, ResponseDecoder, ResponseEvent, encode_request_head};
use crate::net::TcpStream;
use crate::observe::{NamedState, TracedState, polled_after_ready};

/// A future that establishes a tunnel to a server through a proxy.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// The connection to the proxy; taken when the tunnel is established.
    stream: Option<TcpStream>,
    head: Vec<u8>,
    written: usize,
    decoder: ResponseDecoder,
    buffers: Rc<Buffers>,
    state: TracedState<TunnelState>,
}

/// The states of a tunnel.
#[derive(Debug)]
enum TunnelState {
    /// Waiting until the request can be written.
    WriteHead,
    /// Waiting for the head of the response.
    ReadHead,
    /// Completed.
    Done,
}

impl NamedState for TunnelState {
    const TYPE_NAME: &'static str = "Tunnel";

    fn name(&self) -> &'static str {
        match self {
            TunnelState::WriteHead => "WriteHead",
            TunnelState::ReadHead => "ReadHead",
            TunnelState::Done => "Done",
        }
    }
}

impl Tunnel {
    /// Creates a future that sends `CONNECT` over a connection to the proxy.
    pub(super) fn new(
        stream: TcpStream,
        proxy: &Proxy,
        origin: &Origin,
        user_agent: &HeaderValue,
        buffers: Rc<Buffers>,
    ) -> Tunnel {
        let mut fields = HeaderMap::new();
        fields.insert(USER_AGENT, user_agent.clone());
        if let Some(authorization) = proxy.authorization() {
            fields.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        // In the request target of `CONNECT`, the port is required even if it is the default port.
        let authority = format!("{}:{}", origin.host(), origin.port());
        let mut head = Vec::new();
        encode_request_head(&mut head, &Method::CONNECT, RequestTarget::Authority(&authority), &authority, &fields)
            .expect("the host of an origin has been validated");
        let decoder = ResponseDecoder::new(&Method::CONNECT);
        let state = TracedState::new(TunnelState::WriteHead);
        Tunnel { stream: Some(stream), head, written: 0, decoder, buffers, state }
    }

    fn poll_write_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<TunnelState, TunnelError>> {
        let stream = self.stream.as_mut().expect(HAS_STREAM);
        while self.written < self.head.len() {
            match ready!(stream.poll_write(cx, &self.head[self.written..])) {
                Ok(written) => self.written += written,
                Err(error) => return Poll::Ready(Err(TunnelError::Write(error))),
            }
        }
        Poll::Ready(Ok(TunnelState::ReadHead))
    }

    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<TunnelState, TunnelError>> {
        loop {
            let mut buffer = self.buffers.take();
            let stream = self.stream.as_mut().expect(HAS_STREAM);
            let result = match ready!(stream.poll_read(cx, buffer.as_mut_slice())) {
                Ok(read) => self.on_data(&mut buffer, read),
                Err(error) => Err(TunnelError::Read(error)),
            };
            match result {
                Ok(false) => {}
                Ok(true) => return Poll::Ready(Ok(TunnelState::Done)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Processes the bytes of one read. Returns `true` if the response is complete and its status is 2xx.
    fn on_data(&mut self, buffer: &mut ReadBuffer, read: usize) -> Result<bool, TunnelError> {
        if read == 0 {
            let error = self.decoder.on_eof().expect_err("EOF before the response head is an error");
            return Err(TunnelError::Protocol(error));
        }
        buffer.fill(read);
        loop {
            let step = self.decoder.decode(buffer.unread()).map_err(TunnelError::Protocol)?;
            let consumed = step.consumed;
            let status = match step.event {
                ResponseEvent::NeedMore => return Ok(false),
                ResponseEvent::Interim(_) => None,
                ResponseEvent::Head(head) => Some(head.response.status()),
                ResponseEvent::Data(_) | ResponseEvent::Trailers(_) | ResponseEvent::End { .. } => {
                    unreachable!("these come after the head")
                }
            };
            buffer.consume(consumed);
            match status {
                None => {}
                Some(status) if !status.is_success() => return Err(TunnelError::Rejected(status)),
                // Data after the response cannot be from the server: nothing has been sent to it yet, and in TLS the
                // client sends first.
                Some(_) if !buffer.unread().is_empty() => return Err(TunnelError::UnexpectedData),
                Some(_) => return Ok(true),
            }
        }
    }
}

impl Future for Tunnel {
    type Output = Result<TcpStream, TunnelError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _parent = this.state.enter();
        loop {
            let next = match this.state.get() {
                TunnelState::WriteHead => this.poll_write_head(cx),
                TunnelState::ReadHead => this.poll_read_head(cx),
                TunnelState::Done => polled_after_ready("Tunnel"),
            };
            match next {
                Poll::Ready(Ok(TunnelState::Done)) => {
                    this.state.transition_to(TunnelState::Done);
                    return Poll::Ready(Ok(this.stream.take().expect(HAS_STREAM)));
                }
                Poll::Ready(Ok(next)) => this.state.transition_to(next),
                Poll::Ready(Err(error)) => {
                    this.state.transition_to(TunnelState::Done);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    this.state.set_wait_reason();
                    return Poll::Pending;
                }
            }
        }
    }
}

/// The message of `expect` for the stream in `WriteHead` and `ReadHead`: the invariant that it relies on.
const HAS_STREAM: &str = "the stream is taken only when the tunnel is established";
