//! An observer that passes events to several others.

use crate::observe::{ClockKind, Event, Observer};

/// Passes each event to several observers, in the order in which they were added.
///
/// ```
/// use glassloop::{EventLoop, observe::Observer, trace::{Explain, Summary, Tee}};
///
/// let mut tee = Tee::new();
/// tee.add(Explain::new(std::io::sink()));
/// tee.add(Summary::new(std::io::sink()));
/// let mut event_loop = EventLoop::builder().observer(tee).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Tee {
    observers: Vec<Box<dyn Observer>>,
}

impl Tee {
    /// Creates a tee without observers.
    pub fn new() -> Tee {
        Tee::default()
    }

    /// Adds an observer.
    pub fn add(&mut self, observer: impl Observer + 'static) {
        self.observers.push(Box::new(observer));
    }

    /// Returns whether there are no observers. A loop without an observer is faster than one with an empty tee.
    pub fn is_empty(&self) -> bool {
        self.observers.is_empty()
    }
}

impl Observer for Tee {
    fn attach(&mut self, clock: ClockKind) {
        for observer in &mut self.observers {
            observer.attach(clock);
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        for observer in &mut self.observers {
            observer.event(event);
        }
    }
}

impl std::fmt::Debug for Tee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tee").field("observers", &self.observers.len()).finish()
    }
}
