//! An HTTP/1.1 server: one listener, one task per connection, and a [`Service`] that creates the responses.
//!
//! | file | subject |
//! | --- | --- |
//! | `builder.rs` | the builder of a server, and its limits |
//! | `accept.rs` | [`Server`], the future that accepts connections |
//! | `connection/` | the future of one connection: a state machine for requests and responses |
//! | `input.rs`, `outgoing.rs` | reading requests and writing a response |
//! | `open_connections.rs`, `stop.rs` | the set of open connections, and graceful shutdown |
//! | `service.rs` | the [`Service`] trait and its responses |
//! | `faults.rs` | fault injection |
//! | `representation.rs`, `preconditions.rs`, `ranges.rs` | conditional and range requests (RFC 9110 §§13, 14) |
//! | `date.rs` | the `Date` field, formatted once per second |
//! | `files/` | a service for static files |
//!
//! A keep-alive request whose response is in memory takes one read, one write and at most one `epoll_wait`. Only
//! `files/` and `outgoing.rs` access files; they open and read them on the thread pool (I7).

mod accept;
mod builder;
mod connection;
mod date;
mod faults;
mod files;
mod input;
mod open_connections;
mod outgoing;
mod preconditions;
mod ranges;
mod representation;
mod service;
mod stop;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use self::date::DateCache;
use self::faults::FaultInjector;
use self::open_connections::OpenConnections;
use self::service::OnResponse;
use crate::http::buffers::Buffers;

pub use accept::Server;
pub use builder::{Builder, Limits, listen};
pub use faults::{Delay, Faults};
pub use files::StaticFiles;
pub use preconditions::Validators;
pub use representation::{Representation, method_not_allowed};
pub use service::{Answer, Body, CompletedResponse, FilePart, Response, Service, text};
pub use stop::Stopper;

/// State shared by the connections of a server.
struct ServerContext {
    service: Box<dyn Service>,
    limits: Limits,
    faults: FaultInjector,
    /// The callback for completed and failed responses.
    on_response: Option<OnResponse>,
    open_connections: Rc<OpenConnections>,
    buffers: Rc<Buffers>,
    /// A reusable buffer for encoding response heads. The connection that is writing a head has taken it.
    head_buffer: Cell<Vec<u8>>,
    date: DateCache,
    /// Whether the server is shutting down. Connections then accept no further requests.
    is_stopping: Cell<bool>,
}

impl fmt::Debug for ServerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerContext")
            .field("limits", &self.limits)
            .field("open_connections", &self.open_connections)
            .finish_non_exhaustive()
    }
}
