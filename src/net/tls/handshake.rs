//! From a TCP connection to one on which both sides have agreed.
//!
//! ```text
//!   Start ──▶ ReadRoots ──▶ Write ◀──▶ Read ──▶ Done
//!     └────── they are known ─┘
//! ```
//!
//! With TLS 1.3 the client says hello, the server answers with all it has to say, and the session is open: one round trip
//! (RFC 8446 §2). The client's last words of the handshake go out together with its first request.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;

use super::stream::Received;
use super::{Configuration, TlsConnector, TlsError, TlsStream};
use crate::event_loop::JobHandle;
use crate::net::TcpStream;
use crate::observe::{State, Stateful, polled_after_ready};

/// The future of [`TlsConnector::connect`]. It has no limit on time of its own. Dropping it closes the connection.
#[must_use = "nothing is said before it is polled"]
pub struct Handshake {
    state: Stateful<HandshakeState>,
    connector: TlsConnector,
    /// Whom the certificate has to be for, if it can be for anyone.
    name: Option<ServerName<'static>>,
    /// The connection, until the session has it.
    socket: Option<TcpStream>,
    /// The connection with the session, in `Write` and `Read`.
    stream: Option<Box<TlsStream>>,
}

/// What a handshake waits for.
enum HandshakeState {
    /// Nothing: whom to trust is known, or it is not.
    Start,
    /// A thread of the pool to read whom to trust.
    ReadRoots(JobHandle<Configuration>),
    /// Room for what we say.
    Write,
    /// What the server says.
    Read,
    /// Nothing any more.
    Done,
}

impl State for HandshakeState {
    const OF: &'static str = "Handshake";

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
        Handshake { state: Stateful::new(HandshakeState::Start), connector, name, socket: Some(socket), stream: None }
    }

    /// Has the hello ready to be written.
    fn begin(&mut self, configuration: Configuration) -> Result<HandshakeState, TlsError> {
        let socket = self.socket.take().expect("a handshake begins once");
        let name = self.name.take().ok_or(TlsError::InvalidHost)?;
        let configuration = configuration.map_err(TlsError::Roots)?;
        let stream = TlsStream::begin(socket, self.connector.clone(), configuration, name)?;
        self.stream = Some(Box::new(stream));
        Ok(HandshakeState::Write)
    }
}

impl Future for Handshake {
    type Output = Result<Box<TlsStream>, TlsError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _parent = this.state.enter();
        loop {
            // Each state says which is next, or that it has to be waited in.
            let next = match this.state.get_mut() {
                HandshakeState::Start => Poll::Ready(match this.connector.configuration() {
                    Some(configuration) => this.begin(configuration),
                    None => Ok(HandshakeState::ReadRoots(this.connector.make_configuration())),
                }),
                HandshakeState::ReadRoots(job) => match Pin::new(job).poll(cx) {
                    Poll::Ready(Ok(configuration)) => Poll::Ready(this.begin(configuration)),
                    Poll::Ready(Err(error)) => Poll::Ready(Err(TlsError::Roots(error.to_string()))),
                    Poll::Pending => Poll::Pending,
                },
                HandshakeState::Write => {
                    let flushed = begun(&mut this.stream).poll_flush(cx);
                    flushed.map(|result| result.map(|()| HandshakeState::Read).map_err(TlsError::Connection))
                }
                HandshakeState::Read => {
                    let stream = begun(&mut this.stream);
                    match stream.receive(&mut [], |socket, room| socket.poll_read(cx, room)) {
                        Poll::Ready(Ok(Received::Records(_))) if stream.is_open() => {
                            Poll::Ready(Ok(HandshakeState::Done))
                        }
                        // The beginning of a long message.
                        Poll::Ready(Ok(Received::Records(_))) if !stream.has_something_to_say() => continue,
                        Poll::Ready(Ok(Received::Records(_))) => Poll::Ready(Ok(HandshakeState::Write)),
                        Poll::Ready(Ok(Received::End)) => Poll::Ready(Err(TlsError::Closed)),
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                        Poll::Pending => Poll::Pending,
                    }
                }
                HandshakeState::Done => polled_after_ready("Handshake"),
            };
            match next {
                Poll::Ready(Ok(HandshakeState::Done)) => {
                    this.state.go(HandshakeState::Done);
                    return Poll::Ready(Ok(this.stream.take().expect("what is open has begun")));
                }
                Poll::Ready(Ok(next)) => this.state.go(next),
                Poll::Ready(Err(error)) => {
                    this.state.go(HandshakeState::Done);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    this.state.note_waiting();
                    return Poll::Pending;
                }
            }
        }
    }
}

fn begun(stream: &mut Option<Box<TlsStream>>) -> &mut TlsStream {
    stream.as_mut().expect("there is something to write and to read when the session has begun")
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("name", &self.name).field("state", &self.state.name()).finish_non_exhaustive()
    }
}
