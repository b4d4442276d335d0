//! A tunnel through an HTTP proxy, established with `CONNECT` (RFC 9110 §9.3.6).
//!
//! ```text
//!   WriteHead ──▶ ReadHead ──▶ Done: the connection now reaches the server
//! ```
//!
//! A 2xx response to `CONNECT` has no body. With any other status, the connection is closed without reading the body.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, StatusCode};

use super::proxy::Proxy;
use super::target::Origin;
use crate::http::buffers::{Buffers, ReadBuffer};
use crate::http::proto::{ProtocolError, RequestTarget, ResponseDecoder, ResponseEvent, encode_request_head};
use crate::net::TcpStream;
use crate::observe::{State, TracedState, polled_after_ready};

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

impl State for TunnelState {
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
            .expect("an origin has a host that can be written");
        let decoder = ResponseDecoder::new(&Method::CONNECT);
        let state = TracedState::new(TunnelState::WriteHead);
        Tunnel { stream: Some(stream), head, written: 0, decoder, buffers, state }
    }

    /// Processes the bytes of one read. Returns `true` if the response is complete and its status is 2xx.
    fn read(&mut self, buffer: &mut ReadBuffer, read: usize) -> Result<bool, TunnelError> {
        if read == 0 {
            let error = self.decoder.on_eof().expect_err("an answer without a head cannot end well");
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
                    unreachable!("these come behind the head")
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
            let Some(stream) = &mut this.stream else { polled_after_ready("Tunnel") };
            let result = match this.state.get() {
                TunnelState::WriteHead => match stream.poll_write(cx, &this.head[this.written..]) {
                    Poll::Ready(Ok(written)) => {
                        this.written += written;
                        if this.written == this.head.len() {
                            this.state.transition_to(TunnelState::ReadHead);
                        }
                        continue;
                    }
                    Poll::Ready(Err(error)) => Err(TunnelError::Write(error)),
                    Poll::Pending => {
                        this.state.set_wait_reason();
                        return Poll::Pending;
                    }
                },
                TunnelState::ReadHead => {
                    let mut buffer = this.buffers.lend();
                    match stream.poll_read(cx, buffer.room()) {
                        Poll::Ready(Ok(read)) => match this.read(&mut buffer, read) {
                            Ok(false) => continue,
                            Ok(true) => Ok(()),
                            Err(error) => Err(error),
                        },
                        Poll::Ready(Err(error)) => Err(TunnelError::Read(error)),
                        Poll::Pending => {
                            this.state.set_wait_reason();
                            return Poll::Pending;
                        }
                    }
                }
                TunnelState::Done => polled_after_ready("Tunnel"),
            };
            this.state.transition_to(TunnelState::Done);
            let stream = this.stream.take().expect("it was read from a moment ago");
            return Poll::Ready(result.map(|()| stream));
        }
    }
}

/// The reason why a proxy did not establish a tunnel.
#[derive(Debug)]
pub enum TunnelError {
    /// The proxy responded with this status instead of a 2xx. 407 requires proxy authentication.
    Rejected(StatusCode),
    /// The proxy sent data after its response.
    UnexpectedData,
    /// The response is not valid HTTP/1.1, or is truncated.
    Protocol(ProtocolError),
    /// The request could not be written.
    Write(io::Error),
    /// The connection failed before there was a response.
    Read(io::Error),
    /// There was no response within the time limit for connecting.
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelError::Rejected(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                f.write_str("it answered 407: it wants a user name and a password, or others than those it was given")
            }
            TunnelError::Rejected(status) => write!(f, "it answered {status}"),
            TunnelError::UnexpectedData => f.write_str("it said more than that there is one"),
            TunnelError::Protocol(error) => error.fmt(f),
            TunnelError::Write(error) | TunnelError::Read(error) => error.fmt(f),
            TunnelError::TimedOut { limit } => write!(f, "no answer for {limit:?}"),
        }
    }
}

impl std::error::Error for TunnelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TunnelError::Protocol(error) => Some(error),
            TunnelError::Write(error) | TunnelError::Read(error) => Some(error),
            TunnelError::Rejected(_) | TunnelError::UnexpectedData | TunnelError::TimedOut { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_error_says_what_the_proxy_did_and_names_its_source() {
        let io = || io::Error::other("io");
        let protocol = ResponseDecoder::new(&Method::CONNECT).decode(b"x").unwrap_err();
        let no_http = "the protocol version is not HTTP/1.0 or HTTP/1.1 (at byte 0)";
        for (error, says, source) in [
            (TunnelError::Rejected(StatusCode::FORBIDDEN), "it answered 403 Forbidden", None),
            (TunnelError::Protocol(protocol), no_http, Some(no_http)),
            (TunnelError::Write(io()), "io", Some("io")),
            (TunnelError::Read(io()), "io", Some("io")),
            (TunnelError::TimedOut { limit: Duration::from_secs(7) }, "no answer for 7s", None),
        ] {
            assert_eq!(error.to_string(), says);
            assert_eq!(error.source().map(ToString::to_string), source.map(str::to_owned));
        }
        let unauthorized = TunnelError::Rejected(StatusCode::PROXY_AUTHENTICATION_REQUIRED).to_string();
        assert!(unauthorized.starts_with("it answered 407: ") && unauthorized.contains("password"), "{unauthorized}");
    }
}
