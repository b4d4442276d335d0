//! HTTP/1.1 in layers: `proto` (bytes in, events out), `client`, `server`.

pub mod client;
pub mod proto;
