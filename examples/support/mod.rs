//! What the examples have in common, so that each can be about its own subject: arguments, the server, a folder that
//! goes away again, a loop that may be recorded, and a clean end on Ctrl-C.

// Each example takes what it needs and leaves the rest.
#![allow(dead_code)]

pub mod arguments;
pub mod blocking;
pub mod callbacks;
pub mod characters;
pub mod cost;
pub mod countries;
pub mod folders;
pub mod meter;
pub mod spinner;

use std::path::Path;
use std::process::ExitCode;

use arguments::Arguments;
use folders::end_on_ctrl_c;
use glassloop::EventLoop;
use glassloop::flags::site::{EmbeddedServer, Kind};
use glassloop::trace::{self, Tee};

pub use folders::temporary_folder;

/// Whatever went wrong: an example says it and ends.
pub type Error = Box<dyn std::error::Error>;

/// Runs an example that takes the arguments of this list, such as `--fixed`, `--server URL` or `NAME`. What goes wrong
/// is one line.
pub fn main(known: &[&str], example: impl FnOnce(&Arguments) -> Result<(), Error>) -> ExitCode {
    let arguments = match Arguments::parse(known, std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    env_logger::init();
    let ended = end_on_ctrl_c().and_then(|()| example(&arguments));
    folders::wait_if_it_is_the_end();
    meter::report_if_asked();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The examples that download the twenty flags are this round the one function in which they differ: from a URL into a
/// folder, and how many.
pub fn flags_main(download_many: impl FnOnce(&str, &Path) -> Result<usize, Error>) -> ExitCode {
    main(&["--server URL"], |arguments| {
        let (site, folder) = (site(arguments)?, temporary_folder()?);
        let saved = download_many(site.base_url(), folder.path())?;
        println!("{saved} flags downloaded.");
        Ok(())
    })
}

/// The server of the flags.
pub struct Site {
    base_url: String,
    /// The one in this process, unless another was named.
    _server: Option<EmbeddedServer>,
}

/// The server that `--server` names, or one of our own, in this process, on a free port.
pub fn site(arguments: &Arguments) -> Result<Site, Error> {
    if let Some(url) = arguments.value("--server") {
        return Ok(Site { base_url: url.trim_end_matches('/').to_owned(), _server: None });
    }
    let server = EmbeddedServer::start(Kind::Local)?;
    Ok(Site { base_url: server.base_url(), _server: Some(server) })
}

impl Site {
    /// Where the flags are: `http://127.0.0.1:PORT/flags`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }
}

/// The example's loop: recorded if `GLASSLOOP_TRACE` names a file, measured if `compare` wants to know. An example with
/// several loops says where it records the others.
pub fn event_loop() -> Result<EventLoop, Error> {
    let mut observers = Tee::new();
    if let Some(recording) = trace::from_environment()? {
        if std::env::var_os(trace::VARIABLE).is_some_and(|first| recording.path() != first) {
            eprintln!("Another loop, another recording: {}", recording.path().display());
        }
        observers.add(recording);
    }
    if meter::is_asked() {
        observers.add(meter::Meter);
    }
    let builder = EventLoop::builder();
    Ok(if observers.is_empty() { builder } else { builder.observer(observers) }.build()?)
}

/// A loop that is measured, and not recorded: that takes time.
pub fn measured_event_loop() -> Result<EventLoop, Error> {
    Ok(EventLoop::builder().observer(meter::Meter).build()?)
}
