//! A server's limits, and how one is made.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::faults::{Chooser, Faults};
use super::service::{Answered, OnAnswer, Service};
use super::{Server, Shared};

/// Connections that the kernel holds ready while the loop is busy. The kernel has a maximum of its own.
const BACKLOG: i32 = 1024;

/// How long and how much: everything that a client could otherwise take without end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request's head (on a new connection: from its begin) to the last. Absolute: single bytes
    /// do not extend it. 10 s.
    pub head: Duration,
    /// From one answer to the first byte of the next request. 15 s.
    pub idle: Duration,
    /// For a whole request body. 30 s.
    pub body: Duration,
    /// Without the client taking a byte of its answer. 30 s.
    pub write: Duration,
    /// For what the client still sends after the last answer. 1 s.
    pub drain: Duration,
    /// For the answers under way when the server stops. 5 s.
    pub stop: Duration,
    /// Bytes of a request body, which is read and thrown away. 1 MiB.
    pub body_bytes: u64,
    /// Requests on one connection; 1 is no keep-alive. 1,000.
    pub requests: u32,
    /// Connections at once. 1,024.
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

/// Sets up a [`Server`].
#[derive(Default)]
pub struct Builder {
    limits: Limits,
    faults: Faults,
    on_answer: Option<OnAnswer>,
}

impl Builder {
    /// Other limits.
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = limits;
        self
    }

    /// Lets answers go wrong on purpose.
    pub fn faults(mut self, faults: Faults) -> Builder {
        self.faults = faults;
        self
    }

    /// Is told of each answer when it has ended, well or not.
    pub fn on_answer(mut self, on_answer: impl Fn(&Answered<'_>) + 'static) -> Builder {
        self.on_answer = Some(Box::new(on_answer));
        self
    }

    /// Listens at an address.
    ///
    /// # Errors
    /// As for [`listen`]; or if the listener cannot be registered with the loop.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn bind(self, address: SocketAddr, service: impl Service + 'static) -> io::Result<Server> {
        self.serve(listen(address)?, service)
    }

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    /// If it cannot be registered with the loop.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    pub fn serve(self, listener: TcpListener, service: impl Service + 'static) -> io::Result<Server> {
        let shared = Shared {
            service: Box::new(service),
            limits: self.limits,
            faults: Chooser::new(self.faults),
            on_answer: self.on_answer,
            members: Default::default(),
            buffers: Default::default(),
            head_buffer: Default::default(),
            date: Default::default(),
            is_stopping: Default::default(),
        };
        Server::new(listener, shared)
    }
}

/// A socket that listens at an address, with a backlog that takes hundreds of connections in one moment; port 0 lets the
/// system choose one. No loop is needed yet, so that the program can say what is wrong before it starts any thread.
///
/// # Errors
/// If the address is taken, or may not be used.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that is started again at once gets its port back, though old connections linger in TIME_WAIT.
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
