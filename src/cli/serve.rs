//! `glassloop serve`: serves the files of a directory, or runs the three servers of the *Fluent Python* chapter.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;

use super::open_files;
use super::output::{print_message, stdout_failed};
use super::serve_arguments::ServeArguments;
use super::signals::{SignalHandlers, interruption};
use super::{EXIT_USAGE, fail, random_seed};
use crate::download::stdout;
use crate::event_loop::{EventLoop, Job, JoinSet, run_in_executor};
use crate::flags::site::{ServerKind, Site};
use crate::futures::{Either, race};
use crate::http::server::{CompletedResponse, Faults, Limits, Server, StaticFiles, listen};

/// Runs the command.
pub(super) fn run(arguments: ServeArguments) -> ExitCode {
    let server_specs = match server_specs(&arguments) {
        Ok(server_specs) => server_specs,
        Err(error) => return fail(error.exit_code, error.message),
    };
    // Each connection needs a descriptor, and so does the file that is sent over it.
    open_files::raise_nofile_limit(server_specs.len() * 2 * arguments.max_conns as usize);
    match serve(server_specs, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ServeError::Stdout(error)) => stdout_failed(&error),
        Err(ServeError::Serving(error)) => fail(1, error),
    }
}

/// A failure of the server.
enum ServeError {
    /// The addresses of the servers cannot be written to standard output.
    Stdout(io::Error),
    Serving(Box<dyn Error>),
}

impl<E: Into<Box<dyn Error>>> From<E> for ServeError {
    fn from(error: E) -> ServeError {
        ServeError::Serving(error.into())
    }
}

/// The parts of a server that is about to be started.
struct ServerSpec {
    /// LOCAL, DELAY or ERROR; `None` for a directory.
    label: Option<&'static str>,
    listener: TcpListener,
    content: ServedContent,
    faults: Faults,
}

enum ServedContent {
    Files(StaticFiles),
    Flags(Site),
}

/// An error that is reported before any server starts.
struct ServeStartupError {
    exit_code: u8,
    message: String,
}

/// Opens directories and sockets, so that errors are reported before any server starts.
fn server_specs(arguments: &ServeArguments) -> Result<Vec<ServerSpec>, ServeStartupError> {
    let seed = arguments.seed.unwrap_or_else(random_seed);
    if let Some(folder) = &arguments.folder {
        let opened = if arguments.index { StaticFiles::open_with_listings(folder) } else { StaticFiles::open(folder) };
        let files = opened
            .map_err(|error| ServeStartupError { exit_code: EXIT_USAGE, message: cannot_serve(folder, &error) })?;
        let listener = listen_at(arguments, arguments.port, "-p")?;
        let faults = faults(arguments, Faults { seed, ..Faults::default() });
        return Ok(vec![ServerSpec { label: None, listener, content: ServedContent::Files(files), faults }]);
    }
    let site = Site::default();
    let kinds = [("LOCAL", ServerKind::Local), ("DELAY", ServerKind::Delay), ("ERROR", ServerKind::Error { seed })];
    std::iter::zip(kinds, arguments.ports.0)
        .map(|((label, kind), port)| {
            Ok(ServerSpec {
                label: Some(label),
                listener: listen_at(arguments, port, "--ports")?,
                content: ServedContent::Flags(site.clone()),
                faults: faults(arguments, kind.faults()),
            })
        })
        .collect()
}

fn cannot_serve(directory: &Path, error: &io::Error) -> String {
    let name = directory.display();
    // `python3 -m http.server 8000` takes a port there.
    let is_port = directory.to_str().is_some_and(|text| text.parse::<u16>().is_ok());
    let advice = if is_port {
        format!("for a port, use `glassloop serve . -p {name}`")
    } else {
        "use a readable directory".to_owned()
    };
    format!("cannot serve {name}: {error}; {advice}")
}

fn listen_at(arguments: &ServeArguments, port: u16, option: &str) -> Result<TcpListener, ServeStartupError> {
    let address = SocketAddr::new(arguments.bind, port);
    listen(address).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("stop the program that uses the port, or choose another port with {option}")
            }
            io::ErrorKind::PermissionDenied => format!("choose a port above 1023 with {option}"),
            _ => "choose an address of this computer with --bind".to_owned(),
        };
        ServeStartupError { exit_code: 1, message: format!("cannot listen on {address}: {error}; {advice}") }
    })
}

/// Returns the faults of a server, in which the arguments override the defaults of its kind.
fn faults(arguments: &ServeArguments, usual: Faults) -> Faults {
    Faults {
        seed: usual.seed,
        delay: arguments.delay.or(usual.delay),
        error: arguments.error_rate.map(|rate| (rate, arguments.error_status)).or(usual.error),
        truncate_rate: arguments.truncate_rate.unwrap_or(usual.truncate_rate),
        reset_rate: arguments.reset_rate.unwrap_or(usual.reset_rate),
        stall_rate: arguments.stall_rate.unwrap_or(usual.stall_rate),
        bytes_per_second: arguments.rate.or(usual.bytes_per_second),
    }
}

/// Serves until a signal arrives, and then completes the responses in progress.
fn serve(server_specs: Vec<ServerSpec>, arguments: &ServeArguments) -> Result<(), ServeError> {
    let signal_handlers = SignalHandlers::install()?;
    let mut event_loop = arguments
        .observe
        .open()?
        .attach(EventLoop::builder())
        .forced_shutdown_flag(signal_handlers.forced_shutdown_flag())
        .build()?;
    let served: Result<(), ServeError> = event_loop.block_on(async {
        let mut serving = JoinSet::new();
        let mut stoppers = Vec::new();
        let mut listening = String::new();
        for spec in server_specs {
            let (label, faults) = (spec.label, spec.faults.clone());
            let server = spec.open(arguments)?;
            listening.push_str(&format!("listening on http://{}/\n", server.local_addr()));
            describe(label, &server, &faults);
            stoppers.push(server.stopper());
            serving.spawn_named(label.unwrap_or("server"), server);
        }
        let mut interrupted = pin!(interruption());
        // On the pool: if nothing reads standard output, the write blocks, and the loop must still handle signals (I7).
        let print = Job::new(move || stdout()?.write_all(listening.as_bytes())).label("print").cancellable();
        match race(interrupted.as_mut(), run_in_executor(None, print)).await {
            Either::First(interrupted) => _ = interrupted?,
            Either::Second(printed) => {
                printed?.map_err(ServeError::Stdout)?;
                interrupted.await?;
            }
        }
        for stopper in stoppers {
            stopper.stop();
        }
        while serving.join_next().await.is_some() {}
        Ok(())
    })?;
    signal_handlers.arm_for_shutdown();
    served
}

impl ServerSpec {
    fn open(self, arguments: &ServeArguments) -> io::Result<Server> {
        let mut limits = Limits { connections: arguments.max_conns as usize, ..Limits::default() };
        if arguments.no_keepalive {
            limits.requests = 1;
        }
        let mut builder = Server::builder().limits(limits).faults(self.faults);
        if arguments.verbose {
            builder = builder.on_response(log_response);
        }
        match self.content {
            ServedContent::Files(files) => builder.serve(self.listener, files),
            ServedContent::Flags(site) => builder.serve(self.listener, site),
        }
    }
}

/// Prints the label of a server with a URL to try, and the seed of its faults.
fn describe(label: Option<&str>, server: &Server, faults: &Faults) {
    if let Some(label) = label {
        print_message(format_args!("{label}: http://{}/flags/br/br.gif", server.local_addr()));
    }
    if faults.depend_on_seed() {
        print_message(format_args!("the faults are random; --seed {} repeats them", faults.seed));
    }
}

/// Prints a line for a request. The parts that the client chose are escaped, because they go to a terminal.
fn log_response(completed: &CompletedResponse<'_>) {
    let request: &dyn Display = match completed.request {
        Some(request) => &format!("{} {}", request.method(), request.uri()).escape_debug().to_string(),
        None => &"(malformed request)",
    };
    let CompletedResponse { peer, status, body_bytes, .. } = completed;
    let cut = if completed.is_complete { "" } else { ", cut off" };
    print_message(format_args!("{peer} {request} {} {body_bytes} bytes{cut}", status.as_u16()));
}
