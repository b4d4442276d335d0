//! `glassloop flags`: the flags of the asyncio chapter.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use url::Url;

use super::open_files;
use super::output::say;
use super::progress::Progress;
use super::proxies::ProxyArguments;
use super::signals::{Interruption, SecondSignal, watch_signals};
use super::watch::{Watch, WatchArguments};
use super::{EXIT_USAGE, fail, some_seed};
use crate::download::{Directory, escaped_line};
use crate::event_loop::{ClockPause, EventLoop, LoopError, spawn_named};
use crate::flags::codes::{CountryCode, select};
use crate::flags::downloader::{Counts, FlagOutcome, FlagsOptions, SaveOn, download_many};
use crate::flags::site::{EmbeddedServer, ServerKind};
use crate::http::client::{Client, ProxyConfig};
use crate::sync::{OnceEvent, oneshot};

/// Download country flags, by default those of the 20 most populous countries
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  glassloop flags                          twenty flags from the embedded server
  glassloop flags BR IN U -v               two codes and the block UA…UZ, a line each
  glassloop flags -s DELAY -m 10           a slow server, ten requests at once
  glassloop flags -s ERROR -e --seed 7     all 676 codes from a server that often fails")]
pub(super) struct FlagsArguments {
    /// Two letters for a country (BR), one for its block (B = BA…BZ)
    #[arg(value_name = "CC")]
    codes: Vec<String>,
    /// All 194 flags, AD to ZW
    #[arg(short, long, conflicts_with_all = ["every", "codes"])]
    all: bool,
    /// Every code AA…ZZ: 676, of which 482 are not found
    #[arg(short, long, conflicts_with = "codes")]
    every: bool,
    /// Only the first N codes
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    limit: Option<u16>,
    /// Concurrent requests, at most 1000
    #[arg(short, long, alias = "max_req", value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_req: u16,
    /// The server: LOCAL, DELAY (0.5 s before each answer), ERROR (25 % fail, 50 % late) or REMOTE
    #[arg(short, long, value_name = "LABEL", value_enum, ignore_case = true, default_value_t = Server::Local)]
    server: Server,
    /// Another server, laid out as URL/cc/cc.gif
    #[arg(long, value_name = "URL", conflicts_with_all = ["server", "external"], value_parser = parse_base_url)]
    base_url: Option<String>,
    /// Use servers that already run on ports 8001 (LOCAL), 8002 (DELAY) and 8003 (ERROR)
    #[arg(long)]
    external: bool,
    /// The folder for the files
    #[arg(short, long, value_name = "DIR", default_value = "downloads/")]
    dest: PathBuf,
    /// Also fetch each country's name, and save as Country_Name-CC.gif
    #[arg(long)]
    names: bool,
    /// Write files on the thread pool, or on the loop itself for comparison
    #[arg(long, value_name = "WHERE", value_enum, default_value_t = Save::Pool)]
    save: Save,
    /// Write each image N times over
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    scale: u16,
    /// Try failed requests again, at most N times each
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry: u32,
    /// Repeat the embedded server's faults exactly
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A line a flag instead of the progress bar
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    watch: WatchArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Server {
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

/// Where the chapter's own flags are.
const REMOTE: &str = "http://flupy.org/data/flags";

/// Checks a base URL before anything is started. What is wrong is said by clap, with the usage.
fn parse_base_url(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("it has a control character in it".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("{error}; give one like http://127.0.0.1:8000/flags"))?;
    match url.scheme() {
        "http" => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => return Err("this build has no TLS; give an http:// URL".to_owned()),
        scheme => return Err(format!("`{scheme}:` is not supported; give an http:// URL")),
    }
    // `http:///flags` is a URL of the host `flags` to the parser, and hardly what was meant.
    if text.split_once("://").is_none_or(|(_, rest)| rest.starts_with('/')) || url.host_str().is_none() {
        return Err("it has no host; give one like http://127.0.0.1:8000/flags".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must end with a path: /cc/cc.gif is put after it".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not hold a user name or a password".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Runs the command.
pub(super) fn run(arguments: &FlagsArguments) -> ExitCode {
    let codes = match select(&arguments.codes, arguments.all, arguments.every, arguments.limit.map(usize::from)) {
        Ok(codes) => codes,
        Err(error) => return fail(EXIT_USAGE, error),
    };
    // A connection and a file each, and the other end in the embedded server.
    let max_requests = (open_files::allow(3 * usize::from(arguments.max_req)) / 3).max(1);
    let folder = match Directory::open(&arguments.dest) {
        Ok(folder) => folder,
        Err(error) => return fail(1, format_args!("{error}; choose another folder with --dest")),
    };
    let watch = match arguments.watch.open() {
        Ok(watch) => watch,
        Err(error) => return fail(1, error),
    };
    let site = match Site::open(arguments, watch.pause()) {
        Ok(site) => site,
        Err(error) => return fail(1, format_args!("starting the embedded server: {error}")),
    };
    print_plan(arguments, &site, &codes);
    // No proxy leads to a server on this machine that is there for this job.
    let is_elsewhere = arguments.base_url.is_some() || arguments.server == Server::Remote;
    let proxies = if is_elsewhere { ProxyArguments::default().proxies() } else { Ok(ProxyConfig::none()) };
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
    let started = Instant::now();
    match download(&codes, options, proxies, arguments.verbose, watch) {
        Ok(report) => report.print(started),
        Err(error) => fail(1, error),
    }
}

/// Where the flags come from.
struct Site {
    label: &'static str,
    base_url: String,
    /// Stops when it is dropped.
    _embedded: Option<EmbeddedServer>,
}

impl Site {
    /// `pause` stops the embedded server's clock together with the downloader's.
    fn open(arguments: &FlagsArguments, pause: Option<ClockPause>) -> std::io::Result<Site> {
        if let Some(base_url) = &arguments.base_url {
            return Ok(Site { label: "URL", base_url: base_url.clone(), _embedded: None });
        }
        let (label, port) = match arguments.server {
            Server::Local => ("LOCAL", 8001),
            Server::Delay => ("DELAY", 8002),
            Server::Error => ("ERROR", 8003),
            Server::Remote => {
                return Ok(Site { label: "REMOTE", base_url: REMOTE.to_owned(), _embedded: None });
            }
        };
        if arguments.external {
            return Ok(Site { label, base_url: format!("http://127.0.0.1:{port}/flags"), _embedded: None });
        }
        let kind = match arguments.server {
            Server::Delay => ServerKind::Delay,
            Server::Error => ServerKind::Error { seed: arguments.seed.unwrap_or_else(some_seed) },
            Server::Local | Server::Remote => ServerKind::Local,
        };
        let embedded = EmbeddedServer::start_pausable(kind, pause)?;
        Ok(Site { label, base_url: embedded.base_url(), _embedded: Some(embedded) })
    }
}

/// The first lines, in the chapter's words.
fn print_plan(arguments: &FlagsArguments, site: &Site, codes: &[CountryCode]) {
    let which = match codes {
        [first, .., last] if codes.len() > 10 => format!("from {first} to {last}"),
        few => few.iter().map(CountryCode::as_str).collect::<Vec<_>>().join(", "),
    };
    let at_once = usize::from(arguments.max_req).min(codes.len());
    say(format_args!("{} site: {}", site.label, site.base_url));
    say(format_args!("Searching for {} flag{}: {which}", codes.len(), plural(codes.len())));
    match at_once {
        1 => say("1 connection will be used."),
        _ => say(format_args!("{at_once} concurrent connections will be used.")),
    }
}

/// What is said at the end.
struct Report {
    counts: Counts,
    /// The first error, with its flag.
    first_error: Option<String>,
    interruption: Option<Interruption>,
    /// Files that a second Ctrl-C gave up.
    lost: Vec<&'static str>,
}

/// Turns the loop until all flags have ended, one way or another.
fn download(
    codes: &[CountryCode],
    options: FlagsOptions,
    proxies: ProxyConfig,
    verbose: bool,
    watch: Watch,
) -> Result<Report, Box<dyn std::error::Error>> {
    let second_signal = SecondSignal::install()?;
    let mut event_loop =
        watch.watch(EventLoop::builder()).forced_shutdown_flag(second_signal.forced_shutdown_flag()).build()?;
    let mut first_error = None;
    let ran: Result<_, LoopError> = event_loop.block_on(async {
        let stop = OnceEvent::new();
        let (sender, mut interrupted) = oneshot();
        spawn_named("signals", watch_signals(stop.clone(), sender));
        let mut progress = Progress::new("flags", codes.len(), verbose);
        // As many connections as requests at once: none is closed only to be opened again.
        let client = Client::builder().pool_max_idle_per_host(options.max_requests).proxies(proxies).build();
        let counts = download_many(codes, options, client, stop, |code, outcome| {
            progress.one_more();
            if verbose {
                print_outcome(code, outcome);
            }
            if let FlagOutcome::Failed(error) = outcome {
                first_error.get_or_insert_with(|| escaped_line(format_args!("{code}: {error}")));
            }
        })
        .await;
        progress.finish();
        (counts, interrupted.try_recv())
    });
    second_signal.now_shutting_down();
    let lost = event_loop.shutdown().aborted_jobs;
    let (counts, interruption) = ran?;
    Ok(Report { counts, first_error, interruption, lost })
}

fn print_outcome(code: CountryCode, outcome: &FlagOutcome) {
    match outcome {
        FlagOutcome::Saved => say(format_args!("{code} OK")),
        FlagOutcome::NotFound => say(format_args!("{code} not found")),
        FlagOutcome::Failed(error) => say(format_args!("*** Error for {code}: {}", escaped_line(error))),
        FlagOutcome::Cancelled => say(format_args!("{code} interrupted")),
    }
}

impl Report {
    /// The last lines, in the chapter's words, and the exit code.
    fn print(&self, started: Instant) -> ExitCode {
        let counts = &self.counts;
        say("-".repeat(20));
        say(format_args!("{} flag{} downloaded.", counts.saved, plural(counts.saved)));
        if counts.not_found > 0 {
            say(format_args!("{} not found.", counts.not_found));
        }
        if counts.failed > 0 {
            say(format_args!("{} error{}.", counts.failed, plural(counts.failed)));
            if let Some(error) = &self.first_error {
                let others = if counts.failed > 1 { " (-v shows them all)" } else { "" };
                say(format_args!("The first: {error}{others}"));
            }
        }
        if counts.cancelled > 0 {
            say(format_args!("{} interrupted.", counts.cancelled));
        }
        say(format_args!("Elapsed time: {:.2}s", started.elapsed().as_secs_f64()));
        if !self.lost.is_empty() {
            say(format_args!("{} file{} given up while being written.", self.lost.len(), plural(self.lost.len())));
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
