//! A limit on the I/O of one poll of a task, so that a task whose sources are always ready does not starve the others (I11).

use std::cell::Cell;

/// The I/O that the current poll may still do.
///
/// Invariant: one poll does at most 32 operations, and none after 256 KiB (I11).
pub(crate) struct IoBudget {
    operations: Cell<u32>,
    bytes: Cell<usize>,
}

impl IoBudget {
    /// Operations per poll.
    const OPERATIONS: u32 = 32;
    /// Bytes per poll.
    const BYTES: usize = 256 * 1024;

    pub(crate) fn new() -> IoBudget {
        IoBudget { operations: Cell::new(Self::OPERATIONS), bytes: Cell::new(Self::BYTES) }
    }

    /// Starts a new poll.
    #[inline]
    pub(crate) fn refill(&self) {
        self.operations.set(Self::OPERATIONS);
        self.bytes.set(Self::BYTES);
    }

    /// Counts one operation. Returns `false` if the budget is spent: the task must yield.
    pub(crate) fn take_operation(&self) -> bool {
        match self.operations.get() {
            0 => false,
            _ if self.bytes.get() == 0 => false,
            left => {
                self.operations.set(left - 1);
                true
            }
        }
    }

    /// Counts bytes that have been transferred.
    pub(crate) fn take_bytes(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::IoBudget;

    #[test]
    fn the_operations_of_a_poll_are_counted_and_the_next_poll_has_as_many() {
        let budget = IoBudget::new();
        for _ in 0..2 {
            for _ in 0..IoBudget::OPERATIONS {
                assert!(budget.take_operation());
                budget.take_bytes(1);
            }
            assert!(!budget.take_operation());
            budget.refill();
        }
    }

    #[test]
    fn the_bytes_of_a_poll_are_counted_and_the_next_poll_has_as_many() {
        let budget = IoBudget::new();
        for _ in 0..2 {
            budget.take_bytes(IoBudget::BYTES - 1);
            assert!(budget.take_operation());
            budget.take_bytes(2); // more than are left: a call cannot be interrupted
            assert!(!budget.take_operation());
            budget.refill();
        }
    }
}
