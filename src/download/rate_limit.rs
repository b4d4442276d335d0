//! A global rate limit in bytes per second, shared by all transfers: equivalent to a token bucket.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::event_loop::{now, sleep_until};

/// A limit on the rate at which bytes are taken.
///
/// The state is a single timestamp: the time at which all bytes taken so far would have arrived at the configured rate.
/// Taking bytes advances it, and the caller then waits until it is at most 100 ms in the future. This is the "generic
/// cell rate algorithm" (GCRA) of ATM networks, which calls the timestamp the theoretical arrival time. It needs no
/// timer that refills a bucket.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: u64,
    /// The theoretical arrival time of all bytes taken so far. `None` before the first bytes are taken.
    paid_at: Cell<Option<Instant>>,
}

/// The burst allowance: how far the timestamp may be in the future before a caller has to wait. Short enough for a
/// smooth rate, and long enough that not every read has to wait.
const BURST: Duration = Duration::from_millis(100);

impl RateLimit {
    /// Creates a limit of `bytes_per_second`, but at least 1.
    pub fn new(bytes_per_second: u64) -> RateLimit {
        RateLimit { bytes_per_second: bytes_per_second.max(1), paid_at: Cell::new(None) }
    }

    /// Counts `bytes` against the rate, and waits until the rate permits them.
    pub async fn take(&self, bytes: usize) {
        let now = now();
        let price = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let paid_at = self.paid_at.get().map_or(now, |paid_at| paid_at.max(now)) + price;
        self.paid_at.set(Some(paid_at));
        if paid_at > now + BURST {
            sleep_until(paid_at - BURST).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::{EventLoop, sleep};
    use crate::futures::join_all;

    #[test]
    fn several_transfers_share_the_rate() {
        let mut event_loop = EventLoop::builder().virtual_time().build().expect("a loop");
        let took = event_loop.block_on(async {
            let (limit, started) = (RateLimit::new(1000), now());
            join_all((0..4).map(|_| async {
                for _ in 0..25 {
                    limit.take(100).await;
                }
            }))
            .await;
            now() - started
        });
        let took = took.expect("no deadlock").as_secs_f64();
        assert!((9.8..=10.1).contains(&took), "10,000 bytes at 1,000 a second took {took} s");
    }

    #[test]
    fn bytes_within_the_burst_do_not_wait_for_a_timer() {
        let mut event_loop = EventLoop::builder().virtual_time().build().expect("a loop");
        let waits = event_loop.block_on(async {
            let limit = RateLimit::new(1000);
            let mut waits = vec![];
            for _ in 0..4 {
                let mut take = std::pin::pin!(limit.take(40));
                waits
                    .push(std::future::poll_fn(|cx| std::task::Poll::Ready(take.as_mut().poll(cx).is_pending())).await);
            }
            waits
        });
        assert_eq!(waits.expect("no deadlock"), [false, false, true, true]);
    }

    #[test]
    fn unused_rate_is_not_accumulated() {
        let mut event_loop = EventLoop::builder().virtual_time().build().expect("a loop");
        let took = event_loop.block_on(async {
            let limit = RateLimit::new(1000);
            limit.take(1).await;
            sleep(Duration::from_secs(3600)).await;
            let started = now();
            limit.take(2000).await;
            now() - started
        });
        assert!(took.expect("no deadlock") >= Duration::from_millis(1900));
    }
}
