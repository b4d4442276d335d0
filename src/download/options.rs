//! The options of a run.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::directory::Directory;
use super::publish::{Fsync, OnExisting};
use super::redirect::RedirectPolicy;
use super::retry::is_retryable_status;
use super::sink::StreamTarget;

/// The options that apply to all files of a run.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// The output directory.
    pub directory: Directory,
    /// The output stream to write to instead of a file, if any. Only valid with a single URL.
    pub stream: Option<StreamTarget>,
    /// The maximum number of concurrent transfers.
    pub jobs: usize,
    /// The maximum number of concurrent transfers per host.
    pub per_host: usize,
    /// The maximum number of retries of a transfer.
    pub retries: u32,
    /// The response statuses that are retried; `None` for the [default set](is_retryable_status).
    pub retry_on: Option<Vec<u16>>,
    /// The longest `Retry-After` that is honoured, and the longest time for which a host may stay paused (see
    /// `host.rs`).
    pub max_wait: Duration,
    /// The time limit for a transfer, including its retries.
    pub max_time: Option<Duration>,
    /// Whether partial downloads of earlier runs are resumed.
    pub resume: bool,
    /// The policy for existing files.
    pub overwrite: Overwrite,
    /// Whether requests for existing files are made conditional with the validators that an earlier run saved.
    pub conditional: bool,
    /// The redirect policy.
    pub redirects: RedirectPolicy,
    /// Additional request headers, sent to the origin of the given URL, and to other origins only with
    /// [`RedirectPolicy::is_location_trusted`].
    pub headers: HeaderMap,
    /// Whether files are named after the server's `Content-Disposition`.
    pub remote_name: bool,
    /// The rate limit over all transfers, in bytes per second.
    pub limit_rate: Option<u64>,
    /// The maximum size of a file, in bytes.
    pub max_bytes: Option<u64>,
    /// Whether the modification time of a file is set to the server's `Last-Modified`.
    pub keeps_modified: bool,
    /// The fsync policy: which data is synced to disk before success is reported.
    pub fsync: Fsync,
    /// Whether URLs are only checked with a `HEAD` request, without a download (wget's `--spider`).
    pub spider: bool,
    /// Whether no more transfers are started after the first failure.
    pub fail_fast: bool,
    /// Whether the SHA-256 of every file is computed.
    pub hash_all: bool,
}

/// The policy for existing files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Existing files are kept without a request. Exceptions: `conditional`, `remote_name` and `spider` need a request,
    /// and a file whose expected checksum differs is replaced.
    Never,
    /// Existing files are replaced if the server's version is newer.
    Newer,
    /// Existing files are always replaced.
    Always,
}

impl DownloadOptions {
    /// Creates the options that the command uses by default.
    pub fn new(directory: Directory) -> DownloadOptions {
        DownloadOptions {
            directory,
            stream: None,
            jobs: 32,
            per_host: 6,
            retries: 3,
            retry_on: None,
            max_wait: Duration::from_secs(120),
            max_time: None,
            resume: true,
            overwrite: Overwrite::Never,
            conditional: false,
            redirects: RedirectPolicy::default(),
            headers: HeaderMap::new(),
            remote_name: false,
            limit_rate: None,
            max_bytes: None,
            keeps_modified: true,
            fsync: Fsync::None,
            spider: false,
            fail_fast: false,
            hash_all: false,
        }
    }

    /// Returns whether a transfer is retried after a response with this status.
    pub(super) fn retries_after(&self, status: StatusCode) -> bool {
        match &self.retry_on {
            Some(statuses) => statuses.contains(&status.as_u16()),
            None => is_retryable_status(status),
        }
    }

    /// Returns whether saving replaces an existing file or keeps it.
    pub(super) fn existing(&self) -> OnExisting {
        if self.overwrite == Overwrite::Never && !self.conditional { OnExisting::Keep } else { OnExisting::Replace }
    }
}
