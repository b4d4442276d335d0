//! The options that observe the loop of a command: they record, narrate, measure or step through the run.

use std::cell::Cell;
use std::io::{self, BufReader, LineWriter, stdin};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::output::{Paced, print_message};
use super::step::{Signals, step};
use crate::download::escaped_line;
use crate::event_loop::{Builder, ClockPause};
use crate::observe::{ClockKind, Event, Observer};
use crate::trace::{Explain, Findings, OutputFormat, Recording, RecordingReport, Summary, Tee, from_env};

/// The tracing options.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tracing")]
pub(super) struct ObserveArguments {
    /// Record the run: .jsonl, .json (Perfetto) or .html
    #[arg(long, value_name = "FILE", value_parser = parse_recording, hide_short_help = true)]
    trace: Option<PathBuf>,
    /// Narrate every event on stderr
    #[arg(long, hide_short_help = true)]
    explain: bool,
    /// Narrate only these turns of the loop
    #[arg(long, value_name = "N..M", requires = "explain", value_parser = parse_turns, hide_short_help = true)]
    turns: Option<RangeInclusive<u64>>,
    /// Show the loop's state and wait before each turn
    #[arg(long, hide_short_help = true)]
    step: bool,
    /// Print statistics of the loop at the end
    #[arg(long, hide_short_help = true)]
    summary: bool,
    /// Warn about polls longer than MS ms (default 10)
    // The default also applies without this option, if another option here observes the loop.
    #[arg(long, value_name = "MS", hide_short_help = true)]
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
        _ => Err("expected a range of turns, such as 3, 3..7 or 3..".to_owned()),
    }
}

/// The observers of one loop.
pub(super) struct RunObservers {
    tee: Tee,
    pause: Option<ClockPause>,
    slow_poll: Option<Duration>,
    summary: bool,
}

impl ObserveArguments {
    /// Returns whether standard input is read (`--step`).
    pub(super) fn reads_stdin(&self) -> bool {
        self.step
    }

    /// Returns whether much is printed to stderr during the run.
    pub(super) fn prints(&self) -> bool {
        self.step || self.explain
    }

    /// Creates the observers.
    ///
    /// # Errors
    /// If the recording cannot be started.
    pub(super) fn open(&self) -> io::Result<RunObservers> {
        let recording = match &self.trace {
            Some(path) => Some(Recording::create(path)?),
            None => from_env()?,
        };
        let mut tee = Tee::new();
        let pause = self.step.then(ClockPause::new);
        if self.explain {
            tee.add(Explain::new(LineWriter::new(Paced)).turns(self.turns.clone().unwrap_or(0..=u64::MAX)));
        }
        if self.summary {
            tee.add(Summary::new(LineWriter::new(Paced)));
        }
        // After the summary, because both print at the end of the run.
        if let Some(recording) = recording {
            tee.add(recording.on_finish(report_recording));
        }
        if let Some(pause) = &pause {
            tee.add(step(BufReader::new(stdin()), LineWriter::new(Paced), pause.clone(), Signals::of_process())?);
        }
        if self.slow_poll.is_some() || !tee.is_empty() {
            tee.add(warn_of_findings());
        }
        let slow_poll = self.slow_poll.map(Duration::from_millis);
        Ok(RunObservers { tee, pause, slow_poll, summary: self.summary })
    }
}

impl RunObservers {
    /// Returns the pause of the observed loop's clock, so that other loops of the run can be paused with it.
    pub(super) fn pause(&self) -> Option<ClockPause> {
        self.pause.clone()
    }

    /// Adds the observers to a loop. Without observers, the loop is built as usual.
    pub(super) fn attach(self, mut builder: Builder) -> Builder {
        if self.tee.is_empty() {
            return builder;
        }
        if let Some(pause) = self.pause {
            builder = builder.pausable(pause);
        }
        if let Some(limit) = self.slow_poll {
            builder = builder.slow_poll_threshold(limit);
        }
        if self.summary { builder.observer(OverheadMeter::new(self.tee)) } else { builder.observer(self.tee) }
    }
}

/// Prints which files a recording has written, and how to use them.
fn report_recording(report: &RecordingReport<'_>) {
    let path = report.path.display();
    let events = match report.dropped {
        0 => format!("{} events", report.events),
        dropped => format!("{} events ({dropped} more are missing)", report.events),
    };
    let message = match (OutputFormat::of(report.path), report.jsonl.map(Path::display)) {
        (Ok(OutputFormat::Html), Some(jsonl)) => {
            format!("recorded {events} to {jsonl}; open {path} in a browser to replay the run")
        }
        (_, Some(jsonl)) => format!("recorded {events} to {jsonl}; open {path} at https://ui.perfetto.dev"),
        (_, None) => format!("recorded {events} to {path}; `glassloop trace explain {path}` narrates them"),
    };
    print_message(format_args!("glassloop: {}", escaped_line(message)));
}

/// Returns an observer that logs the findings of the loop, except two: a deadlock, which the command reports itself,
/// and loop lag, which may only mean that the machine is busy.
fn warn_of_findings() -> impl Observer {
    Findings::new(|sentence| log::warn!("{sentence}")).without(&["deadlock", "loop_lag"])
}

/// An observer that measures the overhead of another one, from a sample of its events, and prints it at the end.
struct OverheadMeter<O> {
    observer: O,
    events: u64,
    sampled: u64,
    spent: Duration,
    /// The length of the run by the loop's clock.
    run: Cell<Duration>,
}

/// Every sixteenth event is in the sample.
const SAMPLE_INTERVAL: u64 = 16;

impl<O: Observer> OverheadMeter<O> {
    fn new(observer: O) -> OverheadMeter<O> {
        OverheadMeter { observer, events: 0, sampled: 0, spent: Duration::ZERO, run: Cell::default() }
    }
}

impl<O: Observer> Observer for OverheadMeter<O> {
    fn attach(&mut self, clock: ClockKind) {
        self.observer.attach(clock);
    }

    fn event(&mut self, event: &Event<'_>) {
        self.events += 1;
        self.run.set(event.time.max(self.run.get()));
        if !self.events.is_multiple_of(SAMPLE_INTERVAL) {
            return self.observer.event(event);
        }
        let began = Instant::now();
        self.observer.event(event);
        self.spent += began.elapsed();
        self.sampled += 1;
    }
}

impl<O> Drop for OverheadMeter<O> {
    fn drop(&mut self) {
        if self.sampled > 0 {
            let each = self.spent.as_secs_f64() / self.sampled as f64;
            let share = each * self.events as f64 / self.run.get().as_secs_f64().max(f64::MIN_POSITIVE);
            print_message(format_args!(
                "overhead    {:.0} ns per event, {:.1} % of the run",
                each * 1e9,
                share * 100.0
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse_turns;

    #[test]
    fn turns_are_a_number_or_a_range() {
        assert_eq!(parse_turns("3"), Ok(3..=3));
        assert_eq!(parse_turns("3..7"), Ok(3..=7));
        assert_eq!(parse_turns("3.."), Ok(3..=u64::MAX));
        assert_eq!(parse_turns("..7"), Ok(0..=7));
        for wrong in ["", "7..3", "a", "1..b", "-1"] {
            parse_turns(wrong).expect_err(wrong);
        }
    }
}
