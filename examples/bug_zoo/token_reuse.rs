//! A source is forgotten here and not in the kernel.
//!
//! The reactor's tables are indexed by small numbers, which are used again. The kernel gives back the number with which a
//! descriptor was registered. If the descriptor has a twin (`dup`, a child process), closing it does not end the
//! registration; and then an event for a connection that is long gone carries a number that is another's by now. In many
//! a reactor it wakes the wrong task, once a month. Here the number has a generation in it, which tells.
//!
//! The mistake is a `deregister` that does nothing: "closing will do".

use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Duration;

use glassloop::event_loop::{Described, Initially, Source};
use glassloop::sleep;
use mio::{Interest, Registry, Token};

use super::support::{self, Error};

/// A connection, one of two descriptors of the same socket.
struct Twin {
    stream: mio::net::TcpStream,
    is_fixed: bool,
}

impl mio::event::Source for Twin {
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
            let described = Described { what: "connection", descriptor: None, peer: None };
            let twin = Twin { stream: mio::net::TcpStream::from_std(stream), is_fixed };
            Source::new(twin, Initially::Waiting, described)
        };

        let (old, mut far_end) = connect()?;
        let _twin = old.try_clone()?; // a child process could have it
        let source = register(old)?;
        println!("{} has slot {}", source.id(), source.id().index);
        drop(source);

        let (new, _other_end) = connect()?;
        let source = register(new)?;
        println!("{} has slot {}", source.id(), source.id().index);

        far_end.write_all(b"for the old one")?;
        sleep(Duration::from_millis(20)).await;
        match is_fixed {
            true => println!("what comes for the old one wakes nobody"),
            false => println!("the kernel told of slot {}, meaning the old one", source.id().index),
        }
        Ok(())
    })?
}
