//! One transfer: attempts, and what lies between them.
//!
//! ```text
//!   Turn ──▶ Request ──▶ Body ──▶ Save ──▶ Done
//!    ▲          │          │
//!    └── Wait ◀─┴──────────┘   it may go better the next time
//! ```
//!
//! An attempt begins at the URL, follows redirects, and continues the part that the one before has left. While the
//! transfer waits for the next one it has no turn: others use it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::error::{Class, FetchError};
use super::gauge::Reading;
use super::host::{Answer, Blame};
use super::options::Overwrite;
use super::plan::Item;
use super::redirect::{Route, is_redirect};
use super::report::{Done, How, What};
use super::resume::{content_length, text};
use super::retry::{Backoff, may_heal, retry_after};
use super::run::Run;
use super::sink::Sink;
use super::turns::Turn;
use crate::event_loop::{now, sleep};
use crate::futures::{Either, race, timeout};
use crate::http::client::Body;
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
    attempts: u32,
    /// Bytes that an earlier run had left and that were not given up.
    pub(super) resumed_from: u64,
    /// Whether what is in the sink is of no use, so that the next request is for all of the file.
    pub(super) is_useless: bool,
    /// Whether a part has turned out not to fit. That happens once.
    has_started_over: bool,
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
            TransferState::Done => "Done",
        }
    }
}

/// An attempt that has failed, and what that means for another one.
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) next: Attempt,
}

/// Whether there is another attempt.
pub(super) enum Attempt {
    /// It would end the same way.
    Never,
    /// At once, for all of the file, if that has not been tried.
    FromZero,
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

/// The head of an answer that is not a redirect and not an error.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Whether the connection had served another exchange.
    pub(super) is_reused: bool,
    /// Whether the rest of a part was asked for.
    pub(super) asked_for_rest: bool,
    /// Whether it was asked if the file has changed.
    pub(super) was_conditional: bool,
    /// From the request to the head.
    pub(super) to_first_byte: Duration,
}

impl Transfer {
    pub(super) fn new(run: Rc<Run>, item: Box<Item>, turn: Turn) -> Transfer {
        let reading = run.gauge.begin(&item.place.name);
        Transfer {
            run,
            item,
            turn: Some(turn),
            reading,
            sink: None,
            attempts: 0,
            resumed_from: 0,
            is_useless: false,
            has_started_over: false,
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
        if self.item.found.part && !self.run.options.spider && !self.run.options.to_stdout {
            self.open_part().await?;
        }
        let mut backoff = Backoff::new(self.run.options.retries);
        loop {
            self.attempts += 1;
            let Failure { error, next } = match self.attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let wait = match next {
                Attempt::Never => return Err(error),
                Attempt::FromZero if self.has_started_over => return Err(error),
                Attempt::FromZero => {
                    (self.has_started_over, self.is_useless) = (true, true);
                    Duration::ZERO
                }
                Attempt::AfterPause => self.turn.as_ref().map_or(Duration::ZERO, Turn::paused_for),
                Attempt::After(least) => {
                    let is_within_budget = self.turn.as_ref().is_none_or(Turn::may_retry);
                    match backoff.next_wait(least).filter(|_| is_within_budget) {
                        Some(wait) => wait,
                        None => return Err(error),
                    }
                }
            };
            self.run.tell(&self.item, What::Retry { attempts: self.attempts, error: &error, wait });
            let kept = self.sink.as_ref().map_or(0, Sink::written);
            self.reading.fall_back_to(kept);
            if !matches!(next, Attempt::FromZero) {
                self.go(TransferState::Wait);
                self.turn = None;
                // A host that pauses keeps its own time.
                if matches!(next, Attempt::After(_)) {
                    sleep(wait).await;
                }
            }
            let origin = self.item.address.origin().to_owned();
            self.take_turn(&origin).await?;
        }
    }

    /// Waits for the right to send requests to a host.
    async fn take_turn(&mut self, origin: &str) -> Result<(), FetchError> {
        self.turn = None;
        self.go(TransferState::Turn);
        let limit = self.run.options.max_wait;
        let turn = self.run.turns.again(origin).await;
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
            416 => {
                drain(body).await;
                self.save_complete(&answered).await
            }
            200..=299 => self.save(&answered, body).await,
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
            to_first_byte: Some(answered.to_first_byte),
            total: now().saturating_duration_since(self.reading.since()),
            etag: text(&answered.headers, &ETAG),
            sha256: None,
        }
    }

    // -- Requests --------------------------------------------------------------------------------------------------

    /// Asks for the file, or what is missing of it, wherever redirects lead.
    async fn ask(&mut self) -> Result<(Answered, Body), Failure> {
        self.go(TransferState::Request);
        let mut route = Route::new(self.item.address.clone(), self.own_headers(), self.run.options.redirects);
        let rest = self.rest_headers();
        let conditions = if rest.is_empty() { self.conditions() } else { HeaderMap::new() };
        loop {
            let mut headers = route.headers().clone();
            headers.extend(rest.clone());
            headers.extend(conditions.clone());
            let mut request = Request::new(());
            *request.method_mut() = if self.run.options.spider { Method::HEAD } else { Method::GET };
            *request.uri_mut() = route.here().to_uri()?;
            *request.headers_mut() = headers;
            let asked_at = now();
            let response = match self.run.client.request(request).await {
                Ok(response) => response,
                Err(error) => {
                    let next = if may_heal(&error) { Attempt::After(None) } else { Attempt::Never };
                    self.note(if may_heal(&error) { Answer::Broken } else { Answer::Fine });
                    return Err(Failure { error: error.into(), next });
                }
            };
            let status = response.status();
            let asked_for_rest = !rest.is_empty();
            if is_redirect(status) {
                self.note(Answer::Fine);
                let origin = route.here().origin().to_owned();
                route.follow(response.headers())?;
                self.run.tell(&self.item, What::Redirect { status, to: route.here().as_str() });
                drain(response.into_body()).await;
                if route.here().origin() != origin {
                    let origin = route.here().origin().to_owned();
                    self.take_turn(&origin).await?;
                    self.go(TransferState::Request);
                }
            } else if status.as_u16() < 400 || (status == StatusCode::RANGE_NOT_SATISFIABLE && asked_for_rest) {
                self.note(Answer::Fine);
                let to_first_byte = now().saturating_duration_since(asked_at);
                let was_conditional = !conditions.is_empty();
                let (head, body) = response.into_parts();
                let answered = Answered {
                    status,
                    headers: head.headers,
                    is_reused: body.is_reused(),
                    asked_for_rest,
                    was_conditional,
                    to_first_byte,
                };
                return Ok((answered, body));
            } else {
                return Err(self.refused(response).await);
            }
        }
    }

    /// Credentials and the caller's fields. Those in the URL come before those of the run.
    fn own_headers(&self) -> HeaderMap {
        let mut headers = self.run.options.headers.clone();
        if let Some(authorization) = self.item.address.authorization() {
            headers.insert(http::header::AUTHORIZATION, authorization.clone());
        }
        headers
    }

    /// What asks for the rest of a part, if there is one that may be continued.
    fn rest_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let part = self.sink.as_ref().filter(|sink| sink.written() > 0 && !self.is_useless);
        let validator = part.and_then(|sink| sink.state()?.validator());
        if let (Some(part), Some(Ok(validator))) = (part, validator.map(HeaderValue::from_str)) {
            let range = HeaderValue::try_from(format!("bytes={}-", part.written()));
            headers.insert(RANGE, range.expect("digits are legal in a field"));
            headers.insert(IF_RANGE, validator);
        }
        headers
    }

    /// What asks for the file only if it is another one than what is here.
    fn conditions(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let options = &self.run.options;
        let Some(whole) = self.item.found.whole.filter(|_| !options.to_stdout) else { return headers };
        if let Some(validators) = &self.run.validators {
            let path = self.item.place.path();
            headers = validators.borrow().conditions(&path.to_string_lossy(), self.item.address.as_str(), whole.bytes);
        }
        if headers.is_empty() && options.overwrite == Overwrite::Newer {
            let date = HeaderValue::try_from(httpdate::fmt_http_date(whole.modified.max(SystemTime::UNIX_EPOCH)));
            headers.insert(IF_MODIFIED_SINCE, date.expect("a date is legal in a field"));
        }
        headers
    }

    /// Notes what the host has said.
    fn note(&self, answer: Answer) -> Blame {
        self.turn.as_ref().map_or(Blame::Transfer, |turn| turn.answered(answer))
    }

    /// A status of 400 or more: what it means for this transfer, and for the host.
    async fn refused(&mut self, response: Response<Body>) -> Failure {
        let status = response.status();
        let asked = retry_after(response.headers(), SystemTime::now());
        let blame = self.note(match (status.as_u16(), asked) {
            (429, asked) => Answer::Wait(asked),
            (503, Some(asked)) => Answer::Wait(Some(asked)),
            (503, None) => Answer::Unavailable,
            _ => Answer::Fine,
        });
        let options = &self.run.options;
        let limit = options.max_wait;
        let failure = match asked {
            _ if !options.retries_after(status) => FetchError::Status(status).into(),
            Some(asked) if asked > limit => FetchError::WaitTooLong { status, asked, limit }.into(),
            _ if blame == Blame::Host => Failure { error: FetchError::Status(status), next: Attempt::AfterPause },
            asked => Failure { error: FetchError::Status(status), next: Attempt::After(asked) },
        };
        drain(response.into_body()).await;
        failure
    }
}

pub(super) fn unexpected(status: StatusCode, why: &'static str) -> Failure {
    FetchError::Unexpected { status, why }.into()
}

/// The most of a body that is read for the sake of the connection.
const MAX_DRAINED_BYTES: usize = 64 * 1024;

/// How long that may take.
const MAX_DRAINING: Duration = Duration::from_millis(500);

/// Reads a body that nobody wants, so that the connection can be used again; a large or slow one is not worth it.
async fn drain(body: Body) {
    let _gone_with_its_connection = timeout(MAX_DRAINING, body.collect(MAX_DRAINED_BYTES)).await;
}
