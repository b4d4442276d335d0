//! A run: downloads the files of a plan with bounded concurrency and counts the outcomes.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::rc::Rc;

use super::body::WRITE_BACKLOG_BYTES;
use super::context::RunContext;
use super::descriptors::DescriptorShortage;
use super::destination::{file_to_keep, kept_report};
use super::error::{ErrorClass, FetchError};
use super::host_table::HostLimits;
use super::options::DownloadOptions;
use super::plan::{Batch, Plan, PlannedLine};
use super::progress::ProgressCounters;
use super::rate_limit::RateLimit;
use super::report::{DownloadEvent, DownloadEventKind, SuccessKind};
use super::scheduler::{Admission, HostScheduler};
use super::transfer::{Transfer, TransferOutcome};
use super::used_names::UsedNames;
use super::validator_cache::{ValidatorCache, ValidatorIndex};
use crate::event_loop::{Job, JobError, JobHandle, JoinError, JoinSet, ThreadPool, run_in_executor};
use crate::futures::{Either, race};
use crate::http::client::Client;
use crate::sync;

/// The maximum number of files that are planned and have not ended. Transfers alternate between the hosts that occur
/// within this window, so it must be large enough to contain several hosts.
const LOOK_AHEAD: usize = 4096;

/// The number of lines in one batch, which is read by one job on the reader thread.
const BATCH: usize = 256;

/// The summary of a run: how many transfers had each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunSummary {
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
    /// Lines of the list, or URLs of the command line, that were invalid.
    pub bad_lines: u64,
    /// Planned transfers that were cancelled, because the run was stopped or, before they were started, because of a
    /// failure (a full disk, or `fail_fast`).
    pub cancelled: u64,
    /// The most severe error class that occurred; `None` if there was no error.
    pub worst: Option<ErrorClass>,
}

impl RunSummary {
    fn add(&mut self, ended: TransferOutcome) {
        match ended {
            TransferOutcome::Succeeded(SuccessKind::Saved) => self.saved += 1,
            TransferOutcome::Succeeded(SuccessKind::Exists) => self.exists += 1,
            TransferOutcome::Succeeded(SuccessKind::Unchanged) => self.unchanged += 1,
            TransferOutcome::Succeeded(SuccessKind::Checked) => self.checked += 1,
            TransferOutcome::Failed { class, .. } => {
                self.failed += 1;
                self.raise_severity(class);
            }
            TransferOutcome::Cancelled => self.cancelled += 1,
        }
    }

    fn raise_severity(&mut self, class: ErrorClass) {
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
    options: DownloadOptions,
    client: Client,
    counters: ProgressCounters,
    stop: sync::OnceEvent,
    report: impl FnMut(&DownloadEvent<'_>) + 'static,
) -> RunSummary {
    let limits = HostLimits {
        jobs: options.jobs.max(1),
        per_host: options.per_host.max(1),
        max_wait: options.max_wait,
        pauses: options.retries > 0,
    };
    let mut summary = RunSummary::default();
    let validators = if options.conditional {
        let directory = options.directory.clone();
        let load = Job::new(move || ValidatorIndex::load(&directory)).label("load validators");
        let index = run_in_executor(None, load).await.unwrap_or_default();
        Some(RefCell::new(ValidatorCache::new(options.directory.clone(), index)))
    } else {
        None
    };
    let run = Rc::new(RunContext {
        scheduler: HostScheduler::new(limits),
        disk: sync::Semaphore::new(WRITE_BACKLOG_BYTES),
        stream: ThreadPool::new("stream", 1),
        limit: options.limit_rate.map(RateLimit::new),
        shortage: DescriptorShortage::default(),
        validators,
        remote_names: RefCell::new(UsedNames::new()),
        callback: RefCell::new(Box::new(report)),
        options,
        client,
        counters,
        stop,
    });
    RunTask::new(&run, plan).run(&mut summary).await;
    if let Err(error) = save_validators(&run).await {
        log::error!("{error}");
        summary.raise_severity(ErrorClass::File);
    }
    summary
}

async fn save_validators(run: &RunContext) -> Result<(), FetchError> {
    let Some(validators) = &run.validators else { return Ok(()) };
    let writes = validators.borrow_mut().finish();
    for write in writes {
        write.await??;
    }
    Ok(())
}

/// The state of the task that reads the plan, starts transfers and counts their outcomes.
struct RunTask<'a> {
    run: &'a Rc<RunContext>,
    /// The thread that reads the list (I7).
    reader: ThreadPool,
    /// The plan; `None` while a job on the reader thread owns it, and after its end.
    plan: Option<Plan>,
    reading: Option<JobHandle<(Plan, Batch)>>,
    transfers: JoinSet<TransferOutcome>,
    /// The number of files that are planned and have not ended.
    outstanding: usize,
}

/// An event that [`RunTask`] handles. It lives on the stack only briefly, so the size of its largest variant does not
/// matter.
#[allow(clippy::large_enum_variant)]
enum RunEvent {
    Stop,
    Batch(Result<(Plan, Batch), JobError>),
    Admission(Admission),
    TransferEnded(Result<TransferOutcome, JoinError>),
}

impl RunTask<'_> {
    fn new(run: &Rc<RunContext>, plan: Plan) -> RunTask<'_> {
        RunTask {
            run,
            reader: ThreadPool::new("list", 1),
            plan: Some(plan),
            reading: None,
            transfers: JoinSet::new(),
            outstanding: 0,
        }
    }

    async fn run(mut self, summary: &mut RunSummary) {
        loop {
            self.read_ahead();
            if self.outstanding == 0 && self.reading.is_none() {
                return;
            }
            match self.next_event().await {
                RunEvent::Stop => break,
                RunEvent::Batch(Ok((plan, batch))) => self.process_batch(plan, batch, summary),
                RunEvent::Batch(Err(error)) => {
                    log::error!("reading the list: {error}");
                    summary.raise_severity(ErrorClass::File);
                    self.reading = None;
                    self.run.counters.plan_is_complete();
                }
                RunEvent::Admission(Admission::Granted(item, permit)) => {
                    let name = format!("get {}", item.target.name);
                    let transfer = Transfer::new(self.run.clone(), item, permit);
                    self.transfers.spawn_named(&name, transfer.run());
                }
                RunEvent::Admission(Admission::Refused(item)) => {
                    let error = FetchError::HostPausedTooLong { limit: self.run.options.max_wait };
                    self.run.report(&item, DownloadEventKind::Fail(&error));
                    self.ended(TransferOutcome::Failed { class: error.class(), is_disk_full: false }, summary);
                }
                RunEvent::TransferEnded(ended) => self.transfer_ended(ended, summary),
            }
        }
        self.cancel_queued(summary);
        while let Some(ended) = self.transfers.join_next().await {
            self.transfer_ended(ended, summary);
        }
    }

    fn transfer_ended(&mut self, ended: Result<TransferOutcome, JoinError>, summary: &mut RunSummary) {
        // I12: a panic fails only the transfer in which it occurs.
        let ended = ended.unwrap_or_else(|error| {
            log::error!("{error}");
            TransferOutcome::Failed { class: ErrorClass::File, is_disk_full: false }
        });
        self.ended(ended, summary);
        if let TransferOutcome::Failed { is_disk_full, .. } = ended
            && (is_disk_full || self.run.options.fail_fast)
        {
            self.cancel_queued(summary);
        }
    }

    fn ended(&mut self, ended: TransferOutcome, summary: &mut RunSummary) {
        self.outstanding -= 1;
        self.run.counters.one_more_ended();
        summary.add(ended);
    }

    /// Cancels all transfers that have not been started.
    fn cancel_queued(&mut self, summary: &mut RunSummary) {
        self.plan = None;
        self.reading = None;
        let given_up = self.run.scheduler.remove_queued();
        self.outstanding -= given_up;
        summary.cancelled += given_up as u64;
        self.run.counters.plan_is_complete();
    }

    /// Starts a job that reads the next batch, if none is running and the look-ahead has capacity for a batch.
    fn read_ahead(&mut self) {
        if self.reading.is_some() || self.outstanding + BATCH > LOOK_AHEAD {
            return;
        }
        let Some(mut plan) = self.plan.take() else { return };
        let read = move || {
            let batch = plan.next_batch(BATCH);
            (plan, batch)
        };
        self.reading = Some(run_in_executor(Some(&self.reader), Job::new(read).label("read list").cancellable()));
    }

    fn process_batch(&mut self, plan: Plan, batch: Batch, summary: &mut RunSummary) {
        self.reading = None;
        for planned in batch.planned {
            match planned {
                PlannedLine::Bad(line) => {
                    summary.bad_lines += 1;
                    summary.raise_severity(ErrorClass::Usage);
                    let event = DownloadEvent {
                        id: line.id,
                        line: line.line,
                        url: None,
                        kind: DownloadEventKind::InvalidLine(&line),
                    };
                    (self.run.callback.borrow_mut())(&event);
                }
                PlannedLine::Item(item) => {
                    self.run.counters.add_planned(1);
                    if let Some(file) = file_to_keep(&self.run.options, &item) {
                        self.run.report(
                            &item,
                            DownloadEventKind::Done(&kept_report(&self.run.options, &item.target, file)),
                        );
                        self.run.counters.one_more_ended();
                        summary.add(TransferOutcome::Succeeded(SuccessKind::Exists));
                    } else {
                        self.outstanding += 1;
                        self.run.scheduler.queue(item);
                    }
                }
            }
        }
        if let Some(error) = batch.error {
            log::error!("reading the list: {error}");
            summary.raise_severity(ErrorClass::File);
        }
        match batch.is_last {
            true => self.run.counters.plan_is_complete(),
            false => self.plan = Some(plan),
        }
    }

    /// Waits for the next event. Cancel-safe: dropping the future loses no event.
    async fn next_event(&mut self) -> RunEvent {
        let RunTask { run, reading, transfers, .. } = self;
        let stop = async {
            run.stop.wait().await;
            RunEvent::Stop
        };
        let batch = async {
            match reading {
                Some(reading) => RunEvent::Batch(reading.await),
                None => pending().await,
            }
        };
        let ended = async {
            match transfers.join_next().await {
                Some(ended) => RunEvent::TransferEnded(ended),
                None => pending().await,
            }
        };
        let fresh = async { RunEvent::Admission(run.scheduler.next_transfer().await) };
        first(first(stop, ended), first(fresh, batch)).await
    }
}

/// Races two futures that have the same output type, and returns the output of the one that completes first.
async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    match race(one, other).await {
        Either::First(output) | Either::Second(output) => output,
    }
}
