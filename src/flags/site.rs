//! The server side of the flags: a [`Service`] that draws them, and servers that run on a thread of this process.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use http::{Request, StatusCode};

use super::codes::CountryCode;
use super::drawing::draw;
use super::metadata::metadata_json;
use crate::event_loop::{ClockPause, EventLoop, Job, run_in_executor};
use crate::http::server::{
    Answer, Delay, Faults, Limits, Representation, Response, Server, Service, StaticFiles, Stopper, Validators, listen,
    method_not_allowed, text,
};

/// A service that serves a drawn flag at `/flags/cc/cc.gif` and its metadata at `/flags/cc/metadata.json`. All other
/// paths are 404.
///
/// A flag is drawn on the thread pool when it is first requested, and then cached. The cache of `Site::default()` is
/// empty; clones share one cache.
#[derive(Clone, Default)]
pub struct Site {
    cache: Rc<RefCell<HashMap<CountryCode, Representation>>>,
}

/// The resource that a path identifies.
enum Resource {
    Image(CountryCode),
    Metadata(CountryCode),
}

impl Service for Site {
    fn answer(&self, request: &Request<()>) -> Answer {
        if let Some(refusal) = method_not_allowed(request.method()) {
            return refusal.into();
        }
        match resource(request.uri().path()) {
            Some(Resource::Image(code)) => self.image(code, request),
            Some(Resource::Metadata(code)) => match code.country() {
                Some(country) => json(metadata_json(country)).respond(request).into(),
                None => not_found().into(),
            },
            None => not_found().into(),
        }
    }
}

impl Site {
    fn image(&self, code: CountryCode, request: &Request<()>) -> Answer {
        if let Some(image) = self.cache.borrow().get(&code) {
            return image.respond(request).into();
        }
        let (cache, request) = (self.cache.clone(), request.clone());
        Answer::Later(Box::pin(async move {
            let job = Job::new(move || draw(code)).label("draw").cancellable();
            match run_in_executor(None, job).await {
                Ok(Some(image)) => {
                    let image = gif(image);
                    let response = image.respond(&request);
                    cache.borrow_mut().insert(code, image);
                    response
                }
                Ok(None) => not_found(),
                Err(error) => {
                    log::error!("drawing flag {code}: {error}");
                    text(StatusCode::INTERNAL_SERVER_ERROR, "the flag could not be drawn\n")
                }
            }
        }))
    }
}

fn gif(image: Vec<u8>) -> Representation {
    let validators = validators(&image);
    Representation::new(image, "image/gif", validators)
}

fn json(text: String) -> Representation {
    let validators = validators(text.as_bytes());
    Representation::new(text, "application/json", validators)
}

/// Returns validators whose ETag is a hash of the content, so it stays the same when a flag is drawn again.
fn validators(content: &[u8]) -> Validators {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    Validators::new(&format!("{:016x}", hasher.finish()), None)
}

/// Parses `/flags/br/br.gif` and `/flags/br/metadata.json`. The code must be in lower case.
fn resource(path: &str) -> Option<Resource> {
    let (directory, file) = path.strip_prefix("/flags/")?.split_once('/')?;
    let code = directory.parse::<CountryCode>().ok().filter(|code| code.lower() == directory)?;
    match file.strip_suffix(".gif") {
        Some(name) if name == directory => Some(Resource::Image(code)),
        None if file == "metadata.json" => Some(Resource::Metadata(code)),
        _ => None,
    }
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "not found\n")
}

/// One of the chapter's three servers, which differ in the faults that they inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Responds without delay.
    Local,
    /// Delays every response by half a second.
    Delay,
    /// Responds with 503 to a quarter of the requests, and delays half of all responses by half a second.
    Error {
        /// The seed of the random number generator that selects the responses.
        seed: u64,
    },
}

impl ServerKind {
    /// Returns the faults that this server injects.
    pub fn faults(self) -> Faults {
        let half_a_second = |rate| {
            let time = Duration::from_millis(500);
            Some(Delay { min: time, max: time, rate })
        };
        match self {
            ServerKind::Local => Faults::default(),
            ServerKind::Delay => Faults { delay: half_a_second(1.0), ..Faults::default() },
            ServerKind::Error { seed } => Faults {
                seed,
                delay: half_a_second(0.5),
                error: Some((0.25, StatusCode::SERVICE_UNAVAILABLE)),
                ..Faults::default()
            },
        }
    }
}

/// A server that runs on its own thread and event loop, on a free port of 127.0.0.1. Dropping it stops the server and
/// joins the thread.
///
/// ```
/// use glassloop::flags::site::{EmbeddedServer, ServerKind};
/// use glassloop::{EventLoop, http::client::Client};
///
/// let server = EmbeddedServer::start(ServerKind::Local)?;
/// let mut event_loop = EventLoop::new()?;
/// let flag = event_loop.block_on(async {
///     let response = Client::new().get(&format!("{}/jp/jp.gif", server.base_url())).await?;
///     response.into_body().collect(1 << 20).await
/// })??;
/// assert!(flag.starts_with(b"GIF89a"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EmbeddedServer {
    address: SocketAddr,
    stopper: Stopper,
    thread: Option<thread::JoinHandle<()>>,
}

impl EmbeddedServer {
    /// Starts one of the chapter's servers, with drawn flags.
    ///
    /// # Errors
    /// If no port, thread or file descriptor is available.
    pub fn start(kind: ServerKind) -> io::Result<EmbeddedServer> {
        EmbeddedServer::start_pausable(kind, None)
    }

    /// Starts a server like [`start`](Self::start) whose loop's clock stops while `pause` is held.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_pausable(kind: ServerKind, pause: Option<ClockPause>) -> io::Result<EmbeddedServer> {
        let make_loop = move || match pause {
            Some(pause) => EventLoop::builder().pausable(pause).build(),
            None => EventLoop::new(),
        };
        EmbeddedServer::serve_on(make_loop, Limits::default(), kind.faults(), || Ok(Site::default()))
    }

    /// Starts a server like [`start`](Self::start) that serves the image files in `directory`, at `flags/cc/cc.gif`.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and if the directory cannot be opened.
    pub fn start_with_images(kind: ServerKind, directory: PathBuf) -> io::Result<EmbeddedServer> {
        EmbeddedServer::serve(Limits::default(), kind.faults(), move || StaticFiles::open(&directory))
    }

    /// Starts a server for any service. `make_service` is called on the server's thread, so the service need not be
    /// `Send`.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and the errors of `make_service`.
    pub fn serve<S: Service + 'static>(
        limits: Limits,
        faults: Faults,
        make_service: impl FnOnce() -> io::Result<S> + Send + 'static,
    ) -> io::Result<EmbeddedServer> {
        EmbeddedServer::serve_on(EventLoop::new, limits, faults, make_service)
    }

    /// Starts a server like [`serve`](Self::serve), on a loop that the caller configures, for example with an observer.
    ///
    /// # Errors
    /// As for [`serve`](Self::serve), and the errors of `make_loop`.
    pub fn serve_on<S: Service + 'static>(
        make_loop: impl FnOnce() -> io::Result<EventLoop> + Send + 'static,
        limits: Limits,
        faults: Faults,
        make_service: impl FnOnce() -> io::Result<S> + Send + 'static,
    ) -> io::Result<EmbeddedServer> {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        let (ready, started) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("embedded server".to_owned()).spawn(move || {
            let made = make_loop().and_then(|event_loop| Ok((event_loop, make_service()?)));
            let (mut event_loop, service) = match made {
                Ok(made) => made,
                Err(error) => return report_start(&ready, Err(error)),
            };
            let result = event_loop.block_on(async {
                match Server::builder().limits(limits).faults(faults).serve(listener, service) {
                    Ok(server) => {
                        report_start(&ready, Ok(server.stopper()));
                        server.await;
                    }
                    Err(error) => report_start(&ready, Err(error)),
                }
            });
            if let Err(error) = result {
                log::error!("embedded server: {error}");
            }
        })?;
        let stopper = started.recv().unwrap_or_else(|_| Err(io::Error::other("the server's thread panicked")))?;
        Ok(EmbeddedServer { address, stopper, thread: Some(thread) })
    }

    /// Returns the URL below which the flags are: `http://127.0.0.1:PORT/flags`.
    pub fn base_url(&self) -> String {
        format!("http://{}/flags", self.address)
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn report_start(ready: &mpsc::SyncSender<io::Result<Stopper>>, result: io::Result<Stopper>) {
    // `serve_on` waits for this. If it has panicked meanwhile, the result is not needed.
    let _unsent = ready.send(result);
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the embedded server panicked");
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("cached", &self.cache.borrow().len()).finish()
    }
}

impl fmt::Debug for EmbeddedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedServer").field("address", &self.address).finish_non_exhaustive()
    }
}
