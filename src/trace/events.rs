//! The events of Chrome's trace format, one a line.
//!
//! Times are in microseconds, with three digits for the nanoseconds. Only what every reader of the format agrees on is
//! used: no `null`, no `displayTimeUnit`, processes and threads numbered from 1.

use std::collections::HashSet;
use std::io::{self, Write};

use super::json::{put_name, put_number, put_string};

/// A thread of a process, as they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) process: u64,
    pub(super) thread: u64,
}

/// Writes events.
pub(super) struct Events<W> {
    out: W,
    /// The line that is being made; kept for its room.
    line: Vec<u8>,
    is_first: bool,
    /// The number of the last arrow.
    arrows: u64,
    named: HashSet<Place>,
}

impl<W: Write> Events<W> {
    pub(super) fn new(mut out: W) -> io::Result<Events<W>> {
        out.write_all(b"{\"traceEvents\":[\n")?;
        Ok(Events { out, line: Vec::new(), is_first: true, arrows: 0, named: HashSet::new() })
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }

    pub(super) fn name_process(&mut self, process: u64, name: &str) -> io::Result<()> {
        let place = Place { process, thread: 1 };
        self.begin("M", place, "process_name");
        self.argument_text("name", name);
        self.end()?;
        self.begin("M", place, "process_sort_index");
        self.argument_number("sort_index", process);
        self.end()
    }

    /// Names a thread, once.
    pub(super) fn name_thread(&mut self, place: Place, name: &str, sort_index: u64) -> io::Result<()> {
        if !self.named.insert(place) {
            return Ok(());
        }
        self.begin("M", place, "thread_name");
        self.argument_text("name", name);
        self.end()?;
        self.begin("M", place, "thread_sort_index");
        self.argument_number("sort_index", sort_index);
        self.end()
    }

    /// Something that took a time.
    pub(super) fn slice(&mut self, place: Place, category: &str, name: &str, began: u64, ended: u64) -> io::Result<()> {
        self.begin("X", place, name);
        self.category(category);
        self.time("ts", began);
        self.time("dur", ended - began);
        self.end_without_arguments()
    }

    /// Something that took none.
    pub(super) fn instant(&mut self, place: Place, category: &str, name: &str, at: u64) -> io::Result<()> {
        self.begin("i", place, name);
        self.category(category);
        self.time("ts", at);
        put_name("s", &mut self.line);
        put_string("t", &mut self.line);
        self.end_without_arguments()
    }

    /// Numbers that change.
    pub(super) fn counter(&mut self, place: Place, name: &str, values: &[(&str, usize)], at: u64) -> io::Result<()> {
        self.begin("C", place, name);
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

    /// An arrow from the slice that is there at one place and time to the one at another.
    pub(super) fn arrow(&mut self, from: Place, left: u64, to: Place, arrived: u64) -> io::Result<()> {
        self.arrows += 1;
        for (phase, place, at) in [("s", from, left), ("f", to, arrived)] {
            self.begin(phase, place, "wake");
            self.category("wake");
            put_name("id", &mut self.line);
            put_number(self.arrows, &mut self.line);
            self.time("ts", at);
            if phase == "f" {
                // To the slice that is open at this time, not to the next one to begin.
                put_name("bp", &mut self.line);
                put_string("e", &mut self.line);
            }
            self.end_without_arguments()?;
        }
        Ok(())
    }

    fn begin(&mut self, phase: &str, place: Place, name: &str) {
        self.line.clear();
        if !std::mem::take(&mut self.is_first) {
            self.line.extend_from_slice(b",\n");
        }
        self.line.extend_from_slice(b"{\"ph\":");
        put_string(phase, &mut self.line);
        put_name("pid", &mut self.line);
        put_number(place.process, &mut self.line);
        put_name("tid", &mut self.line);
        put_number(place.thread, &mut self.line);
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
