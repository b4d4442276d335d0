//! Accepts connections.
//!
//! ```text
//!            ┌───── after 100 ms ─────┐
//!            ▼                        │
//!         Accept ─ out of descriptors ▶ Pause
//!          │  ▲
//!          │  └─── a connection closed ─── Full
//!          └───── connection limit ────────▶
//!
//!   any ── shutdown requested ──▶ Finish ── all connections closed, or `Limits::stop` ──▶ Done
//! ```

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::service::Service;
use super::{Builder, ServerContext, Stopper};
use crate::event_loop::{JoinSet, Sleep, now, sleep};
use crate::net::{TcpListener, TcpStream};
use crate::observe::{NamedState, TracedState};

/// How long accepting pauses after an error such as `EMFILE`.
const PAUSE: Duration = Duration::from_millis(100);

/// The minimum time between two warnings about failing accepts. A successful accept in between does not reset it.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// A server: a future that completes after it has been [stopped](Self::stopper). Dropping it closes all connections at
/// once.
///
/// See [`Service`] for an example.
#[must_use = "a server does nothing unless polled: spawn it"]
pub struct Server {
    state: TracedState<ServerState>,
    /// Dropped when a shutdown is requested, so that no client can connect any more.
    listener: Option<TcpListener>,
    address: SocketAddr,
    connections: JoinSet<()>,
    shared: Rc<ServerContext>,
    stopper: Stopper,
    /// The time of the last warning about failing accepts.
    warned_at: Option<Instant>,
}

/// The states of a server, named for what is awaited.
enum ServerState {
    /// Waiting for a connection.
    Accept,
    /// Waiting before the next accept, after an error.
    Pause(Sleep),
    /// The connection limit is reached: waiting for another connection to close before serving this one.
    Full(TcpStream, SocketAddr),
    /// Shutting down: waiting for responses in progress, until this timeout.
    Finish(Sleep),
    /// Complete.
    Done,
}

impl NamedState for ServerState {
    const TYPE_NAME: &'static str = "Server";

    fn name(&self) -> &'static str {
        match self {
            ServerState::Accept => "Accept",
            ServerState::Pause(_) => "Pause",
            ServerState::Full(..) => "Full",
            ServerState::Finish(_) => "Finish",
            ServerState::Done => "Done",
        }
    }
}

impl Server {
    /// Creates a server with default limits, which listens on an address.
    ///
    /// # Errors
    /// As for [`Builder::bind`].
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn bind(address: SocketAddr, service: impl Service + 'static) -> io::Result<Server> {
        Server::builder().bind(address, service)
    }

    /// Returns a builder, for other limits, fault injection or an access log.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(listener: std::net::TcpListener, shared: ServerContext) -> io::Result<Server> {
        let address = listener.local_addr()?;
        Ok(Server {
            state: TracedState::new(ServerState::Accept),
            listener: Some(TcpListener::from_std(listener)?),
            address,
            connections: JoinSet::new(),
            shared: Rc::new(shared),
            stopper: Stopper::default(),
            warned_at: None,
        })
    }

    /// Returns the address that the server listens on, with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns a handle that stops the server, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Joins finished connections, and registers the task to be woken when another one finishes.
    fn join_finished(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(result)) = Pin::new(&mut self.connections.join_next()).poll(cx) {
            if let Err(error) = result {
                log::error!("{error}");
            }
        }
    }

    fn is_below_limit(&self) -> bool {
        self.connections.len() < self.shared.limits.connections
    }

    fn spawn_connection(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.connections.spawn(Connection::new(stream, peer, self.shared.clone()));
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.listener.as_mut().expect("the listener is dropped only in `Finish`").poll_accept(cx)
    }

    /// Accepts connections until there are no more, and returns the next state if one cannot be served.
    ///
    /// The listener's budget allows at most 32 accepts per poll, so that other tasks can run (I11).
    fn poll_accept_all(&mut self, cx: &mut Context<'_>) -> Poll<ServerState> {
        loop {
            match ready!(self.poll_accept(cx)) {
                Ok((stream, peer)) => {
                    // At the limit, the new connection replaces one that has not sent a request yet.
                    if !self.is_below_limit() && !self.shared.open_connections.request_close_of_oldest_new() {
                        return Poll::Ready(ServerState::Full(stream, peer));
                    }
                    self.spawn_connection(stream, peer);
                }
                Err(error) => {
                    if let Some(next) = self.on_accept_error(&error) {
                        return Poll::Ready(next);
                    }
                }
            }
            self.join_finished(cx);
        }
    }

    /// Handles a failed accept and returns the next state, or `None` to stay in `Accept`.
    fn on_accept_error(&mut self, error: &io::Error) -> Option<ServerState> {
        // Only these errors concern a single connection, which was closed before it was accepted. Others may persist
        // while the listener stays readable, so retrying without a pause would be a busy loop (I11).
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return None;
        }
        let now = now();
        if self.warned_at.is_none_or(|warned_at| now.saturating_duration_since(warned_at) >= WARNING_INTERVAL) {
            self.warned_at = Some(now);
            log::warn!("cannot accept connections on {}, retrying every 100 ms: {error}", self.address);
        }
        Some(ServerState::Pause(sleep(PAUSE)))
    }
}

impl Future for Server {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let is_running = !matches!(this.state.get(), ServerState::Finish(_) | ServerState::Done);
        if is_running && this.stopper.poll_requested(cx).is_ready() {
            this.shared.is_stopping.set(true);
            this.shared.open_connections.request_close_of_all();
            this.listener = None;
            let timeout = sleep(this.shared.limits.stop);
            this.state.transition_to(ServerState::Finish(timeout));
        }
        loop {
            this.join_finished(cx);
            match this.state.get_mut() {
                ServerState::Accept => match this.poll_accept_all(cx) {
                    Poll::Ready(next) => this.state.transition_to(next),
                    Poll::Pending => {
                        this.state.set_wait_reason();
                        return Poll::Pending;
                    }
                },
                ServerState::Pause(pause) => {
                    ready!(Pin::new(pause).poll(cx));
                    this.state.transition_to(ServerState::Accept);
                }
                ServerState::Full(..) => {
                    if !this.is_below_limit() {
                        this.state.set_wait_reason();
                        return Poll::Pending;
                    }
                    if let ServerState::Full(stream, peer) = this.state.replace(ServerState::Accept) {
                        this.spawn_connection(stream, peer);
                    }
                }
                ServerState::Finish(timeout) => {
                    if !this.connections.is_empty() && Pin::new(timeout).poll(cx).is_pending() {
                        this.state.set_wait_reason();
                        return Poll::Pending;
                    }
                    this.state.transition_to(ServerState::Done);
                }
                ServerState::Done => {
                    this.connections = JoinSet::new();
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("state", &self.state.name())
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}
