//! Recordings: how a run is written down, and what can be made of it afterwards.
mod check;
mod field;
mod header;
mod keep;
mod line;
mod reader;
mod recorder;
mod tee;
mod text;
mod writer;

pub use check::{Sound, check};
pub use header::Header;
pub use line::{Cause, Fact, Finding, IoOutcome, Line, Wakes};
pub use reader::{Fault, ReadError, Reader};
pub use recorder::{Recorder, Written};
pub use tee::Tee;
pub use text::Text;
