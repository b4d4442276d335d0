//! The idle reaper: one task per client that closes idle connections.

use std::future::Future;
use std::pin::Pin;
use std::rc::Weak;
use std::task::{Context, Poll};

use super::ClientContext;
use super::pool::IDLE_TIMEOUT;
use crate::event_loop::{Sleep, now, sleep};
use crate::observe::{NamedState, TracedState};

/// A future that closes idle connections on which data or EOF is received, and those that have expired.
///
/// It waits on every idle connection and on one timer. All of them are unref'd, that is, deadlock detection ignores
/// them: a program in which nothing else can happen is still reported as deadlocked (I16). It completes when its timer
/// expires while there is no idle connection, or when it is polled after the client has been dropped. The next
/// connection that becomes idle starts a new reaper.
#[derive(Debug)]
pub(super) struct IdleReaper {
    client: Weak<ClientContext>,
    /// The timer: first for the idle timeout, then for the next expiry among the idle connections. A connection that
    /// expires earlier, because of its maximum age, is closed when the timer expires, and not reused.
    expiry: Sleep,
    state: TracedState<ReaperState>,
}

#[derive(Debug)]
enum ReaperState {
    /// Waiting for data, EOF or the expiry of a connection.
    Wait,
    /// Completed.
    Done,
}

impl NamedState for ReaperState {
    const TYPE_NAME: &'static str = "IdleReaper";

    fn name(&self) -> &'static str {
        match self {
            ReaperState::Wait => "Wait",
            ReaperState::Done => "Done",
        }
    }
}

impl IdleReaper {
    pub(super) fn new(client: Weak<ClientContext>) -> IdleReaper {
        IdleReaper { client, expiry: sleep(IDLE_TIMEOUT).unref(), state: TracedState::new(ReaperState::Wait) }
    }
}

impl Future for IdleReaper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            match this.state.get() {
                ReaperState::Wait => {
                    let Some(client) = this.client.upgrade() else {
                        this.state.transition_to(ReaperState::Done);
                        continue;
                    };
                    client.pool.register_reaper(cx);
                    client.pool.evict(cx, now());
                    if Pin::new(&mut this.expiry).poll(cx).is_pending() {
                        this.state.set_wait_reason();
                        return Poll::Pending;
                    }
                    match client.pool.next_expiry() {
                        Some(expiry) => this.expiry.reset(expiry),
                        None => this.state.transition_to(ReaperState::Done),
                    }
                }
                ReaperState::Done => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for IdleReaper {
    fn drop(&mut self) {
        // The reaper is also dropped together with its loop. Idle connections are registered with that loop, so they
        // cannot be used any more.
        if let Some(client) = self.client.upgrade() {
            client.pool.has_reaper.set(false);
            client.pool.clear();
        }
    }
}
