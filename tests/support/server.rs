//! A server on threads of its own that answers as a test says.

#[path = "peer.rs"]
#[expect(dead_code, reason = "here the answers depend on the request, and not on a script")]
mod peer;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server on 127.0.0.1. Its threads end with the process.
pub struct Server {
    scheme: &'static str,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
    /// The heads of all requests, as they came.
    log: Mutex<Vec<String>>,
    /// Requests, by path.
    counts: Mutex<HashMap<String, usize>>,
    /// Bytes of bodies that were sent.
    sent: AtomicU64,
}

/// What a client has asked.
pub struct Request {
    pub method: String,
    pub path: String,
    /// How many requests there were for this path before.
    pub earlier: usize,
    head: String,
}

impl Request {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// An answer, and how it is sent.
#[derive(Clone)]
pub struct Reply {
    /// Sent as it is, before the connection is closed, in place of all the rest.
    raw: Option<&'static str>,
    status: u16,
    fields: String,
    body: Vec<u8>,
    /// Close after so many bytes of the body.
    cut_after: Option<usize>,
    /// Bytes of the body a millisecond.
    rate: Option<usize>,
    /// Wait before the head.
    delay: Duration,
    framing: Framing,
    /// Called when the head and the first piece of the body are sent.
    begun: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`.
    Length,
    /// Chunks.
    Chunked,
    /// The end of the connection: where a reply is cut off, that is a reset.
    UntilClose,
}

impl Reply {
    pub fn status(status: u16) -> Reply {
        let (fields, body) = (String::new(), vec![]);
        Reply {
            raw: None,
            status,
            fields,
            body,
            cut_after: None,
            rate: None,
            delay: Duration::ZERO,
            framing: Framing::Length,
            begun: None,
        }
    }

    /// These bytes, whatever they are, and the end of the connection.
    pub fn raw(bytes: &'static str) -> Reply {
        Reply { raw: Some(bytes), ..Reply::status(0) }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
        Reply { body: body.into(), ..Reply::status(200) }
    }

    pub fn redirect(status: u16, to: &str) -> Reply {
        Reply::status(status).field("Location", to)
    }

    pub fn field(mut self, name: &str, value: &str) -> Reply {
        self.fields.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Reply {
        Reply { body: body.into(), ..self }
    }

    pub fn cut_after(self, bytes: usize) -> Reply {
        Reply { cut_after: Some(bytes), ..self }
    }

    pub fn rate(self, bytes_per_millisecond: usize) -> Reply {
        Reply { rate: Some(bytes_per_millisecond), ..self }
    }

    pub fn delay(self, delay: Duration) -> Reply {
        Reply { delay, ..self }
    }

    pub fn framing(self, framing: Framing) -> Reply {
        Reply { framing, ..self }
    }

    /// Calls this when the head and the first 10,000 bytes of the body are sent.
    pub fn begun(self, call: impl Fn() + Send + Sync + 'static) -> Reply {
        Reply { begun: Some(Arc::new(call)), ..self }
    }

    /// A file with a validator: the range that was asked for, if it is of this version, else all of it.
    pub fn file(request: &Request, content: &[u8], etag: &str) -> Reply {
        let reply = Reply::ok(content).field("ETag", etag);
        let range = request.field("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let is_same = request.field("If-Range").is_none_or(|validator| validator == etag);
        match range.and_then(|first| first.parse::<usize>().ok()) {
            Some(first) if is_same && first >= content.len() => {
                Reply::status(416).field("Content-Range", &format!("bytes */{}", content.len()))
            }
            Some(first) if is_same => Reply { status: 206, ..reply.body(&content[first..]) }
                .field("Content-Range", &format!("bytes {first}-{}/{}", content.len() - 1, content.len())),
            _ => reply,
        }
    }
}

impl Server {
    /// Starts a server.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
        Server::start_over("http", |stream| stream, answer)
    }

    /// Starts one that speaks over something on top of TCP.
    pub fn start_over<S: Read + Write>(
        scheme: &'static str,
        over: impl Fn(TcpStream) -> S + Clone + Send + 'static,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        crate::watchdog::watch();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            log: Mutex::default(),
            counts: Mutex::default(),
            sent: AtomicU64::new(0),
        });
        let server = Server { scheme, address, shared: shared.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, over) = (shared.clone(), over.clone());
                thread::spawn(move || {
                    let Ok(socket) = stream.try_clone() else { return };
                    let mut stream = over(stream);
                    while serve(&mut stream, &socket, &shared).is_some() {}
                });
            }
        });
        server
    }

    /// One that answers every path with the path itself.
    pub fn echo() -> Server {
        Server::start(|request| Reply::ok(request.path.clone()))
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The same with a user name and a password.
    pub fn url_with_password(&self, path: &str) -> String {
        format!("http://user:hunter2@{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.log.lock().expect("no test thread panics with it").clone()
    }

    /// How many requests there were for a path.
    pub fn count(&self, path: &str) -> usize {
        self.shared.counts.lock().expect("no test thread panics with it").get(path).copied().unwrap_or_default()
    }

    /// Bytes of bodies that have been sent.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

/// One request; `None` when there is no more to be had on this connection.
fn serve(stream: &mut (impl Read + Write), socket: &TcpStream, shared: &Shared) -> Option<()> {
    let head = peer::read_head(stream);
    let mut words = head.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    shared.log.lock().ok()?.push(head.clone());
    let earlier = {
        let mut counts = shared.counts.lock().ok()?;
        let count = counts.entry(path.clone()).or_default();
        *count += 1;
        *count - 1
    };
    let request = Request { method, path, earlier, head };
    let reply = (shared.answer)(&request);
    thread::sleep(reply.delay);
    if let Some(bytes) = reply.raw {
        let _gone = stream.write_all(bytes.as_bytes());
        return None;
    }
    let body = if request.method == "HEAD" { &[][..] } else { &reply.body };
    let kept = &body[..reply.cut_after.unwrap_or(body.len()).min(body.len())];
    // The head goes out with the first piece, as servers do it.
    let mut unsent = head_of(&reply).into_bytes();
    for (at, piece) in kept.chunks(reply.rate.unwrap_or(PIECE_BYTES)).enumerate() {
        match reply.framing {
            Framing::Chunked => unsent.extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()),
            Framing::Length | Framing::UntilClose => unsent.extend(piece),
        }
        stream.write_all(&unsent).ok()?;
        unsent.clear();
        shared.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if reply.rate.is_some() {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(call) = reply.begun.as_ref().filter(|_| at == 0) {
            call();
        }
    }
    let is_complete = reply.cut_after.is_none();
    if is_complete && reply.framing == Framing::Chunked {
        unsent.extend(b"0\r\n\r\n");
    }
    stream.write_all(&unsent).ok()?;
    if !is_complete && reply.framing == Framing::UntilClose {
        let linger = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
        linger.expect("a socket has the option");
    }
    (is_complete && reply.framing != Framing::UntilClose).then_some(())
}

/// How much of a body is written at once.
const PIECE_BYTES: usize = 10_000;

fn head_of(reply: &Reply) -> String {
    let framing = match reply.framing {
        Framing::Length => format!("Content-Length: {}\r\n", reply.body.len()),
        Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        Framing::UntilClose => "Connection: close\r\n".to_owned(),
    };
    format!("HTTP/1.1 {} X\r\n{framing}{}\r\n", reply.status, reply.fields)
}
