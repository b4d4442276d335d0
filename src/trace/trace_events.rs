//! Writes events in Chrome's trace event format, one per line.
//!
//! Times are in microseconds with three decimals. The output is restricted to what all readers of the format accept: no
//! `null`, no `displayTimeUnit`, and processes and threads are numbered from 1.

use std::collections::HashSet;
use std::io::{self, Write};

use super::json::{put_name, put_number, put_string};

/// A track of the timeline: a thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TrackId {
    pub(super) process: u64,
    pub(super) thread: u64,
}

/// Writes events in the trace event format.
pub(super) struct TraceEventWriter<W> {
    out: W,
    /// The current line. The buffer is reused.
    line: Vec<u8>,
    is_first: bool,
    /// The number of flows so far.
    flows: u64,
    /// The tracks that have a name.
    named: HashSet<TrackId>,
}

impl<W: Write> TraceEventWriter<W> {
    pub(super) fn new(mut out: W) -> io::Result<TraceEventWriter<W>> {
        out.write_all(b"{\"traceEvents\":[\n")?;
        Ok(TraceEventWriter { out, line: Vec::new(), is_first: true, flows: 0, named: HashSet::new() })
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }

    pub(super) fn name_process(&mut self, process: u64, name: &str) -> io::Result<()> {
        let track = TrackId { process, thread: 1 };
        self.begin("M", track, "process_name");
        self.argument_text("name", name);
        self.end()?;
        self.begin("M", track, "process_sort_index");
        self.argument_number("sort_index", process);
        self.end()
    }

    /// Names a track, unless it already has a name.
    pub(super) fn name_track(&mut self, track: TrackId, name: &str, sort_index: u64) -> io::Result<()> {
        if !self.named.insert(track) {
            return Ok(());
        }
        self.begin("M", track, "thread_name");
        self.argument_text("name", name);
        self.end()?;
        self.begin("M", track, "thread_sort_index");
        self.argument_number("sort_index", sort_index);
        self.end()
    }

    /// Writes a slice, which is an event with a duration.
    pub(super) fn slice(
        &mut self,
        track: TrackId,
        category: &str,
        name: &str,
        began: u64,
        ended: u64,
    ) -> io::Result<()> {
        self.begin("X", track, name);
        self.category(category);
        self.time("ts", began);
        self.time("dur", ended - began);
        self.end_without_arguments()
    }

    /// Writes an instant, which is an event without a duration.
    pub(super) fn instant(&mut self, track: TrackId, category: &str, name: &str, at: u64) -> io::Result<()> {
        self.begin("i", track, name);
        self.category(category);
        self.time("ts", at);
        put_name("s", &mut self.line);
        put_string("t", &mut self.line);
        self.end_without_arguments()
    }

    /// Writes the current values of a counter.
    pub(super) fn counter(&mut self, track: TrackId, name: &str, values: &[(&str, usize)], at: u64) -> io::Result<()> {
        self.begin("C", track, name);
        self.category("counts");
        self.time("ts", at);
        put_name("args", &mut self.line);
        for (index, (value, number)) in values.iter().enumerate() {
            self.line.push(if index == 0 { b'{' } else { b',' });
            put_string(value, &mut self.line);
            self.line.push(b':');
            put_number(*number as u64, &mut self.line);
        }
        self.line.push(b'}');
        self.end_without_arguments()
    }

    /// Writes a flow, which is drawn as an arrow from the slice at one point to the slice at another.
    pub(super) fn flow(&mut self, from: TrackId, start: u64, to: TrackId, end: u64) -> io::Result<()> {
        self.flows += 1;
        for (phase, track, at) in [("s", from, start), ("f", to, end)] {
            self.begin(phase, track, "wake");
            self.category("wake");
            put_name("id", &mut self.line);
            put_number(self.flows, &mut self.line);
            self.time("ts", at);
            if phase == "f" {
                // Binds to the enclosing slice instead of the next slice.
                put_name("bp", &mut self.line);
                put_string("e", &mut self.line);
            }
            self.end_without_arguments()?;
        }
        Ok(())
    }

    fn begin(&mut self, phase: &str, track: TrackId, name: &str) {
        self.line.clear();
        if !std::mem::take(&mut self.is_first) {
            self.line.extend_from_slice(b",\n");
        }
        self.line.extend_from_slice(b"{\"ph\":");
        put_string(phase, &mut self.line);
        put_name("pid", &mut self.line);
        put_number(track.process, &mut self.line);
        put_name("tid", &mut self.line);
        put_number(track.thread, &mut self.line);
        put_name("name", &mut self.line);
        put_string(if name.is_empty() { "?" } else { name }, &mut self.line);
    }

    fn category(&mut self, category: &str) {
        put_name("cat", &mut self.line);
        put_string(category, &mut self.line);
    }

    fn time(&mut self, name: &str, nanoseconds: u64) {
        put_name(name, &mut self.line);
        put_number(nanoseconds / 1_000, &mut self.line);
        let rest = nanoseconds % 1_000;
        self.line.push(b'.');
        self.line.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
    }

    fn argument_text(&mut self, name: &str, text: &str) {
        put_name("args", &mut self.line);
        self.line.push(b'{');
        put_string(name, &mut self.line);
        self.line.push(b':');
        put_string(text, &mut self.line);
    }

    fn argument_number(&mut self, name: &str, number: u64) {
        put_name("args", &mut self.line);
        self.line.push(b'{');
        put_string(name, &mut self.line);
        self.line.push(b':');
        put_number(number, &mut self.line);
    }

    /// Ends an event whose last field is its arguments.
    fn end(&mut self) -> io::Result<()> {
        self.line.push(b'}');
        self.end_without_arguments()
    }

    fn end_without_arguments(&mut self) -> io::Result<()> {
        self.line.push(b'}');
        self.out.write_all(&self.line)
    }
}
