//! A task: its entry in the loop's table, its header, and its waker.
//!
//! The entry never leaves the loop's thread, and owns the future. The header is all that a waker owns (I1): the task's id
//! and a handle to the loop. So a waker may be sent to any thread, kept for any time and dropped anywhere, without
//! running or owning user code.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::current;
use super::remote::{RemoteHandle, RemoteMessage};
use crate::observe::{TaskId, TaskOutcome, WakeId};
use crate::sync::{CurrentWaker, WakerCountId};
use crate::table::Table;

/// The loop's tasks. The first one is the root task, whose id is [`TaskId::ROOT`].
pub(crate) type Tasks = Table<TaskId, Task>;

/// The entry of a task in the loop's table.
///
/// Invariants: `scheduled` is true exactly while the ready queue contains the task's id (I3). The future is created,
/// polled and dropped on the loop's thread only (I1).
pub(crate) struct Task {
    pub(crate) scheduled: Cell<bool>,
    /// Whether the future is to be dropped when the task is dequeued next (I13).
    pub(crate) aborted: Cell<bool>,
    pub(crate) future: TaskFuture,
    /// The loop owns two clones: this one, and the one in the waker that is stored with the future.
    pub(crate) header: Arc<Header>,
    /// The key under which the clones of the waker are counted.
    pub(crate) waker_count: WakerCountId,
    pub(crate) name: TaskName,
    /// Where it was spawned; `None` for the root task.
    pub(crate) location: Option<&'static Location<'static>>,
    /// What the last future to return `Pending` waits for.
    pub(crate) waiting_for: &'static str,
    /// Whether this is the root task and the program calls `turn`: then it may wake the task with `wake_root`.
    pub(crate) is_driven_by_turn: Cell<bool>,
    /// Only used while the loop is observed.
    pub(crate) observed: Option<Box<ObservedTask>>,
}

/// Where the future of a task is.
pub(crate) enum TaskFuture {
    /// In the table.
    Stored(Pin<Box<dyn ErasedTask>>),
    /// On the stack of the loop, which is polling it. It is not in the table, which must not be borrowed then (I4).
    Polling,
    /// On the stack of the caller of `block_on` or `turn`. This is the root task.
    OnCallersStack,
}

/// State of a task that is kept only while the loop is observed.
#[derive(Default)]
pub(crate) struct ObservedTask {
    pub(crate) polls: u64,
    pub(crate) queued_at: Duration,
    /// The wakes since the last poll.
    pub(crate) wakes: Vec<WakeId>,
}

impl Task {
    /// Creates the entry of a task, and the waker that its future is polled with.
    fn new(id: TaskId, remote: &Arc<RemoteHandle>, name: TaskName) -> (Task, TaskWaker) {
        let header = Arc::new(Header { id, remote_pending: AtomicBool::new(false), remote: remote.clone() });
        let (waker, waker_count) = (Waker::from(header.clone()), WakerCountId::new());
        let current = CurrentWaker::new(&waker, waker_count);
        let task = Task {
            scheduled: Cell::new(false),
            aborted: Cell::new(false),
            future: TaskFuture::OnCallersStack,
            header,
            waker_count,
            name,
            location: None,
            waiting_for: "its first poll",
            is_driven_by_turn: Cell::new(false),
            observed: None,
        };
        (task, TaskWaker { waker, current })
    }

    /// Returns the number of clones of the waker, apart from the loop's own.
    pub(crate) fn waker_clones(&self) -> usize {
        Arc::strong_count(&self.header).saturating_sub(2)
    }

    /// Returns whether there is a clone of the waker outside the waker slots of this thread (I16).
    pub(crate) fn has_external_waker(&self) -> bool {
        self.waker_clones() > self.waker_count.in_slots()
    }
}

/// Creates a table with the root task, which is scheduled.
pub(crate) fn new_table(remote: &Arc<RemoteHandle>) -> (Tasks, TaskWaker) {
    let (mut tasks, mut root_waker) = (Tasks::starting_at(TaskId::ROOT.generation), None);
    tasks.insert_with(|id| {
        let (task, waker) = Task::new(id, remote, TaskName::Type("root"));
        task.scheduled.set(true);
        root_waker = Some(waker);
        task
    });
    (tasks, root_waker.expect("it was set in `insert_with`"))
}

/// The parameters of a new task.
pub(crate) struct NewTask<F, C> {
    pub(crate) future: F,
    pub(crate) on_complete: C,
    pub(crate) name: TaskName,
    pub(crate) location: &'static Location<'static>,
}

/// Adds a task to the table. No user code runs here: the future is only moved (I4).
pub(crate) fn insert<F, C>(tasks: &mut Tasks, new: NewTask<F, C>, remote: &Arc<RemoteHandle>) -> TaskId
where
    F: Future + 'static,
    C: OnComplete<F::Output> + 'static,
{
    tasks.insert_with(|id| {
        let (mut task, waker) = Task::new(id, remote, new.name);
        let cell = TaskCell { waker, future: new.future, on_complete: new.on_complete };
        task.future = TaskFuture::Stored(Box::pin(cell));
        task.location = Some(new.location);
        task
    })
}

/// The part of a task that its wakers own.
pub(crate) struct Header {
    id: TaskId,
    /// Whether a wake of the task is in the inbox already. Cleared when the loop processes it, before the poll.
    remote_pending: AtomicBool,
    remote: Arc<RemoteHandle>,
}

impl Header {
    /// Returns whether a wake of the task is in the inbox.
    pub(crate) fn is_remote_pending(&self) -> bool {
        self.remote_pending.load(Ordering::Acquire)
    }

    /// Clears the flag, so that the next wake from another thread sends a message again.
    pub(crate) fn clear_remote_pending(&self) {
        self.remote_pending.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Header {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // On the loop's own thread there are no atomics and no system call.
        let is_local = current::try_wake_local(&self.remote, self.id);
        if !is_local && !self.remote_pending.swap(true, Ordering::AcqRel) {
            self.remote.notifier.notify(RemoteMessage::Wake { task: self.id });
        }
    }
}

/// The waker that a task is polled with.
pub(crate) struct TaskWaker {
    waker: Waker,
    current: CurrentWaker,
}

impl TaskWaker {
    /// Polls a future with this waker.
    pub(crate) fn poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let _current = self.current.enter();
        future.poll(&mut Context::from_waker(&self.waker))
    }
}

/// The name of a task.
#[derive(Clone)]
pub(crate) enum TaskName {
    /// The type of its future, for a task that was spawned without a name.
    Type(&'static str),
    Given(Rc<str>),
}

impl TaskName {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            TaskName::Type(name) => short_type_name(name),
            TaskName::Given(name) => name,
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shortens `glassloop::flags::download_one::{{closure}}` to `download_one`.
fn short_type_name(full: &str) -> &str {
    let path = full.split('<').next().unwrap_or(full);
    path.split("::").filter(|part| *part != "{{closure}}").last().unwrap_or(full)
}

/// A spawned future of any type, with its waker and its completion handler.
pub(crate) trait ErasedTask {
    /// Polls the future. When it completes or panics, calls the completion handler.
    fn poll(self: Pin<&mut Self>) -> Poll<TaskOutcome>;

    /// Returns the status of the task's handle.
    fn handle_status(&self) -> HandleStatus;
}

/// The status of a task's `JoinHandle`, through which the task can be aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleStatus {
    Dropped,
    /// Exists, and no task is known to await it.
    Kept,
    /// Awaited by the task whose waker has this count.
    AwaitedBy(WakerCountId),
}

/// The completion handler of a task.
pub(crate) trait OnComplete<T> {
    /// Receives the output, or the payload of a panic.
    fn complete(&mut self, result: std::thread::Result<T>) -> TaskOutcome;

    /// Returns the status of the task's handle.
    fn handle_status(&self) -> HandleStatus;
}

pin_project_lite::pin_project! {
    struct TaskCell<F, C> {
        waker: TaskWaker,
        #[pin]
        future: F,
        on_complete: C,
    }
}

impl<F: Future, C: OnComplete<F::Output>> ErasedTask for TaskCell<F, C> {
    fn poll(self: Pin<&mut Self>) -> Poll<TaskOutcome> {
        let this = self.project();
        // I12: a panic ends this task and no other. The future is not polled again.
        match catch_unwind(AssertUnwindSafe(|| this.waker.poll(this.future))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(this.on_complete.complete(Ok(output))),
            Err(payload) => Poll::Ready(this.on_complete.complete(Err(payload))),
        }
    }

    fn handle_status(&self) -> HandleStatus {
        self.on_complete.handle_status()
    }
}

#[cfg(test)]
mod tests {
    use super::short_type_name;

    #[test]
    fn a_task_without_a_name_is_named_after_its_function() {
        assert_eq!(short_type_name("glassloop::flags::download_one::{{closure}}"), "download_one");
        assert_eq!(short_type_name("glassloop::futures::timeout::Timeout<core::x::Y>"), "Timeout");
    }
}
