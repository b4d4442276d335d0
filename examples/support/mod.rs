//! What the examples have in common, so that each can be about its own subject: arguments, the server, a folder that
//! goes away again, a loop that may be recorded, and a clean end on Ctrl-C.

// Each example takes what it needs and leaves the rest.
#![allow(dead_code)]

pub mod blocking;
pub mod callbacks;
pub mod characters;
pub mod countries;
pub mod meter;
pub mod spinner;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use glassloop::EventLoop;
use glassloop::flags::site::{EmbeddedServer, Kind};
use glassloop::trace::{self, Tee};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

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
    meter::report_if_asked();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What stands on the command line.
#[derive(Debug)]
pub struct Arguments {
    /// Options with their values; those that take none have an empty one.
    options: Vec<(String, String)>,
    words: Vec<String>,
}

impl Arguments {
    fn parse(known: &[&str], mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let mut arguments = Arguments { options: vec![], words: vec![] };
        while let Some(argument) = given.next() {
            let option = known.iter().map(|known| known.split_once(' ').unwrap_or((known, "")));
            match option.into_iter().find(|(name, _)| *name == argument) {
                Some((_, "")) => arguments.options.push((argument, String::new())),
                Some((_, what)) => match given.next() {
                    Some(value) => arguments.options.push((argument, value)),
                    None => return Err(format!("`{argument}` wants a value: {argument} {what}")),
                },
                None if !argument.starts_with('-') && known.iter().any(|known| !known.starts_with('-')) => {
                    arguments.words.push(argument);
                }
                None => return Err(format!("`{argument}` is not known here; the arguments are: {list}")),
            }
        }
        Ok(arguments)
    }

    /// Whether an option is there.
    pub fn has(&self, option: &str) -> bool {
        self.value(option).is_some()
    }

    /// An option's value.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.options.iter().rfind(|(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// An option's value as a number, or what is usual.
    pub fn number<N: std::str::FromStr>(&self, option: &str, usual: N) -> Result<N, Error> {
        let Some(value) = self.value(option) else { return Ok(usual) };
        value.parse().map_err(|_| format!("`{option} {value}`: that is no number that fits").into())
    }

    /// What is no option.
    pub fn words(&self) -> &[String] {
        &self.words
    }
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

/// The example's loop: recorded if `GLASSLOOP_TRACE` names a file, measured if `compare` wants to know.
pub fn event_loop() -> Result<EventLoop, Error> {
    watched(meter::is_asked())
}

/// The same, measured in any case.
pub fn measured_event_loop() -> Result<EventLoop, Error> {
    watched(true)
}

fn watched(is_measured: bool) -> Result<EventLoop, Error> {
    let mut observers = Tee::new();
    if let Some(recording) = trace::from_environment()? {
        observers.add(recording);
    }
    if is_measured {
        observers.add(meter::Meter);
    }
    let builder = EventLoop::builder();
    Ok(if observers.is_empty() { builder } else { builder.observer(observers) }.build()?)
}

/// Folders to remove when the process ends by a signal.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder that is removed with all that is in it: when it is dropped, or on Ctrl-C.
pub fn temporary_folder() -> Result<tempfile::TempDir, Error> {
    temporary_folder_in(&std::env::temp_dir())
}

/// The same at another place: on another disk, for example.
pub fn temporary_folder_in(place: &Path) -> Result<tempfile::TempDir, Error> {
    let folder = tempfile::Builder::new().prefix("glassloop-").tempdir_in(place)?;
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(folder.path().to_owned());
    Ok(folder)
}

/// From here on, Ctrl-C and SIGTERM end the process with one line and without leaving a file.
fn end_on_ctrl_c() -> Result<(), Error> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        for folder in FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Another thread may be writing into it at this very moment: once more, then.
            while folder.exists() && std::fs::remove_dir_all(folder).is_err_and(|error| is_not_empty(&error)) {}
        }
        eprintln!("\nstopped by {}", if signal == SIGINT { "Ctrl-C" } else { "SIGTERM" });
        std::process::exit(128 + signal);
    })?;
    Ok(())
}

fn is_not_empty(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::DirectoryNotEmpty
}
