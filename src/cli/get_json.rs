//! `glassloop get --json`: prints one line of JSON per event. `docs/get-json.md` describes the lines.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::output::Output;
use crate::download::{DownloadEvent, DownloadEventKind, RunSummary, escaped_line, stdout};

/// The version of the format, which is incremented on incompatible changes.
const VERSION: u32 = 1;

/// Writes the lines to standard output. It is a handle: clones share the output.
#[derive(Clone)]
pub(super) struct JsonLines {
    output: Output,
}

impl JsonLines {
    /// Opens standard output.
    ///
    /// # Errors
    /// If the process has too many open files.
    pub(super) fn open() -> io::Result<JsonLines> {
        Ok(JsonLines { output: Output::new(Box::new(stdout()?)) })
    }

    /// Returns the stream to which the lines are written.
    pub(super) fn output(&self) -> Output {
        self.output.clone()
    }

    /// Writes the line for an event.
    pub(super) fn write(&self, event: &DownloadEvent<'_>) {
        if let Some(value) = line_for(event) {
            self.put(&value);
        }
    }

    /// Writes the line of the summary, and waits until all lines are written.
    ///
    /// # Errors
    /// If a line could not be written.
    pub(super) fn finish(&self, summary: &RunSummary, bytes: u64, elapsed: Duration, exit_code: u8) -> io::Result<()> {
        self.put(&json!({
            "v": VERSION, "event": "summary", "id": null, "url": null,
            "saved": summary.saved, "exists": summary.exists, "unchanged": summary.unchanged, "checked": summary.checked,
            "failed": summary.failed, "bad_lines": summary.bad_lines, "cancelled": summary.cancelled,
            "bytes": bytes, "ms": milliseconds(elapsed), "exit": exit_code,
        }));
        self.output.flush()
    }

    fn put(&self, value: &Value) {
        self.output.push(format!("{value}\n").as_bytes());
    }
}

fn line_for(event: &DownloadEvent<'_>) -> Option<Value> {
    let line = |name: &str, more: Value| {
        let mut value = json!({ "v": VERSION, "event": name, "id": event.id, "url": event.url, "line": event.line });
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        Some(value)
    };
    let error = |class: &str, code: &str, message: String| json!({ "error": { "class": class, "code": code, "msg": escaped_line(message) } });
    match event.kind {
        DownloadEventKind::Start => line("start", json!({})),
        DownloadEventKind::Redirect { status, to } => line("redirect", json!({ "status": status.as_u16(), "to": to })),
        DownloadEventKind::Retry { attempts, error: why, wait } => {
            let mut more = error(why.class().name(), &why.code(), why.to_string());
            more["attempts"] = attempts.into();
            more["wait_ms"] = milliseconds(wait).into();
            line("retry", more)
        }
        DownloadEventKind::Done(done) => line(
            "done",
            json!({
                "how": done.kind.name(),
                "path": done.path.as_ref().map(|path| path.to_string_lossy()),
                "status": done.status.map(|status| status.as_u16()),
                "bytes": done.bytes,
                "resumed_from": done.resumed_from,
                "attempts": done.attempts,
                "reused": done.reused,
                "ms": {
                    "dns": done.connect_timings.map(|times| milliseconds(times.dns)),
                    "connect": done.connect_timings.map(|times| milliseconds(times.connect)),
                    "ttfb": done.to_first_byte.map(milliseconds),
                    "total": milliseconds(done.total),
                },
                "etag": done.etag,
                "sha256": done.sha256.map(|digest| digest.to_string()),
            }),
        ),
        DownloadEventKind::Fail(why) => line("fail", error(why.class().name(), &why.code(), why.to_string())),
        DownloadEventKind::InvalidLine(bad) => line("fail", error("usage", "line", bad.error.to_string())),
        DownloadEventKind::Cancelled => line("fail", error("cancelled", "cancelled", "interrupted".to_owned())),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
