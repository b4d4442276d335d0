//! An observer that passes records to a function.

use super::copy::EventCopier;
use super::record::Record;
use crate::observe::{Event, Observer};

/// Calls a function with the record of each event.
///
/// ```
/// use glassloop::{EventLoop, trace::{Follow, Record}};
///
/// let follow = Follow::new(|record: &Record| println!("{} at {} ns", record.kind.name(), record.time));
/// let mut event_loop = EventLoop::builder().observer(follow).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Follow<F> {
    copier: EventCopier,
    call: F,
}

impl<F: FnMut(&Record)> Follow<F> {
    /// Creates an observer that calls this function.
    pub fn new(call: F) -> Follow<F> {
        Follow { copier: EventCopier::default(), call }
    }
}

impl<F: FnMut(&Record)> Observer for Follow<F> {
    fn event(&mut self, event: &Event<'_>) {
        (self.call)(&self.copier.copy(event));
    }
}

impl<F> std::fmt::Debug for Follow<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").finish_non_exhaustive()
    }
}
