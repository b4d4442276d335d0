//! A task: its slot, its header, its waker.
//!
//! The slot lies in the loop's table and never leaves the loop's thread. It owns the future. The header is the only
//! thing a waker owns (I1): an id and the way to the loop, so that a waker may go to any thread, live for ever, and
//! be dropped anywhere, without ever touching what the user wrote.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use slab::Slab;

use super::core::{Remote, Shared};
use super::current;
use crate::observe::{TaskId, TaskOutcome, WakeId, WakeOutcome, current_cause, is_observed};
use crate::sync::{HoldId, Polled};

/// What a waker owns.
pub(crate) struct Header {
    pub(crate) id: TaskId,
    /// The id is on its way to the loop already. Cleared when the loop takes it, before the poll.
    remote_pending: AtomicBool,
    /// The loop's half that other threads may touch.
    shared: Arc<Shared>,
}

impl Header {
    pub(crate) fn new(id: TaskId, shared: Arc<Shared>) -> Arc<Header> {
        Arc::new(Header { id, remote_pending: AtomicBool::new(false), shared })
    }

    /// Whether the id is on its way to the loop.
    pub(crate) fn is_remote_pending(&self) -> bool {
        self.remote_pending.load(Ordering::Acquire)
    }

    /// The loop has taken the id off the list: the next remote wake pushes again.
    pub(crate) fn clear_remote_pending(&self) {
        self.remote_pending.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Header {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // On the loop's own thread: no atomics, no system call.
        if let Some(effect) = current::schedule_if_loop_is(&self.shared, self.id) {
            if is_observed() {
                self.emit_wake(effect);
            }
        } else if !self.remote_pending.swap(true, Ordering::AcqRel) {
            self.shared.notifier.notify(Remote::Wake { task: self.id });
        }
    }
}

impl Header {
    #[cold]
    fn emit_wake(&self, effect: WakeOutcome) {
        if let Some(core) = current::try_core() {
            core.emit_wake(self.id, current_cause(self.id), effect);
        }
    }
}

/// What a task is called.
#[derive(Clone)]
pub(crate) enum Name {
    /// By the type of its future, since nobody gave it a name.
    Type(&'static str),
    Given(Rc<str>),
}

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Name::Type(name) => short_type_name(name),
            Name::Given(name) => name,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `glassloop::flags::download_one::{{closure}}` is `download_one`.
fn short_type_name(full: &str) -> &str {
    let path = full.split('<').next().unwrap_or(full);
    path.split("::").filter(|part| *part != "{{closure}}").last().unwrap_or(full)
}

/// A spawned future with its waker and the place for its result: polls once, and says how it ended.
pub(crate) trait Run {
    fn poll(self: Pin<&mut Self>) -> Poll<TaskOutcome>;

    /// Who has the task's handle.
    fn handle(&self) -> Handle;
}

/// Who has a task's `JoinHandle`, and so can abort the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    /// Nobody.
    Dropped,
    /// Somebody.
    Kept,
    /// Somebody, who awaits it: the task whose waker's clones are counted there.
    AwaitedBy(HoldId),
}

/// The task's place in the loop's table.
pub(crate) struct Slot {
    pub(crate) generation: u32,
    /// Exactly when the ready queue holds an entry for this generation (I3).
    pub(crate) scheduled: Cell<bool>,
    /// The future is to be dropped at the next pop (I13).
    pub(crate) aborted: Cell<bool>,
    /// Taken out while it is polled, so that nothing is borrowed meanwhile (I4).
    pub(crate) future: Option<Pin<Box<dyn Run>>>,
    /// Counted once here and once for the one waker made for this task, which lies beside the future.
    pub(crate) header: Arc<Header>,
    /// Where the clones of its waker are counted.
    pub(crate) hold: HoldId,
    pub(crate) name: Name,
    pub(crate) location: &'static Location<'static>,
    /// What it waits for, in the words of the last future to return `Pending`.
    pub(crate) waiting_for: &'static str,
    pub(crate) polls: u64,
    /// When it was queued; kept only for an observer.
    pub(crate) queued_at: Duration,
    /// The wakes since the last poll; kept only for an observer.
    pub(crate) wakes: Vec<WakeId>,
}

impl Slot {
    /// Clones of the waker beside the task's own: everybody's.
    pub(crate) fn wakers_alive(&self) -> usize {
        Arc::strong_count(&self.header).saturating_sub(2)
    }

    /// Whether a clone of the waker is in hands that the loop cannot see (I16).
    pub(crate) fn is_waker_foreign(&self) -> bool {
        self.wakers_alive() > self.hold.count()
    }
}

/// The loop's table of tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Slab<Slot>,
    /// How many tasks there have been: the next task's generation.
    spawned: u32,
}

/// What a new task comes with.
pub(crate) struct NewTask<F, S> {
    pub(crate) future: F,
    /// What is to happen with its result.
    pub(crate) sink: S,
    pub(crate) name: Name,
    pub(crate) location: &'static Location<'static>,
}

impl Tasks {
    pub(crate) fn insert<F: Future + 'static, S: Sink<F::Output> + 'static>(
        &mut self,
        new: NewTask<F, S>,
        shared: &Arc<Shared>,
    ) -> TaskId {
        // Not zero: that is the root's.
        self.spawned = self.spawned.checked_add(1).unwrap_or(1);
        let entry = self.slots.vacant_entry();
        let id = TaskId { index: entry.key() as u32, generation: self.spawned };
        let header = Header::new(id, shared.clone());
        let (waker, hold) = (Waker::from(header.clone()), HoldId::open());
        let polled = Polled::new(&waker, hold);
        entry.insert(Slot {
            generation: id.generation,
            scheduled: Cell::new(false),
            aborted: Cell::new(false),
            future: Some(Box::pin(Running { waker, polled, future: new.future, sink: new.sink })),
            header,
            hold,
            name: new.name,
            location: new.location,
            waiting_for: "its first poll",
            polls: 0,
            queued_at: Duration::ZERO,
            wakes: Vec::new(),
        });
        id
    }

    /// The slot, unless it is another task's by now.
    #[inline]
    pub(crate) fn get(&self, id: TaskId) -> Option<&Slot> {
        self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: TaskId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)
    }

    /// Takes the task out of the table. What comes back is to be dropped when the table is not borrowed.
    pub(crate) fn remove(&mut self, id: TaskId) -> Option<Slot> {
        self.get(id)?;
        let slot = self.slots.remove(id.index as usize);
        slot.hold.close();
        Some(slot)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TaskId, &Slot)> {
        self.slots.iter().map(|(index, slot)| (TaskId { index: index as u32, generation: slot.generation }, slot))
    }
}

pin_project_lite::pin_project! {
    /// A future of any type, what it is polled with, and what is to happen with its result.
    struct Running<F, S> {
        waker: Waker,
        polled: Polled,
        #[pin]
        future: F,
        sink: S,
    }
}

/// Takes a task's result.
pub(crate) trait Sink<T> {
    fn finish(&mut self, result: std::thread::Result<T>) -> TaskOutcome;

    /// Who has the task's handle.
    fn handle(&self) -> Handle;
}

impl<F: Future, S: Sink<F::Output>> Run for Running<F, S> {
    fn poll(self: Pin<&mut Self>) -> Poll<TaskOutcome> {
        let this = self.project();
        let (future, mut cx) = (this.future, Context::from_waker(this.waker));
        let entered = this.polled.enter();
        // I12: a panic ends this task and no other. The future is not polled again.
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| future.poll(&mut cx)));
        drop(entered);
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(this.sink.finish(Ok(output))),
            Err(payload) => Poll::Ready(this.sink.finish(Err(payload))),
        }
    }

    fn handle(&self) -> Handle {
        self.sink.handle()
    }
}

#[cfg(test)]
mod tests {
    use super::short_type_name;

    #[test]
    fn a_task_without_a_name_is_called_after_its_function() {
        assert_eq!(short_type_name("glassloop::flags::download_one::{{closure}}"), "download_one");
        assert_eq!(short_type_name("glassloop::futures::timeout::Timeout<core::x::Y>"), "Timeout");
    }
}
