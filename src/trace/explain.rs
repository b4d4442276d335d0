//! Narrates a recording, or a run while it goes on.

use std::io::{self, BufRead, Write};
use std::ops::RangeInclusive;

use super::keep::Keeper;
use super::line::Line;
use super::narration::Narrator;
use super::reader::{ReadError, Reader};
use crate::observe::{Event, Observer};

/// Writes a sentence for each event, with its time in milliseconds.
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
    keeper: Keeper,
    prose: Prose,
}

impl<W: Write> Explain<W> {
    /// Writes there. A line of which the writing fails is left out.
    pub fn new(out: W) -> Explain<W> {
        Explain { out, keeper: Keeper::default(), prose: Prose::new(0..=u64::MAX) }
    }

    /// Only these turns of the loop.
    pub fn turns(mut self, turns: RangeInclusive<u64>) -> Explain<W> {
        self.prose = Prose::new(turns);
        self
    }
}

impl<W: Write> Observer for Explain<W> {
    fn event(&mut self, event: &Event<'_>) {
        let line = self.keeper.keep(event);
        if let Some(sentence) = self.prose.line(&line) {
            let _nobody_reads = writeln!(self.out, "{sentence}");
        }
    }
}

/// Writes a recording as a text, as far as it is sound. What comes back is the fault that ended it, if one did.
///
/// # Errors
/// If `out` cannot be written to.
pub fn explain<R: BufRead>(reader: &mut Reader<R>, mut out: impl Write) -> io::Result<Option<ReadError>> {
    let mut prose = Prose::new(0..=u64::MAX);
    for line in reader {
        match line {
            Ok(line) => {
                if let Some(sentence) = prose.line(&line) {
                    writeln!(out, "{sentence}")?;
                }
            }
            Err(fault) => return Ok(Some(fault)),
        }
    }
    Ok(None)
}

/// Sentences as lines of a text: each with its time, and each turn set off from the one before.
#[derive(Debug)]
pub(super) struct Prose {
    narrator: Narrator,
    turns: RangeInclusive<u64>,
    turn: u64,
}

impl Prose {
    pub(super) fn new(turns: RangeInclusive<u64>) -> Prose {
        Prose { narrator: Narrator::default(), turns, turn: 0 }
    }

    /// The text for a line of a recording, unless it is in another turn than those that were asked for.
    pub(super) fn line(&mut self, line: &Line) -> Option<String> {
        let sentence = self.narrator.tell(line);
        if !self.turns.contains(&line.turn) {
            return None;
        }
        let gap = if std::mem::replace(&mut self.turn, line.turn) == line.turn { "" } else { "\n" };
        Some(format!("{gap}{:>4}.{:03} ms  {sentence}", line.time / 1_000_000, line.time / 1_000 % 1_000))
    }
}
