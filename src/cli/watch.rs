//! The flags of every command that runs a loop: to record it, to narrate it, to count it, to stop it and look.

use std::cell::Cell;
use std::io::{self, BufReader, LineWriter, stdin};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::output::{Paced, say};
use super::step::step;
use crate::event_loop::{Builder, ClockPause};
use crate::observe::{ClockKind, Event, Observer};
use crate::trace::{Explain, Findings, OutputFormat, Recording, Summary, Tee, from_env};

/// What is typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "To see the loop at work")]
pub(super) struct WatchArguments {
    /// Record the run: as .jsonl, or made into .json for Perfetto or .html to replay it
    #[arg(long, value_name = "FILE", value_parser = parse_recording)]
    trace: Option<PathBuf>,
    /// Tell every event on stderr, a sentence each
    #[arg(long)]
    explain: bool,
    /// Only these turns of the loop
    #[arg(long, value_name = "N..M", requires = "explain", value_parser = parse_turns)]
    turns: Option<RangeInclusive<u64>>,
    /// Before each turn, show the loop's state and wait for Enter; its clock stands still
    #[arg(long)]
    step: bool,
    /// Count what the loop did, and say it at the end
    #[arg(long)]
    summary: bool,
    /// Warn about polls that take longer than this, in milliseconds; 10 while the loop is watched in another way
    #[arg(long, value_name = "MS")]
    slow_poll: Option<u64>,
}

fn parse_recording(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    OutputFormat::of(&path).map_err(|error| error.to_string())?;
    Ok(path)
}

fn parse_turns(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str, otherwise| if text.is_empty() { Some(otherwise) } else { text.parse().ok() };
    match (number(first, 0), number(last, u64::MAX)) {
        (Some(first), Some(last)) if first <= last && !text.is_empty() => Ok(first..=last),
        _ => Err("give turns like 3, 3..7 or 3..".to_owned()),
    }
}

/// Those who will watch one loop.
pub(super) struct Watch {
    observers: Tee,
    pause: Option<ClockPause>,
    slow_poll: Option<Duration>,
    summary: bool,
}

impl WatchArguments {
    /// Whether Enter is waited for.
    pub(super) fn reads_stdin(&self) -> bool {
        self.step
    }

    /// Opens what is to be written.
    ///
    /// # Errors
    /// If a recording cannot be started.
    pub(super) fn open(&self) -> io::Result<Watch> {
        let mut observers = Tee::new();
        let pause = self.step.then(ClockPause::new);
        let recording = match &self.trace {
            Some(path) => Some(Recording::create(path)?),
            None => from_env()?,
        };
        if let Some(recording) = recording {
            observers.add(recording);
        }
        if self.explain {
            observers.add(Explain::new(LineWriter::new(Paced)).turns(self.turns.clone().unwrap_or(0..=u64::MAX)));
        }
        if self.summary {
            observers.add(Summary::new(LineWriter::new(Paced)));
        }
        if let Some(pause) = &pause {
            observers.add(step(BufReader::new(stdin()), LineWriter::new(Paced), pause.clone()));
        }
        if self.slow_poll.is_some() || !observers.is_empty() {
            observers.add(warn_of_findings());
        }
        let slow_poll = self.slow_poll.map(Duration::from_millis);
        Ok(Watch { observers, pause, slow_poll, summary: self.summary })
    }
}

impl Watch {
    /// What stops the clock of the loop that is watched, and should stop those of others that take part in the run.
    pub(super) fn pause(&self) -> Option<ClockPause> {
        self.pause.clone()
    }

    /// Lets the loop that is built be watched. With nothing to watch for it is built as it would be.
    pub(super) fn watch(self, mut builder: Builder) -> Builder {
        if self.observers.is_empty() {
            return builder;
        }
        if let Some(pause) = self.pause {
            builder = builder.pausable(pause);
        }
        if let Some(limit) = self.slow_poll {
            builder = builder.slow_poll_threshold(limit);
        }
        if self.summary { builder.observer(Priced::new(self.observers)) } else { builder.observer(self.observers) }
    }
}

/// Logs what the loop finds to be wrong. A deadlock ends the run, which says so itself; and that tasks had to wait for
/// their polls may be the machine's doing alone.
fn warn_of_findings() -> impl Observer {
    Findings::new(|sentence| log::warn!("{sentence}")).without(&["deadlock", "loop_lag"])
}

/// An observer, and what it costs: the time of a sample of its events is taken, and told at the end.
struct Priced<O> {
    observer: O,
    events: u64,
    sampled: u64,
    spent: Duration,
    /// The run, by the loop's clock.
    run: Cell<Duration>,
}

/// One event in so many is in the sample.
const SAMPLE: u64 = 16;

impl<O: Observer> Priced<O> {
    fn new(observer: O) -> Priced<O> {
        Priced { observer, events: 0, sampled: 0, spent: Duration::ZERO, run: Cell::default() }
    }
}

impl<O: Observer> Observer for Priced<O> {
    fn attach(&mut self, clock: ClockKind) {
        self.observer.attach(clock);
    }

    fn event(&mut self, event: &Event<'_>) {
        self.events += 1;
        self.run.set(event.time.max(self.run.get()));
        if !self.events.is_multiple_of(SAMPLE) {
            return self.observer.event(event);
        }
        let began = Instant::now();
        self.observer.event(event);
        self.spent += began.elapsed();
        self.sampled += 1;
    }
}

impl<O> Drop for Priced<O> {
    fn drop(&mut self) {
        if self.sampled > 0 {
            let each = self.spent.as_secs_f64() / self.sampled as f64;
            let share = each * self.events as f64 / self.run.get().as_secs_f64().max(f64::MIN_POSITIVE);
            say(format_args!("watching    {:.0} ns an event, {:.1} % of the run", each * 1e9, share * 100.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse_turns;

    #[test]
    fn turns_are_given_as_one_or_as_a_range() {
        assert_eq!(parse_turns("3"), Ok(3..=3));
        assert_eq!(parse_turns("3..7"), Ok(3..=7));
        assert_eq!(parse_turns("3.."), Ok(3..=u64::MAX));
        assert_eq!(parse_turns("..7"), Ok(0..=7));
        for wrong in ["", "7..3", "a", "1..b", "-1"] {
            parse_turns(wrong).expect_err(wrong);
        }
    }
}
