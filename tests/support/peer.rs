//! A server on its own thread that follows a script of the test, byte for byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

/// A server that follows a script.
pub(crate) struct Peer {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Peer {
    /// Starts the script with a listener.
    pub(crate) fn start(script: impl FnOnce(&TcpListener) + Send + 'static) -> Peer {
        crate::watchdog::watch();
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        Peer { address, thread: std::thread::spawn(move || script(&listener)) }
    }

    /// Starts a server that accepts one connection, sends one of these responses after each request, and then waits for EOF.
    pub(crate) fn responding(responses: &[&'static str]) -> Peer {
        let responses = responses.to_vec();
        Peer::start(move |listener| {
            let mut connection = accept(listener);
            for response in responses {
                assert_ne!(
                    read_head(&mut connection),
                    "",
                    "the client closed the connection before it had received all responses"
                );
                send(&mut connection, response);
            }
            assert!(is_closed(&mut connection), "the client sent more than it should");
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the script, and panics if the script has panicked.
    pub(crate) fn join(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Accepts a connection.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client comes");
    stream.set_nodelay(true).expect("a TCP stream has the option");
    stream
}

/// Accepts a connection and reads the head of its first request.
pub(crate) fn accept_request(listener: &TcpListener) -> TcpStream {
    let mut connection = accept(listener);
    read_head(&mut connection);
    connection
}

/// Reads a request head. Returns an empty string if the client closes the connection instead.
pub(crate) fn read_head(connection: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read(&mut byte) {
            Ok(1..) => head.push(byte[0]),
            Ok(0) | Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).expect("a request is text")
}

/// Sends all of these bytes.
pub(crate) fn send(connection: &mut impl Write, bytes: impl AsRef<[u8]>) {
    connection.write_all(bytes.as_ref()).expect("the client listens");
}

/// Waits until the client sends data or closes the connection. Returns whether it has closed it.
pub(crate) fn is_closed(connection: &mut impl Read) -> bool {
    match connection.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Closes the connection with a reset.
pub(crate) fn reset(connection: TcpStream) {
    let socket = socket2::SockRef::from(&connection);
    socket.set_linger(Some(std::time::Duration::ZERO)).expect("a TCP stream has the option");
}
