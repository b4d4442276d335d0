//! A source is dropped without deregistering it from epoll.
//!
//! The reactor registers each descriptor with a token that contains the number of its slot in a table, and slots are
//! reused. When a descriptor is closed, the kernel removes the registration only if there is no duplicate of it (from
//! `dup` or in a child process). Otherwise the kernel still reports events for the connection that was dropped, with
//! the number of a slot that another connection uses by then. In a reactor that does not check for this, such an event
//! wakes the wrong task; this is rare and hard to reproduce. In this loop, the token also contains the slot's
//! generation, so the event is recognized as stale.
//!
//! The mistake is a `deregister` that does nothing, on the assumption that closing the descriptor is enough.

use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Duration;

use glassloop::event_loop::{InitialReadiness, PollEvented, SourceMetadata};
use glassloop::sleep;
use mio::{Interest, Registry, Token};

use super::support::{self, Error};

/// A connection whose socket has a second descriptor.
struct Duplicated {
    stream: mio::net::TcpStream,
    is_fixed: bool,
}

impl mio::event::Source for Duplicated {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.stream.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.stream.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        if self.is_fixed { self.stream.deregister(registry) } else { Ok(()) }
    }
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let connect = || -> io::Result<(std::net::TcpStream, std::net::TcpStream)> {
            let client = std::net::TcpStream::connect(listener.local_addr()?)?;
            client.set_nonblocking(true)?;
            Ok((client, listener.accept()?.0))
        };
        let register = |stream| {
            let described = SourceMetadata { what: "connection", descriptor: None, peer: None };
            let duplicated = Duplicated { stream: mio::net::TcpStream::from_std(stream), is_fixed };
            PollEvented::new(duplicated, InitialReadiness::NotReady, described)
        };

        let (old, mut old_peer) = connect()?;
        let _duplicate = old.try_clone()?; // for example in a child process
        let source = register(old)?;
        println!("{} has slot {}", source.id(), source.id().index);
        drop(source);

        let (new, _new_peer) = connect()?;
        let source = register(new)?;
        println!("{} has slot {}", source.id(), source.id().index);

        old_peer.write_all(b"for the old one")?;
        sleep(Duration::from_millis(20)).await;
        match is_fixed {
            true => println!("data for the old source causes no event"),
            false => println!("the kernel reported an event for slot {}, meant for the old source", source.id().index),
        }
        Ok(())
    })?
}
