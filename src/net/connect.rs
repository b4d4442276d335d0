//! [`Connect`] opens the sockets and runs the timer of "Happy Eyeballs". [`happy_eyeballs`](super::happy_eyeballs)
//! decides which address is tried when.
//!
//! ```text
//!   NextAddress ◀──▶ Handshake ──▶ Done
//! ```

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::TcpStream;
use super::happy_eyeballs::{Action, HappyEyeballs, interleave};
use crate::event_loop::{InitialReadiness, Sleep, now, sleep};
use crate::observe::{NamedState, TracedState, polled_after_ready};

/// A future that resolves to a connection to the first address that accepts one.
///
/// The addresses are tried as described in RFC 8305 §§4–5 ("Happy Eyeballs"). The address families alternate, starting
/// with that of the first address. A new attempt starts every 250 ms, or immediately if the latest one has failed,
/// while earlier attempts continue. The first connection wins, and the other sockets are closed. The time limit applies
/// to all attempts together.
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
    addresses: Vec<SocketAddr>,
    policy: HappyEyeballs,
    attempts: Attempts,
    /// The timer, set for the start of the next attempt or for the time limit, whichever is earlier.
    timer: Sleep,
    limit: Duration,
    state: TracedState<ConnectState>,
    /// The most recent connect error, with its address.
    last_error: Option<(SocketAddr, io::Error)>,
}

/// The states of [`Connect`].
#[derive(Debug)]
enum ConnectState {
    /// Selecting the next address. This does not wait.
    NextAddress,
    /// Waiting for the TCP handshake of an attempt to succeed or fail, or until the next attempt may start.
    Handshake,
    /// Completed.
    Done,
}

/// The result of polling a state: the next state, or the result of the connect.
type ConnectTransition = Poll<ControlFlow<Result<TcpStream, ConnectError>, ConnectState>>;

impl NamedState for ConnectState {
    const TYPE_NAME: &'static str = "Connect";

    fn name(&self) -> &'static str {
        match self {
            ConnectState::NextAddress => "NextAddress",
            ConnectState::Handshake => "Handshake",
            ConnectState::Done => "Done",
        }
    }
}

impl Connect {
    /// Creates a future that tries these addresses, with a time limit for all of them together.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    #[track_caller]
    pub fn new(addresses: Vec<SocketAddr>, limit: Duration) -> Connect {
        let timer = sleep(limit);
        Connect {
            policy: HappyEyeballs::new(addresses.len(), timer.deadline()),
            addresses: interleave(addresses),
            attempts: Attempts::default(),
            timer,
            limit,
            state: TracedState::new(ConnectState::NextAddress),
            last_error: None,
        }
    }

    /// Starts attempts until the policy returns `Wait` or `Fail`.
    fn start_next(&mut self) -> ConnectTransition {
        loop {
            match self.policy.next(now()) {
                Action::Start(number) => self.start(number),
                Action::Wait(until) => {
                    if self.timer.deadline() != until {
                        self.timer.reset(until);
                    }
                    return Poll::Ready(ControlFlow::Continue(ConnectState::Handshake));
                }
                Action::Fail => return Poll::Ready(ControlFlow::Break(Err(self.error()))),
            }
        }
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> ConnectTransition {
        let mut has_failed = false;
        while let Poll::Ready((number, result)) = self.attempts.poll(cx) {
            match result {
                Ok(stream) => return Poll::Ready(ControlFlow::Break(Ok(stream))),
                Err(error) => self.record_failure(number, error),
            }
            has_failed = true;
        }
        if !has_failed {
            ready!(Pin::new(&mut self.timer).poll(cx));
        }
        Poll::Ready(ControlFlow::Continue(ConnectState::NextAddress))
    }

    /// Starts to connect to the address with this index. An immediate error counts as a failed attempt.
    fn start(&mut self, number: usize) {
        let address = self.addresses[number];
        let started = mio::net::TcpStream::connect(address)
            .and_then(|stream| TcpStream::register(stream, InitialReadiness::NotReady, Some(address)));
        match started {
            Ok(stream) => self.attempts.add(ConnectAttempt { number, stream }),
            Err(error) => self.record_failure(number, error),
        }
    }

    fn record_failure(&mut self, number: usize, error: io::Error) {
        self.policy.record_failure(number);
        self.last_error = Some((self.addresses[number], error));
    }

    /// Returns the error after all attempts have failed, or at the time limit.
    fn error(&mut self) -> ConnectError {
        let tried = self.policy.started();
        match (self.attempts.latest(), self.last_error.take()) {
            (Some(attempt), _) => {
                let address = self.addresses[attempt.number];
                ConnectError::TimedOut { address, tried, limit: self.limit }
            }
            (None, Some((address, error))) => ConnectError::Failed { address, tried, error },
            (None, None) => ConnectError::NoAddress,
        }
    }
}

impl Future for Connect {
    type Output = Result<TcpStream, ConnectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _parent = this.state.enter();
        loop {
            let transition = match this.state.get() {
                ConnectState::NextAddress => this.start_next(),
                ConnectState::Handshake => this.poll_handshake(cx),
                ConnectState::Done => polled_after_ready("Connect"),
            };
            match transition {
                Poll::Ready(ControlFlow::Continue(next)) => this.state.transition_to(next),
                Poll::Ready(ControlFlow::Break(result)) => {
                    this.attempts = Attempts::default(); // closes all other sockets
                    this.state.transition_to(ConnectState::Done);
                    return Poll::Ready(result);
                }
                Poll::Pending => {
                    this.state.set_wait_reason();
                    return Poll::Pending;
                }
            }
        }
    }
}

/// The attempts in progress. Nearly always there is only one, which needs no allocation.
#[derive(Debug, Default)]
struct Attempts {
    /// The attempts that started before the latest, in order.
    earlier: Vec<ConnectAttempt>,
    latest: Option<ConnectAttempt>,
}

/// A socket that is connecting.
#[derive(Debug)]
struct ConnectAttempt {
    /// The index of its address.
    number: usize,
    stream: TcpStream,
}

impl Attempts {
    fn add(&mut self, attempt: ConnectAttempt) {
        self.earlier.extend(self.latest.replace(attempt));
    }

    /// Returns the attempt that started last, among those that have not failed.
    fn latest(&self) -> Option<&ConnectAttempt> {
        self.latest.as_ref().or(self.earlier.last())
    }

    /// Returns an attempt that has completed; if there are several, the one that started first.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(usize, io::Result<TcpStream>)> {
        for index in 0..self.earlier.len() {
            if let Poll::Ready(result) = self.earlier[index].stream.poll_connected(cx) {
                return Poll::Ready(self.earlier.remove(index).into_result(result));
            }
        }
        let Some(mut latest) = self.latest.take() else { return Poll::Pending };
        match latest.stream.poll_connected(cx) {
            Poll::Ready(result) => Poll::Ready(latest.into_result(result)),
            Poll::Pending => {
                self.latest = Some(latest);
                Poll::Pending
            }
        }
    }
}

impl ConnectAttempt {
    fn into_result(self, result: io::Result<()>) -> (usize, io::Result<TcpStream>) {
        (self.number, result.map(|()| self.stream))
    }
}

/// The error of [`Connect`].
#[derive(Debug)]
pub enum ConnectError {
    /// There was no address to try.
    NoAddress,
    /// All attempts failed, for example because the connections were refused. Contains the most recent error.
    Failed {
        /// The address whose attempt failed last. The attempts run concurrently, so this need not be the last address.
        address: SocketAddr,
        /// The number of addresses tried, including this one.
        tried: usize,
        /// The error of the attempt to connect to `address`.
        error: io::Error,
    },
    /// No address accepted a connection within the time limit.
    TimedOut {
        /// The address that was tried last, among those that had not failed.
        address: SocketAddr,
        /// The number of addresses tried, including this one.
        tried: usize,
        /// The time limit.
        limit: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tried = match self {
            ConnectError::NoAddress => return f.write_str("no address to connect to"),
            ConnectError::Failed { address, tried, error } => {
                write!(f, "connecting to {address}: {error}")?;
                tried
            }
            ConnectError::TimedOut { address, tried, limit } => {
                write!(f, "connecting to {address}: timed out after {limit:.1?}")?;
                tried
            }
        };
        match tried {
            0 | 1 => Ok(()),
            2 => f.write_str(" (1 other address was tried)"),
            _ => write!(f, " ({} other addresses were tried)", tried - 1),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ConnectError::Failed { error, .. } => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn an_error_names_the_address_the_reason_and_how_many_others_were_tried() {
        let address = "192.0.2.1:80".parse().unwrap();
        for (tried, others) in
            [(0, ""), (1, ""), (2, " (1 other address was tried)"), (3, " (2 other addresses were tried)")]
        {
            let refused = ConnectError::Failed { address, tried, error: io::Error::other("no") };
            assert_eq!(refused.to_string(), format!("connecting to 192.0.2.1:80: no{others}"));
            assert_eq!(refused.source().unwrap().to_string(), "no");
            let timed_out = ConnectError::TimedOut { address, tried, limit: Duration::from_millis(1500) };
            assert_eq!(timed_out.to_string(), format!("connecting to 192.0.2.1:80: timed out after 1.5s{others}"));
            assert!(timed_out.source().is_none());
        }
        assert_eq!(ConnectError::NoAddress.to_string(), "no address to connect to");
        assert!(ConnectError::NoAddress.source().is_none());
    }
}
