//! Read buffers that connections share.
//!
//! A connection that waits has nothing to keep bytes for. So it borrows a buffer for the moment in which it reads, and
//! the same few buffers serve them all: memory grows with what is being read, not with what is open. (nginx and hyper
//! give a buffer to each connection; with a thousand idle ones that is what their memory consists of.)

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// The size of a buffer, and so the most that one system call may bring: enough for the head and body of nearly every small
/// file at once. Each transfer whose body waits for the disk keeps the buffer that its head came in, so it is not larger.
pub(super) const BUFFER_BYTES: usize = 32 * 1024;

/// Buffers kept for the next reader; more than this are given back to the allocator.
const KEPT: usize = 8;

/// The buffers that nobody uses at the moment.
#[derive(Default)]
pub(super) struct Buffers {
    spare: RefCell<Vec<Box<[u8]>>>,
}

impl Buffers {
    /// Lends a buffer. It comes back by itself.
    pub(super) fn lend(self: &Rc<Buffers>) -> ReadBuffer {
        let spare = self.spare.borrow_mut().pop();
        let bytes = spare.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        ReadBuffer { bytes, unread: 0..0, home: self.clone() }
    }
}

/// A buffer on loan, with the part of it that has been filled and not been used up.
pub(super) struct ReadBuffer {
    bytes: Box<[u8]>,
    unread: Range<usize>,
    home: Rc<Buffers>,
}

impl ReadBuffer {
    /// All of it, to read into.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// So many bytes at the front have been filled.
    pub(super) fn fill(&mut self, filled: usize) {
        self.unread = 0..filled;
    }

    /// What has not been used up.
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.unread.clone()]
    }

    /// So many bytes of it are used up.
    pub(super) fn consume(&mut self, used: usize) {
        self.unread.start += used;
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        let mut spare = self.home.spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl fmt::Debug for ReadBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuffer").field("unread", &self.unread.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("spare", &self.spare.borrow().len()).finish()
    }
}
