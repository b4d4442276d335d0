//! One transfer: a state machine of attempts, with backoff between them.
//!
//! ```text
//!   Permit ──▶ Request ──▶ Body ──▶ Save ──▶ Done
//!    ▲          │          │
//!    └── Wait ◀─┴──────────┘   retryable error (or Pause: the host is paused, and its pause decides when to retry)
//! ```
//!
//! Each attempt starts at the URL, follows redirects, and resumes the partial download that the attempt before it has
//! left. In state `Permit` the transfer waits for a permit to send requests to the host. It gives up its permit during
//! backoff, so that other transfers can use it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::ETAG;

use super::error::{ErrorClass, FetchError};
use super::plan::DownloadItem;
use super::progress::TransferProgress;
use super::report::{DownloadEventKind, SuccessKind, TransferReport};
use super::request::{FinalResponse, drain};
use super::resume::{content_length, text};
use super::retry::Backoff;
use super::run::RunContext;
use super::scheduler::HostPermit;
use super::sink::{BodySink, OpenStream};
use crate::event_loop::{now, sleep};
use crate::futures::{Either, race, timeout};
use crate::observe::{State, TracedState};

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
    /// The permit to send requests to the host; `None` during backoff.
    pub(super) permit: Option<HostPermit>,
    pub(super) progress: TransferProgress,
    /// The partial file or the output stream; `None` if there is none, or if it has not been opened yet.
    pub(super) sink: Option<BodySink>,
    /// The file name that was derived from `Content-Disposition`, if it has been determined.
    pub(super) remote_name: Option<String>,
    /// The output stream that replaces the file, if any.
    pub(super) stream: Option<Arc<OpenStream>>,
    attempts: u32,
    /// The number of bytes that were resumed from an earlier run and not discarded since.
    pub(super) resumed_from: u64,
    /// Whether `NAME.part` may exist, so that it must be replaced even if it cannot be resumed.
    pub(super) has_part: bool,
    /// Whether the next request asks for the whole file, and not for the rest of a partial download.
    pub(super) requests_whole_file: bool,
    /// Whether the content of the partial download must be discarded, even if its state file is valid.
    pub(super) part_is_untrusted: bool,
    /// Whether the transfer has restarted because the partial download did not match. It restarts at most once.
    has_restarted: bool,
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

impl State for TransferState {
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
    /// No retry: the error is permanent.
    Never,
    /// A retry when a file descriptor may be available.
    AfterShortage,
    /// An immediate retry that requests the whole file, unless that has been tried before.
    FromZero,
    /// An immediate retry that requests the whole file: the server rejects range requests.
    WithoutRange,
    /// A retry after the host's pause. The error is attributed to the host, so it uses up no retry of the transfer.
    AfterPause,
    /// A retry after a backoff, which takes at least this duration.
    After(Option<Duration>),
}

impl<E: Into<FetchError>> From<E> for AttemptError {
    fn from(error: E) -> AttemptError {
        AttemptError { error: error.into(), next: RetryDecision::Never }
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

    /// Runs the transfer to completion and reports the outcome.
    pub(super) async fn run(mut self) -> TransferOutcome {
        let run = self.run.clone();
        run.report(&self.item, DownloadEventKind::Start);
        let outcome = match race(run.stop.wait(), self.within_max_time()).await {
            Either::First(()) => None,
            Either::Second(outcome) => Some(outcome),
        };
        self.transition_to(TransferState::Done);
        let (what, ended) = match &outcome {
            Some(Ok(done)) => {
                run.shortage.transfer_succeeded();
                (DownloadEventKind::Done(done), TransferOutcome::Succeeded(done.kind))
            }
            Some(Err(error)) => {
                let is_disk_full = matches!(error, FetchError::Save(error) if error.is_disk_full());
                (DownloadEventKind::Fail(error), TransferOutcome::Failed { class: error.class(), is_disk_full })
            }
            None => (DownloadEventKind::Cancelled, TransferOutcome::Cancelled),
        };
        run.report(&self.item, what);
        ended
    }

    pub(super) fn transition_to(&self, state: TransferState) {
        self.state.borrow_mut().transition_to(state);
    }

    async fn within_max_time(&mut self) -> Result<TransferReport, FetchError> {
        match self.run.options.max_time {
            None => self.attempt_until_done().await,
            Some(limit) => match timeout(limit, self.attempt_until_done()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(FetchError::TimedOut { limit }),
            },
        }
    }

    async fn attempt_until_done(&mut self) -> Result<TransferReport, FetchError> {
        if let Some(done) = self.check_existing().await? {
            return Ok(done);
        }
        if let Some(target) = self.run.options.stream.clone().filter(|_| !self.run.options.spider) {
            self.open_stream(target).await?;
        }
        if self.has_part {
            while let Err(error) = self.open_part().await {
                if !error.is_out_of_descriptors() || !self.wait_for_descriptors().await {
                    return Err(error);
                }
            }
            if self.permit.is_none() {
                let origin = self.item.url.origin().to_owned();
                self.acquire_permit(&origin).await?;
            }
        }
        let mut backoff = Backoff::starting_at(self.kept(), self.run.options.retries);
        loop {
            self.attempts += 1;
            let AttemptError { error, next } = match self.attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let next = if error.is_out_of_descriptors() { RetryDecision::AfterShortage } else { next };
            let wait = match next {
                RetryDecision::AfterShortage if self.wait_for_descriptors().await => Duration::ZERO,
                RetryDecision::AfterShortage => return Err(error),
                RetryDecision::Never => return Err(error),
                RetryDecision::FromZero if self.has_restarted => return Err(error),
                RetryDecision::FromZero => {
                    (self.has_restarted, self.requests_whole_file, self.part_is_untrusted) = (true, true, true);
                    Duration::ZERO
                }
                RetryDecision::WithoutRange => Duration::ZERO,
                RetryDecision::AfterPause => self.permit.as_ref().map_or(Duration::ZERO, HostPermit::paused_for),
                RetryDecision::After(least) => {
                    backoff.reached(self.kept());
                    let Some(wait) = backoff.next_wait(least) else { return Err(error) };
                    wait.max(self.permit.as_ref().map_or(Duration::ZERO, HostPermit::retry_delay))
                }
            };
            self.run.report(&self.item, DownloadEventKind::Retry { attempts: self.attempts, error: &error, wait });
            self.progress.reset_to(self.kept());
            match next {
                RetryDecision::Never
                | RetryDecision::AfterShortage
                | RetryDecision::FromZero
                | RetryDecision::WithoutRange => {
                    self.transition_to(TransferState::Permit);
                }
                // No wait here: the transfer queues again, and the end of the host's pause decides when it continues.
                RetryDecision::AfterPause => self.transition_to(TransferState::Pause),
                RetryDecision::After(_) => {
                    self.permit = None;
                    self.transition_to(TransferState::Wait);
                    sleep(wait).await;
                    self.transition_to(TransferState::Permit);
                }
            }
            let origin = self.item.url.origin().to_owned();
            self.acquire_permit(&origin).await?;
        }
    }

    /// Waits until a file descriptor may be available for another attempt: closes idle connections, and releases the
    /// permit. Does not use up a retry, since the transfer did not cause the shortage. Returns `false` if the shortage
    /// has lasted too long.
    async fn wait_for_descriptors(&mut self) -> bool {
        log::debug!("no file descriptor is left for {}", self.item.target.name);
        self.run.client.close_idle_connections();
        self.permit = None;
        self.transition_to(TransferState::Permit);
        self.run.scheduler.shrink();
        self.run.shortage.wait(&self.run.counters).await
    }

    /// Returns how many bytes of the file the next attempt can resume from.
    fn kept(&self) -> u64 {
        self.sink.as_ref().map_or(0, BodySink::written)
    }

    /// Waits for a permit to send requests to a host.
    pub(super) async fn acquire_permit(&mut self, origin: &str) -> Result<(), FetchError> {
        self.permit = None;
        let limit = self.run.options.max_wait;
        let permit = self.run.scheduler.reacquire(origin, std::mem::take(&mut self.is_rejected)).await;
        self.permit = Some(permit.ok_or(FetchError::HostPausedTooLong { limit })?);
        Ok(())
    }

    async fn attempt(&mut self) -> Result<TransferReport, AttemptError> {
        let (response, body) = self.send_request().await?;
        let status = response.status;
        match status.as_u16() {
            304 if response.is_conditional => Ok(self.unchanged(&response)),
            304 => Err(unexpected(status, "it was not asked whether the file has changed")),
            _ if self.run.options.spider => {
                let bytes = content_length(&response.headers).unwrap_or_default();
                Ok(self.done(SuccessKind::Checked, None, &response, bytes))
            }
            206 if !response.is_range_request => Err(unexpected(status, "it was not asked for a part of the file")),
            200..=299 | 416 => match self.determine_name(&response).await? {
                Some(done) => {
                    drain(body).await;
                    Ok(done)
                }
                None if status == StatusCode::RANGE_NOT_SATISFIABLE => {
                    drain(body).await;
                    self.save_complete(&response).await
                }
                None => self.save(&response, body).await,
            },
            _ => Err(unexpected(status, "it is neither the file nor an error")),
        }
    }

    fn unchanged(&self, response: &FinalResponse) -> TransferReport {
        let kind = if self.run.options.conditional { SuccessKind::Unchanged } else { SuccessKind::Exists };
        let bytes = self.item.on_disk.file.map_or(0, |file| file.bytes);
        self.done(kind, Some(self.item.target.path()), response, bytes)
    }

    /// Creates the report of a successful transfer.
    pub(super) fn done(
        &self,
        kind: SuccessKind,
        path: Option<std::path::PathBuf>,
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

pub(super) fn unexpected(status: StatusCode, why: &'static str) -> AttemptError {
    FetchError::Unexpected { status, why }.into()
}
