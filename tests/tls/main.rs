//! Tests of the client over TLS, against scripted servers.

#[path = "../support/certificates.rs"]
mod certificates;
mod ends;
mod handshakes;
mod idle;
#[path = "../support/peer.rs"]
#[expect(dead_code, reason = "its responses are for connections without TLS")]
mod peer;
mod pieces;
#[path = "../support/secured.rs"]
mod secured;
mod site;
mod tunnels;
#[path = "../support/watchdog.rs"]
mod watchdog;
