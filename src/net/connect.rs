//! Connecting to one of several addresses, tried in turn.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::TcpStream;
use crate::event_loop::{Initially, Sleep, sleep};
use crate::observe::{State, Stateful, polled_after_ready};

/// A future of a connection to the first address that answers.
///
/// The addresses are tried one after the other, in the order given; the time limit is for all of them together.
///
/// ```
/// use std::time::Duration;
/// use glassloop::{EventLoop, net::{Connect, TcpListener}};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address"))?;
///     let stream = Connect::new(vec![listener.local_addr()?], Duration::from_secs(10)).await?;
///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connect {
    addresses: std::vec::IntoIter<SocketAddr>,
    deadline: Sleep,
    limit: Duration,
    state: Stateful<ConnectState>,
    /// Why the last address did not answer.
    last_error: Option<(SocketAddr, io::Error)>,
}

#[derive(Debug)]
enum ConnectState {
    NextAddress,
    Handshake(TcpStream, SocketAddr),
    Done,
}

impl State for ConnectState {
    const OF: &'static str = "Connect";

    fn name(&self) -> &'static str {
        match self {
            ConnectState::NextAddress => "NextAddress",
            ConnectState::Handshake(..) => "Handshake",
            ConnectState::Done => "Done",
        }
    }
}

impl Connect {
    /// Tries these addresses, for at most this long in all.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn new(addresses: Vec<SocketAddr>, limit: Duration) -> Connect {
        Connect {
            addresses: addresses.into_iter(),
            deadline: sleep(limit),
            limit,
            state: Stateful::new(ConnectState::NextAddress),
            last_error: None,
        }
    }

    fn finish(&mut self, result: Result<TcpStream, ConnectError>) -> Poll<Result<TcpStream, ConnectError>> {
        self.state.go(ConnectState::Done);
        Poll::Ready(result)
    }
}

impl Future for Connect {
    type Output = Result<TcpStream, ConnectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _parent = this.state.enter();
        loop {
            match this.state.get_mut() {
                ConnectState::NextAddress => {
                    let Some(address) = this.addresses.next() else {
                        let error = match this.last_error.take() {
                            Some((address, error)) => ConnectError::Refused { address, error },
                            None => ConnectError::NoAddress,
                        };
                        return this.finish(Err(error));
                    };
                    let started = mio::net::TcpStream::connect(address)
                        .and_then(|stream| TcpStream::register(stream, Initially::Waiting));
                    match started {
                        Ok(stream) => this.state.go(ConnectState::Handshake(stream, address)),
                        Err(error) => this.last_error = Some((address, error)),
                    }
                }
                ConnectState::Handshake(stream, address) => {
                    let address = *address;
                    match stream.poll_connected(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => {
                            this.last_error = Some((address, error));
                            this.state.go(ConnectState::NextAddress);
                            continue;
                        }
                        Poll::Pending => {
                            if Pin::new(&mut this.deadline).poll(cx).is_ready() {
                                let limit = this.limit;
                                return this.finish(Err(ConnectError::TimedOut { address, limit }));
                            }
                            this.state.note_waiting();
                            return Poll::Pending;
                        }
                    }
                    let ConnectState::Handshake(stream, _) = this.state.replace(ConnectState::Done) else {
                        unreachable!("the state was a handshake a moment ago")
                    };
                    return Poll::Ready(Ok(stream));
                }
                ConnectState::Done => polled_after_ready("Connect"),
            }
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// There was no address to try.
    NoAddress,
    /// No address answered; this is what the last one said.
    Refused {
        /// The last address.
        address: SocketAddr,
        /// What the system said of it.
        error: io::Error,
    },
    /// The time was over while this address was being tried.
    TimedOut {
        /// The address.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::NoAddress => f.write_str("there is no address to connect to"),
            ConnectError::Refused { address, error } => write!(f, "connecting to {address}: {error}"),
            ConnectError::TimedOut { address, limit } => {
                write!(f, "connecting to {address}: no answer in {} s", limit.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Refused { error, .. } => Some(error),
            _ => None,
        }
    }
}
