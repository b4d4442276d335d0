//! A client that writes what it is told and takes answers apart, without any of the crate's own code.

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

/// An answer, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Names in small letters.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a field that is there once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl Client {
    pub fn connect(server: &EmbeddedServer) -> Client {
        let stream = TcpStream::connect(server.address()).expect("connected");
        stream.set_nodelay(true).expect("the option");
        // Only so that a server that never answers fails the test.
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("the option");
        Client { stream: BufReader::new(stream) }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Sends bytes, for as long as the server takes them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Asks for a path.
    pub fn send_get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    }

    /// Asks for a path and takes the answer.
    pub fn get(&mut self, path: &str) -> Reply {
        self.get_with(path, "")
    }

    /// The same with more field lines.
    pub fn get_with(&mut self, path: &str, fields: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
        self.reply()
    }

    /// The next answer, whole.
    pub fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        let length = reply.field("content-length").map_or(0, |length| length.parse().expect("a length"));
        reply.body.resize(length, 0);
        self.stream.read_exact(&mut reply.body).expect("a whole body");
        reply
    }

    /// The head of the next answer.
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

    /// So many bytes of a body.
    pub fn bytes(&mut self, number: usize) -> Vec<u8> {
        let mut bytes = vec![0; number];
        self.stream.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).map(|_| rest)
    }

    /// Asserts that the server ends the connection, and says nothing before.
    pub fn assert_ended(&mut self) {
        assert_eq!(self.rest().expect("an end, not a reset"), b"");
    }

    /// Ends the direction to the server.
    pub fn end(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("the server is there");
    }

    pub fn stream(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}

/// A server that answers with the path, or with something special.
pub fn words(limits: Limits) -> EmbeddedServer {
    words_with(limits, Faults::default())
}

pub fn words_with(limits: Limits, faults: Faults) -> EmbeddedServer {
    crate::watchdog::watch();
    EmbeddedServer::serve(limits, faults, || Ok(say)).expect("a server")
}

/// The length of `/large`: more than the kernel keeps for a client that does not read.
pub const LARGE_BYTES: usize = 64 << 20;

fn say(request: &Request<()>) -> Answer {
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
