//! The idle reaper: one task per client that closes idle connections.

use std::future::Future;
use std::pin::Pin;
use std::rc::Weak;
use std::task::{Context, Poll};

use super::Shared;
use super::pool::MAX_IDLE;
use crate::event_loop::{Sleep, now, sleep};
use crate::observe::{State, TracedState};

/// A future that closes idle connections on which data or EOF is received, and those that have expired.
///
/// It waits on every idle connection and on one timer, which are unref'd: it is ignored by deadlock detection, so a
/// program in which nothing else can happen is still reported as deadlocked (I16). It completes when its timer expires
/// and there is no idle connection, or the client has been dropped. The next connection that becomes idle starts a new
/// one.
#[derive(Debug)]
pub(super) struct IdleWatch {
    client: Weak<Shared>,
    /// The timer, never later than the first expiry of the connections that were idle when it was set. Connections that
    /// become idle later also expire later.
    expiry: Sleep,
    state: TracedState<WatchState>,
}

#[derive(Debug)]
enum WatchState {
    Watch,
    Done,
}

impl State for WatchState {
    const TYPE_NAME: &'static str = "IdleWatch";

    fn name(&self) -> &'static str {
        match self {
            WatchState::Watch => "Watch",
            WatchState::Done => "Done",
        }
    }
}

impl IdleWatch {
    pub(super) fn new(client: Weak<Shared>) -> IdleWatch {
        IdleWatch { client, expiry: sleep(MAX_IDLE).unref(), state: TracedState::new(WatchState::Watch) }
    }
}

impl Future for IdleWatch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            match this.state.get() {
                WatchState::Watch => {
                    let Some(client) = this.client.upgrade() else {
                        this.state.transition_to(WatchState::Done);
                        continue;
                    };
                    client.pool.register_watcher(cx);
                    client.pool.sweep(cx, now());
                    if Pin::new(&mut this.expiry).poll(cx).is_pending() {
                        this.state.set_wait_reason();
                        return Poll::Pending;
                    }
                    match client.pool.next_expiry() {
                        Some(expiry) => this.expiry.reset(expiry),
                        None => this.state.transition_to(WatchState::Done),
                    }
                }
                WatchState::Done => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for IdleWatch {
    fn drop(&mut self) {
        // Also reached when the loop is dropped: idle connections without a reaper, registered with a loop that has
        // ended, cannot be used any more.
        if let Some(client) = self.client.upgrade() {
            client.pool.is_watched.set(false);
            client.pool.clear();
        }
    }
}
