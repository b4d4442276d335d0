//! The task that looks after idle connections: one for all of them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Weak;
use std::task::{Context, Poll};

use super::Shared;
use super::pool::MAX_IDLE;
use crate::event_loop::{Sleep, now, sleep};
use crate::observe::{State, Stateful};

/// Closes idle connections: the moment one speaks or ends, and when it has grown old.
///
/// It waits in the background, on every idle connection and on one timer: a program whose only hope is that an idle
/// connection does something is deadlocked (I16). It ends when its timer finds nothing to watch, be it that the client is
/// gone, and the next connection that becomes idle starts another.
#[derive(Debug)]
pub(super) struct IdleWatch {
    client: Weak<Shared>,
    /// Never later than the first expiry of what was idle when it was set: all that comes after expires after it.
    expiry: Sleep,
    state: Stateful<WatchState>,
}

#[derive(Debug)]
enum WatchState {
    Watch,
    Done,
}

impl State for WatchState {
    const OF: &'static str = "IdleWatch";

    fn name(&self) -> &'static str {
        match self {
            WatchState::Watch => "Watch",
            WatchState::Done => "Done",
        }
    }
}

impl IdleWatch {
    pub(super) fn new(client: Weak<Shared>) -> IdleWatch {
        IdleWatch { client, expiry: sleep(MAX_IDLE).background(), state: Stateful::new(WatchState::Watch) }
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
                        this.state.go(WatchState::Done);
                        continue;
                    };
                    client.pool.register_watcher(cx);
                    client.pool.sweep(cx, now());
                    if Pin::new(&mut this.expiry).poll(cx).is_pending() {
                        this.state.note_waiting();
                        return Poll::Pending;
                    }
                    match client.pool.next_expiry() {
                        Some(expiry) => this.expiry.reset(expiry),
                        None => this.state.go(WatchState::Done),
                    }
                }
                WatchState::Done => return Poll::Ready(()),
            }
        }
    }
}

impl Drop for IdleWatch {
    fn drop(&mut self) {
        // Also when the loop ends: connections that nobody watches, and that no other loop knows, are of no use.
        if let Some(client) = self.client.upgrade() {
            client.pool.is_watched.set(false);
            client.pool.clear();
        }
    }
}
