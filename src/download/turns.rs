//! The table of hosts at work: tasks that wait for their turn, and the loop's clock.

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
use crate::observe::note_waiting;
use crate::sync::{WakerSlot, oneshot};

/// The turns of a run. A handle: clones share them.
#[derive(Clone)]
pub(super) struct Turns {
    shared: Rc<Shared>,
}

struct Shared {
    hosts: RefCell<Hosts<Ticket>>,
    /// Whoever hands the turns out.
    waker: RefCell<WakerSlot>,
}

/// What waits for a turn.
enum Ticket {
    /// A file that nothing has been done for yet: there is no task for it.
    Fresh(Box<Item>),
    /// A task that had a turn before.
    Again(oneshot::Sender<Turn>),
}

/// The right to send requests to one host. Dropping it ends it.
pub(super) struct Turn {
    shared: Rc<Shared>,
    slot: Slot,
}

/// What becomes of a file whose turn has come.
pub(super) enum Fresh {
    /// It is to be fetched.
    Start(Box<Item>, Turn),
    /// Its host has paused for too long.
    Refused(Box<Item>),
}

impl Turns {
    pub(super) fn new(limits: Limits) -> Turns {
        Turns { shared: Rc::new(Shared { hosts: RefCell::new(Hosts::new(limits)), waker: RefCell::default() }) }
    }

    /// Queues a file.
    pub(super) fn queue(&self, item: Box<Item>) {
        let origin = item.address.origin().to_owned();
        self.shared.hosts.borrow_mut().queue(&origin, Ticket::Fresh(item));
        self.shared.wake();
    }

    /// A turn for a task that had one before; `is_rejected` if the host has rejected its last request. `None` if the host
    /// has paused for too long.
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

    /// Allows only as many turns at once as there are, since there was no file descriptor for another one. `false` if there
    /// is none, whose end could release one.
    pub(super) fn shrink(&self) -> bool {
        self.shared.hosts.borrow_mut().shrink()
    }

    /// Takes back all files that had no turn. How many.
    pub(super) fn clear_fresh(&self) -> usize {
        self.shared.hosts.borrow_mut().clear_fresh()
    }

    /// The next file whose turn it is. Whoever awaits this hands out the turns of the others on the way, so somebody has
    /// to, as long as there are any. Dropping it loses nothing.
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
    /// Notes what the host has answered.
    pub(super) fn answered(&self, answer: Answer) -> Blame {
        let outcome = self.shared.hosts.borrow_mut().answered(self.slot, answer, now(), random_fraction());
        if outcome.is_news {
            log::debug!("{answer:?}; paused for {:?}", self.paused_for());
            // Those who wait for the answer to a probe need not wait for its body.
            self.shared.wake();
        }
        outcome.blame
    }

    /// How much longer than its own wait the transfer has to wait before it tries again.
    pub(super) fn retry_delay(&self) -> Duration {
        self.shared.hosts.borrow_mut().retry_delay(self.slot, now())
    }

    /// How long the host pauses from now on.
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

/// The future of [`Turns::next_fresh`].
pub(super) struct NextFresh {
    shared: Rc<Shared>,
    /// The end of the first pause, while there is one.
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
                // If the task is gone, so is the turn.
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
                    note_waiting(if this.pause.is_some() { "the end of a host's pause" } else { "turns to hand out" });
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
