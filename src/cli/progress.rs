//! How far a run has come: a bar on a terminal, a line a second elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::say;
use super::terminal;

/// Shown on stderr while a number of things are being done.
pub(super) enum Progress {
    /// A line for each, printed by the caller.
    Lines,
    /// A terminal.
    Bar(ProgressBar),
    /// A file or a pipe: at most a line a second.
    Plain {
        /// What is being counted.
        what: &'static str,
        total: usize,
        done: usize,
        said_at: Instant,
    },
}

/// How often a line is printed where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

impl Progress {
    /// For `total` things, called `what`. `lines`: the caller prints a line for each instead.
    pub(super) fn new(what: &'static str, total: usize, lines: bool) -> Progress {
        if lines {
            return Progress::Lines;
        }
        if !stderr().is_terminal() {
            return Progress::Plain { what, total, done: 0, said_at: Instant::now() };
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), terminal::draw_target());
        let style =
            ProgressStyle::with_template("{percent:>3}%|{wide_bar}| {pos}/{len} [{elapsed_precise}, {per_sec}]");
        // The template is a constant; should it be wrong, the plain style will do.
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.tick();
        Progress::Bar(bar)
    }

    /// One more is done.
    pub(super) fn one_more(&mut self) {
        match self {
            Progress::Lines => {}
            Progress::Bar(bar) => bar.inc(1),
            Progress::Plain { what, total, done, said_at } => {
                *done += 1;
                if said_at.elapsed() >= BETWEEN_LINES {
                    say(format_args!("{done} of {total} {what}"));
                    *said_at = Instant::now();
                }
            }
        }
    }

    /// Leaves the terminal as it should be.
    pub(super) fn finish(self) {
        if let Progress::Bar(bar) = self {
            bar.abandon();
            // The bar leaves the cursor behind its end.
            say("");
        }
    }
}
