//! The queue of tasks that are ready to be polled.

use std::collections::VecDeque;

use crate::observe::TaskId;

/// A queue in FIFO order, or in random order to expose code that depends on FIFO order.
///
/// The root task has a flag instead of an entry: it is polled first in a turn, and only once, so that a root task that wakes
/// itself does not use up the budget of the others.
///
/// Invariant: a task is in the queue at most once, and exactly while its `scheduled` flag is set (I3).
pub(crate) struct ReadyQueue {
    is_root_ready: bool,
    queue: VecDeque<TaskId>,
    seed: u64,
    /// The state of the random number generator; 0 for FIFO order.
    random: u64,
}

impl ReadyQueue {
    /// Creates a queue in which only the root task is ready. The seed 0 selects FIFO order.
    pub(crate) fn new(seed: u64) -> ReadyQueue {
        ReadyQueue { is_root_ready: true, queue: VecDeque::new(), seed, random: seed }
    }

    /// Returns the seed.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Adds a task.
    pub(crate) fn push(&mut self, id: TaskId) {
        if id.is_root() {
            self.is_root_ready = true;
        } else {
            self.queue.push_back(id);
        }
    }

    /// Clears the flag of the root task, and returns whether it was set.
    pub(crate) fn pop_root(&mut self) -> bool {
        std::mem::replace(&mut self.is_root_ready, false)
    }

    /// Removes the next task other than the root task.
    pub(crate) fn pop(&mut self) -> Option<TaskId> {
        if self.random != 0 && !self.queue.is_empty() {
            // xorshift64: Marsaglia, "Xorshift RNGs", 2003.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let pick = (self.random % self.queue.len() as u64) as usize;
            self.queue.swap(0, pick);
        }
        self.queue.pop_front()
    }

    /// Returns the number of ready tasks, including the root task.
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + usize::from(self.is_root_ready)
    }

    /// Returns whether no task is ready.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all tasks except the root task.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}
