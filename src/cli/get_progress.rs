//! How far `glassloop get` has come: bars on a terminal, a line a second elsewhere.
//!
//! A task of the loop reads the counters ten times a second, or once; transfers only keep their numbers. So ten thousand
//! small files cost no more than one large one.

use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar};

use super::output::say;
use super::terminal;
use crate::download::{ProgressCounters, escaped};
use crate::event_loop::{JoinHandle, sleep, spawn_named};

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgressStyle {
    Bar,
    Plain,
    None,
}

impl ProgressStyle {
    /// Bars on a terminal, lines elsewhere.
    pub(super) fn for_stderr() -> ProgressStyle {
        if stderr().is_terminal() { ProgressStyle::Bar } else { ProgressStyle::Plain }
    }
}

/// Bars for transfers, besides the one for all.
const SLOWEST: usize = 4;

/// What is shown while it runs.
pub(super) struct GetProgress {
    bars: Option<Rc<Bars>>,
    task: RefCell<Option<JoinHandle<()>>>,
}

struct Bars {
    all: MultiProgress,
    overall: ProgressBar,
    /// For those that are under way for the longest.
    slowest: Vec<ProgressBar>,
}

impl GetProgress {
    /// Starts to display the counters.
    pub(super) fn start(style: ProgressStyle, counters: ProgressCounters) -> GetProgress {
        let started = Instant::now();
        let (bars, task) = match style {
            ProgressStyle::None => (None, None),
            ProgressStyle::Plain => (None, Some(spawn_named("progress", lines(counters, started)))),
            ProgressStyle::Bar => {
                let bars = Rc::new(Bars::new());
                let task = spawn_named("progress", draw(bars.clone(), counters, started));
                (Some(bars), Some(task))
            }
        };
        GetProgress { bars, task: RefCell::new(task) }
    }

    /// Prints a line without tearing the bars.
    pub(super) fn print(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.all.suspend(|| say(line)),
            None => say(line),
        }
    }

    /// Leaves the terminal as it should be.
    pub(super) fn finish(&self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if let Some(bars) = &self.bars {
            // The bars have said what they had to say; the summary comes now.
            let _terminal_gone = bars.all.clear();
        }
    }
}

impl Bars {
    fn new() -> Bars {
        let all = MultiProgress::with_draw_target(terminal::draw_target());
        let line = || {
            let style = indicatif::ProgressStyle::with_template("{wide_msg}");
            // The template is a constant; should it be wrong, the plain style will do.
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()))
        };
        let overall = all.add(line());
        let slowest = (0..SLOWEST).map(|_| all.add(line())).collect();
        Bars { all, overall, slowest }
    }

    fn show(&self, counters: &ProgressCounters, started: Instant) {
        self.overall.set_message(overall(counters, started));
        let active = counters.slowest(SLOWEST);
        for (at, bar) in self.slowest.iter().enumerate() {
            let message = active.get(at).map(|active| {
                let (name, received) = (escaped(&active.name).to_string(), active.received());
                match active.total() {
                    Some(total) => {
                        format!("  {} of {}  {}  {name}", Bytes(received), Bytes(total), drawn(received, total))
                    }
                    None => format!("  {}  {name}", Bytes(received)),
                }
            });
            bar.set_message(message.unwrap_or_default());
        }
    }
}

/// A bar of twenty characters.
fn drawn(received: u64, total: u64) -> String {
    let full = (received.min(total) as f64 / total.max(1) as f64 * 20.0) as usize;
    format!("[{}{}]", "=".repeat(full), " ".repeat(20 - full))
}

fn overall(counters: &ProgressCounters, started: Instant) -> String {
    let (planned, is_all) = counters.planned();
    let seconds = started.elapsed().as_secs_f64();
    let more = if is_all { "" } else { "+" };
    let rate = Bytes((counters.bytes() as f64 / seconds.max(0.001)) as u64);
    format!("{} of {planned}{more} files, {}, {rate}/s, {seconds:.0} s", counters.ended(), Bytes(counters.bytes()))
}

async fn draw(bars: Rc<Bars>, counters: ProgressCounters, started: Instant) {
    loop {
        bars.show(&counters, started);
        sleep(Duration::from_millis(100)).unref().await;
    }
}

async fn lines(counters: ProgressCounters, started: Instant) {
    loop {
        sleep(Duration::from_secs(1)).unref().await;
        say(overall(&counters, started));
    }
}

/// A number of bytes, as people like to read it.
pub(super) struct Bytes(pub(super) u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut number = self.0 as f64;
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if number < 1024.0 || unit == "GiB" {
                let places = if unit == "B" { 0 } else { 1 };
                return write!(f, "{number:.places$} {unit}");
            }
            number /= 1024.0;
        }
        Ok(())
    }
}
