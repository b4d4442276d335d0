//! The site of the flags: a service that draws them, and servers that run beside the downloader in the same process.

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
use crate::event_loop::{EventLoop, Job, run_in_executor};
use crate::http::server::{
    Answer, Delay, Faults, Limits, Representation, Response, Server, Service, StaticFiles, Stopper, Validators, listen,
    refuse_method, text,
};

/// Answers `/flags/cc/cc.gif` with a drawn flag and `/flags/cc/metadata.json` with what is said about it; everything else
/// is not found.
///
/// A flag is drawn when it is first asked for, on the thread pool, and then kept. `Site::default()` is a site of which
/// nothing has been drawn.
#[derive(Clone, Default)]
pub struct Site {
    drawn: Rc<RefCell<HashMap<CountryCode, Representation>>>,
}

/// What a path on the site names.
enum Resource {
    Image(CountryCode),
    Metadata(CountryCode),
}

impl Service for Site {
    fn answer(&self, request: &Request<()>) -> Answer {
        if let Some(refusal) = refuse_method(request.method()) {
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
        if let Some(image) = self.drawn.borrow().get(&code) {
            return image.respond(request).into();
        }
        let (drawn, request) = (self.drawn.clone(), request.clone());
        Answer::Later(Box::pin(async move {
            let job = Job::new(move || draw(code)).label("draw").abandonable();
            match run_in_executor(None, job).await {
                Ok(Some(image)) => {
                    let image = gif(image);
                    let response = image.respond(&request);
                    drawn.borrow_mut().insert(code, image);
                    response
                }
                Ok(None) => not_found(),
                Err(error) => {
                    log::error!("drawing {code}: {error}");
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

/// The same bytes have the same tag, whenever they were drawn.
fn validators(content: &[u8]) -> Validators {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    Validators::new(&format!("{:016x}", hasher.finish()), None)
}

/// `/flags/br/br.gif` and `/flags/br/metadata.json`, with the code in small letters.
fn resource(path: &str) -> Option<Resource> {
    let (folder, file) = path.strip_prefix("/flags/")?.split_once('/')?;
    let code = folder.parse::<CountryCode>().ok().filter(|code| code.lower() == folder)?;
    match file.strip_suffix(".gif") {
        Some(name) if name == folder => Some(Resource::Image(code)),
        None if file == "metadata.json" => Some(Resource::Metadata(code)),
        _ => None,
    }
}

fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "not found\n")
}

/// The chapter's three servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers at once.
    Local,
    /// Waits half a second before each answer.
    Delay,
    /// A quarter of the answers is 503, and half of them come half a second late.
    Error {
        /// Decides which.
        seed: u64,
    },
}

impl Kind {
    /// The faults that make the server what it is.
    pub fn faults(self) -> Faults {
        let half_a_second = |rate| {
            let time = Duration::from_millis(500);
            Some(Delay { least: time, most: time, rate })
        };
        match self {
            Kind::Local => Faults::default(),
            Kind::Delay => Faults { delay: half_a_second(1.0), ..Faults::default() },
            Kind::Error { seed } => Faults {
                seed,
                delay: half_a_second(0.5),
                error: Some((0.25, StatusCode::SERVICE_UNAVAILABLE)),
                ..Faults::default()
            },
        }
    }
}

/// A server on a loop of its own, in a thread of its own, on a free port of 127.0.0.1. Dropping it stops the server and
/// waits for the thread.
///
/// ```
/// use glassloop::flags::site::{EmbeddedServer, Kind};
/// use glassloop::{EventLoop, http::client::Client};
///
/// let server = EmbeddedServer::start(Kind::Local)?;
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
    /// If there is no port, no thread or no descriptor left.
    pub fn start(kind: Kind) -> io::Result<EmbeddedServer> {
        EmbeddedServer::serve(Limits::default(), kind.faults(), || Ok(Site::default()))
    }

    /// The same with real images: those below `folder`, as `flags/cc/cc.gif`.
    ///
    /// # Errors
    /// As for [`start`](Self::start); or if the folder cannot be opened.
    pub fn start_with_images(kind: Kind, folder: PathBuf) -> io::Result<EmbeddedServer> {
        EmbeddedServer::serve(Limits::default(), kind.faults(), move || StaticFiles::open(&folder))
    }

    /// Starts a server for any service, which is made in the server's thread.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and those of `make`.
    pub fn serve<S: Service + 'static>(
        limits: Limits,
        faults: Faults,
        make: impl FnOnce() -> io::Result<S> + Send + 'static,
    ) -> io::Result<EmbeddedServer> {
        EmbeddedServer::serve_on(EventLoop::new, limits, faults, make)
    }

    /// The same on a loop that the caller makes: one that is watched, for example.
    ///
    /// # Errors
    /// As for [`serve`](Self::serve), and those of `make_loop`.
    pub fn serve_on<S: Service + 'static>(
        make_loop: impl FnOnce() -> io::Result<EventLoop> + Send + 'static,
        limits: Limits,
        faults: Faults,
        make: impl FnOnce() -> io::Result<S> + Send + 'static,
    ) -> io::Result<EmbeddedServer> {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        let (ready, started) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("embedded server".to_owned()).spawn(move || {
            let made = make_loop().and_then(|event_loop| Ok((event_loop, make()?)));
            let (mut event_loop, service) = match made {
                Ok(made) => made,
                Err(error) => return tell(&ready, Err(error)),
            };
            let ran = event_loop.block_on(async {
                match Server::builder().limits(limits).faults(faults).serve(listener, service) {
                    Ok(server) => {
                        tell(&ready, Ok(server.stopper()));
                        server.await;
                    }
                    Err(error) => tell(&ready, Err(error)),
                }
            });
            if let Err(error) = ran {
                log::error!("the embedded server: {error}");
            }
        })?;
        let stopper = started.recv().unwrap_or_else(|_| Err(io::Error::other("the server's thread has panicked")))?;
        Ok(EmbeddedServer { address, stopper, thread: Some(thread) })
    }

    /// Where the flags are: `http://127.0.0.1:PORT/flags`.
    pub fn base_url(&self) -> String {
        format!("http://{}/flags", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn tell(ready: &mpsc::SyncSender<io::Result<Stopper>>, news: io::Result<Stopper>) {
    // Whoever started the server waits for the news; if not, nobody needs them.
    let _nobody_waits = ready.send(news);
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the embedded server's thread has panicked");
        }
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("drawn", &self.drawn.borrow().len()).finish()
    }
}

impl fmt::Debug for EmbeddedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedServer").field("address", &self.address).finish_non_exhaustive()
    }
}
