//! A run: downloads the files of a plan with bounded concurrency and counts the outcomes.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::rc::Rc;

use super::body::DISK_ROOM;
use super::destination::{existing, stays};
use super::error::{Class, FetchError};
use super::fetch::{Ended, Transfer};
use super::gauge::Gauge;
use super::hosts::Limits;
use super::limit::RateLimit;
use super::names::TakenNames;
use super::options::Options;
use super::plan::{Batch, Item, Plan, Planned};
use super::report::{Event, How, What};
use super::turns::{Fresh, Turns};
use super::validators::{Index, Validators};
use crate::event_loop::{Job, JobError, JobHandle, JoinError, JoinSet, ThreadPool, run_in_executor};
use crate::futures::{Either, race};
use crate::http::client::Client;
use crate::sync;

/// The maximum number of list lines that are read ahead of the transfers. Transfers alternate between the hosts that
/// occur within this window, so it must be large enough to contain several hosts.
const LOOK_AHEAD: usize = 4096;

/// The number of lines in one batch, which is read by one job on the reader thread.
const BATCH: usize = 256;

/// The callback that receives the events of a run.
type Report = dyn FnMut(&Event<'_>);

/// The state that all transfers of a run share.
pub(super) struct Run {
    pub(super) options: Options,
    pub(super) client: Client,
    pub(super) turns: Turns,
    /// Capacity for bytes that have been received and not yet written to disk, shared by all transfers.
    pub(super) disk: sync::Semaphore,
    /// The thread that writes to the output stream (standard output or a pipe). It has a thread of its own (I7), since
    /// the reader of the stream may block it for any length of time.
    pub(super) stream: ThreadPool,
    pub(super) limit: Option<RateLimit>,
    pub(super) gauge: Gauge,
    /// The event that stops the run.
    pub(super) stop: sync::Event,
    pub(super) validators: Option<RefCell<Validators>>,
    /// The file names that were derived from `Content-Disposition` headers in this run.
    pub(super) remote_names: RefCell<TakenNames>,
    report: RefCell<Box<Report>>,
}

impl Run {
    pub(super) fn tell(&self, item: &Item, what: What<'_>) {
        let url = Some(item.address.as_str());
        (self.report.borrow_mut())(&Event { id: item.id, line: item.line, url, what });
    }
}

/// The summary of a run: how many transfers had each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Transfers that downloaded a file.
    pub saved: u64,
    /// Files that existed already and were kept.
    pub exists: u64,
    /// Files that existed already and, according to the server, have not changed.
    pub unchanged: u64,
    /// URLs that were checked with a `HEAD` request, without a download.
    pub checked: u64,
    /// Transfers that failed.
    pub failed: u64,
    /// Lines of the list that were invalid.
    pub bad_lines: u64,
    /// Transfers that were cancelled because the run was stopped.
    pub cancelled: u64,
    /// The most severe error class that occurred; `None` if there was no error.
    pub worst: Option<Class>,
}

impl Tally {
    fn add(&mut self, ended: Ended) {
        match ended {
            Ended::Done(How::Saved) => self.saved += 1,
            Ended::Done(How::Exists) => self.exists += 1,
            Ended::Done(How::Unchanged) => self.unchanged += 1,
            Ended::Done(How::Checked) => self.checked += 1,
            Ended::Failed { class, .. } => {
                self.failed += 1;
                self.blame(class);
            }
            Ended::Cancelled => self.cancelled += 1,
        }
    }

    fn blame(&mut self, class: Class) {
        self.worst = self.worst.max(Some(class));
    }
}

/// Downloads the files of a plan and passes every event to `report` as it happens.
///
/// When `stop` is set, no more transfers are started and running ones are cancelled; partial downloads of large files
/// are kept and resumed by the next run. When the disk is full, or after a failure if `options.fail_fast` is set, no
/// more transfers are started either, but running ones are completed.
///
/// # Panics
/// If no loop runs on this thread.
pub async fn download_all(
    plan: Plan,
    options: Options,
    client: Client,
    gauge: Gauge,
    stop: sync::Event,
    report: impl FnMut(&Event<'_>) + 'static,
) -> Tally {
    let limits = Limits {
        jobs: options.jobs.max(1),
        per_host: options.per_host.max(1),
        max_wait: options.max_wait,
        pauses: options.retries > 0,
    };
    let mut tally = Tally::default();
    let validators = if options.conditional {
        let folder = options.folder.clone();
        let load = Job::new(move || Index::load(&folder)).label("load validators");
        let index = run_in_executor(None, load).await.unwrap_or_default();
        Some(RefCell::new(Validators::new(options.folder.clone(), index)))
    } else {
        None
    };
    let run = Rc::new(Run {
        turns: Turns::new(limits),
        disk: sync::Semaphore::new(DISK_ROOM),
        stream: ThreadPool::new("stream", 1),
        limit: options.limit_rate.map(RateLimit::new),
        validators,
        remote_names: RefCell::new(TakenNames::new()),
        report: RefCell::new(Box::new(report)),
        options,
        client,
        gauge,
        stop,
    });
    Downloading::new(&run, plan).run(&mut tally).await;
    if let Err(error) = save_validators(&run).await {
        log::error!("{error}");
        tally.blame(Class::File);
    }
    tally
}

async fn save_validators(run: &Run) -> Result<(), FetchError> {
    let Some(validators) = &run.validators else { return Ok(()) };
    let writes = validators.borrow_mut().finish();
    for write in writes {
        write.await??;
    }
    Ok(())
}

/// The state of the task that reads the plan, starts transfers and counts their outcomes.
struct Downloading<'a> {
    run: &'a Rc<Run>,
    /// The thread that reads the list (I7).
    reader: ThreadPool,
    /// The plan; `None` while a job on the reader thread owns it, and after its end.
    plan: Option<Plan>,
    reading: Option<JobHandle<(Plan, Batch)>>,
    transfers: JoinSet<Ended>,
    /// The number of files that are planned and have not ended.
    ahead: usize,
}

/// The next event of a run. It lives on the stack only briefly, so the size of its largest variant does not matter.
#[allow(clippy::large_enum_variant)]
enum News {
    Stop,
    Batch(Result<(Plan, Batch), JobError>),
    Fresh(Fresh),
    Ended(Result<Ended, JoinError>),
}

impl Downloading<'_> {
    fn new(run: &Rc<Run>, plan: Plan) -> Downloading<'_> {
        Downloading {
            run,
            reader: ThreadPool::new("list", 1),
            plan: Some(plan),
            reading: None,
            transfers: JoinSet::new(),
            ahead: 0,
        }
    }

    async fn run(mut self, tally: &mut Tally) {
        loop {
            self.read_ahead();
            if self.ahead == 0 && self.reading.is_none() {
                return;
            }
            match self.news().await {
                News::Stop => break,
                News::Batch(Ok((plan, batch))) => self.take_in(plan, batch, tally),
                News::Batch(Err(error)) => {
                    log::error!("reading the list: {error}");
                    tally.blame(Class::File);
                    self.reading = None;
                    self.run.gauge.plan_is_complete();
                }
                News::Fresh(Fresh::Start(item, turn)) => {
                    let name = format!("get {}", item.place.name);
                    let transfer = Transfer::new(self.run.clone(), item, turn);
                    self.transfers.spawn_named(&name, transfer.run());
                }
                News::Fresh(Fresh::Refused(item)) => {
                    let error = FetchError::HostGivenUp { limit: self.run.options.max_wait };
                    self.run.tell(&item, What::Fail(&error));
                    self.ended(Ended::Failed { class: error.class(), is_disk_full: false }, tally);
                }
                News::Ended(ended) => self.transfer_ended(ended, tally),
            }
        }
        self.start_no_more(tally);
        while let Some(ended) = self.transfers.join_next().await {
            self.transfer_ended(ended, tally);
        }
    }

    fn transfer_ended(&mut self, ended: Result<Ended, JoinError>, tally: &mut Tally) {
        // I12: a panic fails only the transfer in which it occurs.
        let ended = ended.unwrap_or_else(|error| {
            log::error!("{error}");
            Ended::Failed { class: Class::File, is_disk_full: false }
        });
        self.ended(ended, tally);
        if let Ended::Failed { is_disk_full, .. } = ended
            && (is_disk_full || self.run.options.fail_fast)
        {
            self.start_no_more(tally);
        }
    }

    fn ended(&mut self, ended: Ended, tally: &mut Tally) {
        self.ahead -= 1;
        self.run.gauge.one_more_ended();
        tally.add(ended);
    }

    /// Cancels all transfers that have not been started.
    fn start_no_more(&mut self, tally: &mut Tally) {
        self.plan = None;
        self.reading = None;
        let given_up = self.run.turns.clear_fresh();
        self.ahead -= given_up;
        tally.cancelled += given_up as u64;
        self.run.gauge.plan_is_complete();
    }

    /// Starts a job that reads the next batch, if none is running and the look-ahead has capacity for a batch.
    fn read_ahead(&mut self) {
        if self.reading.is_some() || self.ahead + BATCH > LOOK_AHEAD {
            return;
        }
        let Some(mut plan) = self.plan.take() else { return };
        let read = move || {
            let batch = plan.next_batch(BATCH);
            (plan, batch)
        };
        self.reading = Some(run_in_executor(Some(&self.reader), Job::new(read).label("read list").abandonable()));
    }

    fn take_in(&mut self, plan: Plan, batch: Batch, tally: &mut Tally) {
        self.reading = None;
        for planned in batch.planned {
            match planned {
                Planned::Bad(line) => {
                    tally.bad_lines += 1;
                    tally.blame(Class::Usage);
                    let event = Event { id: line.id, line: line.line, url: None, what: What::BadLine(&line) };
                    (self.run.report.borrow_mut())(&event);
                }
                Planned::Item(item) => {
                    self.run.gauge.add_planned(1);
                    if let Some(whole) = stays(&self.run.options, &item) {
                        self.run.tell(&item, What::Done(&existing(&self.run.options, &item.place, whole)));
                        self.run.gauge.one_more_ended();
                        tally.add(Ended::Done(How::Exists));
                    } else {
                        self.ahead += 1;
                        self.run.turns.queue(item);
                    }
                }
            }
        }
        if let Some(error) = batch.error {
            log::error!("reading the list: {error}");
            tally.blame(Class::File);
        }
        match batch.is_last {
            true => self.run.gauge.plan_is_complete(),
            false => self.plan = Some(plan),
        }
    }

    /// Waits for the next event. Cancel-safe: dropping the future loses no event.
    async fn news(&mut self) -> News {
        let Downloading { run, reading, transfers, .. } = self;
        let stop = async {
            run.stop.wait().await;
            News::Stop
        };
        let batch = async {
            match reading {
                Some(reading) => News::Batch(reading.await),
                None => pending().await,
            }
        };
        let ended = async {
            match transfers.join_next().await {
                Some(ended) => News::Ended(ended),
                None => pending().await,
            }
        };
        let fresh = async { News::Fresh(run.turns.next_fresh().await) };
        first(first(stop, ended), first(fresh, batch)).await
    }
}

/// Races two futures that have the same output type, and returns the output of the one that completes first.
async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    match race(one, other).await {
        Either::First(output) | Either::Second(output) => output,
    }
}
