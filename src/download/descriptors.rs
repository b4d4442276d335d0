//! Shortages of file descriptors: a transfer that finds none left waits until another one has released some.
//!
//! A connection and a file take a descriptor each, and other parts of the process may take more. A shortage is not the
//! fault of a transfer, so waiting uses up none of its retries. But the wait is limited: if no transfer of the run
//! makes any progress for [`DescriptorShortage::LIMIT`], the waiting transfers fail.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use super::progress::ProgressCounters;
use crate::event_loop::{now, sleep};
use crate::platform::Errno;

/// The advice that is appended to the message of an `EMFILE` or `ENFILE` error.
pub(super) const ADVICE: &str = "; raise the limit on open files (`ulimit -n`)";

/// Returns whether the process or the system has run out of file descriptors.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The state of a shortage. All transfers of a run share it, so that they do not wait for the limit one after another.
#[derive(Debug, Default)]
pub(super) struct DescriptorShortage {
    /// The time since which no transfer has made progress; `None` if there is no shortage.
    since: Cell<Option<Instant>>,
    /// The largest number of bytes that the run had received at any check. Only a new maximum counts as progress:
    /// attempts that fail because of the shortage also receive bytes, but these are discarded and subtracted again.
    most_bytes: Cell<u64>,
}

impl DescriptorShortage {
    /// The time between two attempts to get a descriptor.
    const WAIT: Duration = Duration::from_millis(10);

    /// The time without progress after which a shortage is an error.
    const LIMIT: Duration = Duration::from_secs(10);

    /// Waits before another attempt to get a descriptor. Returns `false` if no transfer has made progress for
    /// [`LIMIT`](Self::LIMIT).
    pub(super) async fn wait(&self, counters: &ProgressCounters) -> bool {
        let bytes = counters.bytes();
        if bytes > self.most_bytes.get() {
            self.most_bytes.set(bytes);
            self.since.set(None);
        }
        let since = self.since.get().unwrap_or_else(now);
        self.since.set(Some(since));
        if now().saturating_duration_since(since) >= DescriptorShortage::LIMIT {
            return false;
        }
        sleep(DescriptorShortage::WAIT).await;
        true
    }

    /// Records that a transfer has succeeded.
    pub(super) fn transfer_succeeded(&self) {
        self.since.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::EventLoop;

    #[test]
    fn a_shortage_ends_when_nothing_progresses_for_ten_seconds() {
        let run = async {
            let (shortage, counters) = (DescriptorShortage::default(), ProgressCounters::default());
            let mut progress = counters.begin("x");
            let started = now();
            for bytes in [1, 0] {
                // Progress restarts the time limit, but bytes that are discarded and received again are no progress.
                progress.add(bytes);
                let since = now();
                while shortage.wait(&counters).await {
                    progress.reset_to(0);
                    progress.add(1);
                }
                let waited = now() - since;
                assert!(if bytes == 1 { waited >= DescriptorShortage::LIMIT } else { waited.is_zero() }, "{waited:?}");
            }
            shortage.transfer_succeeded();
            assert!(shortage.wait(&counters).await && now() - started < Duration::from_secs(11));
        };
        EventLoop::builder().virtual_time().build().expect("a loop").block_on(run).expect("no deadlock");
    }
}
