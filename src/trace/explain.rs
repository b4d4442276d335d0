//! Writes the narration of a recording, or of a run while it happens.

use std::io::{self, BufRead, Write};
use std::ops::RangeInclusive;

use super::copy::EventCopier;
use super::error::ReadError;
use super::narration::Narrator;
use super::reader::Reader;
use super::record::Record;
use crate::observe::{Event, Observer};

/// An observer that writes a sentence for each event, with its time in milliseconds.
///
/// ```
/// use glassloop::{EventLoop, trace::Explain};
///
/// let mut event_loop = EventLoop::builder().observer(Explain::new(std::io::stderr()).turns(1..=3)).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Explain<W> {
    out: W,
    copier: EventCopier,
    narrator: TimedNarrator,
}

impl<W: Write> Explain<W> {
    /// Creates an observer that writes to `out`. Errors of `out` are ignored.
    pub fn new(out: W) -> Explain<W> {
        Explain { out, copier: EventCopier::default(), narrator: TimedNarrator::new(0..=u64::MAX) }
    }

    /// Restricts the output to these turns of the loop.
    pub fn turns(mut self, turns: RangeInclusive<u64>) -> Explain<W> {
        self.narrator = TimedNarrator::new(turns);
        self
    }
}

impl<W: Write> Observer for Explain<W> {
    fn event(&mut self, event: &Event<'_>) {
        let record = self.copier.copy(event);
        if let Some(sentence) = self.narrator.sentence(&record) {
            let _ignored = writeln!(self.out, "{sentence}");
        }
    }
}

/// Writes the narration of a recording, up to the first error in it. Returns that error, if there is one.
///
/// # Errors
/// If `out` cannot be written to.
pub fn explain<R: BufRead>(reader: &mut Reader<R>, mut out: impl Write) -> io::Result<Option<ReadError>> {
    let mut narrator = TimedNarrator::new(0..=u64::MAX);
    for record in reader {
        match record {
            Ok(record) => {
                if let Some(sentence) = narrator.sentence(&record) {
                    writeln!(out, "{sentence}")?;
                }
            }
            Err(error) => return Ok(Some(error)),
        }
    }
    Ok(None)
}

/// Formats sentences as lines of text, with the time before each and an empty line between turns.
#[derive(Debug)]
struct TimedNarrator {
    narrator: Narrator,
    turns: RangeInclusive<u64>,
    /// The turn of the previous record.
    turn: u64,
}

impl TimedNarrator {
    fn new(turns: RangeInclusive<u64>) -> TimedNarrator {
        TimedNarrator { narrator: Narrator::default(), turns, turn: 0 }
    }

    /// Returns the text for a record, or `None` if its turn is not selected.
    fn sentence(&mut self, record: &Record) -> Option<String> {
        let sentence = self.narrator.sentence(record);
        if !self.turns.contains(&record.turn) {
            return None;
        }
        let gap = if std::mem::replace(&mut self.turn, record.turn) == record.turn { "" } else { "\n" };
        Some(format!("{gap}{:>4}.{:03} ms  {sentence}", record.time / 1_000_000, record.time / 1_000 % 1_000))
    }
}
