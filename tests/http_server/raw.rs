//! A client that sends arbitrary bytes and parses responses, independent of the crate's own code.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use glassloop::flags::site::EmbeddedServer;
use glassloop::http::server::{Answer, Faults, Limits, Response, text};
use http::{Request, StatusCode};

/// A connection to a server.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A parsed response.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Field names, in lower case, and values.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Returns the value of a field, which must not occur more than once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }

    /// Returns the body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl Client {
    pub fn connect(server: &EmbeddedServer) -> Client {
        let stream = TcpStream::connect(server.address()).expect("connected");
        stream.set_nodelay(true).expect("the option");
        // Makes the test fail if the server never responds.
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("the option");
        Client { stream: BufReader::new(stream) }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Sends bytes, and returns an error if the server has closed the connection.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a GET request.
    pub fn send_get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    }

    /// Sends a GET request and reads the response.
    pub fn get(&mut self, path: &str) -> Reply {
        self.get_with(path, "")
    }

    /// Sends a GET request with additional field lines, and reads the response.
    pub fn get_with(&mut self, path: &str, fields: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
        self.reply()
    }

    /// Reads a response.
    pub fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        let length = reply.field("content-length").map_or(0, |length| length.parse().expect("a length"));
        reply.body.resize(length, 0);
        self.stream.read_exact(&mut reply.body).expect("a complete body");
        reply
    }

    /// Reads a response head.
    pub fn head(&mut self) -> Reply {
        let line = self.line();
        let status = line.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no status line: {line:?}"));
        let status = status[..3].parse().expect("a status");
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else {
                assert_eq!(line, "");
                return Reply { status, fields, body: Vec::new() };
            };
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("no line: {line:?}")).to_owned()
    }

    /// Reads this number of bytes of a body.
    pub fn bytes(&mut self, number: usize) -> Vec<u8> {
        let mut bytes = vec![0; number];
        self.stream.read_exact(&mut bytes).expect("this number of bytes");
        bytes
    }

    /// Reads to the end of the connection.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).map(|_| rest)
    }

    /// Asserts that the server closes the connection without sending anything more.
    pub fn assert_ended(&mut self) {
        assert_eq!(self.rest().expect("EOF, not a reset"), b"");
    }

    /// Shuts down the sending direction.
    pub fn half_close(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("an open connection");
    }

    pub fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

/// Starts a server that responds with the request path, and has special paths; see `respond`.
pub fn start(limits: Limits) -> EmbeddedServer {
    start_with(limits, Faults::default())
}

pub fn start_with(limits: Limits, faults: Faults) -> EmbeddedServer {
    crate::watchdog::watch();
    EmbeddedServer::serve(limits, faults, || Ok(respond)).expect("a server")
}

/// The length of `/large`, which exceeds the kernel's socket buffers.
pub const LARGE_BYTES: usize = 64 << 20;

fn respond(request: &Request<()>) -> Answer {
    let response: Response = match request.uri().path() {
        "/panic" => panic!("on purpose"),
        "/nothing" => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        "/large" => text(StatusCode::OK, vec![b'x'; LARGE_BYTES]),
        path => text(StatusCode::OK, path.to_owned()),
    };
    response.into()
}
