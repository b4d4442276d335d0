//! Taking connections in.
//!
//! ```text
//!            ┌──── a moment later ────┐
//!            ▼                        │
//!         Accept ── no descriptors ─▶ Pause
//!          │  ▲
//!          │  └─── somebody left ──── Full
//!          └───── all places taken ───▶
//!
//!   any ── asked to stop ──▶ Finish ── all have left, or 5 s ──▶ Done
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
use super::{Builder, Shared, Stopper};
use crate::event_loop::{JoinSet, Sleep, now, sleep};
use crate::net::{TcpListener, TcpStream};
use crate::observe::{State, Stateful};

/// How long accepting pauses when the system has no descriptor, or no memory, for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a shortage goes on before it is told of again. Connections come and go, and one that gets through between
/// two that do not is not the end of it.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// A server: a future that ends when it has been [stopped](Self::stopper). Dropping it closes everything at once.
///
/// See [`Service`] for an example.
#[must_use = "nothing is accepted before it is polled: spawn it"]
pub struct Server {
    state: Stateful<ServerState>,
    /// `None` once the server has been asked to stop: nobody can connect any more.
    listener: Option<TcpListener>,
    address: SocketAddr,
    connections: JoinSet<()>,
    shared: Rc<Shared>,
    stopper: Stopper,
    /// When a shortage of descriptors was last told of.
    shortage_told: Option<Instant>,
}

/// What a server waits for.
enum ServerState {
    /// A connection.
    Accept,
    /// The end of a pause: the system had no room for a connection.
    Pause(Sleep),
    /// Somebody to leave, so that this connection has a place.
    Full(TcpStream, SocketAddr),
    /// The answers that are under way, for so long.
    Finish(Sleep),
    /// Nothing any more.
    Done,
}

impl State for ServerState {
    const OF: &'static str = "Server";

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
    /// A server with the usual limits and without faults.
    ///
    /// # Errors
    /// As for [`Builder::bind`].
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn bind(address: SocketAddr, service: impl Service + 'static) -> io::Result<Server> {
        Server::builder().bind(address, service)
    }

    /// A server with other limits, with faults, or with a log.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(listener: std::net::TcpListener, shared: Shared) -> io::Result<Server> {
        let address = listener.local_addr()?;
        Ok(Server {
            state: Stateful::new(ServerState::Accept),
            listener: Some(TcpListener::from_std(listener)?),
            address,
            connections: JoinSet::new(),
            shared: Rc::new(shared),
            stopper: Stopper::default(),
            shortage_told: None,
        })
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The way to stop it, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Takes note of connections that have ended. After it, the end of another one wakes this task.
    fn see_off(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = Pin::new(&mut self.connections.join_next()).poll(cx) {
            if let Err(error) = ended {
                log::error!("{error}");
            }
        }
    }

    fn has_place(&self) -> bool {
        self.connections.len() < self.shared.limits.connections
    }

    fn take_in(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.connections.spawn(Connection::new(stream, peer, self.shared.clone()));
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.listener.as_mut().expect("it is closed only in `Finish`").poll_accept(cx)
    }

    /// What comes after a failed `accept`.
    fn after_failure(&mut self, error: &io::Error) -> Option<ServerState> {
        // The client was gone before it was accepted. Everything else may go on for a while: without a pause the
        // listener, which stays ready, would be asked again at once, for ever (I11).
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return None;
        }
        let now = now();
        if self.shortage_told.is_none_or(|told| now.saturating_duration_since(told) >= TOLD_AGAIN) {
            self.shortage_told = Some(now);
            log::warn!("accepting connections at {} pauses: {error}", self.address);
        }
        Some(ServerState::Pause(sleep(PAUSE)))
    }
}

impl Future for Server {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let is_running = !matches!(this.state.get(), ServerState::Finish(_) | ServerState::Done);
        if is_running && this.stopper.poll_asked(cx).is_ready() {
            this.shared.is_stopping.set(true);
            this.shared.members.ask_all_to_leave();
            this.listener = None;
            let limit = sleep(this.shared.limits.stop);
            this.state.go(ServerState::Finish(limit));
        }
        loop {
            this.see_off(cx);
            match this.state.get_mut() {
                // At most 32 in one poll: then the listener's budget is spent, and the others have their turn (I11).
                ServerState::Accept => match this.poll_accept(cx) {
                    Poll::Ready(Ok((stream, peer))) => {
                        // The place of one that has not asked for anything yet will do: it is about to leave.
                        if this.has_place() || this.shared.members.ask_oldest_new_to_leave() {
                            this.take_in(stream, peer);
                        } else {
                            this.state.go(ServerState::Full(stream, peer));
                        }
                    }
                    Poll::Ready(Err(error)) => {
                        if let Some(next) = this.after_failure(&error) {
                            this.state.go(next);
                        }
                    }
                    Poll::Pending => {
                        this.state.note_waiting();
                        return Poll::Pending;
                    }
                },
                ServerState::Pause(pause) => {
                    ready!(Pin::new(pause).poll(cx));
                    this.state.go(ServerState::Accept);
                }
                ServerState::Full(..) => {
                    if !this.has_place() {
                        this.state.note_waiting();
                        return Poll::Pending;
                    }
                    if let ServerState::Full(stream, peer) = this.state.replace(ServerState::Accept) {
                        this.take_in(stream, peer);
                    }
                }
                ServerState::Finish(limit) => {
                    if !this.connections.is_empty() && Pin::new(limit).poll(cx).is_pending() {
                        this.state.note_waiting();
                        return Poll::Pending;
                    }
                    this.state.go(ServerState::Done);
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
