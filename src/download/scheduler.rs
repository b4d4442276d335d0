//! The async front end of the per-host scheduler: connects the sans-I/O [`HostTable`] to the tasks that wait for
//! permits, and to the loop's clock and timers.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::host::{HostSignal, RetryCost};
use super::host_table::{HostLimits, HostSlot, HostTable, NextTicket};
use super::plan::DownloadItem;
use super::retry::random_fraction;
use crate::event_loop::{Sleep, now, sleep_until};
use crate::observe::set_wait_reason;
use crate::sync::{WakerSlot, oneshot};

/// The scheduler of a run. It is a handle: clones share the same state.
#[derive(Clone)]
pub(super) struct HostScheduler {
    shared: Rc<SchedulerState>,
}

struct SchedulerState {
    hosts: RefCell<HostTable<Ticket>>,
    /// The waker of the task that awaits [`HostScheduler::next_transfer`] and thereby drives the scheduler.
    waker: RefCell<WakerSlot>,
}

/// An entry in the queue for permits.
enum Ticket {
    /// A transfer that has not started; it has no task yet.
    New(Box<DownloadItem>),
    /// A task that had a permit before, and is waiting for another one.
    Returning(oneshot::Sender<HostPermit>),
}

/// A permit to send requests to one host. Dropping it releases its slot.
pub(super) struct HostPermit {
    shared: Rc<SchedulerState>,
    slot: HostSlot,
}

/// A guard that keeps the scheduler from handing out permits.
pub(super) struct SaveWaits {
    shared: Rc<SchedulerState>,
}

impl Drop for SaveWaits {
    fn drop(&mut self) {
        self.shared.hosts.borrow_mut().save_continues();
        self.shared.wake();
    }
}

/// The decision about a new transfer.
pub(super) enum Admission {
    /// The transfer may start, with this permit.
    Granted(Box<DownloadItem>, HostPermit),
    /// The transfer fails, since its host has been paused for too long.
    Refused(Box<DownloadItem>),
}

impl HostScheduler {
    pub(super) fn new(limits: HostLimits) -> HostScheduler {
        HostScheduler {
            shared: Rc::new(SchedulerState { hosts: RefCell::new(HostTable::new(limits)), waker: RefCell::default() }),
        }
    }

    /// Queues a new transfer.
    pub(super) fn queue(&self, item: Box<DownloadItem>) {
        let origin = item.url.origin().to_owned();
        self.shared.hosts.borrow_mut().queue(&origin, Ticket::New(item));
        self.shared.wake();
    }

    /// Acquires a permit for a task that had one before. `is_rejected` states whether the host has rejected its last
    /// request. Returns `None` if the host has been paused for too long.
    pub(super) async fn reacquire(&self, origin: &str, is_rejected: bool) -> Option<HostPermit> {
        let (sender, receiver) = oneshot();
        let ticket = Ticket::Returning(sender);
        match is_rejected {
            true => self.shared.hosts.borrow_mut().queue_rejected(origin, ticket),
            false => self.shared.hosts.borrow_mut().queue_returning(origin, ticket),
        }
        self.shared.wake();
        receiver.await.ok()
    }

    /// Lowers the limit on concurrent permits to the number in use, because there was no file descriptor for another
    /// connection or file.
    pub(super) fn shrink(&self) {
        self.shared.hosts.borrow_mut().shrink();
    }

    /// Stops handing out permits until the returned guard is dropped, because a complete file waits for a descriptor.
    pub(super) fn save_waits(&self) -> SaveWaits {
        self.shared.hosts.borrow_mut().save_waits();
        SaveWaits { shared: self.shared.clone() }
    }

    /// Removes all transfers that have not started, and returns their number.
    pub(super) fn remove_queued(&self) -> usize {
        self.shared.hosts.borrow_mut().remove_queued()
    }

    /// Returns a future that resolves to the next new transfer that may start. Polling it also hands out permits to the
    /// tasks that wait in [`reacquire`](HostScheduler::reacquire), so it must be awaited as long as any task waits
    /// there. Cancel-safe: dropping it loses no transfer.
    pub(super) fn next_transfer(&self) -> NextTransfer {
        NextTransfer { shared: self.shared.clone(), pause: None }
    }
}

impl SchedulerState {
    fn wake(&self) {
        let waker = self.waker.borrow_mut().take(); // I4
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl HostPermit {
    /// Records the result of a request.
    pub(super) fn record_result(&self, signal: HostSignal) -> RetryCost {
        let outcome = self.shared.hosts.borrow_mut().record_result(self.slot, signal, now(), random_fraction());
        if outcome.has_changed {
            log::debug!("{signal:?}; paused for {:?}", self.paused_for());
            // If this was a probe, the tickets that wait for its result can start now, before its body has been
            // received.
            self.shared.wake();
        }
        outcome.cost
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

impl Drop for HostPermit {
    fn drop(&mut self) {
        self.shared.hosts.borrow_mut().end(self.slot);
        self.shared.wake();
    }
}

/// The future returned by [`HostScheduler::next_transfer`].
pub(super) struct NextTransfer {
    shared: Rc<SchedulerState>,
    /// The earliest end of a pause, and its timer, if any host is paused.
    pause: Option<(Instant, Sleep)>,
}

impl Future for NextTransfer {
    type Output = Admission;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Admission> {
        let this = &mut *self;
        loop {
            let next = this.shared.hosts.borrow_mut().next(now());
            let permit = |slot| HostPermit { shared: this.shared.clone(), slot };
            match next {
                NextTicket::Start(Ticket::New(item), slot) => {
                    return Poll::Ready(Admission::Granted(item, permit(slot)));
                }
                NextTicket::Refuse(Ticket::New(item)) => return Poll::Ready(Admission::Refused(item)),
                // If the task has been cancelled, sending fails, which drops the permit.
                NextTicket::Start(Ticket::Returning(sender), slot) => _ = sender.send(permit(slot)),
                NextTicket::Refuse(Ticket::Returning(sender)) => drop(sender),
                NextTicket::Idle(until) => {
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
                        "transfers to start"
                    });
                    return Poll::Pending;
                }
            }
        }
    }
}

impl fmt::Debug for HostScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostScheduler").field("running", &self.shared.hosts.borrow().running()).finish()
    }
}

impl fmt::Debug for HostPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("slot", &self.slot).finish()
    }
}
