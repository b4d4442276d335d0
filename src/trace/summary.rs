//! Counts a run while it goes on, and says what it counted at the end.

use std::io::Write;

use super::keep::Keeper;
use super::statistics::Statistics;
use crate::observe::{Event, Observer};

/// Writes the [`Statistics`] of a run when it is dropped, which is when its loop is.
#[derive(Debug)]
pub struct Summary<W: Write> {
    out: W,
    keeper: Keeper,
    statistics: Statistics,
}

impl<W: Write> Summary<W> {
    /// Writes there, once.
    pub fn new(out: W) -> Summary<W> {
        Summary { out, keeper: Keeper::default(), statistics: Statistics::default() }
    }
}

impl<W: Write> Observer for Summary<W> {
    fn event(&mut self, event: &Event<'_>) {
        let line = self.keeper.keep(event);
        self.statistics.add(&line);
    }
}

impl<W: Write> Drop for Summary<W> {
    fn drop(&mut self) {
        let _nobody_reads = write!(self.out, "{}", self.statistics);
    }
}
