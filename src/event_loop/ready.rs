//! The queue of tasks that are ready to be polled.

use std::collections::VecDeque;

use crate::observe::TaskId;

/// First-in first-out; or shuffled by a seed, to find code that leans on the order. Who is in it is told by the flag in
/// the task's slot (I3).
pub(crate) struct ReadyQueue {
    queue: VecDeque<TaskId>,
    seed: u64,
    /// The state of the generator; 0 is no shuffling.
    shuffle: u64,
}

impl ReadyQueue {
    pub(crate) fn new(seed: u64) -> ReadyQueue {
        ReadyQueue { queue: VecDeque::new(), seed, shuffle: seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn push(&mut self, id: TaskId) {
        self.queue.push_back(id);
    }

    pub(crate) fn pop(&mut self) -> Option<TaskId> {
        if self.shuffle != 0 && !self.queue.is_empty() {
            // xorshift64: Marsaglia, "Xorshift RNGs", 2003.
            self.shuffle ^= self.shuffle << 13;
            self.shuffle ^= self.shuffle >> 7;
            self.shuffle ^= self.shuffle << 17;
            let pick = (self.shuffle % self.queue.len() as u64) as usize;
            self.queue.swap(0, pick);
        }
        self.queue.pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}
