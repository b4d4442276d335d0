//! An observer that reports findings: bugs that the loop detects in the program while it runs.

use super::copy::EventCopier;
use super::narration::Narrator;
use crate::observe::{Event, EventKind, Observer};

/// Calls a function with a sentence for each finding. Of all other events, it processes only those that name tasks.
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
    /// The names of findings that are ignored.
    without: &'static [&'static str],
    copier: EventCopier,
    narrator: Narrator,
}

impl<F: FnMut(&str)> Findings<F> {
    /// Creates an observer that calls this function.
    pub fn new(call: F) -> Findings<F> {
        Findings { call, without: &[], copier: EventCopier::default(), narrator: Narrator::default() }
    }

    /// Ignores the findings with these names.
    pub fn without(mut self, names: &'static [&'static str]) -> Findings<F> {
        self.without = names;
        self
    }
}

impl<F: FnMut(&str)> Observer for Findings<F> {
    fn event(&mut self, event: &Event<'_>) {
        match event.kind {
            // The narrator needs the names of the tasks.
            EventKind::Spawn { .. } | EventKind::Done { .. } => self.narrator.update(&self.copier.copy(event)),
            EventKind::Finding { what, .. } if !self.without.contains(&what) => {
                let sentence = self.narrator.sentence(&self.copier.copy(event));
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
