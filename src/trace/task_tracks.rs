//! The tracks of the tasks in a timeline: a slice for the task, in it slices for the states of its futures, and in
//! those a slice for each wait.
//!
//! The futures of a task change their states independently, but the slices of a track must nest. So when a slice ends
//! while there are slices inside it, those are ended too, and continue as new slices.

use std::collections::HashMap;
use std::io::{self, Write};

use super::trace_events::{TraceEventWriter, TrackId};

/// The tracks of all tasks that have not ended.
#[derive(Default)]
pub(super) struct TaskTracks {
    tasks: HashMap<u32, TaskTrack>,
    /// The task on whose track the state of a future is drawn.
    futures: HashMap<u64, u32>,
}

struct TaskTrack {
    id: TrackId,
    name: String,
    began: u64,
    /// The slices that have not ended, each inside the previous one.
    open: Vec<OpenSlice>,
}

struct OpenSlice {
    kind: TaskSliceKind,
    name: String,
    began: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TaskSliceKind {
    /// The state of this future.
    State(u64),
    /// The wait of the task.
    Wait,
}

/// The maximum nesting of slices. Of a task that joins ten thousand futures, only the first few are drawn.
const MAX_DEPTH: usize = 8;

impl TaskTracks {
    /// Returns the id of a task's track.
    pub(super) fn id_of(task: u32) -> TrackId {
        TrackId { process: 2, thread: u64::from(task) + 1 }
    }

    pub(super) fn contains(&self, task: u32) -> bool {
        self.tasks.contains_key(&task)
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = u32> {
        self.tasks.keys().copied()
    }

    /// Begins the slice of a task.
    pub(super) fn begin<W: Write>(
        &mut self,
        out: &mut TraceEventWriter<W>,
        task: u32,
        name: &str,
        now: u64,
    ) -> io::Result<()> {
        self.end(out, task, now)?;
        let id = TaskTracks::id_of(task);
        let name = if name.is_empty() { format!("task {task}") } else { name.to_owned() };
        out.name_track(id, &name, task.into())?;
        self.tasks.insert(task, TaskTrack { id, name, began: now, open: vec![] });
        Ok(())
    }

    /// Ends the slice of a task.
    pub(super) fn end<W: Write>(&mut self, out: &mut TraceEventWriter<W>, task: u32, now: u64) -> io::Result<()> {
        let Some(mut track) = self.tasks.remove(&task) else { return Ok(()) };
        while let Some(slice) = track.open.pop() {
            if let TaskSliceKind::State(future) = slice.kind {
                self.futures.remove(&future);
            }
            slice.write(out, track.id, now)?;
        }
        out.slice(track.id, "task", &track.name, track.began, now)
    }

    /// Begins a wait: the task returned `Pending`.
    pub(super) fn begin_wait<W: Write>(
        &mut self,
        out: &mut TraceEventWriter<W>,
        task: u32,
        what: &str,
        now: u64,
    ) -> io::Result<()> {
        self.end_wait(out, task, now)?;
        if let Some(track) = self.tasks.get_mut(&task)
            && !what.is_empty()
        {
            track.open.push(OpenSlice { kind: TaskSliceKind::Wait, name: what.to_owned(), began: now });
        }
        Ok(())
    }

    /// Ends a wait: the task is polled.
    pub(super) fn end_wait<W: Write>(&mut self, out: &mut TraceEventWriter<W>, task: u32, now: u64) -> io::Result<()> {
        match self.tasks.get_mut(&task) {
            Some(track) => track.end_slice(out, TaskSliceKind::Wait, now),
            None => Ok(()),
        }
    }

    /// Ends the slice for the state of a future and, unless the next state is final, begins another.
    pub(super) fn change_state<W: Write>(
        &mut self,
        out: &mut TraceEventWriter<W>,
        future: u64,
        task: Option<u32>,
        next_state: Option<String>,
        now: u64,
    ) -> io::Result<()> {
        let kind = TaskSliceKind::State(future);
        if let Some(drawn_in) = self.futures.remove(&future)
            && let Some(track) = self.tasks.get_mut(&drawn_in)
        {
            track.end_slice(out, kind, now)?;
        }
        if let (Some(task), Some(name)) = (task, next_state)
            && let Some(track) = self.tasks.get_mut(&task)
            && track.open.len() < MAX_DEPTH
        {
            track.open.push(OpenSlice { kind, name, began: now });
            self.futures.insert(future, task);
        }
        Ok(())
    }
}

impl TaskTrack {
    /// Ends a slice. The slices inside it are ended and begun again.
    fn end_slice<W: Write>(&mut self, out: &mut TraceEventWriter<W>, kind: TaskSliceKind, now: u64) -> io::Result<()> {
        let Some(at) = self.open.iter().rposition(|slice| slice.kind == kind) else { return Ok(()) };
        for slice in self.open[at..].iter_mut().rev() {
            slice.write(out, self.id, now)?;
            slice.began = now;
        }
        self.open.remove(at);
        Ok(())
    }
}

impl OpenSlice {
    fn write<W: Write>(&self, out: &mut TraceEventWriter<W>, track: TrackId, now: u64) -> io::Result<()> {
        let category = if self.kind == TaskSliceKind::Wait { "waits" } else { "state" };
        out.slice(track, category, &self.name, self.began, now)
    }
}
