//! The service interface: requests in, responses out.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};

/// Creates the responses of a server. It is called when a request has been received completely; the request body is
/// discarded.
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
    /// Returns the response to `request`, or a future for it. The request target is as received: in origin, absolute or
    /// asterisk form, without percent-decoding.
    ///
    /// A `HEAD` request should be handled like `GET`: the server omits the body.
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

/// A response. The server sets `Date`, `Content-Length` and `Connection` itself.
pub type Response = http::Response<Body>;

/// The result of [`Service::answer`]: a response, or a future that resolves to one.
pub enum Answer {
    /// The response is available.
    Ready(Response),
    /// The response has to be awaited. The future is polled to completion even if the client disconnects.
    Later(Pin<Box<dyn Future<Output = Response>>>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Ready(response)
    }
}

/// The body of a response.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// An empty body.
    #[default]
    Empty,
    /// A body in memory. Clones share the memory.
    Bytes(Bytes),
    /// A part of a file, which is read on the thread pool in chunks of 64 KiB.
    File(FilePart),
}

/// A range of an open file.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The file, open for reading.
    pub file: Arc<File>,
    /// The offset of the first byte.
    pub from: u64,
    /// The length in bytes.
    pub length: u64,
}

impl Body {
    /// Returns the length in bytes.
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

/// Returns a `text/plain` response.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::Bytes(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// A response that has been sent or has failed, for an access log.
#[derive(Debug)]
pub struct CompletedResponse<'a> {
    /// The address of the client.
    pub peer: SocketAddr,
    /// The request; `None` if it could not be parsed. Its content is untrusted: escape it before printing it to a
    /// terminal.
    pub request: Option<&'a Request<()>>,
    /// The status code of the response.
    pub status: StatusCode,
    /// The number of body bytes that were sent.
    pub body_bytes: u64,
    /// Whether the whole body was sent.
    pub is_complete: bool,
}

/// The callback of [`Builder::on_response`](super::Builder::on_response).
pub(super) type OnResponse = Box<dyn Fn(&CompletedResponse<'_>)>;

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Ready(response) => f.debug_tuple("Ready").field(response).finish(),
            Answer::Later(_) => f.write_str("Later"),
        }
    }
}
