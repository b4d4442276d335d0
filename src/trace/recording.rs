//! An observer that records a run in the format that the extension of the file name selects.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::open_locked;
use super::output_format::OutputFormat;
use super::recorder::Recorder;
use super::writer::WriteReport;
use crate::observe::{ClockKind, Event, Observer};

/// Records a run into a `.jsonl`, `.json` or `.html` file.
///
/// The last two are converted from the recording when the loop is dropped. The recording itself is kept next to them:
/// `run.html` is made from `run.html.jsonl`.
///
/// ```
/// use glassloop::{EventLoop, trace::Recording};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("run.json");
/// let mut event_loop = EventLoop::builder().observer(Recording::create(&path)?).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// drop(event_loop);
/// assert!(std::fs::read_to_string(&path)?.starts_with("{\"traceEvents\":["));
/// assert!(directory.path().join("run.json.jsonl").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Recording {
    /// `None` after the end of the recording.
    recorder: Option<Recorder>,
    /// The path of the recording itself.
    jsonl: PathBuf,
    /// The file to convert the recording to, and its format.
    converted: Option<(PathBuf, OutputFormat)>,
    /// Keeps the recording locked until it has been converted.
    locked: File,
    on_finish: Option<OnFinish>,
}

/// Called when all files have been written.
type OnFinish = Box<dyn FnOnce(&RecordingReport<'_>)>;

/// The result of a complete recording.
#[derive(Clone, Copy, Debug)]
pub struct RecordingReport<'a> {
    /// The requested file.
    pub path: &'a Path,
    /// The `.jsonl` file, if the requested file has been made from it.
    pub jsonl: Option<&'a Path>,
    /// The number of events in the recording.
    pub events: u64,
    /// The number of events that are missing, because the writer could not keep up with the loop.
    pub dropped: u64,
}

impl Recording {
    /// Creates the file and starts to record.
    ///
    /// # Errors
    /// If the extension selects no format, if the file cannot be created, or if another recording is being written to
    /// it.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Recording> {
        let path = path.as_ref();
        let (jsonl, converted) = match OutputFormat::of(path)? {
            OutputFormat::Jsonl => (path.to_owned(), None),
            format => {
                let mut jsonl = OsString::from(path);
                jsonl.push(".jsonl");
                (PathBuf::from(jsonl), Some((path.to_owned(), format)))
            }
        };
        let begin = || -> io::Result<(Recorder, File)> {
            let locked = open_locked(&jsonl)?;
            Ok((Recorder::to_locked(locked.try_clone()?, &jsonl)?, locked))
        };
        let (recorder, locked) = begin().map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::NotFound => "; create the directory first",
                _ => "",
            };
            io::Error::new(error.kind(), format!("recording to {}: {error}{remedy}", jsonl.display()))
        })?;
        Ok(Recording { recorder: Some(recorder), jsonl, converted, locked, on_finish: None })
    }

    /// Calls a function at the end of the run, when all files have been written. It is not called if that fails.
    pub fn on_finish(mut self, call: impl FnOnce(&RecordingReport<'_>) + 'static) -> Recording {
        self.on_finish = Some(Box::new(call));
        self
    }

    /// Returns the path of the requested file.
    pub fn path(&self) -> &Path {
        self.converted.as_ref().map_or(&self.jsonl, |(path, _)| path)
    }

    /// Returns a duplicate of the locked file, which keeps it locked.
    pub(super) fn duplicate_lock(&self) -> io::Result<File> {
        self.locked.try_clone()
    }

    /// Converts the recording, if another format was requested. Returns whether the conversion is complete.
    fn convert(&self) -> bool {
        let Some((path, format)) = &self.converted else { return true };
        let (out, jsonl) = (path.display(), self.jsonl.display());
        match format.convert(&self.jsonl, path) {
            Ok(None) => return true,
            Ok(Some(error)) => log::warn!("{out} is incomplete: {jsonl}: {error}"),
            Err(error) => log::error!("converting {jsonl} to {out}: {error}"),
        }
        false
    }

    fn report(&self, WriteReport { records, dropped }: WriteReport) -> RecordingReport<'_> {
        let jsonl = self.converted.as_ref().map(|_| self.jsonl.as_path());
        RecordingReport { path: self.path(), jsonl, events: records, dropped }
    }
}

impl Observer for Recording {
    fn attach(&mut self, clock: ClockKind) {
        if let Some(recorder) = &mut self.recorder {
            recorder.attach(clock);
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.event(event);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let written = self.recorder.take().map(Recorder::finish);
        let is_converted = self.convert();
        match (written, self.on_finish.take()) {
            (Some(Ok(written)), Some(on_finish)) if is_converted => on_finish(&self.report(written)),
            (Some(Err(error)), _) => log::warn!("{error}"),
            _ => {}
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("path", &self.path()).finish_non_exhaustive()
    }
}
