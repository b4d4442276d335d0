//! The task that looks up one name on a thread.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::{LookupResult, ResolveError, ResolverContext};
use crate::event_loop::{Job, JobHandle, Sleep, now, run_in_executor, sleep};
use crate::sync::{Acquire, Permit};

/// The time after which a lookup counts as slow.
pub(super) const SLOW_AFTER: Duration = Duration::from_millis(100);

/// A task that looks up one name. It is separate from the futures that wait for the result, so that dropping one of
/// them does not cancel the lookup for the others.
pub(super) struct LookupTask {
    resolver: Rc<ResolverContext>,
    name: String,
    state: LookupTaskState,
}

/// The states of a lookup.
enum LookupTaskState {
    /// Waiting for a permit, because the maximum number of lookups that are not slow yet is in progress.
    Permit(Acquire),
    /// Waiting for a thread to look up the name.
    Job {
        job: JobHandle<LookupResult>,
        /// The permit, until the lookup counts as slow.
        permit: Option<Permit>,
        /// The timer: set for the time after which the lookup counts as slow, and then for `due`.
        timer: Sleep,
        /// The time at which the lookup times out.
        due: Instant,
    },
}

impl LookupTask {
    /// Creates the task, and starts the lookup if there is a permit.
    pub(super) fn new(resolver: Rc<ResolverContext>, name: String) -> LookupTask {
        let state = match resolver.permits.try_acquire() {
            Some(permit) => LookupTaskState::start(&resolver, &name, permit),
            None => LookupTaskState::Permit(resolver.permits.acquire()),
        };
        LookupTask { resolver, name, state }
    }
}

impl LookupTaskState {
    /// Starts the lookup.
    fn start(resolver: &ResolverContext, name: &str, permit: Permit) -> LookupTaskState {
        let (look_up, family, name) = (resolver.look_up, resolver.family, name.to_owned());
        let job = Job::new(move || look_up(&name, family)).label("dns").cancellable();
        LookupTaskState::Job {
            job: run_in_executor(Some(&resolver.threads), job),
            permit: Some(permit),
            timer: sleep(SLOW_AFTER.min(resolver.lookup_timeout)),
            due: now() + resolver.lookup_timeout,
        }
    }
}

impl Future for LookupTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let LookupTask { resolver, name, state } = &mut *self;
        loop {
            match state {
                LookupTaskState::Permit(acquire) => {
                    let permit = ready!(Pin::new(acquire).poll(cx));
                    // All waiters may have been dropped in the meantime. A later request then starts a new lookup.
                    if !resolver.names.is_awaited(name) {
                        return Poll::Ready(());
                    }
                    *state = LookupTaskState::start(resolver, name, permit);
                }
                LookupTaskState::Job { job, permit, timer, due } => {
                    let fail = |reason| Err(ResolveError { name: name.clone(), reason, is_temporary: true });
                    let result = match Pin::new(job).poll(cx) {
                        Poll::Ready(result) => result.unwrap_or_else(|panic| fail(panic.to_string())),
                        Poll::Pending => {
                            ready!(Pin::new(&mut *timer).poll(cx));
                            if permit.take().is_some() {
                                timer.reset(*due);
                                continue;
                            }
                            // The thread cannot be interrupted, but the waiting futures receive an error, and the next
                            // request for the name uses another thread.
                            fail(format!("timed out after {:?}", resolver.lookup_timeout))
                        }
                    };
                    resolver.names.complete(name, result, now());
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Drop for LookupTask {
    fn drop(&mut self) {
        // If the task was aborted, or dropped with its loop, the next request starts a new lookup, possibly on another
        // loop.
        self.resolver.names.cancel(&self.name);
    }
}
