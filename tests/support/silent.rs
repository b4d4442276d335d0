//! An address at which connecting neither succeeds nor fails.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A listener that does not accept and whose queue is full: the kernel drops further connection requests.
pub(crate) struct Silent {
    listener: TcpListener,
    /// The connections in the queue.
    _queue: Vec<TcpStream>,
}

impl Silent {
    /// Listens on this address, where port 0 means a free port.
    pub(crate) fn at(address: &str) -> Silent {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&address.into()).expect("the address is free");
        socket.listen(0).expect("it listens");
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().expect("it is bound");
        // On loopback, the TCP handshake completes before `connect` returns, or not at all.
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100));
        Silent { listener, _queue: std::iter::from_fn(|| connect().ok()).collect() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// Returns the number of sockets on this machine that are connecting to this address.
    pub(crate) fn attempts(&self) -> usize {
        // `/proc/net/tcp` has one line per socket: number, local address, remote address, state. 02 is SYN-SENT.
        let port = format!(":{:04X}", self.address().port());
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
        let is_ours = |line: &&str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(2).is_some_and(|other| other.ends_with(&port)) && words.get(3) == Some(&"02")
        };
        table.lines().filter(is_ours).count()
    }
}
