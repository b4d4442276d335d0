//! The tasks' threads in a timeline: a task's life, in it the states of its futures, and in those what it waits for.
//!
//! Several futures in one task change their states as they like, and slices must lie inside each other. So when one ends
//! that others were opened in, these are cut there and go on as new ones.

use std::collections::HashMap;
use std::io::{self, Write};

use super::events::{Events, Place};

/// The tasks that are alive.
#[derive(Default)]
pub(super) struct Tracks {
    tasks: HashMap<u32, Track>,
    /// In which task the state of a future is drawn.
    futures: HashMap<u64, u32>,
}

struct Track {
    name: String,
    began: u64,
    /// Slices, each inside the one before it.
    open: Vec<Open>,
}

struct Open {
    whose: Whose,
    name: String,
    began: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The state of a future.
    Future(u64),
    /// What the task waits for.
    Wait,
}

/// Slices inside each other. A task that joins ten thousand futures is drawn with the states of the first few.
const DEEPEST: usize = 8;

impl Tracks {
    /// Where a task is drawn.
    pub(super) fn place(task: u32) -> Place {
        Place { process: 2, thread: u64::from(task) + 1 }
    }

    pub(super) fn is_open(&self, task: u32) -> bool {
        self.tasks.contains_key(&task)
    }

    pub(super) fn open(&self) -> impl Iterator<Item = u32> {
        self.tasks.keys().copied()
    }

    /// A task begins its life.
    pub(super) fn begin<W: Write>(
        &mut self,
        events: &mut Events<W>,
        task: u32,
        name: &str,
        now: u64,
    ) -> io::Result<()> {
        self.end(events, task, now)?;
        let name = if name.is_empty() { format!("task {task}") } else { name.to_owned() };
        events.name_thread(Tracks::place(task), &name, task.into())?;
        self.tasks.insert(task, Track { name, began: now, open: vec![] });
        Ok(())
    }

    /// A task's life is over.
    pub(super) fn end<W: Write>(&mut self, events: &mut Events<W>, task: u32, now: u64) -> io::Result<()> {
        let Some(mut track) = self.tasks.remove(&task) else { return Ok(()) };
        let place = Tracks::place(task);
        while let Some(open) = track.open.pop() {
            if let Whose::Future(future) = open.whose {
                self.futures.remove(&future);
            }
            open.write(events, place, now)?;
        }
        events.slice(place, "task", &track.name, track.began, now)
    }

    /// A poll was not ready.
    pub(super) fn waits<W: Write>(
        &mut self,
        events: &mut Events<W>,
        task: u32,
        what: &str,
        now: u64,
    ) -> io::Result<()> {
        self.goes_on(events, task, now)?;
        if let Some(track) = self.tasks.get_mut(&task)
            && !what.is_empty()
        {
            track.open.push(Open { whose: Whose::Wait, name: what.to_owned(), began: now });
        }
        Ok(())
    }

    /// A poll begins.
    pub(super) fn goes_on<W: Write>(&mut self, events: &mut Events<W>, task: u32, now: u64) -> io::Result<()> {
        match self.tasks.get_mut(&task) {
            Some(track) => track.close(events, Tracks::place(task), Whose::Wait, now),
            None => Ok(()),
        }
    }

    /// A future changes its state; in its last one it is not drawn.
    pub(super) fn state<W: Write>(
        &mut self,
        events: &mut Events<W>,
        future: u64,
        task: Option<u32>,
        name: &str,
        goes_on: bool,
        now: u64,
    ) -> io::Result<()> {
        let whose = Whose::Future(future);
        if let Some(drawn_in) = self.futures.remove(&future)
            && let Some(track) = self.tasks.get_mut(&drawn_in)
        {
            track.close(events, Tracks::place(drawn_in), whose, now)?;
        }
        if let Some(task) = task
            && let Some(track) = self.tasks.get_mut(&task)
            && goes_on
            && track.open.len() < DEEPEST
        {
            track.open.push(Open { whose, name: name.to_owned(), began: now });
            self.futures.insert(future, task);
        }
        Ok(())
    }
}

impl Track {
    /// Ends a slice, and cuts those inside it.
    fn close<W: Write>(&mut self, events: &mut Events<W>, place: Place, whose: Whose, now: u64) -> io::Result<()> {
        let Some(at) = self.open.iter().rposition(|open| open.whose == whose) else { return Ok(()) };
        for open in self.open[at..].iter_mut().rev() {
            open.write(events, place, now)?;
            open.began = now;
        }
        self.open.remove(at);
        Ok(())
    }
}

impl Open {
    fn write<W: Write>(&self, events: &mut Events<W>, place: Place, now: u64) -> io::Result<()> {
        let category = if self.whose == Whose::Wait { "waits" } else { "state" };
        events.slice(place, category, &self.name, self.began, now)
    }
}
