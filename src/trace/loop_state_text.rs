//! The state of the loop as text: ready queue, waiting tasks, sources, timers and jobs.

use std::fmt;

use super::loop_state::LoopState;
use super::phrases::{due_in, waits_for};

/// The maximum number of items per list; of the others, only the number is shown.
const MAX_ITEMS: usize = 20;

impl fmt::Display for LoopState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "ready", self.ready.iter().map(|task| self.task_name(*task)))?;
        let root = (!self.root.waiting_for.is_empty()).then_some((0, &self.root));
        let tasks = root.into_iter().chain(self.tasks.iter().map(|(id, task)| (*id, task)));
        let waiting = tasks.filter(|(id, _)| !self.ready.contains(id));
        let waiting = waiting.map(|(id, task)| format!("{} {}", self.task_name(id), waits_for(&task.waiting_for)));
        write_list(f, "tasks", waiting)?;
        let sources = self.sources.iter().map(|(id, source)| {
            let peer = source.peer.map_or(String::new(), |peer| format!(" with {peer}"));
            format!("source {id}, {}{peer}, {}", source.what, source.readiness)
        });
        write_list(f, "sources", sources)?;
        let timers = self.timers.iter().map(|(id, timer)| {
            let task = timer.task.map_or(String::new(), |task| format!(" of {}", self.task_name(task)));
            format!("timer {id}{task}, {}", due_in(timer.deadline, self.now))
        });
        write_list(f, "timers", timers)?;
        let jobs = self.jobs.iter().map(|(id, job)| match job.worker {
            Some(worker) => format!("{}, on worker {worker}", self.job_name(*id)),
            None => format!("{}, queued", self.job_name(*id)),
        });
        write_list(f, "jobs", jobs)
    }
}

/// Writes a list with a heading, unless the list is empty.
fn write_list(f: &mut fmt::Formatter<'_>, heading: &str, mut items: impl Iterator<Item = String>) -> fmt::Result {
    for (index, item) in items.by_ref().take(MAX_ITEMS).enumerate() {
        let heading = if index == 0 { heading } else { "" };
        // The names of tasks come from the program, and may contain newlines.
        writeln!(f, "  {heading:8} {}", item.replace(char::is_control, " "))?;
    }
    match items.count() {
        0 => Ok(()),
        more => writeln!(f, "  {:8} and {more} more", ""),
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::{LoopState, Record, RecordKind};

    #[test]
    fn a_long_list_is_cut_off_and_the_rest_is_counted() {
        let mut state = LoopState::default();
        for task in 1..=30 {
            let kind = RecordKind::Spawn {
                task,
                parent: None,
                name: "a\nb".into(),
                future: "F".into(),
                location: "a.rs:1:1".into(),
            };
            state.apply(&Record { seq: 0, time: 0, thread: 0, turn: 0, kind });
        }
        let text = state.to_string();
        assert!(text.starts_with("  tasks    task `a b` waits (reason unknown)\n"), "{text}");
        assert!(text.ends_with("\n           and 10 more\n"), "{text}");
        assert_eq!(text.lines().count(), 21);
    }
}
