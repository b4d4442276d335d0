//! How to download.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::redirect::RedirectRules;
use super::retry::is_worth_retrying;
use super::save::{Existing, Folder, Fsync};
use super::sink::StreamTarget;

/// What is the same for all files of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the files go.
    pub folder: Folder,
    /// Where it goes instead of into a file. For one URL.
    pub stream: Option<StreamTarget>,
    /// Transfers at once.
    pub jobs: usize,
    /// Of them to one host.
    pub per_host: usize,
    /// How often a transfer is tried again.
    pub retries: u32,
    /// After which answers; `None`: after those that are [worth it](is_worth_retrying).
    pub retry_on: Option<Vec<u16>>,
    /// The longest wait that a server may ask for, and the longest that a host may pause in a row.
    pub max_wait: Duration,
    /// The longest that a transfer may take, with its retries.
    pub max_time: Option<Duration>,
    /// Whether what an earlier run left is continued.
    pub resume: bool,
    /// What becomes of files that are there.
    pub overwrite: Overwrite,
    /// Whether servers are asked if files are still what they were.
    pub conditional: bool,
    /// What redirects are followed.
    pub redirects: RedirectRules,
    /// Fields for the host that a URL names.
    pub headers: HeaderMap,
    /// Whether files are called what `Content-Disposition` says.
    pub remote_name: bool,
    /// Bytes a second, over all transfers.
    pub limit_rate: Option<u64>,
    /// The most bytes of a file.
    pub max_bytes: Option<u64>,
    /// Whether files get the modification time that their servers give.
    pub keeps_modified: bool,
    /// What has to be safe before a file counts.
    pub fsync: Fsync,
    /// Whether servers are only asked, and nothing is downloaded.
    pub spider: bool,
    /// Whether nothing more is started after the first failure.
    pub fail_fast: bool,
    /// Whether the SHA-256 of every file is worked out.
    pub hash_all: bool,
}

/// What becomes of files that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// They stay, and the server is not asked.
    Never,
    /// They are replaced if the server's are newer.
    Newer,
    /// They are replaced.
    Always,
}

impl Options {
    /// The defaults of the command.
    pub fn new(folder: Folder) -> Options {
        Options {
            folder,
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
            redirects: RedirectRules::default(),
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

    /// Whether a transfer that got this answer is tried again.
    pub(super) fn retries_after(&self, status: StatusCode) -> bool {
        match &self.retry_on {
            Some(statuses) => statuses.contains(&status.as_u16()),
            None => is_worth_retrying(status),
        }
    }

    /// Whether a file that is there is replaced.
    pub(super) fn existing(&self) -> Existing {
        if self.overwrite == Overwrite::Never && !self.conditional { Existing::Keep } else { Existing::Replace }
    }
}
