//! The arguments of `glassloop get`: what is typed, checked, and what it means for a run.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE,
    TRANSFER_ENCODING,
};

use super::get_destination::{Destination, Refusal};
use super::get_network::NetworkArguments;
use super::get_progress::ProgressStyle;
#[cfg(feature = "tls")]
use super::get_trust::TrustArguments;
use super::open_files::Capacity;
use super::watch::WatchArguments;
use crate::download::{Directory, DownloadOptions, Fsync, Overwrite, RedirectPolicy, Sha256, Shard, StreamTarget};
use crate::http::client::Client;
use crate::http::credentials::basic;

/// Download files, many at once: each whole under its name, or continued by the next run
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "\
Examples:
  glassloop get https://example.org/a.iso            one file, into this folder
  glassloop get -i list.txt -d out -j 64             a list: `url`, or `url TAB name TAB sha256:HEX`
  glassloop get -i list.txt -d out --shard 2/8       the second of eight machines with the same list
  glassloop get http://example.org/x -o - | tar x    to standard output
  glassloop get --proxy http://127.0.0.1:3128 URL    through a proxy; also http_proxy, https_proxy, no_proxy

Exit codes, the worst of all transfers: 0 all is there; 1 an HTTP status of 400 or more; 2 usage, or a bad line;
4 network or time; 5 protocol, redirect, too large; 6 checksum; 3 a file or the disk; 130 and 143 interrupted."
)]
pub(super) struct GetArguments {
    /// What to download
    #[arg(value_name = "URL", required_unless_present = "input")]
    pub(super) urls: Vec<String>,
    /// A list of URLs, a line each, read as it is needed; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(super) input: Option<PathBuf>,
    /// The folder for the files, made if it is missing
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    dest: PathBuf,
    /// The name of the file, for a single URL; - is standard output. A pipe or a device is written to
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["input", "tree", "remote_name"])]
    pub(super) output: Option<PathBuf>,
    /// Keep the folders of the URLs: host/path/name
    #[arg(long)]
    pub(super) tree: bool,
    /// Call files what the server calls them (Content-Disposition)
    #[arg(short = 'J', long)]
    remote_name: bool,
    /// Transfers at once
    #[arg(short, long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: u16,
    /// Of them to one host
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..))]
    per_host: u16,
    /// How often a failed transfer is tried again
    #[arg(long, value_name = "N", default_value_t = 3)]
    retry: u32,
    /// After which statuses, instead of 408,425,429,500,502,503,504,522,524
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(400..600))]
    retry_on: Option<Vec<u16>>,
    /// The longest that a server may ask to wait, in seconds
    #[arg(long, value_name = "S", default_value = "120", value_parser = parse_seconds)]
    retry_max_wait: Duration,
    /// The longest that a connection may take, in seconds
    #[arg(long, value_name = "S", default_value = "10", value_parser = parse_seconds)]
    connect_timeout: Duration,
    /// The longest that the head of an answer may take, in seconds
    #[arg(long, value_name = "S", default_value = "30", value_parser = parse_seconds)]
    head_timeout: Duration,
    /// The longest that a body may be silent, in seconds
    #[arg(long, value_name = "S", default_value = "30", value_parser = parse_seconds)]
    idle_timeout: Duration,
    /// The longest that a whole transfer may take, with its retries, in seconds
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    max_time: Option<Duration>,
    /// Continue what an earlier run left (the default)
    #[arg(short, long = "continue", overrides_with = "no_continue")]
    continue_parts: bool,
    /// Begin anew
    #[arg(long, overrides_with = "continue_parts")]
    no_continue: bool,
    /// What becomes of files that are there
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = OverwriteWhen::Never)]
    overwrite: OverwriteWhen,
    /// Remember what files were, and only fetch those that have changed
    #[arg(short = 'N', long)]
    conditional: bool,
    /// Redirects to follow
    #[arg(long, value_name = "N", default_value_t = 10)]
    max_redirs: u32,
    /// Follow redirects from https to http
    #[arg(long)]
    allow_downgrade: bool,
    /// Send credentials and -H to where redirects lead
    #[arg(long)]
    location_trusted: bool,
    /// A field of the request, such as `Cookie: a=b`
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = parse_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What User-Agent says
    #[arg(short = 'A', long, value_name = "NAME", value_parser = parse_value)]
    user_agent: Option<HeaderValue>,
    /// Basic authentication. A URL with a user name of its own is sent that one instead
    #[arg(short, long, value_name = "USER:PASS", value_parser = parse_user, hide_default_value = true)]
    user: Option<HeaderValue>,
    #[command(flatten)]
    network: NetworkArguments,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    trust: TrustArguments,
    /// Bytes a second, over all transfers; k, m and g are 1024, 1024², 1024³
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    limit_rate: Option<u64>,
    /// The most bytes of a file
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    max_filesize: Option<u64>,
    /// Leave files the time of the download instead of the server's Last-Modified
    #[arg(long)]
    no_mtime: bool,
    /// What has to be on the disk before a file counts: nothing, its content, or its name, too
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = FsyncWhat::None)]
    fsync: FsyncWhat,
    /// What the content has to add up to, for a single URL
    #[arg(long, value_name = "sha256:HEX", conflicts_with = "input")]
    pub(super) checksum: Option<Sha256>,
    /// Take only the URLs that fall in share K of N
    #[arg(long, value_name = "K/N")]
    pub(super) shard: Option<Shard>,
    /// Only print what would be downloaded, and where to
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Only ask whether the files are there (HEAD)
    #[arg(long)]
    spider: bool,
    /// Start nothing more after the first failure
    #[arg(long)]
    fail_fast: bool,
    /// A line of JSON for everything that happens, on standard output
    #[arg(long)]
    pub(super) json: bool,
    /// How progress is shown: auto is bars on a terminal, a line a second elsewhere
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ProgressHow::Auto)]
    progress: ProgressHow,
    /// No progress and no summary; errors only
    #[arg(short, long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) watch: WatchArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverwriteWhen {
    /// They stay
    Never,
    /// They are replaced if the server's are newer
    Newer,
    /// They are replaced
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
    /// Where the files go.
    pub(super) fn destination(&self) -> Result<Destination, Refusal> {
        Destination::of(&self.dest, self.output.as_deref())
    }

    /// How to download.
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
            // A name that was given is meant.
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

    /// How many connections there may be. Without a limit on those that wait for their next request, a list over very
    /// many hosts would leave one behind at each.
    pub(super) fn capacity(&self) -> Capacity {
        Capacity { jobs: self.jobs.into(), idle_connections: usize::from(self.per_host).max(256) }
    }

    /// With whom; or what is wrong with the way there.
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

    pub(super) fn progress_style(&self) -> ProgressStyle {
        match self.progress {
            _ if self.quiet => ProgressStyle::None,
            ProgressHow::Auto => ProgressStyle::for_stderr(),
            ProgressHow::Bar => ProgressStyle::Bar,
            ProgressHow::Plain => ProgressStyle::Plain,
            ProgressHow::None => ProgressStyle::None,
        }
    }
}

// -- What is typed -------------------------------------------------------------------------------------------------

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds".to_owned())?;
    let is_positive = seconds > 0.0 && seconds <= f64::from(u32::MAX);
    is_positive.then(|| Duration::from_secs_f64(seconds)).ok_or("give a number of seconds above 0".to_owned())
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err("the unit is not k, m or g".to_owned()),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten();
    number.filter(|&number| number > 0).ok_or("give a number of bytes, such as 500k".to_owned())
}

/// Fields that say what the transfer itself has to know.
const OUR_OWN: [HeaderName; 5] = [RANGE, IF_RANGE, CONTENT_LENGTH, TRANSFER_ENCODING, ACCEPT_ENCODING];

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("give it as `Name: value`")?;
    let name: HeaderName = name.parse().map_err(|_| "the name is not one that a field can have")?;
    if OUR_OWN.contains(&name) {
        return Err("glassloop sets this field itself".to_owned());
    }
    Ok((name, parse_value(value.trim())?))
}

fn parse_value(text: &str) -> Result<HeaderValue, String> {
    if text.chars().any(char::is_control) {
        return Err("it has a control character in it".to_owned());
    }
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "it is not a value that a field can have".to_owned())
}

fn parse_user(text: &str) -> Result<HeaderValue, String> {
    let (user, password) = text.split_once(':').ok_or("give it as USER:PASS")?;
    Ok(basic(user.as_bytes(), password.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_reaches_the_options() {
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
    fn numbers_of_bytes_have_units() {
        for (text, bytes) in [("7", Some(7)), ("2k", Some(2048)), ("3M", Some(3 << 20)), ("1g", Some(1 << 30))] {
            assert_eq!(parse_bytes(text).ok(), bytes, "{text}");
        }
        for text in ["", "k", "0", "-1", "+1", "1.5m", "1kb", "99999999999g"] {
            parse_bytes(text).expect_err(text);
        }
    }

    #[test]
    fn fields_are_checked() {
        assert!(parse_header("X-A: b c").is_ok_and(|(name, value)| name == "x-a" && value == "b c"));
        for text in ["X-A", "X A: b", "X-A: b\r\nX-B: c", "Range: bytes=0-", ": x"] {
            parse_header(text).expect_err(text);
        }
    }
}
