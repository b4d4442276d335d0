//! A validator for timelines in the Trace Event Format, with the rules that make Perfetto and Chrome display them in
//! the same way.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

type Thread = (u64, u64);

/// A slice, with times in nanoseconds.
struct Slice {
    began: u64,
    ended: u64,
    category: String,
}

/// Validates a timeline. The error is the first violation of a rule.
pub fn validate(timeline: &str) -> Result<Counted, String> {
    let document: Value = serde_json::from_str(timeline).map_err(|error| format!("not JSON: {error}"))?;
    let document = document.as_object().ok_or("not an object")?;
    if document.keys().ne(["traceEvents"]) {
        return Err(format!("other things than events: {:?}", document.keys().collect::<Vec<_>>()));
    }
    check_text(timeline)?;
    let events = document["traceEvents"].as_array().ok_or("events are not a list")?;
    if timeline.lines().count() != events.len() + 2 {
        return Err("not one event a line".to_owned());
    }
    let mut found = Found::default();
    for (event, line) in events.iter().zip(timeline.lines().skip(1)) {
        found.event(event, line).map_err(|rule| format!("{rule}: {line}"))?;
    }
    found.check()
}

/// The numbers of slices and arrows in a valid timeline.
#[derive(Debug, Default)]
pub struct Counted {
    pub slices: usize,
    pub arrows: usize,
}

/// Checks that there are no control characters and no escapes but `\"`, `\\`, `\n` and `\t`.
fn check_text(timeline: &str) -> Result<(), String> {
    let mut characters = timeline.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if !matches!(characters.next(), Some('"' | '\\' | 'n' | 't')) => {
                return Err("another escape".to_owned());
            }
            '\n' => {}
            control if control.is_control() => return Err(format!("the control character {control:?}")),
            _ => {}
        }
    }
    Ok(())
}

#[derive(Default)]
struct Found {
    slices: HashMap<Thread, Vec<Slice>>,
    named_processes: HashSet<u64>,
    named_threads: HashSet<Thread>,
    mentioned: HashSet<Thread>,
    /// The start of each arrow, by id, category and name.
    starts: HashMap<(u64, String, String), (Thread, u64)>,
    ends: HashMap<(u64, String, String), (Thread, u64)>,
}

impl Found {
    fn event(&mut self, event: &Value, line: &str) -> Result<(), String> {
        if line.contains(":null") {
            return Err("a field is null".to_owned());
        }
        let number = |name: &str| event[name].as_u64().filter(|number| *number >= 1).ok_or(format!("`{name}`"));
        let text = |name: &str| event[name].as_str().filter(|text| !text.is_empty()).ok_or(format!("`{name}`"));
        let thread = (number("pid")?, number("tid")?);
        let name = text("name")?.to_owned();
        let phase = text("ph")?;
        if phase == "M" {
            return self.metadata(thread, &name, event);
        }
        self.mentioned.insert(thread);
        let category = text("cat")?.to_owned();
        let at = time(line, "ts")?;
        match phase {
            "X" => {
                let ended = at + time(line, "dur")?;
                self.slices.entry(thread).or_default().push(Slice { began: at, ended, category });
            }
            "i" if matches!(text("s")?, "t" | "p" | "g") => {}
            "C" => {
                let values = event["args"].as_object().ok_or("a counter without values")?;
                if values.is_empty() || !values.values().all(Value::is_number) {
                    return Err("a counter's value is not a number".to_owned());
                }
            }
            "s" | "f" => {
                if phase == "f" && event["bp"] != "e" {
                    return Err("an arrow's end without `bp`".to_owned());
                }
                let side = if phase == "s" { &mut self.starts } else { &mut self.ends };
                if side.insert((number("id")?, category, name), (thread, at)).is_some() {
                    return Err("an arrow's id is used again".to_owned());
                }
            }
            _ => return Err("an unknown phase".to_owned()),
        }
        Ok(())
    }

    fn metadata(&mut self, thread: Thread, name: &str, event: &Value) -> Result<(), String> {
        if event.get("ts").is_some() || event.get("dur").is_some() {
            return Err("a name with a time".to_owned());
        }
        let argument = &event["args"];
        match name {
            "process_name" if argument["name"].is_string() => _ = self.named_processes.insert(thread.0),
            "thread_name" if argument["name"].is_string() => _ = self.named_threads.insert(thread),
            "process_sort_index" | "thread_sort_index" if argument["sort_index"].is_number() => {}
            _ => return Err("a name that is none".to_owned()),
        }
        Ok(())
    }

    fn check(mut self) -> Result<Counted, String> {
        for thread in &self.mentioned {
            if !self.named_processes.contains(&thread.0) || !self.named_threads.contains(thread) {
                return Err(format!("the thread {thread:?} has no name"));
            }
        }
        for (thread, slices) in &mut self.slices {
            check_nesting(slices).map_err(|rule| format!("{rule} in thread {thread:?}"))?;
        }
        if self.starts.len() != self.ends.len() {
            return Err("an arrow with one end".to_owned());
        }
        for (arrow, (from, left)) in &self.starts {
            let Some((to, arrived)) = self.ends.get(arrow) else { return Err(format!("{arrow:?} has no end")) };
            self.check_arrow(*from, *left, *to, *arrived).map_err(|rule| format!("{rule}: {arrow:?}"))?;
        }
        Ok(Counted { slices: self.slices.values().map(Vec::len).sum(), arrows: self.starts.len() })
    }

    fn check_arrow(&self, from: Thread, left: u64, to: Thread, arrived: u64) -> Result<(), String> {
        if arrived <= left {
            return Err("an arrow that leads backwards".to_owned());
        }
        let in_slices = |thread| self.slices.get(&thread).into_iter().flatten();
        if !in_slices(from).any(|slice| slice.category != "turn" && slice.began < left && left < slice.ended) {
            return Err("an arrow that begins in no slice".to_owned());
        }
        let innermost = in_slices(to)
            .filter(|slice| slice.began <= arrived && arrived < slice.ended)
            .max_by_key(|slice| slice.began);
        match innermost {
            Some(slice) if slice.category == "poll" && arrived - slice.began <= 1_000 => Ok(()),
            _ => Err("an arrow that does not end at the start of a poll".to_owned()),
        }
    }
}

/// Parses a time in microseconds with three decimals, and returns it in nanoseconds.
fn time(line: &str, name: &str) -> Result<u64, String> {
    let (_, rest) = line.split_once(&format!("\"{name}\":")).ok_or(format!("no `{name}`"))?;
    let end = rest.find([',', '}']).ok_or("cut off")?;
    match rest[..end].split_once('.') {
        Some((whole, part)) if part.len() == 3 => {
            format!("{whole}{part}").parse().map_err(|_| format!("`{name}` is not a number"))
        }
        _ => Err(format!("`{name}` has not three digits after the point")),
    }
}

fn check_nesting(slices: &mut [Slice]) -> Result<(), String> {
    slices.sort_by_key(|slice| (slice.began, std::cmp::Reverse(slice.ended)));
    let mut open: Vec<u64> = vec![];
    for slice in slices {
        while open.last().is_some_and(|ended| *ended <= slice.began) {
            open.pop();
        }
        if open.last().is_some_and(|ended| slice.ended > *ended) {
            return Err(format!("a slice from {} to {} that overlaps another", slice.began, slice.ended));
        }
        open.push(slice.ended);
    }
    Ok(())
}
