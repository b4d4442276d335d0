//! What a recording is to become, by the ending of its name; and the environment variable that asks for one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::claim::claim;
use super::page::write_page;
use super::perfetto::perfetto;
use super::reader::{ReadError, Reader};
use super::recorder::Recorder;
use crate::event_loop::{Builder, EventLoop};
use crate::observe::{ClockKind, Event, Observer};

/// The variable that names a file to record to.
pub const VARIABLE: &str = "GLASSLOOP_TRACE";

/// What a recording is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// `.jsonl`: the recording itself.
    Lines,
    /// `.json`: a timeline for Perfetto.
    Timeline,
    /// `.html`: a page that replays it.
    Page,
}

impl Form {
    /// The form that a file's name asks for.
    ///
    /// # Errors
    /// If it asks for none, in words that say which there are.
    ///
    /// ```
    /// use glassloop::trace::Form;
    ///
    /// assert_eq!(Form::of("run.json".as_ref())?, Form::Timeline);
    /// assert!(Form::of("run.txt".as_ref()).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(path: &Path) -> io::Result<Form> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("jsonl") => Ok(Form::Lines),
            Some("json") => Ok(Form::Timeline),
            Some("html") => Ok(Form::Page),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{}: the name of a recording ends in .jsonl, .json or .html", path.display()),
            )),
        }
    }

    /// Makes this form of a recording. What comes back is the fault at which the recording ends, if it has one.
    ///
    /// # Errors
    /// If the recording cannot be opened, or what is made of it cannot be written.
    pub fn convert(self, recording: &Path, out: &Path) -> io::Result<Option<ReadError>> {
        let mut reader = Reader::open(BufReader::new(File::open(recording)?)).map_err(io::Error::other)?;
        let mut out = BufWriter::new(File::create(out)?);
        let fault = match self {
            Form::Lines => reader.copy(&mut out)?,
            Form::Timeline => perfetto(&mut reader, &mut out)?,
            Form::Page => write_page(&mut reader, &mut out)?.fault,
        };
        out.flush()?;
        Ok(fault)
    }
}

/// Records a run into a file of any form. Other forms than the recording itself are made of it when the loop is dropped;
/// until then, and after, it is in a file beside, whose name ends in `.jsonl`.
///
/// ```
/// use glassloop::{EventLoop, trace::Recording};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run.json");
/// let mut event_loop = EventLoop::builder().observer(Recording::create(&path)?).build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// drop(event_loop);
/// assert!(std::fs::read_to_string(&path)?.starts_with("{\"traceEvents\":["));
/// assert!(folder.path().join("run.json.jsonl").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recording {
    /// `None` when it has ended.
    recorder: Option<Recorder>,
    lines: PathBuf,
    /// Another file that is wanted, and its form.
    wanted: Option<(PathBuf, Form)>,
    /// Keeps others out of `lines` until the other form is made of it.
    claimed: File,
}

impl Recording {
    /// Starts to record.
    ///
    /// # Errors
    /// If the name asks for no form, if the file cannot be created, or if another recording is being written to it.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Recording> {
        let path = path.as_ref();
        let (lines, wanted) = match Form::of(path)? {
            Form::Lines => (path.to_owned(), None),
            form => {
                let mut lines = OsString::from(path);
                lines.push(".jsonl");
                (PathBuf::from(lines), Some((path.to_owned(), form)))
            }
        };
        let begin = || -> io::Result<(Recorder, File)> {
            let claimed = claim(&lines)?;
            Ok((Recorder::to(claimed.try_clone()?, &lines)?, claimed))
        };
        let (recorder, claimed) = begin().map_err(|error| {
            let what_to_do = match error.kind() {
                io::ErrorKind::NotFound => "; create its folder first",
                _ => "",
            };
            io::Error::new(error.kind(), format!("recording to {}: {error}{what_to_do}", lines.display()))
        })?;
        Ok(Recording { recorder: Some(recorder), lines, wanted, claimed })
    }

    /// The file that will be there in the end.
    pub fn path(&self) -> &Path {
        self.wanted.as_ref().map_or(&self.lines, |(path, _)| path)
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
        drop(self.recorder.take()); // now all is in the file
        if let Some((path, form)) = self.wanted.take() {
            let lines = self.lines.display();
            match form.convert(&self.lines, &path) {
                Ok(None) => {}
                Ok(Some(fault)) => log::warn!("{} ends early: {lines}: {fault}", path.display()),
                Err(error) => log::error!("making {} of {lines}: {error}", path.display()),
            }
        }
    }
}

/// The recordings that this process has begun because the variable asked for them.
struct Begun {
    /// What the variable said.
    asked: PathBuf,
    /// The name of the first one.
    first: PathBuf,
    number: u32,
    /// Keeps child processes, which inherit the variable, out of the first one until this process ends.
    _claimed: File,
}

static BEGUN: Mutex<Option<Begun>> = Mutex::new(None);

/// A recording, if the variable `GLASSLOOP_TRACE` names a file for it.
///
/// The first of a process has this name. A process that asks again has several loops, and each further recording has its
/// number before the ending: `run.html`, `run.2.html`, `run.3.html`. A process that inherited the variable from one that
/// records has its process id there: `run.pid4321.html`, `run.pid4321.2.html`.
///
/// # Errors
/// If it names one that cannot be recorded to.
pub fn from_environment() -> io::Result<Option<Recording>> {
    let Some(asked) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else { return Ok(None) };
    let asked = PathBuf::from(asked);
    let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(begun) = &mut *begun
        && begun.asked == asked
    {
        begun.number += 1;
        return Recording::create(tagged(&begun.first, &begun.number.to_string())).map(Some);
    }
    let first = match Recording::create(&asked) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            Recording::create(tagged(&asked, &format!("pid{}", std::process::id())))?
        }
        other => other?,
    };
    let (path, claimed) = (first.path().to_owned(), first.claimed.try_clone()?);
    *begun = Some(Begun { asked, first: path, number: 1, _claimed: claimed });
    Ok(Some(first))
}

/// A file's name with a tag before its ending.
fn tagged(path: &Path, tag: &str) -> PathBuf {
    match path.extension() {
        Some(ending) => path.with_extension(format!("{tag}.{}", ending.display())),
        None => path.to_owned(),
    }
}

/// [`EventLoop::builder`], observed by a recording if the variable `GLASSLOOP_TRACE` names a file for it: of several
/// loops each has a file of its own, as for [`from_environment`].
///
/// # Errors
/// If it names one that cannot be recorded to.
///
/// ```
/// let mut event_loop = glassloop::trace::builder()?.build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn builder() -> io::Result<Builder> {
    let builder = EventLoop::builder();
    Ok(match from_environment()? {
        Some(recording) => builder.observer(recording),
        None => builder,
    })
}
