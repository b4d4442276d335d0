//! Recordings: how a run is recorded, and what can be made from a recording.
//!
//! A [`Recorder`] observes a loop and writes a line of JSON for each event. Everything else is a function of these records,
//! which come from a file, through a [`Reader`], or from a run that is in progress, through [`Follow`].
//!
//! | file | subject |
//! | --- | --- |
//! | `record.rs` | a record, which is a line of a recording: the table of all kinds of events |
//! | `field.rs`, `values.rs`, `text.rs` | how the fields of a record are written and read; types of fields; texts |
//! | `header.rs`, `redact.rs` | the first line of a recording; the command line in it, without secrets |
//! | `json.rs`, `error.rs` | writing JSON; what can be wrong with a line |
//! | `copy.rs`, `follow.rs`, `tee.rs` | from a borrowed event to a record; observers that pass events on |
//! | `recorder.rs`, `writer.rs`, `lock.rs` | recording: the part on the loop's thread, the writer thread, the lock on the file |
//! | `recording.rs`, `output_format.rs`, `environment.rs` | recording in the format that a file name selects; `GLASSLOOP_TRACE` |
//! | `reader.rs`, `check.rs` | reading up to the first error; the consistency check |
//! | `loop_state.rs`, `loop_state_text.rs` | the state of the loop after some records; the same as text |
//! | `narration.rs`, `phrases.rs`, `explain.rs`, `findings.rs` | a sentence for each record, or for each finding |
//! | `statistics.rs`, `histogram.rs`, `summary.rs` | statistics of a recording, or at the end of a run |
//! | `perfetto.rs`, `task_tracks.rs`, `trace_events.rs` | conversion to a timeline for Perfetto |
//! | `page.rs`, `page/` | conversion to a page that replays the run |
//!
//! ```
//! use glassloop::{EventLoop, spawn_named, trace::{Explain, Recorder, Tee}};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("run.jsonl");
//! let mut observers = Tee::new();
//! observers.add(Recorder::create(&path)?);
//! observers.add(Explain::new(std::io::stderr()));
//! let mut event_loop = EventLoop::builder().observer(observers).build()?;
//! event_loop.block_on(async { spawn_named("hello", async {}).await })??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod copy;
mod environment;
mod error;
mod explain;
mod field;
mod findings;
mod follow;
mod header;
mod histogram;
mod json;
mod lock;
mod loop_state;
mod loop_state_text;
mod narration;
mod output_format;
mod page;
mod perfetto;
mod phrases;
mod reader;
mod record;
mod recorder;
mod recording;
mod redact;
mod statistics;
mod summary;
mod task_tracks;
mod tee;
mod text;
mod trace_events;
mod values;
mod writer;

pub use check::{CheckReport, check};
pub use environment::{ENVIRONMENT_VARIABLE, builder, from_env};
pub use error::{FormatError, ReadError};
pub use explain::{Explain, explain};
pub use findings::Findings;
pub use follow::Follow;
pub use header::RecordingHeader;
pub use histogram::Histogram;
pub use loop_state::LoopState;
pub use narration::Narrator;
pub use output_format::OutputFormat;
pub use page::{MAX_PAGE_EVENTS, PageReport, write_page};
pub use perfetto::write_perfetto;
pub use reader::Reader;
pub use record::{Record, RecordKind};
pub use recorder::Recorder;
pub use recording::{Recording, RecordingReport};
pub use statistics::Statistics;
pub use summary::Summary;
pub use tee::Tee;
pub use text::Text;
pub use values::{Finding, RecordedCause, RecordedIoOutcome, WakeList};
pub use writer::WriteReport;
