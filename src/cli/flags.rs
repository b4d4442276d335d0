//! `glassloop flags`: downloads flags like the program of the asyncio chapter of *Fluent Python*.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use url::Url;

use super::flags_progress::FlagsProgress;
use super::help::HelpArguments;
use super::observers::{ObserveArguments, RunObservers};
use super::open_files;
use super::output::print_message;
use super::proxies::ProxyArguments;
use super::signals::{Interruption, SignalHandlers, watch_signals};
use super::{EXIT_USAGE, fail, random_seed};
use crate::download::{Directory, escaped_line};
use crate::event_loop::{ClockPause, EventLoop, LoopError, now, spawn_named};
use crate::flags::codes::{CountryCode, select};
use crate::flags::downloader::{Counts, FlagOutcome, FlagsOptions, SaveOn, download_many};
use crate::flags::site::{EmbeddedServer, ServerKind};
use crate::http::client::{Client, ProxyConfig};
use crate::sync::{OnceEvent, oneshot};

/// Demo: download images of country flags
#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    after_help = "`glassloop flags --help` lists all options, examples and exit codes.",
    after_long_help = "\
Examples:
  glassloop flags                        twenty flags from the embedded server
  glassloop flags BR IN U -v             BR, IN and UA to UZ, one line for each
  glassloop flags -s DELAY -m 10         a slow server, ten concurrent requests
  glassloop flags -s ERROR -e --seed 7   a server that often fails
  glassloop flags BR --explain           print every event of the loop

This is the program of the asyncio chapter of *Fluent Python* by Luciano Ramalho.

Servers: LOCAL; DELAY, which waits 0.5 s before each response; ERROR, which
fails 25 % of the requests and delays 50 %; REMOTE, on the internet. All but
REMOTE run in this process. Requests to REMOTE and --base-url use the proxies in
http_proxy, https_proxy, all_proxy and no_proxy.

Exit codes:
  0    all flags are downloaded or not found
  1    a flag failed, or the output directory cannot be written
  2    usage error
  130  interrupted by Ctrl-C
  143  terminated by SIGTERM"
)]
pub(super) struct FlagsArguments {
    /// Country codes such as BR; U selects UA to UZ
    #[arg(value_name = "CC")]
    codes: Vec<String>,

    /// Directory for the images, created if missing
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "downloads/",
        help_heading = "Output",
        hide_default_value = true
    )]
    dest: PathBuf,
    /// Also request names; save as Country_Name-CC.gif
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    names: bool,
    /// Thread that writes files: pool (default) or inline
    #[arg(long, value_name = "WHERE", value_enum, default_value_t = Save::Pool, help_heading = "Output",
          hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    save: Save,
    /// Write N copies of each image into its file
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..),
          help_heading = "Output", hide_short_help = true)]
    scale: u16,

    /// All 194 flags, AD to ZW
    #[arg(short, long, conflicts_with_all = ["every", "codes"], help_heading = "Selection")]
    all: bool,
    /// Every code AA to ZZ: 676, of which 482 are not found
    #[arg(short, long, conflicts_with = "codes", help_heading = "Selection")]
    every: bool,
    /// Only the first N codes
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..),
          help_heading = "Selection")]
    limit: Option<u16>,

    /// Maximum retries per request
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Retry", hide_short_help = true)]
    retry: u32,

    /// Maximum concurrent requests, up to 1000
    #[arg(short, long, alias = "max_req", value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Network")]
    max_req: u16,
    /// LOCAL (default), DELAY, ERROR or REMOTE
    #[arg(short, long, value_name = "LABEL", value_enum, ignore_case = true, default_value_t = FlagServer::Local,
          help_heading = "Network", hide_default_value = true, hide_possible_values = true)]
    server: FlagServer,
    /// Server whose images are at URL/cc/cc.gif
    #[arg(long, value_name = "URL", conflicts_with_all = ["server", "external"], value_parser = parse_base_url,
          help_heading = "Network", hide_short_help = true)]
    base_url: Option<String>,
    /// Use servers already running on ports 8001 to 8003
    #[arg(long, help_heading = "Network", hide_short_help = true)]
    external: bool,
    /// Seed for the faults of ERROR, to repeat a run
    #[arg(long, value_name = "N", help_heading = "Network", hide_short_help = true)]
    seed: Option<u64>,

    /// Print a line for each flag instead of progress
    #[arg(short, long, help_heading = "Reporting")]
    verbose: bool,
    #[command(flatten)]
    help: HelpArguments,
    #[command(flatten)]
    observe: ObserveArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum FlagServer {
    Local,
    Delay,
    Error,
    Remote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Save {
    Pool,
    Inline,
}

/// The server of the book.
const REMOTE: &str = "http://flupy.org/data/flags";

/// Validates a base URL during parsing, before any server is started.
fn parse_base_url(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("it contains a control character".to_owned());
    }
    let url =
        Url::parse(text).map_err(|error| format!("{error}; expected a URL such as http://127.0.0.1:8000/flags"))?;
    match url.scheme() {
        "http" => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => return Err("this build has no TLS; use an http:// URL".to_owned()),
        scheme => return Err(format!("`{scheme}:` is not supported; use an http:// URL")),
    }
    // The parser accepts `http:///flags` as a URL of the host `flags`, which is unlikely to be intended.
    if text.split_once("://").is_none_or(|(_, rest)| rest.starts_with('/')) || url.host_str().is_none() {
        return Err("it has no host; expected a URL such as http://127.0.0.1:8000/flags".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must not have a query or fragment, because /cc/cc.gif is appended to it".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not contain a user name or password".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Runs the command.
pub(super) fn run(arguments: &FlagsArguments) -> ExitCode {
    let codes = match select(&arguments.codes, arguments.all, arguments.every, arguments.limit.map(usize::from)) {
        Ok(codes) => codes,
        Err(error) => return fail(EXIT_USAGE, error),
    };
    // Each request needs a connection and a file, and the embedded server needs the other end of the connection.
    let max_requests = (open_files::raise_nofile_limit(3 * usize::from(arguments.max_req)) / 3).max(1);
    let folder = match Directory::open(&arguments.dest) {
        Ok(folder) => folder,
        Err(error) => return fail(1, format_args!("{error}; choose another directory with --dest")),
    };
    let observers = match arguments.observe.open() {
        Ok(observers) => observers,
        Err(error) => return fail(1, error),
    };
    let site = match FlagSite::open(arguments, observers.pause()) {
        Ok(site) => site,
        Err(error) => return fail(1, format_args!("starting the embedded server: {error}")),
    };
    print_plan(arguments, &site, &codes);
    // The servers that run for this command are local and are reached without a proxy.
    let is_remote = arguments.base_url.is_some() || arguments.server == FlagServer::Remote;
    let proxies = if is_remote { ProxyArguments::default().proxies() } else { Ok(ProxyConfig::none()) };
    let proxies = match proxies {
        Ok(proxies) => proxies,
        Err(message) => return fail(EXIT_USAGE, message),
    };
    let options = FlagsOptions {
        base_url: site.base_url.clone(),
        directory: folder,
        max_requests,
        names: arguments.names,
        save: match arguments.save {
            Save::Pool => SaveOn::Pool,
            Save::Inline => SaveOn::Loop,
        },
        scale: usize::from(arguments.scale),
        retries: arguments.retry,
    };
    let is_progress_hidden = arguments.verbose || arguments.observe.prints();
    match download(&codes, options, proxies, arguments.verbose, is_progress_hidden, observers) {
        Ok(report) => report.print(),
        Err(error) => fail(1, error),
    }
}

/// The server of a run.
struct FlagSite {
    label: &'static str,
    base_url: String,
    /// The embedded server. Dropping it stops it.
    _embedded: Option<EmbeddedServer>,
}

impl FlagSite {
    /// Starts the embedded server if one is needed. `pause` pauses its clock together with that of the downloader.
    fn open(arguments: &FlagsArguments, pause: Option<ClockPause>) -> std::io::Result<FlagSite> {
        if let Some(base_url) = &arguments.base_url {
            return Ok(FlagSite { label: "URL", base_url: base_url.clone(), _embedded: None });
        }
        let (label, port) = match arguments.server {
            FlagServer::Local => ("LOCAL", 8001),
            FlagServer::Delay => ("DELAY", 8002),
            FlagServer::Error => ("ERROR", 8003),
            FlagServer::Remote => {
                return Ok(FlagSite { label: "REMOTE", base_url: REMOTE.to_owned(), _embedded: None });
            }
        };
        if arguments.external {
            return Ok(FlagSite { label, base_url: format!("http://127.0.0.1:{port}/flags"), _embedded: None });
        }
        let kind = match arguments.server {
            FlagServer::Delay => ServerKind::Delay,
            FlagServer::Error => ServerKind::Error { seed: arguments.seed.unwrap_or_else(random_seed) },
            FlagServer::Local | FlagServer::Remote => ServerKind::Local,
        };
        let embedded = EmbeddedServer::start_pausable(kind, pause)?;
        Ok(FlagSite { label, base_url: embedded.base_url(), _embedded: Some(embedded) })
    }
}

/// Prints the flags and the server, with the messages of the book's program.
fn print_plan(arguments: &FlagsArguments, site: &FlagSite, codes: &[CountryCode]) {
    let which = match codes {
        [first, .., last] if codes.len() > 10 => format!("from {first} to {last}"),
        few => few.iter().map(CountryCode::as_str).collect::<Vec<_>>().join(", "),
    };
    let at_once = usize::from(arguments.max_req).min(codes.len());
    print_message(format_args!("{} site: {}", site.label, site.base_url));
    print_message(format_args!("Searching for {} flag{}: {which}", codes.len(), plural(codes.len())));
    match at_once {
        1 => print_message("1 connection will be used."),
        _ => print_message(format_args!("{at_once} concurrent connections will be used.")),
    }
}

/// The result of a run.
struct Report {
    counts: Counts,
    /// The first error, with the code of its flag.
    first_error: Option<String>,
    interruption: Option<Interruption>,
    /// The jobs that were abandoned after a second Ctrl-C.
    lost: Vec<&'static str>,
    /// The time that the run took by the clock of the loop, which `--step` pauses.
    elapsed: Duration,
}

/// Runs the loop until every flag has an outcome.
fn download(
    codes: &[CountryCode],
    options: FlagsOptions,
    proxies: ProxyConfig,
    is_verbose: bool,
    is_progress_hidden: bool,
    observers: RunObservers,
) -> Result<Report, Box<dyn std::error::Error>> {
    let signal_handlers = SignalHandlers::install()?;
    let mut event_loop =
        observers.attach(EventLoop::builder()).forced_shutdown_flag(signal_handlers.forced_shutdown_flag()).build()?;
    let mut first_error = None;
    let ran: Result<_, LoopError> = event_loop.block_on(async {
        let (began, stop) = (now(), OnceEvent::new());
        let (sender, mut interrupted) = oneshot();
        spawn_named("signals", watch_signals(stop.clone(), sender));
        let mut progress = FlagsProgress::start(codes.len(), is_progress_hidden);
        // With as many idle connections as concurrent requests, no connection is closed that the next request could
        // reuse.
        let client = Client::builder().pool_max_idle_per_host(options.max_requests).proxies(proxies).build();
        let counts = download_many(codes, options, client, stop, |code, outcome| {
            if !matches!(outcome, FlagOutcome::Cancelled) {
                progress.record_outcome();
            }
            if is_verbose {
                print_outcome(code, outcome);
            }
            if let FlagOutcome::Failed(error) = outcome {
                first_error.get_or_insert_with(|| escaped_line(format_args!("{code}: {error}")));
            }
        })
        .await;
        progress.finish();
        (counts, interrupted.try_recv(), now().duration_since(began))
    });
    signal_handlers.arm_for_shutdown();
    let lost = event_loop.shutdown().aborted_jobs;
    let (counts, interruption, elapsed) = ran?;
    Ok(Report { counts, first_error, interruption, lost, elapsed })
}

fn print_outcome(code: CountryCode, outcome: &FlagOutcome) {
    match outcome {
        FlagOutcome::Saved => print_message(format_args!("{code} OK")),
        FlagOutcome::NotFound => print_message(format_args!("{code} not found")),
        FlagOutcome::Failed(error) => print_message(format_args!("*** Error for {code}: {}", escaped_line(error))),
        FlagOutcome::Cancelled => print_message(format_args!("{code} cancelled")),
    }
}

impl Report {
    /// Prints the result, with the messages of the book's program, and returns the exit code.
    fn print(&self) -> ExitCode {
        let counts = &self.counts;
        print_message("-".repeat(20));
        print_message(format_args!("{} flag{} downloaded.", counts.saved, plural(counts.saved)));
        if counts.not_found > 0 {
            print_message(format_args!("{} not found.", counts.not_found));
        }
        if counts.failed > 0 {
            print_message(format_args!("{} error{}.", counts.failed, plural(counts.failed)));
            if let Some(error) = &self.first_error {
                let others = if counts.failed > 1 { " (-v prints all)" } else { "" };
                print_message(format_args!("First error: {error}{others}"));
            }
        }
        if counts.cancelled > 0 {
            print_message(format_args!("{} cancelled.", counts.cancelled));
        }
        print_message(format_args!("Elapsed time: {:.2}s", self.elapsed.as_secs_f64()));
        if !self.lost.is_empty() {
            print_message(format_args!("{} file{} not finished.", self.lost.len(), plural(self.lost.len())));
        }
        if self.interruption.is_some() {
            print_message("glassloop: interrupted; run the same command again to download all flags");
        }
        match self.interruption {
            Some(interruption) => ExitCode::from(interruption.exit_code()),
            None if counts.failed > 0 => ExitCode::from(1),
            None => ExitCode::SUCCESS,
        }
    }
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
