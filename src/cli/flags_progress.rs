//! The progress of `glassloop flags`, which is updated when a download has an outcome.
//!
//! It has no task on the loop, since that task would appear in every recording and narration of the run.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use super::output::{hide_frame, print_message, show_frame};
use super::progress::{Rate, Row};
use super::terminal;
use crate::event_loop::now;

/// The progress display of a run.
pub(super) struct FlagsProgress {
    style: Style,
    ended: usize,
    total: usize,
    rate: Rate,
    shown_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// The caller prints a line for each flag.
    None,
    Bar,
    Plain,
}

impl FlagsProgress {
    /// Starts to show the progress of `total` flags, unless it `is_hidden`.
    pub(super) fn start(total: usize, is_hidden: bool) -> FlagsProgress {
        let style = match () {
            () if is_hidden => Style::None,
            () if stderr().is_terminal() => Style::Bar,
            () => Style::Plain,
        };
        let mut progress = FlagsProgress { style, ended: 0, total, rate: Rate::default(), shown_at: now() };
        progress.rate.add(progress.shown_at, 0.0);
        progress.show();
        progress
    }

    /// Records that a flag has an outcome.
    pub(super) fn record_outcome(&mut self) {
        self.ended += 1;
        let now = now();
        self.rate.add(now, self.ended as f64);
        let interval = match self.style {
            Style::None => return,
            // A frame that is skipped now would not be drawn later.
            Style::Bar => Duration::ZERO,
            Style::Plain => Duration::from_secs(1),
        };
        if now.duration_since(self.shown_at) >= interval {
            self.shown_at = now;
            self.show();
        }
    }

    /// Stops the display. On a terminal, its last state remains.
    pub(super) fn finish(self) {
        hide_frame();
        if let (Style::Bar, Some(size)) = (self.style, terminal::size()) {
            print_message(self.row().line_with_bar(size));
        }
    }

    fn show(&self) {
        match (self.style, terminal::size()) {
            (Style::Bar, Some(size)) => show_frame(&[self.row().line_with_bar(size)], size),
            (Style::Plain, _) if self.ended > 0 => print_message(self.row().plain_line()),
            _ => {}
        }
    }

    fn row(&self) -> Row {
        Row {
            fraction: (self.total > 0).then(|| self.ended as f64 / self.total as f64),
            amount: format!("{} of {} flags", self.ended, self.total),
            rate: self.rate.per_second().map(|flags| format!("{flags:.1}/s")).unwrap_or_default(),
            time_left: self.rate.time_for((self.total - self.ended) as f64),
            label: String::new(),
        }
    }
}
