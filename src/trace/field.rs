//! How each type of field stands in a line: written by hand, quickly; read with `serde_json`, carefully.
//!
//! What is absent, `false` or unknown is left out; there is no `null`. A reader takes field after field out of a line,
//! and what is left over at the end is a fault, and so is what is missing.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::json::{put_name, put_number, put_string};
use super::line::{Cause, Finding, IoOutcome, Wakes};
use super::reader::Fault;
use super::text::{Interner, Text};
use crate::observe::{HttpStep, JobOutcome, LoopMetrics, Operation, TaskOutcome, TimeoutReason, WakeOutcome};

/// A line as it was parsed, of which the fields are taken one by one.
pub(super) struct Object<'a> {
    pub(super) fields: Map<String, Value>,
    pub(super) interner: &'a mut Interner,
}

/// A type of field.
pub(super) trait Field: Sized {
    /// Writes it, with a comma before it, or nothing.
    fn put(&self, name: &str, out: &mut Vec<u8>);

    /// Takes it out of a line.
    fn take(name: &'static str, line: &mut Object<'_>) -> Result<Self, Fault>;
}

impl Object<'_> {
    fn value(&mut self, name: &'static str) -> Result<Value, Fault> {
        self.fields.remove(name).ok_or(Fault::Missing(name))
    }

    fn number(&mut self, name: &'static str) -> Result<u64, Fault> {
        self.value(name)?.as_u64().ok_or(Fault::Wrong { field: name, wanted: "a number, 0 or more" })
    }

    fn string(&mut self, name: &'static str) -> Result<String, Fault> {
        match self.value(name)? {
            Value::String(text) => Ok(text),
            _ => Err(Fault::Wrong { field: name, wanted: "text" }),
        }
    }

    /// `true`, or not there.
    fn flag(&mut self, name: &'static str) -> Result<bool, Fault> {
        match self.fields.remove(name) {
            None => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(_) => Err(Fault::Wrong { field: name, wanted: "`true`, or left out" }),
        }
    }
}

impl Field for u64 {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        put_name(name, out);
        put_number(*self, out);
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<u64, Fault> {
        line.number(name)
    }
}

impl Field for u32 {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        u64::from(*self).put(name, out);
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<u32, Fault> {
        let number = line.number(name)?;
        u32::try_from(number).map_err(|_| Fault::Wrong { field: name, wanted: "a number below 4294967296" })
    }
}

impl Field for i32 {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        put_name(name, out);
        out.extend_from_slice(self.to_string().as_bytes());
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<i32, Fault> {
        let number = line.value(name)?.as_i64().and_then(|number| i32::try_from(number).ok());
        number.ok_or(Fault::Wrong { field: name, wanted: "a small number" })
    }
}

impl Field for bool {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        if *self {
            put_name(name, out);
            out.extend_from_slice(b"true");
        }
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<bool, Fault> {
        line.flag(name)
    }
}

impl Field for Text {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        put_name(name, out);
        put_string(self, out);
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<Text, Fault> {
        let text = line.string(name)?;
        Ok(line.interner.text(&text))
    }
}

impl Field for SocketAddr {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        put_name(name, out);
        put_string(&self.to_string(), out);
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<SocketAddr, Fault> {
        line.string(name)?.parse().map_err(|_| Fault::Wrong { field: name, wanted: "an address and a port" })
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        if let Some(field) = self {
            field.put(name, out);
        }
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<Option<T>, Fault> {
        if line.fields.contains_key(name) { T::take(name, line).map(Some) } else { Ok(None) }
    }
}

impl Field for Wakes {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        put_name(name, out);
        out.push(b'[');
        for (index, wake) in self.as_slice().iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            put_number(*wake, out);
        }
        out.push(b']');
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<Wakes, Fault> {
        let wakes = match line.value(name)? {
            Value::Array(wakes) => wakes.iter().map(Value::as_u64).collect(),
            _ => None,
        };
        wakes.ok_or(Fault::Wrong { field: name, wanted: "a list of numbers" })
    }
}

/// Types that are one word out of a few.
macro_rules! words {
    ($($type:ident, $wanted:literal { $($word:literal $name:ident),* })*) => {$(
        impl $type {
            /// The word for it.
            pub(super) fn word(self) -> &'static str {
                match self {
                    $($type::$name => $word,)*
                }
            }
        }

        impl Field for $type {
            fn put(&self, name: &str, out: &mut Vec<u8>) {
                put_name(name, out);
                put_string(self.word(), out);
            }

            fn take(name: &'static str, line: &mut Object<'_>) -> Result<$type, Fault> {
                match line.string(name)?.as_str() {
                    $($word => Ok($type::$name),)*
                    _ => Err(Fault::Wrong { field: name, wanted: $wanted }),
                }
            }
        }
    )*};
}

words! {
    WakeOutcome, "queued, coalesced or stale" { "queued" Queued, "coalesced" Coalesced, "stale" Stale }
    TimeoutReason, "ready, timer, forever or recheck" {
        "ready" Ready, "timer" Timer, "forever" Forever, "recheck" Recheck
    }
    Operation, "connect, accept, read or write" {
        "connect" Connect, "accept" Accept, "read" Read, "write" Write
    }
    TaskOutcome, "finished, panicked or aborted" { "finished" Finished, "panicked" Panicked, "aborted" Aborted }
    JobOutcome, "finished, panicked or cancelled" { "finished" Finished, "panicked" Panicked, "cancelled" Cancelled }
}

impl Field for Cause {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        put_name(name, out);
        let (word, number) = match *self {
            Cause::Source(source) => ("source", Some(source)),
            Cause::Timer(timer) => ("timer", Some(timer)),
            Cause::Job(job) => ("job", Some(job)),
            Cause::Task(task) => ("task", Some(task)),
            Cause::SelfWake => ("self", None),
            Cause::Spawn => ("spawn", None),
            Cause::External => ("outside", None),
        };
        out.push(b'{');
        put_string(word, out);
        out.push(b':');
        match number {
            Some(number) => put_number(number.into(), out),
            None => out.extend_from_slice(b"true"),
        }
        out.push(b'}');
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<Cause, Fault> {
        let value = line.value(name)?;
        let only = value.as_object().filter(|cause| cause.len() == 1).and_then(|cause| cause.iter().next());
        let cause = only.and_then(|(word, value)| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            match (word.as_str(), number, value.as_bool()) {
                ("source", Some(source), _) => Some(Cause::Source(source)),
                ("timer", Some(timer), _) => Some(Cause::Timer(timer)),
                ("job", Some(job), _) => Some(Cause::Job(job)),
                ("task", Some(task), _) => Some(Cause::Task(task)),
                ("self", _, Some(true)) => Some(Cause::SelfWake),
                ("spawn", _, Some(true)) => Some(Cause::Spawn),
                ("outside", _, Some(true)) => Some(Cause::External),
                _ => None,
            }
        });
        cause.ok_or(Fault::Wrong { field: name, wanted: "one cause, for example {\"source\":3}" })
    }
}

// The types from here on are several fields of the line itself.

impl Field for LoopMetrics {
    fn put(&self, _name: &str, out: &mut Vec<u8>) {
        (self.ready as u64).put("ready", out);
        (self.tasks as u64).put("tasks", out);
        (self.timers as u64).put("timers", out);
        (self.sources as u64).put("sources", out);
        (self.jobs_queued as u64).put("jobs_queued", out);
        (self.jobs_running as u64).put("jobs_running", out);
    }

    fn take(_name: &'static str, line: &mut Object<'_>) -> Result<LoopMetrics, Fault> {
        Ok(LoopMetrics {
            ready: line.number("ready")? as usize,
            tasks: line.number("tasks")? as usize,
            timers: line.number("timers")? as usize,
            sources: line.number("sources")? as usize,
            jobs_queued: line.number("jobs_queued")? as usize,
            jobs_running: line.number("jobs_running")? as usize,
        })
    }
}

impl Field for IoOutcome {
    fn put(&self, _name: &str, out: &mut Vec<u8>) {
        match self {
            IoOutcome::Bytes(bytes) => bytes.put("bytes", out),
            IoOutcome::WouldBlock => true.put("would_block", out),
            IoOutcome::EndOfFile => true.put("eof", out),
            IoOutcome::Failed(error) => error.put("error", out),
        }
    }

    fn take(_name: &'static str, line: &mut Object<'_>) -> Result<IoOutcome, Fault> {
        let bytes: Option<u64> = Field::take("bytes", line)?;
        let error: Option<Text> = Field::take("error", line)?;
        match (bytes, line.flag("would_block")?, line.flag("eof")?, error) {
            (Some(bytes), false, false, None) => Ok(IoOutcome::Bytes(bytes)),
            (None, true, false, None) => Ok(IoOutcome::WouldBlock),
            (None, false, true, None) => Ok(IoOutcome::EndOfFile),
            (None, false, false, Some(error)) => Ok(IoOutcome::Failed(error)),
            _ => Err(Fault::Wrong { field: "bytes", wanted: "there alone, or one of would_block, eof, error" }),
        }
    }
}

impl Field for HttpStep {
    fn put(&self, name: &str, out: &mut Vec<u8>) {
        put_name(name, out);
        put_string(self.word(), out);
        match self {
            HttpStep::Request => {}
            HttpStep::Head(status) => u32::from(*status).put("status", out),
            HttpStep::Body(bytes) => bytes.put("bytes", out),
            HttpStep::Done { reusable } => reusable.put("reusable", out),
        }
    }

    fn take(name: &'static str, line: &mut Object<'_>) -> Result<HttpStep, Fault> {
        match line.string(name)?.as_str() {
            "request" => Ok(HttpStep::Request),
            "head" => match u16::try_from(line.number("status")?) {
                Ok(status) => Ok(HttpStep::Head(status)),
                Err(_) => Err(Fault::Wrong { field: "status", wanted: "an HTTP status" }),
            },
            "body" => Ok(HttpStep::Body(line.number("bytes")?)),
            "done" => Ok(HttpStep::Done { reusable: line.flag("reusable")? }),
            _ => Err(Fault::Wrong { field: name, wanted: "request, head, body or done" }),
        }
    }
}

impl HttpStep {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            HttpStep::Request => "request",
            HttpStep::Head(_) => "head",
            HttpStep::Body(_) => "body",
            HttpStep::Done { .. } => "done",
        }
    }
}

impl Field for Box<Finding> {
    fn put(&self, _name: &str, out: &mut Vec<u8>) {
        self.what.put("what", out);
        self.task.put("task", out);
        self.state.put("state", out);
        self.evidence.put("evidence", out);
        self.advice.put("advice", out);
    }

    fn take(_name: &'static str, line: &mut Object<'_>) -> Result<Box<Finding>, Fault> {
        Ok(Box::new(Finding {
            what: Field::take("what", line)?,
            task: Field::take("task", line)?,
            state: Field::take("state", line)?,
            evidence: Field::take("evidence", line)?,
            advice: Field::take("advice", line)?,
        }))
    }
}
