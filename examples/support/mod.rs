//! Code shared by the examples: arguments, the server of the flags, temporary directories, an event loop that can be
//! recorded, and a clean exit on Ctrl-C.

// Each example uses only a part of it.
#![allow(dead_code)]

pub mod arguments;
pub mod blocking;
pub mod callbacks;
pub mod cost;
pub mod countries;
pub mod meter;
pub mod spinner;
pub mod temporary;

use std::path::Path;
use std::process::ExitCode;

use arguments::Arguments;
use glassloop::EventLoop;
use glassloop::flags::site::{EmbeddedServer, ServerKind};
use glassloop::trace::{self, Tee};
use temporary::exit_on_ctrl_c;

pub use temporary::temporary_dir;

/// Any error: an example prints it and exits.
pub type Error = Box<dyn std::error::Error>;

/// Runs an example. `source` is its source, whose first lines `--help` prints. `known` lists its arguments, such as
/// `--fixed`, `--server URL` or `NAME`. An error prints one line.
pub fn main(source: &str, known: &[&str], example: impl FnOnce(&Arguments) -> Result<(), Error>) -> ExitCode {
    if std::env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        print_help(source, known);
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::parse(known, std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    env_logger::init();
    let result = exit_on_ctrl_c().and_then(|()| example(&arguments));
    temporary::wait_for_pending_exit();
    meter::report_if_requested();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the description at the beginning of a source file, and the arguments.
fn print_help(source: &str, known: &[&str]) {
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        println!("{}", line.strip_prefix(' ').unwrap_or(line));
    }
    if !known.is_empty() {
        println!("\nArguments: {}", known.join(", "));
    }
}

/// Runs an example that downloads the twenty flags. `source` is its source. `download_many` takes the base URL and the output directory, and
/// returns how many flags it saved.
pub fn flags_main(source: &str, download_many: impl FnOnce(&str, &Path) -> Result<usize, Error>) -> ExitCode {
    main(source, &["--server URL"], |arguments| {
        let (site, directory) = (site(arguments)?, temporary_dir()?);
        let saved = download_many(site.base_url(), directory.path())?;
        println!("{saved} flags downloaded.");
        Ok(())
    })
}

/// The server of the flags.
pub struct Site {
    base_url: String,
    /// The server in this process, if `--server` was not given. Dropping it stops it.
    _server: Option<EmbeddedServer>,
}

/// Returns the server given with `--server`, or starts one in this process on a free port.
pub fn site(arguments: &Arguments) -> Result<Site, Error> {
    if let Some(url) = arguments.value("--server") {
        return Ok(Site { base_url: url.trim_end_matches('/').to_owned(), _server: None });
    }
    let server = EmbeddedServer::start(ServerKind::Local)?;
    Ok(Site { base_url: server.base_url(), _server: Some(server) })
}

impl Site {
    /// Returns the URL below which the flags are: `http://127.0.0.1:PORT/flags`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }
}

/// Creates the example's loop. It is recorded if `GLASSLOOP_TRACE` names a file, and measured for `compare`. The
/// recordings of a second and further loop get a number, and their paths are printed.
pub fn event_loop() -> Result<EventLoop, Error> {
    let mut observers = Tee::new();
    if let Some(recording) = trace::from_env()? {
        if std::env::var_os(trace::ENVIRONMENT_VARIABLE).is_some_and(|first| recording.path() != first) {
            eprintln!("recording the next loop to {}", recording.path().display());
        }
        observers.add(recording);
    }
    if meter::is_requested() {
        observers.add(meter::Meter);
    }
    let builder = EventLoop::builder();
    Ok(if observers.is_empty() { builder } else { builder.observer(observers) }.build()?)
}

/// Creates a loop that is measured and never recorded, since recording costs time.
pub fn measured_event_loop() -> Result<EventLoop, Error> {
    Ok(EventLoop::builder().observer(meter::Meter).build()?)
}
