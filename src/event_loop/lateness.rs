//! Polls that take long, tasks that are polled late, and whether the machine was at fault.
//!
//! | finding | exactly when |
//! | --- | --- |
//! | `slow_poll` | a poll took longer than the limit, without the time that the observer took |
//! | `loop_lag` | the time from a wake to its poll was longer than the limit; once until the ready queue has been empty |
//! | `busy_machine` | in place of one of the two, once: the thread was ready to run and had no processor for so long that the rest of the time is within the limit |
//!
//! The times are read by an observed loop only, and from time to time: reading them is a system call each.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use super::core::Core;
use crate::observe::{EventKind, TaskId, emit, observed_for};

/// Readings of the thread's times that are remembered.
const READINGS: usize = 256;

/// The thread's times are read when so much of the limit has passed since the last reading.
const READINGS_PER_LIMIT: u32 = 10;

/// How long polls, and the waits for them, take.
pub(super) struct Lateness {
    /// How long a poll, or the wait for one, may take.
    limit: Duration,
    /// When the poll began, and how long the observer had taken by then.
    began: Cell<(Duration, Duration)>,
    /// The last readings, the oldest first.
    readings: RefCell<VecDeque<(Duration, ThreadTimes)>>,
    source: RefCell<TimesSource>,
    /// A `loop_lag` has been reported since the ready queue was last empty: the tasks behind are late for the same reason.
    is_lag_reported: Cell<bool>,
    is_busy_reported: Cell<bool>,
}

/// What a thread did until a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ThreadTimes {
    /// It was on a processor.
    worked: Duration,
    /// It was ready to run and waited for a processor. `None` where the system does not say.
    queued: Option<Queued>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Queued {
    time: Duration,
    /// How often it has given the processor up by itself, to wait for something.
    blocked: u64,
}

/// What a thread did in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    took: Duration,
    times: ThreadTimes,
}

impl Spent {
    /// What it did since a reading that was made not long before the span began.
    fn since(before: ThreadTimes, now: ThreadTimes, took: Duration) -> Spent {
        let queued = before.queued.zip(now.queued).map(|(before, now)| Queued {
            time: now.time.saturating_sub(before.time).min(took),
            blocked: now.blocked.saturating_sub(before.blocked),
        });
        Spent { took, times: ThreadTimes { worked: now.worked.saturating_sub(before.worked).min(took), queued } }
    }

    /// Whether it would have been within the limit if there had always been a processor for the thread.
    fn is_machine_at_fault(&self, limit: Duration) -> bool {
        let Some(queued) = self.times.queued else { return false };
        // The kernel counts only its own run queue. If the thread has not blocked, a hypervisor has taken what is missing.
        let without_a_processor =
            if queued.blocked == 0 { self.took.saturating_sub(self.times.worked) } else { queued.time };
        self.took.saturating_sub(without_a_processor) <= limit
    }
}

impl Lateness {
    pub(super) fn new(limit: Duration) -> Lateness {
        Lateness {
            limit,
            began: Cell::default(),
            readings: RefCell::default(),
            source: RefCell::default(),
            is_lag_reported: Cell::default(),
            is_busy_reported: Cell::default(),
        }
    }

    /// The ready queue is empty: a task that is late from here on is late for a new reason.
    pub(super) fn caught_up(&self) {
        self.is_lag_reported.set(false);
    }

    /// Reads the thread's times, if it is time.
    fn read_times(&self, now: Duration) {
        let mut readings = self.readings.borrow_mut();
        let is_recent = readings.back().is_some_and(|(at, _)| *at + self.limit / READINGS_PER_LIMIT > now);
        if !is_recent && let Some(times) = self.source.borrow_mut().read() {
            if readings.len() == READINGS {
                readings.pop_front();
            }
            readings.push_back((now, times));
        }
    }

    /// What the thread has done in the time that ends now, if it is known.
    fn spent(&self, took: Duration, now: Duration) -> Option<Spent> {
        let began = now.saturating_sub(took);
        let readings = self.readings.borrow();
        let (_, before) = readings.iter().rev().find(|(at, _)| *at <= began)?;
        Some(Spent::since(*before, self.source.borrow_mut().read()?, took))
    }
}

impl Core {
    /// A poll begins now, so long after its wake.
    pub(super) fn diagnose_delay(&self, task: TaskId, now: Duration, delay: Duration) {
        let lateness = &self.diagnosis.lateness;
        lateness.began.set((self.clock.elapsed(), observed_for()));
        lateness.read_times(now);
        if delay > lateness.limit && !lateness.is_lag_reported.replace(true) {
            let advice = "look for a slow poll before it, or for more tasks than one thread can poll in time";
            self.find_late("loop_lag", task, "from its wake to its poll it took", delay, advice);
        }
    }

    /// A poll has ended.
    pub(super) fn diagnose_duration(&self, task: TaskId) {
        let lateness = &self.diagnosis.lateness;
        let (began, observed_before) = lateness.began.get();
        // A recorder may have to wait for a lock that its writer holds: the task does nothing slow there.
        let observed = observed_for().saturating_sub(observed_before);
        let took = self.clock.elapsed().saturating_sub(began).saturating_sub(observed);
        if took > lateness.limit {
            let advice = "hand what blocks or computes to `run_in_executor`, or yield now and then";
            self.find_late("slow_poll", task, "the poll took", took, advice);
        }
    }

    fn find_late(&self, what: &'static str, task: TaskId, span: &str, took: Duration, advice: &str) {
        let lateness = &self.diagnosis.lateness;
        let spent = lateness.spent(took, self.clock.elapsed());
        let mut evidence = format!("{span} {}; the limit is {}", milliseconds(took), milliseconds(lateness.limit));
        if let Some(spent) = spent {
            let worked = milliseconds(spent.times.worked);
            evidence += &format!("; the loop's thread was on a processor for {worked} of it at most");
        }
        if spent.is_some_and(|spent| spent.is_machine_at_fault(lateness.limit)) {
            if !lateness.is_busy_reported.replace(true) {
                evidence += ", and ready to run for the rest";
                let advice = "measure again on an idle machine; this says nothing about the task";
                emit!(EventKind::Finding { what: "busy_machine", task: None, state: "", evidence: &evidence, advice });
            }
        } else {
            self.find(what, task, &evidence, advice);
        }
    }
}

/// A time, in milliseconds.
fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Where the thread's times are read.
#[derive(Default)]
struct TimesSource {
    /// Opened at the first reading, which is on the loop's thread. `Some(None)` if the system has none.
    #[cfg(all(feature = "trace", target_os = "linux"))]
    files: Option<Option<[std::fs::File; 2]>>,
}

impl TimesSource {
    /// Reads the times of this thread, where the system says them.
    #[cfg(feature = "trace")]
    fn read(&mut self) -> Option<ThreadTimes> {
        let worked = cpu_time::ThreadTime::try_now().ok()?.as_duration();
        Some(ThreadTimes { worked, queued: self.read_queued() })
    }

    #[cfg(not(feature = "trace"))]
    fn read(&mut self) -> Option<ThreadTimes> {
        None
    }

    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn read_queued(&mut self) -> Option<Queued> {
        use std::os::unix::fs::FileExt;
        let open = |name| std::fs::File::open(format!("/proc/thread-self/{name}")).ok();
        let open_both = || Some([open("schedstat")?, open("status")?]);
        let [schedstat, status] = self.files.get_or_insert_with(open_both).as_ref()?;
        let mut text = [0; 4096];
        let length = schedstat.read_at(&mut text, 0).ok()?;
        let time = parse_schedstat(std::str::from_utf8(&text[..length]).ok()?)?;
        let length = status.read_at(&mut text, 0).ok()?;
        // The name of a thread may be cut within a character.
        let blocked = parse_status(&String::from_utf8_lossy(&text[..length]))?;
        Some(Queued { time, blocked })
    }

    #[cfg(all(feature = "trace", not(target_os = "linux")))]
    fn read_queued(&mut self) -> Option<Queued> {
        None
    }
}

/// Returns the time for which a thread was ready to run, from `/proc/PID/schedstat`: nanoseconds on a processor, nanoseconds
/// in the run queue, and how often it was put on one (Documentation/scheduler/sched-stats.rst of Linux).
#[cfg(all(feature = "trace", target_os = "linux"))]
fn parse_schedstat(text: &str) -> Option<Duration> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (_worked, queued, _runs) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Duration::from_nanos(queued))
}

/// Returns how often a thread has blocked, from `/proc/PID/status` (proc_pid_status(5)).
#[cfg(all(feature = "trace", target_os = "linux"))]
fn parse_status(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Queued, Spent, ThreadTimes};

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn spent(took: u64, worked: u64, queued: Option<(u64, u64)>) -> Spent {
        let before = ThreadTimes { worked: ms(1000), queued: Some(Queued { time: ms(500), blocked: 7 }) };
        let after = queued.map(|(time, blocked)| Queued { time: ms(500 + time), blocked: 7 + blocked });
        Spent::since(before, ThreadTimes { worked: ms(1000 + worked), queued: after }, ms(took))
    }

    #[test]
    fn the_machine_is_at_fault_if_the_thread_had_no_processor_for_the_time_over_the_limit() {
        for (spent, expected) in [
            (spent(21, 1, Some((20, 3))), true),
            (spent(21, 10, Some((11, 1))), true),
            // A computation, or a call that blocks.
            (spent(21, 21, Some((0, 0))), false),
            (spent(21, 0, Some((0, 1))), false),
            // Both: without the wait for a processor it would still have taken 11 ms.
            (spent(21, 11, Some((10, 2))), false),
            (spent(21, 1, Some((10, 2))), false),
            // It has not blocked, and was on no processor: the whole machine stood still.
            (spent(21, 1, Some((0, 0))), true),
            (spent(21, 11, Some((0, 0))), false),
            // Nobody knows.
            (spent(21, 1, None), false),
        ] {
            assert_eq!(spent.is_machine_at_fault(ms(10)), expected, "{spent:?}");
        }
    }

    #[test]
    fn no_part_of_a_span_is_longer_than_the_span() {
        let times = spent(5, 9, Some((8, 2))).times;
        assert_eq!(times, ThreadTimes { worked: ms(5), queued: Some(Queued { time: ms(5), blocked: 2 }) });
    }

    #[test]
    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn the_thread_s_files_are_read_as_the_kernel_writes_them() {
        let queued = super::parse_schedstat("58161887 31901300 24\n");
        assert_eq!(queued, Some(Duration::from_nanos(31_901_300)));
        let status = "Name:\tloop\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(super::parse_status(status), Some(150));
        assert_eq!(super::parse_status("Name:\tloop\nnonvoluntary_ctxt_switches:\t545\n"), None);
        for text in ["", "1 2", "1 two 3", "1 2 three"] {
            assert_eq!(super::parse_schedstat(text), None, "{text}");
        }
    }

    #[test]
    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn a_thread_that_works_is_seen_to_work() {
        let mut source = super::TimesSource::default();
        let before = source.read().expect("Linux says");
        let mut after = before;
        while after.worked < before.worked + ms(2) {
            after = source.read().expect("Linux says");
        }
        let worked = Spent::since(before, after, ms(1_000)).times.worked;
        assert!(worked >= ms(2), "{worked:?}");
    }
}
