//! TCP on the event loop: streams, listeners, connecting, DNS resolution and TLS.

mod connect;
mod dns;
mod happy_eyeballs;
mod listener;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

pub use connect::{Connect, ConnectError};
pub use dns::{AddressFamily, Lookup, ResolveError, Resolver, ResolverBuilder};
pub use listener::{Accept, TcpListener};
pub use stream::TcpStream;
