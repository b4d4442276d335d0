//! A pool of read buffers that all connections share.
//!
//! A connection needs a buffer only while it has received data that is not processed yet. So it takes a buffer from the
//! pool for each read, and idle connections use no memory for buffers. (nginx and hyper have a buffer per connection;
//! with a thousand idle connections, these buffers are most of their memory.)

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// The size of a buffer, and thus the maximum of one read: enough for the head and the body of most small files. It is not
/// larger, since a transfer whose body waits for the disk keeps the buffer in which the head was received.
pub(super) const BUFFER_BYTES: usize = 32 * 1024;

/// The maximum number of unused buffers. Further ones are deallocated.
const MAX_SPARE: usize = 8;

/// The pool of unused buffers.
#[derive(Default)]
pub(super) struct Buffers {
    spare: RefCell<Vec<Box<[u8]>>>,
}

impl Buffers {
    /// Takes a buffer from the pool, or allocates one. Dropping it returns it to the pool.
    pub(super) fn take(self: &Rc<Buffers>) -> ReadBuffer {
        let spare = self.spare.borrow_mut().pop();
        let bytes = spare.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        ReadBuffer { bytes, unread: 0..0, pool: self.clone() }
    }
}

/// A read buffer, with the range of received bytes that are not processed yet.
pub(super) struct ReadBuffer {
    bytes: Box<[u8]>,
    unread: Range<usize>,
    pool: Rc<Buffers>,
}

impl ReadBuffer {
    /// Returns the whole buffer, to read into.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Records that the first `filled` bytes have been received.
    pub(super) fn fill(&mut self, filled: usize) {
        self.unread = 0..filled;
    }

    /// Returns the bytes that are not processed yet.
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.unread.clone()]
    }

    /// Records that the next `used` bytes have been processed.
    pub(super) fn consume(&mut self, used: usize) {
        self.unread.start += used;
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        let mut spare = self.pool.spare.borrow_mut();
        if spare.len() < MAX_SPARE {
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
