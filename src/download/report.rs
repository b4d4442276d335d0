//! The events of a run, for progress display and machine-readable output.

use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;

use super::error::FetchError;
use super::list::Sha256;
use super::plan::InvalidLine;
use crate::http::client::ConnectTimings;

/// An event of a run.
#[derive(Debug)]
pub struct DownloadEvent<'a> {
    /// The number of the URL in the plan, starting at 1: first the URLs of the command line, then those of the list.
    pub id: u64,
    /// The line number in the list; `None` for a URL of the command line.
    pub line: Option<u64>,
    /// The URL without userinfo; `None` if the line was invalid.
    pub url: Option<&'a str>,
    /// The kind of event.
    pub kind: DownloadEventKind<'a>,
}

/// The kinds of events.
#[derive(Debug)]
pub enum DownloadEventKind<'a> {
    /// The transfer has started.
    Start,
    /// The transfer follows a redirect.
    Redirect {
        /// The status of the redirect response.
        status: StatusCode,
        /// The redirect target.
        to: &'a str,
    },
    /// An attempt has failed and the transfer will be retried.
    Retry {
        /// The number of attempts so far.
        attempts: u32,
        /// The error of the last attempt.
        error: &'a FetchError,
        /// The planned wait before the next attempt. The actual wait is longer if no permit for the host is available
        /// then.
        wait: Duration,
    },
    /// The transfer has succeeded.
    Done(&'a TransferReport),
    /// The transfer has failed.
    Fail(&'a FetchError),
    /// A line of the list is invalid.
    InvalidLine(&'a InvalidLine),
    /// The transfer was cancelled because the run was stopped.
    Cancelled,
}

/// The report of a successful transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferReport {
    /// The kind of success.
    pub kind: SuccessKind,
    /// The path of the file; `None` if there is no file.
    pub path: Option<PathBuf>,
    /// The status of the last response; `None` if no request was sent.
    pub status: Option<StatusCode>,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The number of bytes of the file that an earlier run had downloaded.
    pub resumed_from: u64,
    /// The number of attempts.
    pub attempts: u32,
    /// Whether the last request used a connection that had served an earlier exchange.
    pub reused: bool,
    /// The times to set up the connection, if one was opened for the last request.
    pub connect_timings: Option<ConnectTimings>,
    /// The time from sending the last request to receiving the head of its response.
    pub to_first_byte: Option<Duration>,
    /// The time from the start of the transfer to its end.
    pub total: Duration,
    /// The entity tag of the downloaded version.
    pub etag: Option<String>,
    /// The SHA-256 of the content, if it was computed.
    pub sha256: Option<Sha256>,
}

/// The kinds of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuccessKind {
    /// The file was downloaded.
    Saved,
    /// A file of that name existed and was kept.
    Exists,
    /// The server reported that the existing file has not changed.
    Unchanged,
    /// The server reported success to a `HEAD` request; nothing was downloaded.
    Checked,
}

impl SuccessKind {
    /// Returns the name of the outcome as it appears in reports.
    pub fn name(self) -> &'static str {
        match self {
            SuccessKind::Saved => "saved",
            SuccessKind::Exists => "exists",
            SuccessKind::Unchanged => "unchanged",
            SuccessKind::Checked => "checked",
        }
    }
}
