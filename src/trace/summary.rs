//! An observer that prints statistics at the end of a run.

use std::io::Write;

use super::copy::EventCopier;
use super::statistics::Statistics;
use crate::observe::{Event, Observer};

/// Writes the [`Statistics`] of a run when it is dropped, which happens when the loop is dropped.
#[derive(Debug)]
pub struct Summary<W: Write> {
    out: W,
    copier: EventCopier,
    statistics: Statistics,
}

impl<W: Write> Summary<W> {
    /// Creates an observer that writes to `out`. Errors of `out` are ignored.
    pub fn new(out: W) -> Summary<W> {
        Summary { out, copier: EventCopier::default(), statistics: Statistics::default() }
    }
}

impl<W: Write> Observer for Summary<W> {
    fn event(&mut self, event: &Event<'_>) {
        let record = self.copier.copy(event);
        self.statistics.add(&record);
    }
}

impl<W: Write> Drop for Summary<W> {
    fn drop(&mut self) {
        let _ignored = write!(self.out, "{}", self.statistics);
    }
}
