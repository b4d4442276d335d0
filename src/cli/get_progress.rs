//! The progress of `glassloop get`: on a terminal, a row for each running transfer and one for all; one line per second
//! elsewhere.
//!
//! A task of the loop reads the counters: ten times per second on a terminal, once per second elsewhere. The transfers
//! only update the counters, so ten thousand small files cost no more than one large one.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::output::{hide_frame, print_message, show_frame};
use super::progress::{Bytes, Rate, Row, received};
use super::terminal::{self, Size};
use crate::download::{ActiveTransfer, ProgressCounters, escaped};
use crate::event_loop::{JoinHandle, now, sleep, spawn_named};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProgressStyle {
    Bar,
    Plain,
    None,
}

impl ProgressStyle {
    /// Returns bars for a terminal, and plain lines otherwise.
    pub(super) fn for_stderr() -> ProgressStyle {
        if stderr().is_terminal() { ProgressStyle::Bar } else { ProgressStyle::Plain }
    }
}

const FRAMES_INTERVAL: Duration = Duration::from_millis(100);
const LINES_INTERVAL: Duration = Duration::from_secs(1);

/// The progress display of a run.
pub(super) struct GetProgress {
    task: Option<JoinHandle<()>>,
}

impl GetProgress {
    /// Starts to show the counters.
    pub(super) fn start(style: ProgressStyle, counters: ProgressCounters) -> GetProgress {
        let display = Display { counters, bytes: Rate::default(), files: Rate::default(), transfers: HashMap::new() };
        let task = match style {
            ProgressStyle::None => None,
            ProgressStyle::Plain => Some(spawn_named("progress", display.print_lines())),
            ProgressStyle::Bar => Some(spawn_named("progress", display.draw_frames())),
        };
        GetProgress { task }
    }

    /// Stops the display and removes it from the terminal.
    pub(super) fn finish(self) {
        if let Some(task) = self.task {
            task.abort();
            hide_frame();
        }
    }
}

/// The counters, and their earlier values, which are needed to compute rates.
struct Display {
    counters: ProgressCounters,
    /// The bytes per second of all transfers.
    bytes: Rate,
    /// The files per second.
    files: Rate,
    /// The rate of each transfer in the latest frame. The `Rc` keeps the address, which is the key, from being reused.
    transfers: HashMap<*const ActiveTransfer, (Rc<ActiveTransfer>, Rate)>,
}

impl Display {
    async fn draw_frames(mut self) {
        loop {
            if let Some(size) = terminal::size() {
                show_frame(&self.frame(size, now()), size);
            }
            sleep(FRAMES_INTERVAL).unref().await;
        }
    }

    async fn print_lines(mut self) {
        self.overall(now());
        loop {
            sleep(LINES_INTERVAL).unref().await;
            print_message(self.overall(now()).plain_line());
        }
    }

    /// Returns a line for all transfers together, and one for each of the longest-running transfers, as many as fit
    /// into the terminal.
    fn frame(&mut self, size: Size, now: Instant) -> Vec<String> {
        let mut lines = vec![self.overall(now).line_with_bar(size)];
        let running = self.counters.slowest(size.rows.saturating_sub(2));
        let mut before = std::mem::take(&mut self.transfers);
        for active in running {
            let key = Rc::as_ptr(&active);
            let (_, mut rate) = before.remove(&key).unwrap_or_else(|| (active.clone(), Rate::default()));
            lines.push(transfer_row(&active, &mut rate, now).line(size));
            self.transfers.insert(key, (active, rate));
        }
        lines
    }

    fn overall(&mut self, now: Instant) -> Row {
        let (planned, is_plan_complete) = self.counters.planned();
        let more = if is_plan_complete { "" } else { "+" };
        let files = self.completed_files();
        self.bytes.add(now, self.counters.bytes() as f64);
        self.files.add(now, files);
        let is_total_known = is_plan_complete && planned > 0;
        Row {
            fraction: is_total_known.then(|| files / planned as f64),
            amount: received(self.counters.bytes(), None),
            rate: per_second(&self.bytes),
            time_left: self.files.time_for(planned as f64 - files).filter(|_| is_total_known),
            label: format!("{} of {planned}{more} files", self.counters.ended()),
        }
    }

    /// Returns the number of files that are complete, with the completed fractions of those that are not.
    fn completed_files(&self) -> f64 {
        let running = self.counters.slowest(usize::MAX);
        let fractions = running.iter().filter_map(|active| fraction(active));
        self.counters.ended() as f64 + fractions.sum::<f64>()
    }
}

fn transfer_row(active: &ActiveTransfer, rate: &mut Rate, now: Instant) -> Row {
    let received_bytes = active.received();
    rate.add(now, received_bytes as f64);
    let missing = active.total().map(|total| total.saturating_sub(received_bytes));
    Row {
        fraction: fraction(active),
        amount: received(received_bytes, active.total()),
        rate: per_second(rate),
        time_left: missing.and_then(|missing| rate.time_for(missing as f64)),
        label: escaped(&active.name).to_string(),
    }
}

fn fraction(active: &ActiveTransfer) -> Option<f64> {
    let total = active.total().filter(|total| *total > 0)?;
    Some((active.received() as f64 / total as f64).min(1.0))
}

fn per_second(rate: &Rate) -> String {
    rate.per_second().map(|bytes| format!("{}/s", Bytes(bytes as u64))).unwrap_or_default()
}
