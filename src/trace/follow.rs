//! Lines of a recording while they are made, for observers that want to keep what they hear.

use super::keep::Keeper;
use super::line::Line;
use crate::observe::{Event, Observer};

/// Hands each event to a function, as the line that it would be in a recording.
///
/// ```
/// use glassloop::{EventLoop, trace::{Follow, Line}};
///
/// let follow = Follow::new(|line: &Line| println!("{} at {} ns", line.fact.kind(), line.time));
/// let mut event_loop = EventLoop::builder().observer(follow).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Follow<F> {
    keeper: Keeper,
    call: F,
}

impl<F: FnMut(&Line)> Follow<F> {
    /// Calls this function.
    pub fn new(call: F) -> Follow<F> {
        Follow { keeper: Keeper::default(), call }
    }
}

impl<F: FnMut(&Line)> Observer for Follow<F> {
    fn event(&mut self, event: &Event<'_>) {
        (self.call)(&self.keeper.keep(event));
    }
}

impl<F> std::fmt::Debug for Follow<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").finish_non_exhaustive()
    }
}
