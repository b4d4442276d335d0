//! A service for static files.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | [`StaticFiles`], the service, and the future of a response that needs the disk |
//! | `path.rs` | converts a request path to a relative file name without `..` |
//! | `root.rs` | opens files beneath the served directory |
//! | `lookup.rs` | opens and reads the file for a request, on the thread pool (I7) |
//! | `cache.rs` | a cache for small files |
//! | `listing.rs`, `media_type.rs` | directory listings, and media types by extension |

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

use self::cache::{Cache, CacheResult};
use self::lookup::{FileLookup, Identity, look_up};
use self::path::SitePath;
use self::root::Root;
use super::representation::method_not_allowed;
use super::service::{Answer, Body, FilePart, Response, Service, text};
use crate::event_loop::{Job, JobHandle, now, run_in_executor};
use crate::observe::{NamedState, TracedState, polled_after_ready};

/// A service that serves the files in a directory.
///
/// Only regular files beneath the directory are served. Paths with `..`, an encoded slash, or a segment that begins
/// with a dot are not found, nor are symbolic links that lead out of the directory. A path that ends in `/` means the
/// `index.html` of that directory.
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
    shared: Rc<FilesContext>,
}

struct FilesContext {
    root: Arc<Root>,
    cache: Cache,
    has_listings: bool,
}

impl StaticFiles {
    /// Opens a directory to serve. The service keeps a descriptor, so it still serves this directory after a rename.
    ///
    /// # Errors
    /// If it is not a directory, or cannot be read.
    pub fn open(directory: &Path) -> io::Result<StaticFiles> {
        let shared =
            FilesContext { root: Arc::new(Root::open(directory)?), cache: Cache::default(), has_listings: false };
        Ok(StaticFiles { shared: Rc::new(shared) })
    }

    /// Opens a directory to serve, with listings of directories that have no `index.html`.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with_listings(directory: &Path) -> io::Result<StaticFiles> {
        let shared =
            FilesContext { root: Arc::new(Root::open(directory)?), cache: Cache::default(), has_listings: true };
        Ok(StaticFiles { shared: Rc::new(shared) })
    }
}

impl Service for StaticFiles {
    fn answer(&self, request: &Request<()>) -> Answer {
        if let Some(refusal) = method_not_allowed(request.method()) {
            return refusal.into();
        }
        let known = match self.shared.cache.get(request.uri().path(), now()) {
            CacheResult::Fresh(representation) => return representation.respond(request).into(),
            CacheResult::Stale(identity) => Some(identity),
            CacheResult::Miss => None,
        };
        match SitePath::parse(request.uri().path()) {
            Some(path) => Answer::Later(Box::pin(FileResponse::new(self.shared.clone(), request, path, known))),
            None => not_found().into(),
        }
    }
}

/// The future of a response that needs a lookup on the thread pool.
struct FileResponse {
    state: TracedState<FileResponseState>,
    files: Rc<FilesContext>,
    request: Request<()>,
}

/// The states of a [`FileResponse`].
enum FileResponseState {
    /// Waiting for the lookup.
    LookUp(JobHandle<io::Result<FileLookup>>),
    /// Complete.
    Done,
}

impl NamedState for FileResponseState {
    const TYPE_NAME: &'static str = "FileResponse";

    fn name(&self) -> &'static str {
        match self {
            FileResponseState::LookUp(_) => "LookUp",
            FileResponseState::Done => "Done",
        }
    }
}

impl FileResponse {
    fn new(files: Rc<FilesContext>, request: &Request<()>, path: SitePath, known: Option<Identity>) -> FileResponse {
        let (root, has_listings) = (files.root.clone(), files.has_listings);
        let job = Job::new(move || look_up(&root, &path, known, has_listings)).label("look up").cancellable();
        let state = TracedState::new(FileResponseState::LookUp(run_in_executor(None, job)));
        FileResponse { state, files, request: request.clone() }
    }

    /// Returns the response for the result of the lookup.
    fn respond(&self, found: io::Result<FileLookup>) -> Response {
        let path = self.request.uri().path();
        if !matches!(found, Ok(FileLookup::Unchanged | FileLookup::Small { .. })) {
            self.files.cache.remove(path);
        }
        match found {
            Ok(FileLookup::Unchanged) => match self.files.cache.get_stale(path) {
                Some(representation) => representation.respond(&self.request),
                // Another request has removed the entry meanwhile, because the file is too large for the cache now.
                None => retry_soon(),
            },
            Ok(FileLookup::Small { identity, content, media_type }) => {
                let representation = identity.representation(content, media_type);
                self.files.cache.insert(path, identity, representation.clone(), now());
                representation.respond(&self.request)
            }
            Ok(FileLookup::Large { identity, file, media_type }) => {
                let part = FilePart { file: Arc::new(file), from: 0, length: identity.size() };
                identity.representation(Body::File(part), media_type).respond(&self.request)
            }
            Ok(FileLookup::Directory) => self.redirect_to_directory(),
            Ok(FileLookup::Listing(page)) => {
                let mut response = Response::new(Body::from(page));
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, html);
                response
            }
            Ok(FileLookup::NotFound) => not_found(),
            Err(error) => {
                log::error!("reading the file for {}: {error}", path.escape_debug());
                text(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be read\n")
            }
        }
    }

    /// Redirects to the path with a trailing slash, to which the relative links of the page refer.
    fn redirect_to_directory(&self) -> Response {
        let uri = self.request.uri();
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut response = text(StatusCode::MOVED_PERMANENTLY, "a directory\n");
        // No segment of a valid path is empty, so this cannot begin with two slashes, which would be a reference to
        // another host (RFC 3986 §4.2).
        let location = HeaderValue::try_from(format!("{}/{query}", uri.path()));
        response.headers_mut().insert(LOCATION, location.expect("a URI is a valid field value"));
        response
    }
}

impl Future for FileResponse {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let found = match self.state.get_mut() {
            FileResponseState::LookUp(job) => match ready!(Pin::new(job).poll(cx)) {
                Ok(found) => found,
                Err(error) => Err(io::Error::other(error)),
            },
            FileResponseState::Done => polled_after_ready("FileResponse"),
        };
        self.state.transition_to(FileResponseState::Done);
        Poll::Ready(self.respond(found))
    }
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "not found\n")
}

fn retry_soon() -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "the file is being changed\n");
    response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl fmt::Debug for StaticFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticFiles").field("root", &self.shared.root).finish_non_exhaustive()
    }
}
