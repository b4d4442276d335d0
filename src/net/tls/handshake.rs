//! The future that performs a TLS handshake over a TCP connection.
//!
//! ```text
//!   Start ──▶ ReadRoots ──▶ Write ◀──▶ Read ──▶ Done
//!     └─── already loaded ────┘
//! ```
//!
//! A TLS 1.3 handshake takes one round trip (RFC 8446 §2): ClientHello, then the server's flight. The client's Finished
//! message is sent together with its first application data.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;

use super::stream::ReadOutcome;
use super::{Configuration, TlsConnector, TlsError, TlsStream};
use crate::event_loop::JobHandle;
use crate::net::TcpStream;
use crate::observe::{NamedState, TracedState, polled_after_ready};

/// The future returned by [`TlsConnector::connect`]. It has no timeout of its own. Dropping it closes the connection.
#[must_use = "futures do nothing unless polled"]
pub struct Handshake {
    state: TracedState<HandshakeState>,
    connector: TlsConnector,
    /// The name that the certificate must be valid for; `None` if the host is not a valid name. Taken in `start`.
    name: Option<ServerName<'static>>,
    /// The connection, until `start` passes it to the stream.
    socket: Option<TcpStream>,
    /// The stream in the states `Write` and `Read`.
    stream: Option<Box<TlsStream>>,
}

/// The states of a handshake, named for what is awaited.
enum HandshakeState {
    /// Not polled yet.
    Start,
    /// Waiting for a pool thread to load the root certificates.
    ReadRoots(JobHandle<Configuration>),
    /// Waiting for the socket to become writable.
    Write,
    /// Waiting for the server's messages.
    Read,
    /// Complete or failed.
    Done,
}

impl NamedState for HandshakeState {
    const TYPE_NAME: &'static str = "Handshake";

    fn name(&self) -> &'static str {
        match self {
            HandshakeState::Start => "Start",
            HandshakeState::ReadRoots(_) => "ReadRoots",
            HandshakeState::Write => "Write",
            HandshakeState::Read => "Read",
            HandshakeState::Done => "Done",
        }
    }
}

impl Handshake {
    pub(super) fn new(connector: TlsConnector, socket: TcpStream, host: &str) -> Handshake {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).ok();
        Handshake {
            state: TracedState::new(HandshakeState::Start),
            connector,
            name,
            socket: Some(socket),
            stream: None,
        }
    }

    /// Starts the handshake if the root certificates are loaded, or starts to load them.
    fn load_roots(&mut self) -> Result<HandshakeState, TlsError> {
        match self.connector.configuration() {
            Some(configuration) => self.start(configuration),
            None => Ok(HandshakeState::ReadRoots(self.connector.load_configuration())),
        }
    }

    /// Creates the stream, with a ClientHello that is ready to be written.
    fn start(&mut self, configuration: Configuration) -> Result<HandshakeState, TlsError> {
        let socket = self.socket.take().expect("a handshake is started once");
        let name = self.name.take().ok_or(TlsError::InvalidHost)?;
        let configuration = configuration.map_err(TlsError::Roots)?;
        let stream = TlsStream::start(socket, self.connector.clone(), configuration, name)?;
        self.stream = Some(Box::new(stream));
        Ok(HandshakeState::Write)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<HandshakeState, TlsError>> {
        let flushed = started(&mut self.stream).poll_flush(cx);
        flushed.map(|result| result.map(|()| HandshakeState::Read).map_err(TlsError::Connection))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<HandshakeState, TlsError>> {
        let stream = started(&mut self.stream);
        loop {
            match ready!(stream.receive(&mut [], |socket, buffer| socket.poll_read(cx, buffer))) {
                Ok(ReadOutcome::Records(_)) if stream.is_open() => return Poll::Ready(Ok(HandshakeState::Done)),
                Ok(ReadOutcome::Records(_)) if stream.has_pending_records() => {
                    return Poll::Ready(Ok(HandshakeState::Write));
                }
                // The message is not complete yet.
                Ok(ReadOutcome::Records(_)) => {}
                Ok(ReadOutcome::End) => return Poll::Ready(Err(TlsError::Closed)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Future for Handshake {
    type Output = Result<Box<TlsStream>, TlsError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _parent = this.state.enter();
        loop {
            let next = match this.state.get_mut() {
                HandshakeState::Start => Poll::Ready(this.load_roots()),
                HandshakeState::ReadRoots(job) => Pin::new(job).poll(cx).map(|loaded| {
                    // The outer error is a panic of the job.
                    this.start(loaded.unwrap_or_else(|panic| Err(panic.to_string())))
                }),
                HandshakeState::Write => this.poll_write(cx),
                HandshakeState::Read => this.poll_read(cx),
                HandshakeState::Done => polled_after_ready("Handshake"),
            };
            match next {
                Poll::Ready(Ok(HandshakeState::Done)) => {
                    this.state.transition_to(HandshakeState::Done);
                    return Poll::Ready(Ok(this.stream.take().expect("an open session has a stream")));
                }
                Poll::Ready(Ok(next)) => this.state.transition_to(next),
                Poll::Ready(Err(error)) => {
                    this.state.transition_to(HandshakeState::Done);
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

fn started(stream: &mut Option<Box<TlsStream>>) -> &mut TlsStream {
    stream.as_mut().expect("the stream exists in the states Write and Read")
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("name", &self.name).field("state", &self.state.name()).finish_non_exhaustive()
    }
}
