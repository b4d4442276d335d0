//! What a run tells of each transfer, for people and for programs.

use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;

use super::error::FetchError;
use super::list::Sha256;
use super::plan::BadLine;
use crate::http::client::SetupTimes;

/// Something that has happened to a transfer.
#[derive(Debug)]
pub struct Event<'a> {
    /// The transfer's number in the list, from 1.
    pub id: u64,
    /// Its line in the list.
    pub line: Option<u64>,
    /// Its URL, without a user name or a password; `None` if the line could not be read.
    pub url: Option<&'a str>,
    /// What has happened.
    pub what: What<'a>,
}

/// The things that happen.
#[derive(Debug)]
pub enum What<'a> {
    /// It has its first turn.
    Start,
    /// It goes on elsewhere.
    Redirect {
        /// What the server answered.
        status: StatusCode,
        /// Where to.
        to: &'a str,
    },
    /// It will be tried again.
    Retry {
        /// How many attempts there were.
        attempts: u32,
        /// Why the last one failed.
        error: &'a FetchError,
        /// After how long. A host that pauses may take longer.
        wait: Duration,
    },
    /// It has ended well.
    Done(&'a Done),
    /// It has failed.
    Fail(&'a FetchError),
    /// Its line cannot be used.
    BadLine(&'a BadLine),
    /// It was given up, since the run ends.
    Cancelled,
}

/// How a transfer ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// In which way.
    pub how: How,
    /// The file; `None` if there is none.
    pub path: Option<PathBuf>,
    /// The server's answer; `None` if it was not asked.
    pub status: Option<StatusCode>,
    /// How many bytes the file has.
    pub bytes: u64,
    /// How many of them an earlier run had left.
    pub resumed_from: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether the last answer came over a connection that had served another.
    pub reused: bool,
    /// How long it took to get that connection, if it was made for the last request.
    pub setup_times: Option<SetupTimes>,
    /// From the last request to the head of its answer.
    pub to_first_byte: Option<Duration>,
    /// From its first turn to its end.
    pub total: Duration,
    /// The server's name for the version.
    pub etag: Option<String>,
    /// What the content adds up to, if that was worked out.
    pub sha256: Option<Sha256>,
}

/// The ways to end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It was downloaded.
    Saved,
    /// There was a file of that name, which stays.
    Exists,
    /// The server says that the file is as it was.
    Unchanged,
    /// The server has it; nothing was downloaded.
    Checked,
}

impl How {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            How::Saved => "saved",
            How::Exists => "exists",
            How::Unchanged => "unchanged",
            How::Checked => "checked",
        }
    }
}
