//! A moment of a run as text: what is ready, who waits for what, what is registered, set and queued.

use std::fmt;

use super::words::{due_in, waits_for};
use super::world::World;

/// Things of a kind that are shown; of more, the number is told.
const SHOWN: usize = 20;

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, "ready", self.ready.iter().map(|task| self.task(*task)))?;
        let root = (!self.root.waiting_for.is_empty()).then_some((0, &self.root));
        let waiting = root.into_iter().chain(self.tasks.iter().map(|(id, task)| (*id, task)));
        let waiting = waiting.filter(|(id, _)| !self.ready.contains(id));
        write_list(
            f,
            "tasks",
            waiting.map(|(id, task)| format!("{} {}", self.task(id), waits_for(&task.waiting_for))),
        )?;
        let sources = self.sources.iter().map(|(id, source)| {
            let peer = source.peer.map_or(String::new(), |peer| format!(" with {peer}"));
            format!("source {id}, {}{peer}, {}", source.what, source.news)
        });
        write_list(f, "sources", sources)?;
        let timers = self.timers.iter().map(|(id, timer)| {
            let whose = timer.task.map_or(String::new(), |task| format!(" of {}", self.task(task)));
            format!("timer {id}{whose}, {}", due_in(timer.deadline, self.now))
        });
        write_list(f, "timers", timers)?;
        let jobs = self.jobs.iter().map(|(id, job)| match job.worker {
            Some(worker) => format!("{}, on worker {worker}", self.job(*id)),
            None => format!("{}, queued", self.job(*id)),
        });
        write_list(f, "jobs", jobs)
    }
}

/// A heading and what stands beside and under it, unless that is nothing.
fn write_list(f: &mut fmt::Formatter<'_>, heading: &str, mut things: impl Iterator<Item = String>) -> fmt::Result {
    for (index, thing) in things.by_ref().take(SHOWN).enumerate() {
        let heading = if index == 0 { heading } else { "" };
        // Names are anybody's, and may be of several lines.
        writeln!(f, "  {heading:8} {}", thing.replace(char::is_control, " "))?;
    }
    match things.count() {
        0 => Ok(()),
        more => writeln!(f, "  {:8} and {more} more", ""),
    }
}

#[cfg(test)]
mod tests {
    use crate::trace::{Fact, Line, World};

    #[test]
    fn of_many_things_the_first_are_shown_and_the_others_counted() {
        let mut world = World::default();
        for task in 1..=30 {
            let fact = Fact::Spawn {
                task,
                parent: None,
                name: "a\nb".into(),
                future: "F".into(),
                location: "a.rs:1:1".into(),
            };
            world.apply(&Line { seq: 0, time: 0, thread: 0, turn: 0, fact });
        }
        let shown = world.to_string();
        assert!(shown.starts_with("  tasks    task `a b` waits, and does not say for what\n"), "{shown}");
        assert!(shown.ends_with("\n           and 10 more\n"), "{shown}");
        assert_eq!(shown.lines().count(), 21);
    }
}
