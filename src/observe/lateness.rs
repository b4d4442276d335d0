//! Findings about time: slow polls, late polls, and whether other load on the machine is the cause.
//!
//! | finding | exact condition |
//! | --- | --- |
//! | `slow_poll` | a poll took longer than the limit, not counting the time spent in the observer |
//! | `loop_lag` | the time from a wake to the poll that it led to was longer than the limit; not reported again before the ready queue has been empty |
//! | `busy_machine` | replaces `slow_poll` and `loop_lag`, once per run, if the limit was exceeded only because the loop's thread was ready to run and no processor was available |
//!
//! The CPU time of the thread, and its time in the kernel's run queue, are read only if the loop is observed, and at
//! intervals, since each reading takes system calls.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use super::time_in_observer;

/// The number of readings that are stored.
const READINGS: usize = 256;

/// The number of readings that are taken in a time as long as the limit.
const READINGS_PER_LIMIT: u32 = 10;

/// Checks the durations of polls, and of the waits for them.
pub(super) struct Lateness {
    /// The limit on the duration of a poll, and on the time from a wake to its poll.
    limit: Duration,
    /// When the poll began, and the total time that had been spent in the observer by then.
    began: Cell<(Duration, Duration)>,
    /// The last readings, oldest first.
    readings: RefCell<VecDeque<(Duration, ThreadTimes)>>,
    source: RefCell<TimesSource>,
    /// Whether a `loop_lag` was reported since the ready queue was last empty. Further delays until then have the same cause.
    is_lag_reported: Cell<bool>,
    is_busy_reported: Cell<bool>,
}

/// The times of a thread since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ThreadTimes {
    cpu_time: Duration,
    /// `None` on systems that do not measure it.
    run_delay: Option<RunDelay>,
}

/// The time for which a thread had to wait for a processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RunDelay {
    /// The time in the kernel's run queue: ready to run, but without a processor.
    time: Duration,
    /// The number of times that the thread has blocked (voluntary context switches).
    blocked: u64,
}

/// The times of a thread in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SpanTimes {
    /// The wall time.
    took: Duration,
    times: ThreadTimes,
}

impl SpanTimes {
    /// Computes the times from a reading shortly before the span began, and one at its end.
    fn since(before: ThreadTimes, now: ThreadTimes, took: Duration) -> SpanTimes {
        let run_delay = before.run_delay.zip(now.run_delay).map(|(before, now)| RunDelay {
            time: now.time.saturating_sub(before.time).min(took),
            blocked: now.blocked.saturating_sub(before.blocked),
        });
        let cpu_time = now.cpu_time.saturating_sub(before.cpu_time).min(took);
        SpanTimes { took, times: ThreadTimes { cpu_time, run_delay } }
    }

    /// Returns whether the span would have been within the limit if a processor had always been available to the thread.
    fn is_machine_at_fault(&self, limit: Duration) -> bool {
        let Some(run_delay) = self.times.run_delay else { return false };
        // The kernel measures only its own run queue. If the thread has not blocked, the rest is time that a hypervisor took
        // from the virtual machine (steal time).
        let without_a_processor =
            if run_delay.blocked == 0 { self.took.saturating_sub(self.times.cpu_time) } else { run_delay.time };
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

    /// Reads the times of the thread, if the last reading is not recent.
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

    /// Returns the times of the thread in a span of this length that ends now, if there is a reading from before it.
    fn span_times(&self, took: Duration, now: Duration) -> Option<SpanTimes> {
        let began = now.saturating_sub(took);
        let readings = self.readings.borrow();
        let (_, before) = readings.iter().rev().find(|(at, _)| *at <= began)?;
        Some(SpanTimes::since(*before, self.source.borrow_mut().read()?, took))
    }
}

impl Lateness {
    /// Called when the ready queue is empty: a delay after this has another cause, so it is reported again.
    pub(super) fn end_lag(&self) {
        self.is_lag_reported.set(false);
    }

    /// Called before a poll, with the time since its wake.
    pub(super) fn begin_poll(&self, now: Duration, delay: Duration) -> Option<TimeFinding> {
        self.began.set((now, time_in_observer()));
        self.read_times(now);
        if delay <= self.limit || self.is_lag_reported.replace(true) {
            return None;
        }
        let advice = "look for a slow poll before it, or for more tasks than one thread can poll in time";
        self.finding("loop_lag", "the time from the wake to the poll was", delay, now, advice)
    }

    /// Called after a poll.
    pub(super) fn end_poll(&self, now: Duration) -> Option<TimeFinding> {
        let (began, observed_before) = self.began.get();
        // The time spent in the observer is not the task's: a recorder, for example, may wait for a lock that its writer holds.
        let observed = time_in_observer().saturating_sub(observed_before);
        let took = now.saturating_sub(began).saturating_sub(observed);
        if took <= self.limit {
            return None;
        }
        let advice = "move blocking operations and computations to `run_in_executor`, or call `yield_now`";
        self.finding("slow_poll", "the poll took", took, now, advice)
    }

    /// Returns the finding about a span that exceeds the limit. `None` if it is a `busy_machine` that was reported before.
    fn finding(
        &self,
        what: &'static str,
        prefix: &str,
        took: Duration,
        now: Duration,
        advice: &'static str,
    ) -> Option<TimeFinding> {
        let span = self.span_times(took, now);
        let mut evidence = format!("{prefix} {}; the limit is {}", milliseconds(took), milliseconds(self.limit));
        if let Some(span) = span {
            let cpu_time = milliseconds(span.times.cpu_time);
            evidence += &format!("; the loop's thread used at most {cpu_time} of CPU time");
        }
        if !span.is_some_and(|span| span.is_machine_at_fault(self.limit)) {
            return Some(TimeFinding { what, is_task_at_fault: true, evidence, advice });
        }
        evidence += "; if a processor had always been available, the limit would not have been exceeded";
        let advice = "measure again on an idle machine; the task is not the cause";
        let is_new = !self.is_busy_reported.replace(true);
        is_new.then_some(TimeFinding { what: "busy_machine", is_task_at_fault: false, evidence, advice })
    }
}

/// A finding about time.
pub(super) struct TimeFinding {
    pub(super) what: &'static str,
    /// Whether the task is the cause, and not the machine.
    pub(super) is_task_at_fault: bool,
    pub(super) evidence: String,
    pub(super) advice: &'static str,
}

/// Formats a time in milliseconds.
fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// The files from which the times of the thread are read.
#[derive(Default)]
struct TimesSource {
    /// Opened by the first reading, which is on the loop's thread. `Some(None)` if they do not exist.
    #[cfg(all(feature = "trace", target_os = "linux"))]
    files: Option<Option<[std::fs::File; 2]>>,
}

impl TimesSource {
    /// Reads the times of this thread.
    #[cfg(feature = "trace")]
    fn read(&mut self) -> Option<ThreadTimes> {
        let cpu_time = cpu_time::ThreadTime::try_now().ok()?.as_duration();
        Some(ThreadTimes { cpu_time, run_delay: self.read_run_delay() })
    }

    #[cfg(not(feature = "trace"))]
    fn read(&mut self) -> Option<ThreadTimes> {
        None
    }

    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn read_run_delay(&mut self) -> Option<RunDelay> {
        use std::os::unix::fs::FileExt;
        let open = |name| std::fs::File::open(format!("/proc/thread-self/{name}")).ok();
        let open_both = || Some([open("schedstat")?, open("status")?]);
        let [schedstat, status] = self.files.get_or_insert_with(open_both).as_ref()?;
        let mut text = [0; 4096];
        let length = schedstat.read_at(&mut text, 0).ok()?;
        let time = parse_schedstat(std::str::from_utf8(&text[..length]).ok()?)?;
        let length = status.read_at(&mut text, 0).ok()?;
        // The file contains the thread's name, which may be truncated in the middle of a character.
        let blocked = parse_status(&String::from_utf8_lossy(&text[..length]))?;
        Some(RunDelay { time, blocked })
    }

    #[cfg(all(feature = "trace", not(target_os = "linux")))]
    fn read_run_delay(&mut self) -> Option<RunDelay> {
        None
    }
}

/// Returns a thread's time in the run queue, from `/proc/PID/schedstat`. The file contains the nanoseconds on a processor,
/// the nanoseconds in the run queue, and the number of time slices (Documentation/scheduler/sched-stats.rst of Linux).
#[cfg(all(feature = "trace", target_os = "linux"))]
fn parse_schedstat(text: &str) -> Option<Duration> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (_on_processor, in_run_queue, _time_slices) =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Duration::from_nanos(in_run_queue))
}

/// Returns the number of times that a thread has blocked, from `/proc/PID/status` (proc_pid_status(5)).
#[cfg(all(feature = "trace", target_os = "linux"))]
fn parse_status(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{RunDelay, SpanTimes, ThreadTimes};

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn span(took: u64, cpu_time: u64, run_delay: Option<(u64, u64)>) -> SpanTimes {
        let before = ThreadTimes { cpu_time: ms(1000), run_delay: Some(RunDelay { time: ms(500), blocked: 7 }) };
        let after = run_delay.map(|(time, blocked)| RunDelay { time: ms(500 + time), blocked: 7 + blocked });
        SpanTimes::since(before, ThreadTimes { cpu_time: ms(1000 + cpu_time), run_delay: after }, ms(took))
    }

    #[test]
    fn the_machine_is_at_fault_if_the_thread_had_no_processor_for_the_time_over_the_limit() {
        for (span, expected) in [
            (span(21, 1, Some((20, 3))), true),
            (span(21, 10, Some((11, 1))), true),
            // A computation, or a call that blocks.
            (span(21, 21, Some((0, 0))), false),
            (span(21, 0, Some((0, 1))), false),
            // Both: without the wait for a processor it would still have taken 11 ms.
            (span(21, 11, Some((10, 2))), false),
            (span(21, 1, Some((10, 2))), false),
            // The thread has not blocked, and was on no processor: a hypervisor stopped the virtual machine.
            (span(21, 1, Some((0, 0))), true),
            (span(21, 11, Some((0, 0))), false),
            // The run delay is not known.
            (span(21, 1, None), false),
        ] {
            assert_eq!(span.is_machine_at_fault(ms(10)), expected, "{span:?}");
        }
    }

    #[test]
    fn no_part_of_a_span_is_longer_than_the_span() {
        let times = span(5, 9, Some((8, 2))).times;
        assert_eq!(times, ThreadTimes { cpu_time: ms(5), run_delay: Some(RunDelay { time: ms(5), blocked: 2 }) });
    }

    #[test]
    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn the_files_about_a_thread_are_parsed() {
        let in_run_queue = super::parse_schedstat("58161887 31901300 24\n");
        assert_eq!(in_run_queue, Some(Duration::from_nanos(31_901_300)));
        let status = "Name:\tloop\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(super::parse_status(status), Some(150));
        assert_eq!(super::parse_status("Name:\tloop\nnonvoluntary_ctxt_switches:\t545\n"), None);
        for text in ["", "1 2", "1 two 3", "1 2 three"] {
            assert_eq!(super::parse_schedstat(text), None, "{text}");
        }
    }

    #[test]
    #[cfg(all(feature = "trace", target_os = "linux"))]
    fn the_cpu_time_of_a_thread_is_measured() {
        let mut source = super::TimesSource::default();
        let before = source.read().expect("the times of this thread");
        let mut after = before;
        while after.cpu_time < before.cpu_time + ms(2) {
            after = source.read().expect("the times of this thread");
        }
        let cpu_time = SpanTimes::since(before, after, ms(1_000)).times.cpu_time;
        assert!(cpu_time >= ms(2), "{cpu_time:?}");
    }
}
