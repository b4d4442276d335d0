//! Recordings: how a run is written down, and what can be made of it afterwards.
//!
//! A [`Recorder`] observes a loop and writes a line of JSON for each event. Everything else is a function of these lines,
//! whether they come from a file, by a [`Reader`], or from a run that still goes on, by [`Follow`].
//!
//! | file | subject |
//! | --- | --- |
//! | `line.rs` | a line as a value: the table of all kinds of events |
//! | `field.rs`, `json.rs`, `text.rs`, `header.rs` | how each part of a line is written and read; its texts; the first line |
//! | `arguments.rs` | the command line without its secrets |
//! | `keep.rs`, `follow.rs`, `tee.rs` | from a borrowed event to a line; several observers |
//! | `recorder.rs`, `writer.rs` | recording: the half on the loop's thread, and the half with a thread of its own |
//! | `claim.rs` | keeps two recordings out of one file |
//! | `reader.rs`, `check.rs` | reading as far as a recording is sound; whether it can be true |
//! | `world.rs`, `still.rs` | what there is at a moment of the run, folded from the lines; the same as text |
//! | `narration.rs`, `words.rs`, `explain.rs`, `findings.rs` | a sentence for each line, or for each finding |
//! | `statistics.rs`, `spread.rs`, `summary.rs` | numbers |
//! | `perfetto.rs`, `tracks.rs`, `events.rs` | a timeline, for Perfetto |
//! | `page.rs`, `page/` | a page that replays the run |
//! | `form.rs` | which of these a file's name asks for; the variable `GLASSLOOP_TRACE` |
//!
//! ```
//! use glassloop::{EventLoop, spawn_named, trace::{Explain, Recorder, Tee}};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("run.jsonl");
//! let mut observers = Tee::new();
//! observers.add(Recorder::create(&path)?);
//! observers.add(Explain::new(std::io::stderr()));
//! let mut event_loop = EventLoop::builder().observer(observers).build()?;
//! event_loop.block_on(async { spawn_named("hello", async {}).await })??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arguments;
mod check;
mod claim;
mod events;
mod explain;
mod field;
mod findings;
mod follow;
mod form;
mod header;
mod json;
mod keep;
mod line;
mod narration;
mod page;
mod perfetto;
mod reader;
mod recorder;
mod spread;
mod statistics;
mod still;
mod summary;
mod tee;
mod text;
mod tracks;
mod words;
mod world;
mod writer;

pub use check::{Sound, check};
pub use explain::{Explain, explain};
pub use findings::Findings;
pub use follow::Follow;
pub use form::{Form, Recording, VARIABLE, builder, from_environment};
pub use header::Header;
pub use line::{Cause, Fact, Finding, IoOutcome, Line, Wakes};
pub use narration::Narrator;
pub use page::{MOST_EVENTS, PageReport, write_page};
pub use perfetto::perfetto;
pub use reader::{Fault, ReadError, Reader};
pub use recorder::{Recorder, Written};
pub use spread::Spread;
pub use statistics::Statistics;
pub use summary::Summary;
pub use tee::Tee;
pub use text::Text;
pub use world::World;
