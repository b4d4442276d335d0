//! HTTP/1.1: a codec without I/O, and a client and a server that use it.
//!
//! | module | subject |
//! | --- | --- |
//! | [`proto`] | the codec, sans-I/O |
//! | [`client`] | the client: exchanges over pooled connections |
//! | `server` | the server: connections, services, static files |
//! | `buffers.rs`, `deadline.rs` | read buffers and timeouts, for both |
//! | `credentials.rs` | Basic authentication, and userinfo in URLs |

mod buffers;
pub mod client;
pub(crate) mod credentials;
mod deadline;
pub mod proto;
#[cfg(feature = "server")]
pub mod server;
