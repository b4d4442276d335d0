//! TCP on the loop: streams, listeners, connecting, and the addresses behind names; TLS over it.

mod connect;
mod dns;
mod listener;
mod race;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

pub use connect::{Connect, ConnectError};
pub use dns::{Family, Lookup, ResolveError, Resolver, ResolverBuilder};
pub use listener::{Accept, TcpListener};
pub use stream::TcpStream;
