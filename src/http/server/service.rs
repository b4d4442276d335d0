//! What a server asks for its answers.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};

/// Knows the answer to each request. It is called when a whole request has come; its body has been thrown away.
///
/// A function from a request to a response is a service.
///
/// ```
/// use glassloop::http::server::{Response, Server, text};
/// use glassloop::{EventLoop, http::client::Client, spawn};
/// use http::StatusCode;
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let hello = |request: &http::Request<()>| text(StatusCode::OK, format!("You asked for {}.", request.uri().path()));
///     let server = Server::bind("127.0.0.1:0".parse()?, hello)?;
///     let (url, stopper) = (format!("http://{}/tea", server.local_addr()), server.stopper());
///     let serving = spawn(server);
///
///     let response = Client::new().get(&url).await?;
///     assert_eq!(response.into_body().collect(1024).await?, b"You asked for /tea.");
///     stopper.stop();
///     serving.await?;
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Service {
    /// The answer to `request`. Its target is as it came: in origin, absolute or asterisk form, and not decoded.
    ///
    /// A `HEAD` is answered like a `GET`: the server leaves the body out.
    fn answer(&self, request: &Request<()>) -> Answer;
}

impl<F, A> Service for F
where
    F: Fn(&Request<()>) -> A,
    A: Into<Answer>,
{
    fn answer(&self, request: &Request<()>) -> Answer {
        self(request).into()
    }
}

/// A status, fields and a body. `Date`, `Content-Length` and `Connection` are the server's: it puts them in.
pub type Response = http::Response<Body>;

/// A response, or the way to one.
pub enum Answer {
    /// It is known at once.
    Ready(Response),
    /// Something has to be waited for. If the client leaves meanwhile, the future is run to its end all the same.
    Later(Pin<Box<dyn Future<Output = Response>>>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Ready(response)
    }
}

/// The bytes of a response, from wherever they are.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// In memory. Copies share them.
    Bytes(Bytes),
    /// In a file; they are read on the thread pool, a piece at a time.
    File(FilePart),
}

/// A range of an open file.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The file, open for reading.
    pub file: Arc<File>,
    /// The first byte's offset.
    pub from: u64,
    /// How many bytes.
    pub length: u64,
}

impl Body {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Body::Empty => 0,
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(part) => part.length,
        }
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Body {
        Body::Bytes(bytes.into())
    }
}

/// A response in plain words.
pub fn text(status: StatusCode, words: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::Bytes(words.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// An answer that has ended, for whoever keeps a log.
#[derive(Debug)]
pub struct Answered<'a> {
    /// Who asked.
    pub peer: SocketAddr,
    /// The request; `None` if what came was none. What is in it was chosen by the client: escape it for a terminal.
    pub request: Option<&'a Request<()>>,
    /// The status that was sent.
    pub status: StatusCode,
    /// How many bytes of the body went out.
    pub body_bytes: u64,
    /// Whether that was all of it.
    pub is_complete: bool,
}

/// Keeps a log.
pub(super) type OnAnswer = Box<dyn Fn(&Answered<'_>)>;

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ready(response) => f.debug_tuple("Ready").field(response).finish(),
            Answer::Later(_) => f.write_str("Later"),
        }
    }
}
