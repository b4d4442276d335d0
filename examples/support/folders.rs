//! Folders that go away again: when they are dropped, or on Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Error;

/// Folders to remove when the process ends by a signal.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder that is removed with all that is in it: when it is dropped, or on Ctrl-C.
pub fn temporary_folder() -> Result<tempfile::TempDir, Error> {
    temporary_folder_in(&std::env::temp_dir())
}

/// The same at another place: on another disk, for example.
pub fn temporary_folder_in(place: &Path) -> Result<tempfile::TempDir, Error> {
    let folder = tempfile::Builder::new().prefix("glassloop-").tempdir_in(place)?;
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(folder.path().to_owned());
    Ok(folder)
}

/// From here on, Ctrl-C and SIGTERM end the process with one line and without leaving a file.
pub fn end_on_ctrl_c() -> Result<(), Error> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        for folder in FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Another thread may be writing into it at this very moment: once more, then.
            while folder.exists() && std::fs::remove_dir_all(folder).is_err_and(|error| is_not_empty(&error)) {}
        }
        eprintln!("\nstopped by {}", if signal == SIGINT { "Ctrl-C" } else { "SIGTERM" });
        std::process::exit(128 + signal);
    })?;
    Ok(())
}

fn is_not_empty(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::DirectoryNotEmpty
}
