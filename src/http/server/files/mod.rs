//! Static files: the one service that comes with the server, and the only part of `http` that looks into folders.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | the service, and the future of an answer that has to be looked up |
//! | `path.rs` | from a request's path to a relative file name that cannot lead anywhere else |
//! | `root.rs` | opening it, without leaving the folder and without waiting |
//! | `lookup.rs` | what is found under a name; runs on the thread pool (I7) |
//! | `cache.rs` | small files, kept in memory |
//! | `listing.rs`, `media_type.rs` | a folder as a page, a type for a name |

mod cache;
mod listing;
mod lookup;
mod media_type;
mod path;
mod root;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, StatusCode};

use self::cache::{Cache, Hit};
use self::lookup::{Found, Identity, look_up};
use self::path::SitePath;
use self::root::Root;
use super::representation::refuse_method;
use super::service::{Answer, Body, FilePart, Response, Service, text};
use crate::event_loop::{Job, JobHandle, now, run_in_executor};
use crate::observe::{State, Stateful};

/// The files of a folder.
///
/// Paths are taken literally, below the folder: nothing that leads out of it is found, be it `..`, an encoded slash or a
/// symbolic link, nor anything that begins with a dot, nor anything but regular files. A path that ends in `/` is the
/// folder's `index.html`.
///
/// ```
/// use glassloop::http::server::{Server, StaticFiles};
/// use glassloop::{EventLoop, http::client::Client, spawn};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.block_on(async {
///     let server = Server::bind("127.0.0.1:0".parse()?, StaticFiles::open(".".as_ref())?)?;
///     let url = format!("http://{}/Cargo.toml", server.local_addr());
///     spawn(server);
///     let response = Client::new().get(&url).await?;
///     assert_eq!(response.status(), 200);
///     assert!(response.headers().contains_key("etag"));
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StaticFiles {
    shared: Rc<Shared>,
}

struct Shared {
    root: Arc<Root>,
    cache: Cache,
    has_listings: bool,
}

impl StaticFiles {
    /// Serves the files of this folder. It is opened here and now: if it is renamed, it is still the one that is served.
    ///
    /// # Errors
    /// If it is no folder, or may not be read.
    pub fn open(folder: &Path) -> io::Result<StaticFiles> {
        let shared = Shared { root: Arc::new(Root::open(folder)?), cache: Cache::default(), has_listings: false };
        Ok(StaticFiles { shared: Rc::new(shared) })
    }

    /// The same, with a page of links for folders that have no `index.html`.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with_listings(folder: &Path) -> io::Result<StaticFiles> {
        let shared = Shared { root: Arc::new(Root::open(folder)?), cache: Cache::default(), has_listings: true };
        Ok(StaticFiles { shared: Rc::new(shared) })
    }
}

impl Service for StaticFiles {
    fn answer(&self, request: &Request<()>) -> Answer {
        if let Some(refusal) = refuse_method(request.method()) {
            return refusal.into();
        }
        let known = match self.shared.cache.get(request.uri().path(), now()) {
            Hit::Fresh(representation) => return representation.respond(request).into(),
            Hit::Stale(identity) => Some(identity),
            Hit::Nothing => None,
        };
        match SitePath::parse(request.uri().path()) {
            Some(path) => Answer::Later(Box::pin(FileAnswer::new(self.shared.clone(), request, path, known))),
            None => not_found().into(),
        }
    }
}

/// The future of an answer that has to be looked up.
struct FileAnswer {
    state: Stateful<FileAnswerState>,
    files: Rc<Shared>,
    request: Request<()>,
}

/// What it waits for.
enum FileAnswerState {
    /// A thread of the pool to have looked.
    LookUp(JobHandle<io::Result<Found>>),
    /// Nothing any more.
    Done,
}

impl State for FileAnswerState {
    const OF: &'static str = "FileAnswer";

    fn name(&self) -> &'static str {
        match self {
            FileAnswerState::LookUp(_) => "LookUp",
            FileAnswerState::Done => "Done",
        }
    }
}

impl FileAnswer {
    fn new(files: Rc<Shared>, request: &Request<()>, path: SitePath, known: Option<Identity>) -> FileAnswer {
        let (root, has_listings) = (files.root.clone(), files.has_listings);
        let job = Job::new(move || look_up(&root, &path, known, has_listings)).label("look up").abandonable();
        let state = Stateful::new(FileAnswerState::LookUp(run_in_executor(None, job)));
        FileAnswer { state, files, request: request.clone() }
    }

    /// The response to what was found.
    fn respond(&self, found: io::Result<Found>) -> Response {
        let path = self.request.uri().path();
        if !matches!(found, Ok(Found::Unchanged | Found::Small { .. })) {
            self.files.cache.remove(path);
        }
        match found {
            Ok(Found::Unchanged) => match self.files.cache.get_any(path) {
                Some(representation) => representation.respond(&self.request),
                // Another request has put something larger in its place meanwhile: as if the client had come later.
                None => retry_soon(),
            },
            Ok(Found::Small { identity, content, media_type }) => {
                let representation = identity.representation(content, media_type);
                self.files.cache.put(path, identity, representation.clone(), now());
                representation.respond(&self.request)
            }
            Ok(Found::Large { identity, file, media_type }) => {
                let part = FilePart { file: Arc::new(file), from: 0, length: identity.size() };
                identity.representation(Body::File(part), media_type).respond(&self.request)
            }
            Ok(Found::Folder) => self.redirect_into_folder(),
            Ok(Found::Listing(page)) => {
                let mut response = Response::new(Body::from(page));
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, html);
                response
            }
            Ok(Found::Nothing) => not_found(),
            Err(error) => {
                log::error!("looking up {}: {error}", path.escape_debug());
                text(StatusCode::INTERNAL_SERVER_ERROR, "it could not be read\n")
            }
        }
    }

    /// A folder's name without a slash behind it: relative links in its page would go astray.
    fn redirect_into_folder(&self) -> Response {
        let uri = self.request.uri();
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut response = text(StatusCode::MOVED_PERMANENTLY, "it is a folder\n");
        // The path has a name in each of its segments, so it does not begin with two slashes and name a host.
        let location = HeaderValue::try_from(format!("{}/{query}", uri.path()));
        response.headers_mut().insert(LOCATION, location.expect("what came in a URI may stand in a field"));
        response
    }
}

impl Future for FileAnswer {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let found = match self.state.get_mut() {
            FileAnswerState::LookUp(job) => match ready!(Pin::new(job).poll(cx)) {
                Ok(found) => found,
                Err(error) => Err(io::Error::other(error)),
            },
            FileAnswerState::Done => panic!("`FileAnswer` polled after it was ready"),
        };
        self.state.go(FileAnswerState::Done);
        Poll::Ready(self.respond(found))
    }
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "not found\n")
}

fn retry_soon() -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "it is just changing\n");
    response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticFiles").field("root", &self.shared.root).finish_non_exhaustive()
    }
}
