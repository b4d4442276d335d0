//! One transfer: attempts, and what lies between them.
//!
//! ```text
//!   Turn ──▶ Request ──▶ Body ──▶ Save ──▶ Done
//!    ▲          │          │
//!    └── Wait ◀─┴──────────┘   it may go better the next time; Pause, if that is up to the host
//! ```
//!
//! An attempt begins at the URL, follows redirects, and continues the part that the one before has left. While the
//! transfer waits for the next one it has no turn: others use it.

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
use crate::observe::{State, Stateful};

/// How a transfer ended, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done(How),
    Failed { class: Class, is_disk_full: bool },
    Cancelled,
}

/// A transfer under way.
pub(super) struct Transfer {
    pub(super) run: Rc<Run>,
    pub(super) item: Box<Item>,
    /// The right to send requests; `None` while it waits.
    pub(super) turn: Option<Turn>,
    pub(super) reading: Reading,
    /// What there is of the file. `None` if there is nothing, or as long as nobody has looked.
    pub(super) sink: Option<Sink>,
    /// The file's name, if the server has given it.
    pub(super) remote_name: Option<String>,
    /// What the body goes to instead of a file.
    pub(super) stream: Option<Arc<OpenStream>>,
    attempts: u32,
    /// Bytes that an earlier run had left and that were not given up.
    pub(super) resumed_from: u64,
    /// Whether `NAME.part` may be there, so that it has to be replaced even if it is of no use.
    pub(super) has_part: bool,
    /// Whether the next request is for all of the file, and not for the rest of it.
    pub(super) asks_for_all: bool,
    /// Whether what is in the part is not used, whatever its state says.
    pub(super) distrusts_part: bool,
    /// Whether a part has turned out not to fit. That happens once.
    has_started_over: bool,
    /// How often the server has refused a request for the rest.
    pub(super) refused_ranges: u32,
    /// Whether the whole was asked for since the rest was refused. That happens once.
    pub(super) has_asked_without_range: bool,
    /// Whether the host has rejected the last request with 429 or 503.
    pub(super) is_rejected: bool,
    state: RefCell<Stateful<TransferState>>,
}

/// What a transfer does, for those who watch.
#[derive(Clone, Copy, Debug)]
pub(super) enum TransferState {
    Turn,
    Request,
    Body,
    Save,
    Wait,
    /// For the end of its host's pause.
    Pause,
    Done,
}

impl State for TransferState {
    const OF: &'static str = "Transfer";

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

/// An attempt that has failed, and what that means for another one.
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) next: Attempt,
}

/// A shortage of file descriptors that no other transfer of the run can end.
#[derive(Default)]
struct Shortage {
    /// How often it has been waited for.
    waits: u32,
}

impl Shortage {
    const WAIT: Duration = Duration::from_millis(50);
    /// 10 s.
    const MOST_WAITS: u32 = 200;
}

/// Whether there is another attempt.
pub(super) enum Attempt {
    /// It would end the same way.
    Never,
    /// When there may be a file descriptor for it.
    AfterShortage,
    /// At once, for all of the file, if that has not been tried.
    FromZero,
    /// At once, for all of the file: the server does not want to give a part of it.
    WithoutRange,
    /// When the host has ended its pause: it was the host's fault.
    AfterPause,
    /// After a wait, of at least so long.
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
            state: RefCell::new(Stateful::new(TransferState::Turn)),
        }
    }

    /// Runs it to its end, and tells of it.
    pub(super) async fn run(mut self) -> Ended {
        let run = self.run.clone();
        run.tell(&self.item, What::Start);
        let outcome = match race(run.stop.wait(), self.within_max_time()).await {
            Either::First(()) => None,
            Either::Second(outcome) => Some(outcome),
        };
        self.go(TransferState::Done);
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

    pub(super) fn go(&self, state: TransferState) {
        self.state.borrow_mut().go(state);
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
                    self.go(TransferState::Turn);
                }
                // A host that pauses keeps its own time.
                Attempt::AfterPause => self.go(TransferState::Pause),
                Attempt::After(_) => {
                    self.turn = None;
                    self.go(TransferState::Wait);
                    sleep(wait).await;
                    self.go(TransferState::Turn);
                }
            }
            let origin = self.item.address.origin().to_owned();
            self.take_turn(&origin).await?;
        }
    }

    /// Makes way until there may be a file descriptor for another attempt, which is no fault of this transfer. `false` if
    /// there is none for too long, although nothing else of this run has one.
    async fn outlast(&mut self, shortage: &mut Shortage) -> bool {
        log::debug!("no file descriptor is left for {}", self.item.place.name);
        self.run.client.close_idle_connections();
        self.turn = None;
        self.go(TransferState::Turn);
        if self.run.turns.shrink() {
            *shortage = Shortage::default();
        } else {
            shortage.waits += 1;
        }
        sleep(Shortage::WAIT).await;
        shortage.waits <= Shortage::MOST_WAITS
    }

    /// How many bytes of the file are there for the next attempt.
    fn kept(&self) -> u64 {
        self.sink.as_ref().map_or(0, Sink::written)
    }

    /// Waits for the right to send requests to a host.
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

    /// The report of a transfer that has ended well.
    pub(super) fn done(&self, how: How, path: Option<std::path::PathBuf>, answered: &Answered, bytes: u64) -> Done {
        Done {
            how,
            path: path.map(|path| self.run.options.folder.path().join(path)),
            status: Some(answered.status),
            bytes,
            resumed_from: self.resumed_from,
            attempts: self.attempts,
            reused: answered.is_reused,
            setup_times: answered.setup_times,
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
