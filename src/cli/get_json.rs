//! `glassloop get --json`: a line of JSON for everything that happens. `docs/get-json.md` describes the lines.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use serde_json::{Value, json};

use crate::download::{Event, Pace, Tally, What, escaped_line};

/// The version of the lines: it changes when a program that reads them would have to.
const VERSION: u32 = 1;

/// Lines that may wait to be read. While there are more, no more of the list is read.
const MANY: usize = 16 * 1024;

/// Standard output, with a thread of its own: whoever reads it may be slow (I7).
pub(super) struct JsonLines {
    lines: Sender<String>,
    waiting: Arc<Waiting>,
    thread: JoinHandle<()>,
}

impl JsonLines {
    /// Starts the thread.
    pub(super) fn start() -> JsonLines {
        // Without a bound: the loop must not wait here. The list does, by `pace`.
        let (lines, queue) = unbounded::<String>();
        let waiting = Arc::new(Waiting { lines: Mutex::new(Some(0)), are_few: Condvar::new() });
        let written = waiting.clone();
        let thread = std::thread::spawn(move || {
            let mut output = std::io::BufWriter::new(std::io::stdout().lock());
            while let Ok(line) = queue.recv() {
                written.one_less();
                let result = output.write_all(line.as_bytes());
                // Written through as soon as nothing more is there.
                let result = result.and_then(|()| if queue.is_empty() { output.flush() } else { Ok(()) });
                if let Err(error) = result {
                    log::error!("writing to standard output: {error}");
                    break;
                }
            }
            written.end();
        });
        JsonLines { lines, waiting, thread }
    }

    /// Blocks for as long as whoever reads the lines is far behind.
    pub(super) fn pace(&self) -> Pace {
        let waiting = self.waiting.clone();
        Pace(Box::new(move || waiting.wait_until_few()))
    }

    /// Writes the line for an event.
    pub(super) fn write(&mut self, event: &Event<'_>) {
        if let Some(value) = line_for(event) {
            self.put(&value);
        }
    }

    /// Writes the last line, and waits until all are written.
    pub(super) fn finish(mut self, tally: &Tally, bytes: u64, elapsed: Duration, exit_code: u8) {
        self.put(&json!({
            "v": VERSION, "event": "summary", "id": null, "url": null,
            "saved": tally.saved, "exists": tally.exists, "unchanged": tally.unchanged, "checked": tally.checked,
            "failed": tally.failed, "bad_lines": tally.bad_lines, "cancelled": tally.cancelled,
            "bytes": bytes, "ms": milliseconds(elapsed), "exit": exit_code,
        }));
        drop(self.lines);
        let _panicked = self.thread.join();
    }

    fn put(&mut self, value: &Value) {
        self.waiting.one_more();
        // The thread ends early only if nobody reads any more.
        let _nobody_reads = self.lines.send(format!("{value}\n"));
    }
}

/// How many lines wait to be read.
struct Waiting {
    /// `None` when the thread has ended.
    lines: Mutex<Option<usize>>,
    are_few: Condvar,
}

impl Waiting {
    fn one_more(&self) {
        if let Some(lines) = &mut *self.lock() {
            *lines += 1;
        }
    }

    fn one_less(&self) {
        if let Some(lines) = &mut *self.lock() {
            *lines -= 1;
            if *lines == MANY {
                self.are_few.notify_all();
            }
        }
    }

    /// The thread has ended: nobody is to wait for it any more.
    fn end(&self) {
        *self.lock() = None;
        self.are_few.notify_all();
    }

    fn wait_until_few(&self) {
        let _few = self.are_few.wait_while(self.lock(), |lines| lines.is_some_and(|lines| lines > MANY));
    }

    fn lock(&self) -> MutexGuard<'_, Option<usize>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line_for(event: &Event<'_>) -> Option<Value> {
    let line = |name: &str, more: Value| {
        let mut value = json!({ "v": VERSION, "event": name, "id": event.id, "url": event.url, "line": event.line });
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        Some(value)
    };
    let error = |class: &str, code: &str, message: String| json!({ "error": { "class": class, "code": code, "msg": escaped_line(message) } });
    match event.what {
        What::Start => line("start", json!({})),
        What::Redirect { status, to } => line("redirect", json!({ "status": status.as_u16(), "to": to })),
        What::Retry { attempts, error: why, wait } => {
            let mut more = error(why.class().name(), &why.code(), why.to_string());
            more["attempts"] = attempts.into();
            more["wait_ms"] = milliseconds(wait).into();
            line("retry", more)
        }
        What::Done(done) => line(
            "done",
            json!({
                "how": done.how.name(),
                "path": done.path.as_ref().map(|path| path.to_string_lossy()),
                "status": done.status.map(|status| status.as_u16()),
                "bytes": done.bytes,
                "resumed_from": done.resumed_from,
                "attempts": done.attempts,
                "reused": done.reused,
                "ms": {
                    "dns": done.setup_times.map(|times| milliseconds(times.look_up)),
                    "connect": done.setup_times.map(|times| milliseconds(times.connect)),
                    "ttfb": done.to_first_byte.map(milliseconds),
                    "total": milliseconds(done.total),
                },
                "etag": done.etag,
                "sha256": done.sha256.map(|digest| digest.to_string()),
            }),
        ),
        What::Fail(why) => line("fail", error(why.class().name(), &why.code(), why.to_string())),
        What::BadLine(bad) => line("fail", error("usage", "line", bad.error.to_string())),
        What::Cancelled => line("fail", error("cancelled", "cancelled", "the run was ended".to_owned())),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
