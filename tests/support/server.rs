//! A server on its own threads, whose responses a test computes from the requests.

#[path = "peer.rs"]
#[expect(dead_code, reason = "the responses depend on the requests, not on a script")]
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
    /// The heads of all requests, in the order of their arrival.
    log: Mutex<Vec<String>>,
    /// The number of requests, by path.
    counts: Mutex<HashMap<String, usize>>,
    /// The number of body bytes that were sent.
    sent: AtomicU64,
}

/// A request that was received.
pub struct Request {
    pub method: String,
    pub path: String,
    /// The number of earlier requests for this path.
    pub earlier: usize,
    head: String,
}

impl Request {
    /// Returns the value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A response, and how it is sent.
#[derive(Clone)]
pub struct Reply {
    /// Sent instead of everything else; then the connection is closed.
    raw: Option<&'static str>,
    status: u16,
    fields: String,
    body: Vec<u8>,
    /// Close the connection after this number of body bytes.
    cut_after: Option<usize>,
    /// The number of body bytes per millisecond.
    rate: Option<usize>,
    /// The delay before the head.
    delay: Duration,
    framing: Framing,
    /// Called when the head and the first chunk of the body have been sent.
    begun: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The framing of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A `Content-Length`.
    Length,
    /// The chunked transfer coding.
    Chunked,
    /// The close of the connection; a truncated body ends with a reset.
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

    /// Returns a reply that consists of these bytes, after which the connection is closed.
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

    /// Sets a function that is called when the head and the first 10,000 bytes of the body have been sent.
    pub fn begun(self, call: impl Fn() + Send + Sync + 'static) -> Reply {
        Reply { begun: Some(Arc::new(call)), ..self }
    }

    /// Returns a file with an ETag: the requested range if `If-Range` matches, or else the whole file.
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

    /// Starts a server with a protocol on top of TCP.
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

    /// Starts a server that responds to every request with its path.
    pub fn echo() -> Server {
        Server::start(|request| Reply::ok(request.path.clone()))
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Returns the URL of a path, with credentials.
    pub fn url_with_password(&self, path: &str) -> String {
        format!("http://user:hunter2@{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the heads of all requests received so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.log.lock().expect("no test thread panics with it").clone()
    }

    /// Returns the number of requests for a path.
    pub fn count(&self, path: &str) -> usize {
        self.shared.counts.lock().expect("no test thread panics with it").get(path).copied().unwrap_or_default()
    }

    /// Returns the number of body bytes that have been sent.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

/// Serves one request. Returns `None` if the connection has ended.
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
    // The head is sent together with the first chunk, as most servers do.
    let mut unsent = head_of(&reply).into_bytes();
    for (at, piece) in kept.chunks(reply.rate.unwrap_or(CHUNK_BYTES)).enumerate() {
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

/// The size of the chunks in which a body is written.
const CHUNK_BYTES: usize = 10_000;

fn head_of(reply: &Reply) -> String {
    let framing = match reply.framing {
        Framing::Length => format!("Content-Length: {}\r\n", reply.body.len()),
        Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        Framing::UntilClose => "Connection: close\r\n".to_owned(),
    };
    format!("HTTP/1.1 {} X\r\n{framing}{}\r\n", reply.status, reply.fields)
}
