//! A running transfer: its data and states. Its steps are methods in other files (see the table in `mod.rs`).

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use http::header::ETAG;

use super::context::RunContext;
use super::error::{ErrorClass, FetchError};
use super::plan::DownloadItem;
use super::progress::TransferProgress;
use super::report::{SuccessKind, TransferReport};
use super::response::FinalResponse;
use super::resume::text;
use super::retry::Retry;
use super::scheduler::HostPermit;
use super::sink::{BodySink, OpenStream};
use crate::event_loop::now;
use crate::observe::{NamedState, TracedState};

/// The outcome of a transfer, for the summary of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferOutcome {
    Succeeded(SuccessKind),
    Failed { class: ErrorClass, is_disk_full: bool },
    Cancelled,
}

/// A running transfer.
pub(super) struct Transfer {
    pub(super) run: Rc<RunContext>,
    pub(super) item: Box<DownloadItem>,
    /// The permit to send requests to the host; `None` while the transfer waits (for a permit, after an error or for a
    /// file descriptor), and after the end of the response.
    pub(super) permit: Option<HostPermit>,
    pub(super) progress: TransferProgress,
    /// The partial file or the output stream; `None` if there is none, or if it has not been opened yet.
    pub(super) sink: Option<BodySink>,
    /// With `remote_name`, the final file name, once it has been determined from the response.
    pub(super) remote_name: Option<String>,
    /// The output stream to write to instead of a file, if any.
    pub(super) stream: Option<Arc<OpenStream>>,
    pub(super) attempts: u32,
    /// The number of bytes that were resumed from an earlier run and not discarded since.
    pub(super) resumed_from: u64,
    /// Whether `NAME.part` may exist, so that it must be replaced even if it cannot be resumed.
    pub(super) has_part: bool,
    /// Whether the next request is for the whole file instead of the rest of a partial download.
    pub(super) requests_whole_file: bool,
    /// Whether the content of the partial download must be discarded, even if its state file is valid.
    pub(super) part_is_untrusted: bool,
    /// Whether the transfer has restarted because the partial download did not match. It restarts at most once.
    pub(super) has_restarted: bool,
    /// The number of range requests that the server has rejected.
    pub(super) rejected_ranges: u32,
    /// Whether the whole file was requested after rejected range requests. This is done at most once.
    pub(super) has_tried_without_range: bool,
    /// Whether the host has rejected the last request with 429 or 503.
    pub(super) is_rejected: bool,
    state: RefCell<TracedState<TransferState>>,
}

/// The states of a transfer, as observers see them.
#[derive(Clone, Copy, Debug)]
pub(super) enum TransferState {
    Permit,
    Request,
    Body,
    Save,
    Wait,
    /// Waiting for the end of the host's pause.
    Pause,
    Done,
}

impl NamedState for TransferState {
    const TYPE_NAME: &'static str = "Transfer";

    fn name(&self) -> &'static str {
        match self {
            TransferState::Permit => "Permit",
            TransferState::Request => "Request",
            TransferState::Body => "Body",
            TransferState::Save => "Save",
            TransferState::Wait => "Wait",
            TransferState::Pause => "Pause",
            TransferState::Done => "Done",
        }
    }
}

/// A failed attempt: the error, and whether and when the transfer is retried.
pub(super) struct AttemptError {
    pub(super) error: FetchError,
    pub(super) next: RetryDecision,
}

/// The decision whether and when a failed transfer is retried.
pub(super) enum RetryDecision {
    /// A retry when a file descriptor may be available.
    AfterShortage,
    /// An immediate retry that requests the whole file, because the response does not match the partial download. At
    /// most once per transfer.
    FromZero,
    /// An immediate retry that requests the whole file, because the server rejects range requests.
    WithoutRange,
    /// A retry after the host's pause. The error is attributed to the host, so it uses up no retry of the transfer.
    AfterPause,
    /// A retry after a backoff, or none, depending on the error.
    Backoff(Retry),
}

impl<E: Into<FetchError>> From<E> for AttemptError {
    fn from(error: E) -> AttemptError {
        AttemptError { error: error.into(), next: RetryDecision::Backoff(Retry::Never) }
    }
}

impl Transfer {
    pub(super) fn new(run: Rc<RunContext>, item: Box<DownloadItem>, permit: HostPermit) -> Transfer {
        let progress = run.counters.begin(&item.target.name);
        let has_part = item.on_disk.has_part && !run.options.spider && run.options.stream.is_none();
        Transfer {
            run,
            item,
            permit: Some(permit),
            progress,
            sink: None,
            stream: None,
            remote_name: None,
            attempts: 0,
            resumed_from: 0,
            has_part,
            requests_whole_file: false,
            part_is_untrusted: false,
            has_restarted: false,
            rejected_ranges: 0,
            has_tried_without_range: false,
            is_rejected: false,
            state: RefCell::new(TracedState::new(TransferState::Permit)),
        }
    }

    pub(super) fn transition_to(&self, state: TransferState) {
        self.state.borrow_mut().transition_to(state);
    }

    /// Waits for a permit to send requests to a host.
    pub(super) async fn acquire_permit(&mut self, origin: &str) -> Result<(), FetchError> {
        self.permit = None;
        let limit = self.run.options.max_wait;
        let permit = self.run.scheduler.reacquire(origin, std::mem::take(&mut self.is_rejected)).await;
        self.permit = Some(permit.ok_or(FetchError::HostPausedTooLong { limit })?);
        Ok(())
    }

    /// Creates the report of a successful transfer.
    pub(super) fn done(
        &self,
        kind: SuccessKind,
        path: Option<PathBuf>,
        response: &FinalResponse,
        bytes: u64,
    ) -> TransferReport {
        TransferReport {
            kind,
            path: path.map(|path| self.run.options.directory.path().join(path)),
            status: Some(response.status),
            bytes,
            resumed_from: self.resumed_from,
            attempts: self.attempts,
            reused: response.is_reused,
            connect_timings: response.connect_timings,
            to_first_byte: Some(response.to_first_byte),
            total: now().saturating_duration_since(self.progress.since()),
            etag: text(&response.headers, &ETAG),
            sha256: None,
        }
    }
}
