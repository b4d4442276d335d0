//! Says what is wrong with a program while it runs.

use super::keep::Keeper;
use super::narration::Narrator;
use crate::observe::{Event, EventKind, Observer};

/// Hands each finding to a function, as a sentence. Other events cost it next to nothing.
///
/// ```
/// use glassloop::{EventLoop, trace::Findings};
///
/// let findings = Findings::new(|sentence| eprintln!("{sentence}")).without(&["loop_lag"]);
/// let mut event_loop = EventLoop::builder().observer(findings).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Findings<F> {
    call: F,
    /// The names of those that are passed over.
    without: &'static [&'static str],
    keeper: Keeper,
    narrator: Narrator,
}

impl<F: FnMut(&str)> Findings<F> {
    /// Calls this function.
    pub fn new(call: F) -> Findings<F> {
        Findings { call, without: &[], keeper: Keeper::default(), narrator: Narrator::default() }
    }

    /// Passes over the findings of these names.
    pub fn without(mut self, names: &'static [&'static str]) -> Findings<F> {
        self.without = names;
        self
    }
}

impl<F: FnMut(&str)> Observer for Findings<F> {
    fn event(&mut self, event: &Event<'_>) {
        match event.kind {
            // What tasks are called, to say whom a finding is about.
            EventKind::Spawn { .. } | EventKind::Done { .. } => self.narrator.pass(&self.keeper.keep(event)),
            EventKind::Finding { what, .. } if !self.without.contains(&what) => {
                let sentence = self.narrator.tell(&self.keeper.keep(event));
                (self.call)(&sentence);
            }
            _ => {}
        }
    }
}

impl<F> std::fmt::Debug for Findings<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Findings").finish_non_exhaustive()
    }
}
