//! The async front end of the per-host scheduler ([`Hosts`]): tasks that wait for a permit, and the loop's clock and
//! timers.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::host::{Answer, Blame};
use super::hosts::{Hosts, Limits, Next, Slot};
use super::plan::Item;
use super::retry::random_fraction;
use crate::event_loop::{Sleep, now, sleep_until};
use crate::observe::set_wait_reason;
use crate::sync::{WakerSlot, oneshot};

/// The scheduler of a run. It is a handle: clones share the same state.
#[derive(Clone)]
pub(super) struct Turns {
    shared: Rc<Shared>,
}

struct Shared {
    hosts: RefCell<Hosts<Ticket>>,
    /// The waker of the task that awaits [`Turns::next_fresh`] and thereby drives the scheduler.
    waker: RefCell<WakerSlot>,
}

/// An entry in the queue for permits.
enum Ticket {
    /// A transfer that has not started; it has no task yet.
    Fresh(Box<Item>),
    /// A task that had a permit before, and is waiting for another one.
    Again(oneshot::Sender<Turn>),
}

/// A permit to send requests to one host. Dropping it releases its slot.
pub(super) struct Turn {
    shared: Rc<Shared>,
    slot: Slot,
}

/// The decision about a new transfer.
pub(super) enum Fresh {
    /// The transfer may start, with this permit.
    Start(Box<Item>, Turn),
    /// The transfer fails, since its host has been paused for too long.
    Refused(Box<Item>),
}

impl Turns {
    pub(super) fn new(limits: Limits) -> Turns {
        Turns { shared: Rc::new(Shared { hosts: RefCell::new(Hosts::new(limits)), waker: RefCell::default() }) }
    }

    /// Queues a new transfer.
    pub(super) fn queue(&self, item: Box<Item>) {
        let origin = item.address.origin().to_owned();
        self.shared.hosts.borrow_mut().queue(&origin, Ticket::Fresh(item));
        self.shared.wake();
    }

    /// Acquires a permit for a task that had one before. `is_rejected` states whether the host has rejected its last
    /// request. Returns `None` if the host has been paused for too long.
    pub(super) async fn again(&self, origin: &str, is_rejected: bool) -> Option<Turn> {
        let (sender, receiver) = oneshot();
        let ticket = Ticket::Again(sender);
        match is_rejected {
            true => self.shared.hosts.borrow_mut().queue_rejected(origin, ticket),
            false => self.shared.hosts.borrow_mut().queue_again(origin, ticket),
        }
        self.shared.wake();
        receiver.await.ok()
    }

    /// Lowers the limit on concurrent permits to the number in use, because there was no file descriptor for another
    /// one. Returns `false` if none is in use, so that none can release a descriptor.
    pub(super) fn shrink(&self) -> bool {
        self.shared.hosts.borrow_mut().shrink()
    }

    /// Removes all transfers that have not started, and returns their number.
    pub(super) fn clear_fresh(&self) -> usize {
        self.shared.hosts.borrow_mut().clear_fresh()
    }

    /// Returns a future that resolves to the next new transfer that may start. Polling it also hands out permits to the
    /// tasks that wait in [`again`](Turns::again), so a task must await it as long as there are any. Cancel-safe:
    /// dropping it loses no transfer.
    pub(super) fn next_fresh(&self) -> NextFresh {
        NextFresh { shared: self.shared.clone(), pause: None }
    }
}

impl Shared {
    fn wake(&self) {
        let waker = self.waker.borrow_mut().take(); // I4
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Turn {
    /// Records the result of a request.
    pub(super) fn answered(&self, answer: Answer) -> Blame {
        let outcome = self.shared.hosts.borrow_mut().answered(self.slot, answer, now(), random_fraction());
        if outcome.is_news {
            log::debug!("{answer:?}; paused for {:?}", self.paused_for());
            // Tasks that wait for the result of a probe need not wait for its body.
            self.shared.wake();
        }
        outcome.blame
    }

    /// Returns the additional delay that the host's retry budget imposes on a retry.
    pub(super) fn retry_delay(&self) -> Duration {
        self.shared.hosts.borrow_mut().retry_delay(self.slot, now())
    }

    /// Returns the remaining time of the host's pause.
    pub(super) fn paused_for(&self) -> Duration {
        let until = self.shared.hosts.borrow().paused_until(self.slot);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.hosts.borrow_mut().end(self.slot);
        self.shared.wake();
    }
}

/// The future returned by [`Turns::next_fresh`].
pub(super) struct NextFresh {
    shared: Rc<Shared>,
    /// The earliest end of a pause, and its timer, if any host is paused.
    pause: Option<(Instant, Sleep)>,
}

impl Future for NextFresh {
    type Output = Fresh;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fresh> {
        let this = &mut *self;
        loop {
            let next = this.shared.hosts.borrow_mut().next(now());
            let turn = |slot| Turn { shared: this.shared.clone(), slot };
            match next {
                Next::Start(Ticket::Fresh(item), slot) => return Poll::Ready(Fresh::Start(item, turn(slot))),
                Next::Refuse(Ticket::Fresh(item)) => return Poll::Ready(Fresh::Refused(item)),
                // If the task has been cancelled, sending fails, which drops the permit.
                Next::Start(Ticket::Again(sender), slot) => _ = sender.send(turn(slot)),
                Next::Refuse(Ticket::Again(sender)) => drop(sender),
                Next::Nobody(until) => {
                    let _replaced = this.shared.waker.borrow_mut().register(cx.waker());
                    match (&mut this.pause, until) {
                        (_, None) => this.pause = None,
                        (Some((same, _)), Some(until)) if *same == until => {}
                        (pause, Some(until)) => *pause = Some((until, sleep_until(until))),
                    }
                    if let Some((_, sleep)) = &mut this.pause
                        && Pin::new(sleep).poll(cx).is_ready()
                    {
                        this.pause = None;
                        continue;
                    }
                    set_wait_reason(if this.pause.is_some() {
                        "the end of a host's pause"
                    } else {
                        "turns to hand out"
                    });
                    return Poll::Pending;
                }
            }
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("running", &self.shared.hosts.borrow().running()).finish()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("slot", &self.slot).finish()
    }
}
