//! The arguments of `glassloop get`, and the options of the download that they specify.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE,
    TRANSFER_ENCODING,
};

use super::get_compatibility::CompatibilityArguments;
use super::get_destination::{Destination, StartupError};
use super::get_network::NetworkArguments;
use super::get_progress::ProgressStyle;
#[cfg(feature = "tls")]
use super::get_trust::TrustArguments;
use super::help::HelpArguments;
use super::observers::ObserveArguments;
use super::open_files::Capacity;
use crate::download::{Directory, DownloadOptions, Fsync, Overwrite, RedirectPolicy, Sha256, Shard, StreamTarget};
use crate::http::client::Client;
use crate::http::credentials::basic;

/// Download files, concurrently, atomically and resumably
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    disable_help_flag = true,
    after_help = "`glassloop get --help` lists all options, examples and exit codes.",
    after_long_help = "\
Examples:
  glassloop get example.org/a.iso                one file, to this directory
  glassloop get -i list.txt -d out -j 64         a list, 64 transfers at once
  glassloop get -i list.txt -d out --shard 2/8   the second of eight shards
  glassloop get URL -o - | tar x                 to standard output
  glassloop get -x http://127.0.0.1:3128 URL     through a proxy

A list has lines `URL`, `URL TAB NAME` or `URL TAB NAME TAB sha256:HEX`.
Sizes may end in k, m or g (1024, 1024² or 1024³ bytes).
Retried statuses: 408, 425, 429, 500, 502, 503, 504, 522, 524.
Proxies are also read from http_proxy, https_proxy, all_proxy and no_proxy.
For users of curl and wget, -f, -L, -O and -S are accepted and have no effect,
-s is --quiet and -P is --dest.

Exit codes (the most severe failure decides: 130/143, 3, 6, 5, 4, 2, 1):
  0    all files are complete, unchanged or already present
  1    HTTP status 400 or above
  2    usage error, or invalid line in a list
  3    file system
  4    network, timeout or TLS
  5    HTTP protocol, redirect or size limit
  6    checksum
  130  interrupted by Ctrl-C
  143  terminated by SIGTERM"
)]
pub(super) struct GetArguments {
    /// URLs to download; without a scheme, http:// is assumed
    #[arg(value_name = "URL", required_unless_present = "input")]
    pub(super) urls: Vec<String>,

    /// Output directory, created if missing
    #[arg(short, long, value_name = "DIR", default_value = ".", help_heading = "Output", short_alias = 'P',
          aliases = ["output-dir", "directory-prefix"])]
    dest: PathBuf,
    /// Output file name, for a single URL; - for stdout
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["input", "tree", "remote_name"],
          help_heading = "Output")]
    pub(super) output: Option<PathBuf>,
    /// Keep the directory structure: host/path/name
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(super) tree: bool,
    /// Use the file name from Content-Disposition
    #[arg(short = 'J', long, help_heading = "Output", hide_short_help = true)]
    remote_name: bool,
    /// Resume partial downloads (default)
    #[arg(short, long = "continue", overrides_with = "no_continue", help_heading = "Output", hide_short_help = true)]
    continue_parts: bool,
    /// Discard partial downloads and start over
    #[arg(long, overrides_with = "continue_parts", help_heading = "Output", hide_short_help = true)]
    no_continue: bool,
    /// Replace files: never (default), newer or always
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = OverwriteWhen::Never, help_heading = "Output",
          hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    overwrite: OverwriteWhen,
    /// Do not set file times from Last-Modified
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    no_mtime: bool,
    /// Sync to disk: none (default), file, full (+ directory)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = FsyncWhat::None, help_heading = "Output",
          hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    fsync: FsyncWhat,

    /// Read URLs from FILE, one per line; - for stdin
    #[arg(short, long, value_name = "FILE", help_heading = "Selection")]
    pub(super) input: Option<PathBuf>,
    /// Download only files that have changed
    #[arg(short = 'N', long, help_heading = "Selection", hide_short_help = true)]
    conditional: bool,
    /// Download only shard K of N of the URLs
    #[arg(long, value_name = "K/N", help_heading = "Selection", hide_short_help = true)]
    pub(super) shard: Option<Shard>,
    /// Expected checksum, for a single URL
    #[arg(
        long,
        value_name = "sha256:HEX",
        conflicts_with = "input",
        help_heading = "Selection",
        hide_short_help = true
    )]
    pub(super) checksum: Option<Sha256>,
    /// Check URLs with HEAD requests; write no files
    #[arg(long, help_heading = "Selection", hide_short_help = true)]
    spider: bool,
    /// Print each URL and its path; send no requests
    #[arg(long, help_heading = "Selection", hide_short_help = true)]
    pub(super) dry_run: bool,

    /// Maximum retries per transfer
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Retry", hide_short_help = true)]
    retry: u32,
    /// Status codes to retry instead of those below
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(400..600),
          help_heading = "Retry", hide_short_help = true)]
    retry_on: Option<Vec<u16>>,
    /// Maximum retry wait in seconds
    #[arg(long, value_name = "S", default_value = "120", value_parser = parse_seconds, help_heading = "Retry",
          hide_short_help = true)]
    retry_max_wait: Duration,
    /// Start no transfers after the first failure
    #[arg(long, help_heading = "Retry", hide_short_help = true)]
    fail_fast: bool,

    /// Maximum concurrent transfers
    #[arg(short, long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..),
          help_heading = "Network")]
    pub(super) jobs: u16,
    /// Maximum concurrent transfers per host
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..),
          help_heading = "Network", hide_short_help = true)]
    per_host: u16,
    /// Extra request header, such as 'A: b'
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = parse_header, help_heading = "Network")]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// User-Agent string
    #[arg(short = 'A', long, value_name = "NAME", value_parser = parse_value, help_heading = "Network",
          hide_short_help = true)]
    user_agent: Option<HeaderValue>,
    /// Basic authentication
    #[arg(short, long, value_name = "USER:PASS", value_parser = parse_user, help_heading = "Network",
          hide_short_help = true)]
    user: Option<HeaderValue>,
    /// Maximum redirects
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Network", hide_short_help = true)]
    max_redirs: u32,
    /// Follow redirects from https to http
    #[arg(long, help_heading = "Network", hide_short_help = true)]
    allow_downgrade: bool,
    /// Send credentials and -H to redirect hosts, too
    #[arg(long, help_heading = "Network", hide_short_help = true)]
    location_trusted: bool,
    #[command(flatten)]
    network: NetworkArguments,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    trust: TrustArguments,

    /// Maximum rate in bytes per second
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Limits", hide_short_help = true)]
    limit_rate: Option<u64>,
    /// Maximum file size
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Limits", hide_short_help = true)]
    max_filesize: Option<u64>,
    /// Timeout (s) for DNS, TCP and TLS
    #[arg(long, value_name = "S", default_value = "10", value_parser = parse_seconds, help_heading = "Limits",
          hide_short_help = true)]
    connect_timeout: Duration,
    /// Timeout (s) for the response headers
    #[arg(long, value_name = "S", default_value = "30", value_parser = parse_seconds, help_heading = "Limits",
          hide_short_help = true)]
    head_timeout: Duration,
    /// Timeout (s) while no data arrives
    #[arg(long, value_name = "S", default_value = "30", value_parser = parse_seconds, help_heading = "Limits",
          hide_short_help = true)]
    idle_timeout: Duration,
    /// Timeout (s) for a transfer and its retries
    #[arg(long, value_name = "S", value_parser = parse_seconds, help_heading = "Limits", hide_short_help = true)]
    max_time: Option<Duration>,

    /// Print errors only
    #[arg(short, long, help_heading = "Reporting")]
    pub(super) quiet: bool,
    /// Log retries and redirects (-vv: more)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Reporting", hide_short_help = true)]
    pub(super) verbose: u8,
    /// Print events on stdout, one JSON object per line
    #[arg(long, help_heading = "Reporting")]
    pub(super) json: bool,
    /// Progress: auto (default), bar, plain or none
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ProgressHow::Auto, help_heading = "Reporting",
          hide_default_value = true, hide_possible_values = true, hide_short_help = true)]
    progress: ProgressHow,

    #[command(flatten)]
    help: HelpArguments,
    #[command(flatten)]
    pub(super) observe: ObserveArguments,
    #[command(flatten)]
    pub(super) compatibility: CompatibilityArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverwriteWhen {
    Never,
    Newer,
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FsyncWhat {
    None,
    File,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProgressHow {
    Auto,
    Bar,
    Plain,
    None,
}

impl GetArguments {
    /// Returns where the files are written.
    ///
    /// # Errors
    /// If `-o` names a directory, or is not a valid file name.
    pub(super) fn destination(&self) -> Result<Destination, StartupError> {
        Destination::of(&self.dest, self.output.as_deref())
    }

    /// Returns the options of the download.
    pub(super) fn options(&self, folder: Directory, stream: Option<StreamTarget>) -> DownloadOptions {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        if let Some(user) = &self.user {
            headers.insert(AUTHORIZATION, user.clone());
        }
        DownloadOptions {
            stream,
            jobs: self.jobs.into(),
            per_host: self.per_host.into(),
            retries: self.retry,
            retry_on: self.retry_on.clone(),
            max_wait: self.retry_max_wait,
            max_time: self.max_time,
            resume: !self.no_continue,
            overwrite: match self.overwrite {
                OverwriteWhen::Never => Overwrite::Never,
                OverwriteWhen::Newer => Overwrite::Newer,
                OverwriteWhen::Always => Overwrite::Always,
            },
            conditional: self.conditional,
            redirects: RedirectPolicy {
                max_redirects: self.max_redirs,
                allow_downgrade: self.allow_downgrade,
                is_location_trusted: self.location_trusted,
            },
            headers,
            remote_name: self.remote_name,
            limit_rate: self.limit_rate,
            max_bytes: self.max_filesize,
            keeps_modified: !self.no_mtime,
            fsync: match self.fsync {
                FsyncWhat::None => Fsync::None,
                FsyncWhat::File => Fsync::File,
                FsyncWhat::Full => Fsync::Full,
            },
            spider: self.spider,
            fail_fast: self.fail_fast,
            hash_all: self.json,
            ..DownloadOptions::new(folder)
        }
    }

    /// Returns the maximum numbers of transfers and of idle connections. Without the limit, a list with very many hosts
    /// would leave an idle connection open to each of them.
    pub(super) fn capacity(&self) -> Capacity {
        Capacity { jobs: self.jobs.into(), idle_connections: usize::from(self.per_host).max(256) }
    }

    /// Builds the HTTP client.
    ///
    /// # Errors
    /// If the URL in `--proxy` is invalid.
    pub(super) fn client(&self, capacity: Capacity) -> Result<Client, String> {
        let client = Client::builder()
            .connect_timeout(self.connect_timeout)
            .head_timeout(self.head_timeout)
            .read_timeout(self.idle_timeout)
            .pool_max_idle(capacity.idle_connections)
            .pool_max_idle_per_host(self.per_host.into());
        let client = self.network.apply(client)?;
        #[cfg(feature = "tls")]
        let client = self.trust.apply(client);
        Ok(match &self.user_agent {
            Some(name) => client.user_agent(name.clone()).build(),
            None => client.build(),
        })
    }

    /// Returns whether neither progress nor a summary is printed.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet || self.compatibility.silent
    }

    pub(super) fn progress_style(&self) -> ProgressStyle {
        match self.progress {
            _ if self.is_quiet() => ProgressStyle::None,
            // Lines between the frames would make both hard to read.
            ProgressHow::Auto if self.observe.prints() => ProgressStyle::None,
            ProgressHow::Auto => ProgressStyle::for_stderr(),
            ProgressHow::Bar => ProgressStyle::Bar,
            ProgressHow::Plain => ProgressStyle::Plain,
            ProgressHow::None => ProgressStyle::None,
        }
    }
}

// -- Parsing -------------------------------------------------------------------------------------------------------

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds, such as 2.5".to_owned())?;
    let is_positive = seconds > 0.0 && seconds <= f64::from(u32::MAX);
    is_positive.then(|| Duration::from_secs_f64(seconds)).ok_or("expected a number of seconds above 0".to_owned())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err("the unit must be k, m or g".to_owned()),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten();
    number.filter(|&number| number > 0).ok_or("expected a number of bytes, such as 500k".to_owned())
}

/// Headers that the downloader sets itself.
const RESERVED_HEADERS: [HeaderName; 5] = [RANGE, IF_RANGE, CONTENT_LENGTH, TRANSFER_ENCODING, ACCEPT_ENCODING];

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    let name: HeaderName = name.parse().map_err(|_| "the header name contains an invalid character")?;
    if RESERVED_HEADERS.contains(&name) {
        return Err("this header cannot be overridden".to_owned());
    }
    Ok((name, parse_value(value.trim())?))
}

fn parse_value(text: &str) -> Result<HeaderValue, String> {
    if text.chars().any(char::is_control) {
        return Err("it contains a control character".to_owned());
    }
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "it is not a valid header value".to_owned())
}

fn parse_user(text: &str) -> Result<HeaderValue, String> {
    let (user, password) = text.split_once(':').ok_or("expected USER:PASS")?;
    Ok(basic(user.as_bytes(), password.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_set_the_options() {
        #[derive(clap::Parser)]
        struct Typed {
            #[command(flatten)]
            get: GetArguments,
        }
        let place = tempfile::tempdir().expect("a temporary folder");
        let options = |arguments: &[&str]| {
            let typed = <Typed as clap::Parser>::parse_from([&["get", "http://a.test/"], arguments].concat());
            typed.get.options(Directory::open(place.path()).expect("a folder"), None)
        };
        let defaults = options(&[]);
        assert_eq!((defaults.fsync, defaults.limit_rate, defaults.keeps_modified), (Fsync::None, None, true));
        assert_eq!(options(&["--fsync", "file"]).fsync, Fsync::File);
        assert_eq!(options(&["--fsync", "full"]).fsync, Fsync::Full);
        assert_eq!(options(&["--limit-rate", "2k"]).limit_rate, Some(2048));
        assert!(!options(&["--no-mtime"]).keeps_modified);
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("7", Some(7)), ("2k", Some(2048)), ("3M", Some(3 << 20)), ("1g", Some(1 << 30))] {
            assert_eq!(parse_bytes(text).ok(), bytes, "{text}");
        }
        for text in ["", "k", "0", "-1", "+1", "1.5m", "1kb", "99999999999g"] {
            parse_bytes(text).expect_err(text);
        }
    }

    #[test]
    fn headers_are_validated() {
        assert!(parse_header("X-A: b c").is_ok_and(|(name, value)| name == "x-a" && value == "b c"));
        for text in ["X-A", "X A: b", "X-A: b\r\nX-B: c", "Range: bytes=0-", ": x"] {
            parse_header(text).expect_err(text);
        }
    }
}
