//! The server: one listener, one task a connection, and a [`Service`] that knows the answers.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs`, `builder.rs` | the server, and its limits |
//! | `accept.rs` | the future that takes connections in |
//! | `connection.rs` | the future of one connection: the states of a request and its answer |
//! | `input.rs`, `outgoing.rs` | requests out of a stream, an answer into it |
//! | `members.rs`, `stop.rs` | who is connected, and how all of them are asked to leave |
//! | `service.rs` | what a server asks for its answers |
//! | `faults.rs` | answers that go wrong on purpose |
//! | `representation.rs`, `preconditions.rs`, `ranges.rs` | which part of what is sent to whom (RFC 9110 §§13, 14) |
//! | `date.rs` | the time, once a second |
//! | `files/` | a service that serves a folder |
//!
//! A request on a kept connection for something that lies in memory costs one read and one write, and its share of one
//! wait. `files/` and what sends a file's bytes are the only places in `http` that know files; they open and read them
//! on the thread pool (I7).

mod accept;
mod builder;
mod connection;
mod date;
mod faults;
mod files;
mod input;
mod members;
mod outgoing;
mod preconditions;
mod ranges;
mod representation;
mod service;
mod stop;

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use self::date::DateLine;
use self::faults::Chooser;
use self::members::Members;
use self::service::OnAnswer;
use crate::http::buffers::Buffers;

pub use accept::Server;
pub use builder::{Builder, Limits, listen};
pub use faults::{Delay, Faults};
pub use files::StaticFiles;
pub use preconditions::Validators;
pub use representation::{Representation, refuse_method};
pub use service::{Answer, Answered, Body, FilePart, Response, Service, text};
pub use stop::Stopper;

/// What the connections of a server share.
struct Shared {
    service: Box<dyn Service>,
    limits: Limits,
    faults: Chooser,
    /// Is told of each answer that has ended.
    on_answer: Option<OnAnswer>,
    members: Rc<Members>,
    buffers: Rc<Buffers>,
    /// Where heads are written before they go out, lent to one connection at a time.
    head_buffer: Cell<Vec<u8>>,
    date: DateLine,
    /// No further requests are taken.
    is_stopping: Cell<bool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("limits", &self.limits).field("members", &self.members).finish_non_exhaustive()
    }
}
