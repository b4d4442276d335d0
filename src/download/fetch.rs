//! One transfer: a state machine of attempts, with backoff between them.
//!
//! ```text
//!   Turn ──▶ Request ──▶ Body ──▶ Save ──▶ Done
//!    ▲          │          │
//!    └── Wait ◀─┴──────────┘   retryable error (or Pause: the host is paused, and its pause decides when to retry)
//! ```
//!
//! Each attempt starts at the URL, follows redirects, and resumes the partial download that the attempt before it has
//! left. In state `Turn` the transfer waits for a permit to send requests to the host. It gives up its permit during
//! backoff, so that other transfers can use it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::ETAG;

use super::ask::{Answered, drain};
use super::error::{Class, FetchError};
use super::gauge::Reading;
use super::plan::Item;
use super::report::{Done, How, What};
use super::resume::{content_length, text};
use super::retry::Backoff;
use super::run::Run;
use super::sink::{OpenStream, Sink};
use super::turns::Turn;
use crate::event_loop::{now, sleep};
use crate::futures::{Either, race, timeout};
use crate::observe::{State, TracedState};

/// The outcome of a transfer, for the summary of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done(How),
    Failed { class: Class, is_disk_full: bool },
    Cancelled,
}

/// A running transfer.
pub(super) struct Transfer {
    pub(super) run: Rc<Run>,
    pub(super) item: Box<Item>,
    /// The permit to send requests to the host; `None` during backoff.
    pub(super) turn: Option<Turn>,
    pub(super) reading: Reading,
    /// The partial file or the output stream; `None` if there is none, or if it has not been opened yet.
    pub(super) sink: Option<Sink>,
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
    pub(super) asks_for_all: bool,
    /// Whether the content of the partial download must be discarded, even if its state file is valid.
    pub(super) distrusts_part: bool,
    /// Whether the transfer has restarted because the partial download did not match. It restarts at most once.
    has_started_over: bool,
    /// The number of range requests that the server has rejected.
    pub(super) refused_ranges: u32,
    /// Whether the whole file was requested after rejected range requests. This is done at most once.
    pub(super) has_asked_without_range: bool,
    /// Whether the host has rejected the last request with 429 or 503.
    pub(super) is_rejected: bool,
    state: RefCell<TracedState<TransferState>>,
}

/// The states of a transfer, as observers see them.
#[derive(Clone, Copy, Debug)]
pub(super) enum TransferState {
    Turn,
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
            TransferState::Turn => "Turn",
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
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) next: Attempt,
}

/// A shortage of file descriptors that lasts although no other transfer of this run is running, so that waiting for
/// other transfers would not help.
#[derive(Default)]
struct Shortage {
    /// The number of times that the transfer has waited for it to end.
    waits: u32,
}

impl Shortage {
    const WAIT: Duration = Duration::from_millis(50);
    /// The maximum number of waits: 10 s in total.
    const MOST_WAITS: u32 = 200;
}

/// The decision whether and when a failed transfer is retried.
pub(super) enum Attempt {
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

impl<E: Into<FetchError>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { error: error.into(), next: Attempt::Never }
    }
}

impl Transfer {
    pub(super) fn new(run: Rc<Run>, item: Box<Item>, turn: Turn) -> Transfer {
        let reading = run.gauge.begin(&item.place.name);
        let has_part = item.found.part && !run.options.spider && run.options.stream.is_none();
        Transfer {
            run,
            item,
            turn: Some(turn),
            reading,
            sink: None,
            stream: None,
            remote_name: None,
            attempts: 0,
            resumed_from: 0,
            has_part,
            asks_for_all: false,
            distrusts_part: false,
            has_started_over: false,
            refused_ranges: 0,
            has_asked_without_range: false,
            is_rejected: false,
            state: RefCell::new(TracedState::new(TransferState::Turn)),
        }
    }

    /// Runs the transfer to completion and reports the outcome.
    pub(super) async fn run(mut self) -> Ended {
        let run = self.run.clone();
        run.tell(&self.item, What::Start);
        let outcome = match race(run.stop.wait(), self.within_max_time()).await {
            Either::First(()) => None,
            Either::Second(outcome) => Some(outcome),
        };
        self.transition_to(TransferState::Done);
        let (what, ended) = match &outcome {
            Some(Ok(done)) => (What::Done(done), Ended::Done(done.how)),
            Some(Err(error)) => {
                let is_disk_full = matches!(error, FetchError::Save(error) if error.is_disk_full());
                (What::Fail(error), Ended::Failed { class: error.class(), is_disk_full })
            }
            None => (What::Cancelled, Ended::Cancelled),
        };
        run.tell(&self.item, what);
        ended
    }

    pub(super) fn transition_to(&self, state: TransferState) {
        self.state.borrow_mut().transition_to(state);
    }

    async fn within_max_time(&mut self) -> Result<Done, FetchError> {
        match self.run.options.max_time {
            None => self.attempt_until_done().await,
            Some(limit) => match timeout(limit, self.attempt_until_done()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(FetchError::TimedOut { limit }),
            },
        }
    }

    async fn attempt_until_done(&mut self) -> Result<Done, FetchError> {
        if let Some(done) = self.check_existing().await? {
            return Ok(done);
        }
        if let Some(target) = self.run.options.stream.clone().filter(|_| !self.run.options.spider) {
            self.open_stream(target).await?;
        }
        let mut shortage = Shortage::default();
        if self.has_part {
            while let Err(error) = self.open_part().await {
                if !error.is_for_want_of_descriptors() || !self.outlast(&mut shortage).await {
                    return Err(error);
                }
            }
            if self.turn.is_none() {
                let origin = self.item.address.origin().to_owned();
                self.take_turn(&origin).await?;
            }
        }
        let mut backoff = Backoff::starting_at(self.kept(), self.run.options.retries);
        loop {
            self.attempts += 1;
            let Failure { error, next } = match self.attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let next = if error.is_for_want_of_descriptors() { Attempt::AfterShortage } else { next };
            let wait = match next {
                Attempt::AfterShortage if self.outlast(&mut shortage).await => Duration::ZERO,
                Attempt::AfterShortage => return Err(error),
                Attempt::Never => return Err(error),
                Attempt::FromZero if self.has_started_over => return Err(error),
                Attempt::FromZero => {
                    (self.has_started_over, self.asks_for_all, self.distrusts_part) = (true, true, true);
                    Duration::ZERO
                }
                Attempt::WithoutRange => Duration::ZERO,
                Attempt::AfterPause => self.turn.as_ref().map_or(Duration::ZERO, Turn::paused_for),
                Attempt::After(least) => {
                    backoff.reached(self.kept());
                    let Some(wait) = backoff.next_wait(least) else { return Err(error) };
                    wait.max(self.turn.as_ref().map_or(Duration::ZERO, Turn::retry_delay))
                }
            };
            self.run.tell(&self.item, What::Retry { attempts: self.attempts, error: &error, wait });
            self.reading.fall_back_to(self.kept());
            match next {
                Attempt::Never | Attempt::AfterShortage | Attempt::FromZero | Attempt::WithoutRange => {
                    self.transition_to(TransferState::Turn);
                }
                // No wait here: the transfer queues again, and the end of the host's pause decides when it continues.
                Attempt::AfterPause => self.transition_to(TransferState::Pause),
                Attempt::After(_) => {
                    self.turn = None;
                    self.transition_to(TransferState::Wait);
                    sleep(wait).await;
                    self.transition_to(TransferState::Turn);
                }
            }
            let origin = self.item.address.origin().to_owned();
            self.take_turn(&origin).await?;
        }
    }

    /// Waits until a file descriptor may be available for another attempt: closes idle connections, and releases the
    /// permit. Does not use up a retry, since the transfer did not cause the shortage. Returns `false` if the shortage
    /// has lasted too long although no other transfer of this run is running.
    async fn outlast(&mut self, shortage: &mut Shortage) -> bool {
        log::debug!("no file descriptor is left for {}", self.item.place.name);
        self.run.client.close_idle_connections();
        self.turn = None;
        self.transition_to(TransferState::Turn);
        if self.run.turns.shrink() {
            *shortage = Shortage::default();
        } else {
            shortage.waits += 1;
        }
        sleep(Shortage::WAIT).await;
        shortage.waits <= Shortage::MOST_WAITS
    }

    /// Returns how many bytes of the file the next attempt can resume from.
    fn kept(&self) -> u64 {
        self.sink.as_ref().map_or(0, Sink::written)
    }

    /// Waits for a permit to send requests to a host.
    pub(super) async fn take_turn(&mut self, origin: &str) -> Result<(), FetchError> {
        self.turn = None;
        let limit = self.run.options.max_wait;
        let turn = self.run.turns.again(origin, std::mem::take(&mut self.is_rejected)).await;
        self.turn = Some(turn.ok_or(FetchError::HostGivenUp { limit })?);
        Ok(())
    }

    async fn attempt(&mut self) -> Result<Done, Failure> {
        let (answered, body) = self.ask().await?;
        let status = answered.status;
        match status.as_u16() {
            304 if answered.was_conditional => Ok(self.unchanged(&answered)),
            304 => Err(unexpected(status, "it was not asked whether the file has changed")),
            _ if self.run.options.spider => {
                let bytes = content_length(&answered.headers).unwrap_or_default();
                Ok(self.done(How::Checked, None, &answered, bytes))
            }
            206 if !answered.asked_for_rest => Err(unexpected(status, "it was not asked for a part of the file")),
            200..=299 | 416 => match self.settle_name(&answered).await? {
                Some(done) => {
                    drain(body).await;
                    Ok(done)
                }
                None if status == StatusCode::RANGE_NOT_SATISFIABLE => {
                    drain(body).await;
                    self.save_complete(&answered).await
                }
                None => self.save(&answered, body).await,
            },
            _ => Err(unexpected(status, "it is neither the file nor an error")),
        }
    }

    fn unchanged(&self, answered: &Answered) -> Done {
        let how = if self.run.options.conditional { How::Unchanged } else { How::Exists };
        let bytes = self.item.found.whole.map_or(0, |whole| whole.bytes);
        self.done(how, Some(self.item.place.path()), answered, bytes)
    }

    /// Creates the report of a successful transfer.
    pub(super) fn done(&self, how: How, path: Option<std::path::PathBuf>, answered: &Answered, bytes: u64) -> Done {
        Done {
            how,
            path: path.map(|path| self.run.options.folder.path().join(path)),
            status: Some(answered.status),
            bytes,
            resumed_from: self.resumed_from,
            attempts: self.attempts,
            reused: answered.is_reused,
            connect_timings: answered.connect_timings,
            to_first_byte: Some(answered.to_first_byte),
            total: now().saturating_duration_since(self.reading.since()),
            etag: text(&answered.headers, &ETAG),
            sha256: None,
        }
    }
}

pub(super) fn unexpected(status: StatusCode, why: &'static str) -> Failure {
    FetchError::Unexpected { status, why }.into()
}
