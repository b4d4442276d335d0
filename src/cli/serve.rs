//! `glassloop serve`: the files of a folder, or the chapter's three servers.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use http::StatusCode;

use super::open_files;
use super::output::{say, stdout_failed};
use super::signals::{SecondSignal, interruption};
use super::watch::WatchArguments;
use super::{EXIT_USAGE, fail, some_seed};
use crate::download::stdout;
use crate::event_loop::{EventLoop, Job, JoinSet, run_in_executor};
use crate::flags::site::{ServerKind, Site};
use crate::futures::{Either, race};
use crate::http::server::{CompletedResponse, Delay, Faults, Limits, Server, StaticFiles, listen};

/// Serve the files of a folder or, without one, drawn flags on three ports
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  glassloop serve public/                its files on http://127.0.0.1:8000/
  glassloop serve                        flags: LOCAL on 8001, DELAY on 8002, ERROR on 8003
  glassloop serve . -p 0 --index         on a free port, with folder listings
  glassloop serve . --error-rate 0.1     about every tenth answer is a 503

One request can ask for a fault of its own, in its query: gl-delay=MS, gl-status=503,
gl-retry-after=S, gl-rate=BYTES; or, after so many bytes of the body, gl-cut=N, gl-reset=N
or gl-stall=N.")]
pub(super) struct ServeArguments {
    /// The folder; without it, the flags of `glassloop flags`
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The port for DIR; 0 picks a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 8000, requires = "folder")]
    port: u16,
    /// The ports of LOCAL, DELAY and ERROR
    #[arg(long, value_name = "A,B,C", value_parser = parse_ports, default_value = "8001,8002,8003",
          conflicts_with = "folder")]
    ports: Ports,
    /// The address to listen at. Anything but a loopback address can be reached by others
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Seconds to wait before each answer, or a range to draw from
    #[arg(long, value_name = "S|MIN..MAX", value_parser = parse_delay)]
    delay: Option<Delay>,
    /// The share of answers that are errors, 0 to 1
    #[arg(long, value_name = "P", value_parser = parse_rate)]
    error_rate: Option<f64>,
    /// The status of these errors
    #[arg(long, value_name = "N", default_value = "503", value_parser = parse_error_status)]
    error_status: StatusCode,
    /// The share of bodies that end early
    #[arg(long, value_name = "P", value_parser = parse_rate)]
    truncate_rate: Option<f64>,
    /// The share of connections that are reset in the middle of a body
    #[arg(long, value_name = "P", value_parser = parse_rate)]
    reset_rate: Option<f64>,
    /// The share of bodies that stop in the middle
    #[arg(long, value_name = "P", value_parser = parse_rate)]
    stall_rate: Option<f64>,
    /// Bytes a second for each answer; k, m and g are understood
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    rate: Option<NonZeroU64>,
    /// Repeat the faults of another run exactly
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Connections at once, on each port
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_conns: u32,
    /// Close each connection after its first answer
    #[arg(long)]
    no_keepalive: bool,
    /// List folders that have no index.html
    #[arg(long, requires = "folder")]
    index: bool,
    /// A line a request, on stderr
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    watch: WatchArguments,
}

/// Those of LOCAL, DELAY and ERROR.
#[derive(Clone, Copy, Debug)]
struct Ports([u16; 3]);

fn parse_ports(text: &str) -> Result<Ports, String> {
    let ports: Option<Vec<u16>> = text.split(',').map(|port| port.parse::<u16>().ok()).collect();
    let three = ports.and_then(|ports| ports.try_into().ok());
    three.map(Ports).ok_or_else(|| "give three ports, like 8001,8002,8003; 0 is a free one".to_owned())
}

fn parse_delay(text: &str) -> Result<Delay, String> {
    let seconds = |text: &str| {
        // An hour is more patience than any client has, and keeps the sum of times within bounds.
        let seconds: f64 = text.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds))?;
        Some(Duration::from_secs_f64(seconds))
    };
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    match (seconds(least), seconds(most)) {
        (Some(least), Some(most)) if least <= most => Ok(Delay { min: least, max: most, rate: 1.0 }),
        _ => Err("give seconds from 0 to 3600, like 0.5, or a range like 0.1..2".to_owned()),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| "give a share from 0 to 1, like 0.25".to_owned())
}

fn parse_error_status(text: &str) -> Result<StatusCode, String> {
    let status = StatusCode::from_str(text).ok().filter(|status| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| "give a status from 400 to 599".to_owned())
}

fn parse_bytes(text: &str) -> Result<NonZeroU64, String> {
    let (digits, unit) = match text.as_bytes().last().map(u8::to_ascii_lowercase) {
        Some(b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let number: Option<NonZeroU64> = digits.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(NonZeroU64::new(unit)?));
    bytes.ok_or_else(|| "give a number of bytes above 0, like 50000 or 64k".to_owned())
}

/// Runs the command.
pub(super) fn run(arguments: ServeArguments) -> ExitCode {
    let stations = match stations(&arguments) {
        Ok(stations) => stations,
        Err(refusal) => return fail(refusal.exit, refusal.words),
    };
    // A connection, and a file that is sent over it.
    open_files::allow(stations.len() * 2 * arguments.max_conns as usize);
    match serve(stations, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Stdout(error)) => stdout_failed(&error),
        Err(Failure::Serving(error)) => fail(1, format_args!("serving: {error}")),
    }
}

/// Why serving has ended early.
enum Failure {
    /// Standard output cannot take the lines that say where the servers are.
    Stdout(io::Error),
    Serving(Box<dyn Error>),
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Serving(error.into())
    }
}

/// One server: a socket, what it serves, and what goes wrong there.
struct Station {
    /// LOCAL, DELAY, ERROR; nothing for a folder.
    label: Option<&'static str>,
    listener: TcpListener,
    content: Content,
    faults: Faults,
}

enum Content {
    Files(StaticFiles),
    Flags(Site),
}

/// Why nothing is served.
struct Refusal {
    exit: u8,
    words: String,
}

/// Opens everything, so that what is wrong is said before anything is served.
fn stations(arguments: &ServeArguments) -> Result<Vec<Station>, Refusal> {
    let seed = arguments.seed.unwrap_or_else(some_seed);
    if let Some(folder) = &arguments.folder {
        let opened = if arguments.index { StaticFiles::open_with_listings(folder) } else { StaticFiles::open(folder) };
        let files = opened.map_err(|error| Refusal {
            exit: EXIT_USAGE,
            words: format!("cannot serve {}: {error}; give a folder that can be read", folder.display()),
        })?;
        let listener = listen_at(arguments, arguments.port, "-p")?;
        let faults = faults(arguments, Faults { seed, ..Faults::default() });
        return Ok(vec![Station { label: None, listener, content: Content::Files(files), faults }]);
    }
    let site = Site::default();
    let kinds = [("LOCAL", ServerKind::Local), ("DELAY", ServerKind::Delay), ("ERROR", ServerKind::Error { seed })];
    std::iter::zip(kinds, arguments.ports.0)
        .map(|((label, kind), port)| {
            Ok(Station {
                label: Some(label),
                listener: listen_at(arguments, port, "--ports")?,
                content: Content::Flags(site.clone()),
                faults: faults(arguments, kind.faults()),
            })
        })
        .collect()
}

fn listen_at(arguments: &ServeArguments, port: u16, option: &str) -> Result<TcpListener, Refusal> {
    let address = SocketAddr::new(arguments.bind, port);
    listen(address).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => format!("stop what runs there, or choose another port with {option}"),
            io::ErrorKind::PermissionDenied => format!("choose a port above 1023 with {option}"),
            _ => "choose an address of this machine with --bind".to_owned(),
        };
        Refusal { exit: 1, words: format!("cannot listen at {address}: {error}; {advice}") }
    })
}

/// What goes wrong by itself, with what is asked for on top of it.
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

/// Serves until a signal comes, and then ends well.
fn serve(stations: Vec<Station>, arguments: &ServeArguments) -> Result<(), Failure> {
    let second_signal = SecondSignal::install()?;
    let mut event_loop = arguments
        .watch
        .open()?
        .watch(EventLoop::builder())
        .forced_shutdown_flag(second_signal.forced_shutdown_flag())
        .build()?;
    let served: Result<(), Failure> = event_loop.block_on(async {
        let mut serving = JoinSet::new();
        let mut stoppers = Vec::new();
        let mut listening = String::new();
        for station in stations {
            let (label, faults) = (station.label, station.faults.clone());
            let server = station.open(arguments)?;
            listening.push_str(&format!("listening on http://{}/\n", server.local_addr()));
            describe(label, &server, &faults);
            stoppers.push(server.stopper());
            serving.spawn_named(label.unwrap_or("server"), server);
        }
        let mut interrupted = pin!(interruption());
        // On the pool: a reader of standard output that does not read must not keep a signal from the loop (I7).
        let print = Job::new(move || stdout()?.write_all(listening.as_bytes())).label("print").cancellable();
        match race(interrupted.as_mut(), run_in_executor(None, print)).await {
            Either::First(interrupted) => _ = interrupted?,
            Either::Second(printed) => {
                printed?.map_err(Failure::Stdout)?;
                interrupted.await?;
            }
        }
        for stopper in stoppers {
            stopper.stop();
        }
        while serving.join_next().await.is_some() {}
        Ok(())
    })?;
    second_signal.now_shutting_down();
    served
}

impl Station {
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
            Content::Files(files) => builder.serve(self.listener, files),
            Content::Flags(site) => builder.serve(self.listener, site),
        }
    }
}

/// Says on stderr, for people, which server it is.
fn describe(label: Option<&str>, server: &Server, faults: &Faults) {
    if let Some(label) = label {
        say(format_args!("{label}: http://{}/flags/br/br.gif", server.local_addr()));
    }
    if faults.depend_on_seed() {
        say(format_args!("its faults can be repeated with --seed {}", faults.seed));
    }
}

/// A line a request. What the client chose is escaped: it goes to a terminal.
fn log_response(completed: &CompletedResponse<'_>) {
    let request: &dyn Display = match completed.request {
        Some(request) => &format!("{} {}", request.method(), request.uri()).escape_debug().to_string(),
        None => &"(no request)",
    };
    let CompletedResponse { peer, status, body_bytes, .. } = completed;
    let cut = if completed.is_complete { "" } else { ", cut off" };
    say(format_args!("{peer} {request} {} {body_bytes} bytes{cut}", status.as_u16()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_a_time_or_a_range() {
        let delay = |text| parse_delay(text).ok().map(|delay| (delay.min.as_millis(), delay.max.as_millis()));
        assert_eq!(delay("0.5"), Some((500, 500)));
        assert_eq!(delay("0.1..2"), Some((100, 2000)));
        for bad in ["", "-1", "2..1", "1..", "..1", "nan", "inf", "1e9", "x"] {
            assert_eq!(delay(bad), None, "{bad}");
        }
    }

    #[test]
    fn rates_are_shares_and_byte_rates_have_units() {
        assert_eq!(parse_rate("0.25"), Ok(0.25));
        assert!(["-0.1", "1.1", "nan", ""].into_iter().all(|bad| parse_rate(bad).is_err()));
        assert_eq!(parse_bytes("64k").map(NonZeroU64::get), Ok(65_536));
        assert_eq!(parse_bytes("1000").map(NonZeroU64::get), Ok(1_000));
        assert!(
            ["0", "k", "-1", "99999999999999999999", "9999999999999999g", "é"]
                .into_iter()
                .all(|bad| parse_bytes(bad).is_err())
        );
    }
}
