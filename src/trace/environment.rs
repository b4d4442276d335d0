//! The environment variable `GLASSLOOP_TRACE`, which records any program whose loops are built with [`builder`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::recording::Recording;
use crate::event_loop::{Builder, EventLoop};

/// The environment variable that contains the path of the recording.
pub const ENVIRONMENT_VARIABLE: &str = "GLASSLOOP_TRACE";

/// The recordings that this process has started because of the variable.
struct Started {
    /// The value of the variable.
    value: PathBuf,
    /// The path of the first recording.
    first: PathBuf,
    /// The number of recordings.
    count: u32,
    /// Keeps the first recording locked until the end of the process, so that a child process, which inherits the
    /// variable, does not overwrite it.
    _lock: File,
}

static STARTED: Mutex<Option<Started>> = Mutex::new(None);

/// Starts a recording if the variable `GLASSLOOP_TRACE` is set.
///
/// The first recording of a process is written to the file that the variable names. If a process calls this
/// function again, for another loop, the number of the recording is added to the name: `run.html`, `run.2.html`,
/// `run.3.html`. If a process inherits the variable from one that is still recording, its process id is added:
/// `run.pid4321.html`, `run.pid4321.2.html`.
///
/// # Errors
/// If the recording cannot be started; see [`Recording::create`].
pub fn from_env() -> io::Result<Option<Recording>> {
    let Some(value) = std::env::var_os(ENVIRONMENT_VARIABLE).filter(|path| !path.is_empty()) else { return Ok(None) };
    let value = PathBuf::from(value);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(started) = &mut *started
        && started.value == value
    {
        started.count += 1;
        return Recording::create(tagged(&started.first, &started.count.to_string())).map(Some);
    }
    let first = match Recording::create(&value) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            Recording::create(tagged(&value, &format!("pid{}", std::process::id())))?
        }
        other => other?,
    };
    let (path, lock) = (first.path().to_owned(), first.duplicate_lock()?);
    *started = Some(Started { value, first: path, count: 1, _lock: lock });
    Ok(Some(first))
}

/// Inserts a tag before the extension of a file name.
fn tagged(path: &Path, tag: &str) -> PathBuf {
    match path.extension() {
        Some(extension) => path.with_extension(format!("{tag}.{}", extension.display())),
        None => path.to_owned(),
    }
}

/// Returns [`EventLoop::builder`], with a recording as the observer if the variable `GLASSLOOP_TRACE` is set; see
/// [`from_env`].
///
/// # Errors
/// If the recording cannot be started.
///
/// ```
/// let mut event_loop = glassloop::trace::builder()?.build()?;
/// event_loop.block_on(glassloop::futures::yield_now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn builder() -> io::Result<Builder> {
    let builder = EventLoop::builder();
    Ok(match from_env()? {
        Some(recording) => builder.observer(recording),
        None => builder,
    })
}
