//! HTTP/1.1 in layers.
//!
//! | room | subject |
//! | --- | --- |
//! | [`proto`] | bytes in, events out; no input or output |
//! | [`client`] | the exchange: a request goes out, a response comes in |
//! | `server` | the connection: requests come in, responses go out; files |
//! | `buffers.rs`, `deadline.rs` | what both sides read into, and how long they let it take |
//! | `credentials.rs` | user names and passwords |

mod buffers;
pub mod client;
pub(crate) mod credentials;
mod deadline;
pub mod proto;
#[cfg(feature = "server")]
pub mod server;
