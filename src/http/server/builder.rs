//! The builder of a server, and its limits.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::faults::{FaultInjector, Faults};
use super::service::{CompletedResponse, OnResponse, Service};
use super::{Server, ServerContext};

/// The length of the accept queue. The kernel may reduce it to its own maximum (`somaxconn`).
const BACKLOG: i32 = 1024;

/// The limits of a server, on everything that a client could otherwise use without bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The timeout for receiving a request head, from its first byte (on a new connection: from the accept). Receiving
    /// more data does not extend it. Default: 10 s.
    pub head: Duration,
    /// The keep-alive timeout: from the end of a response to the first byte of the next request. Default: 15 s.
    pub idle: Duration,
    /// The timeout for receiving a request body. Default: 30 s.
    pub body: Duration,
    /// The write timeout: how long the client may accept no data of a response. Default: 30 s.
    pub write: Duration,
    /// How long data is still read and discarded after the last response on a connection. Default: 1 s.
    pub drain: Duration,
    /// How long a graceful shutdown waits for responses in progress. Default: 5 s.
    pub stop: Duration,
    /// The maximum size of a request body, which is read and discarded. Default: 1 MiB.
    pub body_bytes: u64,
    /// The maximum number of requests on a connection; 1 disables keep-alive. Default: 1,000.
    pub requests: u32,
    /// The maximum number of concurrent connections. Default: 1,024.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(15),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            drain: Duration::from_secs(1),
            stop: Duration::from_secs(5),
            body_bytes: 1 << 20,
            requests: 1_000,
            connections: 1_024,
        }
    }
}

/// A builder for a [`Server`].
#[derive(Default)]
pub struct Builder {
    limits: Limits,
    faults: Faults,
    on_response: Option<OnResponse>,
}

impl Builder {
    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Enables fault injection.
    pub fn faults(mut self, faults: Faults) -> Builder {
        self.faults = faults;
        self
    }

    /// Sets a callback that is called after each response, whether it was sent completely or not.
    pub fn on_response(mut self, on_response: impl Fn(&CompletedResponse<'_>) + 'static) -> Builder {
        self.on_response = Some(Box::new(on_response));
        self
    }

    /// Creates a server that listens on an address.
    ///
    /// # Errors
    /// As for [`listen`], and if the listener cannot be registered with the loop.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn bind(self, address: SocketAddr, service: impl Service + 'static) -> io::Result<Server> {
        self.serve(listen(address)?, service)
    }

    /// Creates a server that uses an existing listener.
    ///
    /// # Errors
    /// If the listener cannot be registered with the loop.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn serve(self, listener: TcpListener, service: impl Service + 'static) -> io::Result<Server> {
        let shared = ServerContext {
            service: Box::new(service),
            limits: self.limits,
            faults: FaultInjector::new(self.faults),
            on_response: self.on_response,
            open_connections: Default::default(),
            buffers: Default::default(),
            head_buffer: Default::default(),
            date: Default::default(),
            is_stopping: Default::default(),
        };
        Server::new(listener, shared)
    }
}

/// Creates a listener with a backlog of 1,024 connections. With port 0 the system chooses a port. This does not need a
/// loop, so a program can report errors before it starts one.
///
/// # Errors
/// If the address is in use or cannot be used.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Allows a restarted server to bind its port while old connections are in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).field("faults", &self.faults).finish_non_exhaustive()
    }
}
