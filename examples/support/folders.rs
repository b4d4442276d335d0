//! Folders that go away again: when they are dropped, or on Ctrl-C.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Error;

/// Folders to remove when the process ends by a signal.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// For as long as the process is being ended, nobody else gets hold of them.
fn folders() -> MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits, if the process is being ended by a signal, for the end: nothing that goes wrong meanwhile is worth a word.
pub fn wait_if_it_is_the_end() {
    drop(folders());
}

/// A folder that is removed with all that is in it: when it is dropped, or on Ctrl-C.
pub fn temporary_folder() -> Result<tempfile::TempDir, Error> {
    temporary_folder_in(&std::env::temp_dir())
}

/// The same at another place: on another disk, for example.
pub fn temporary_folder_in(place: &Path) -> Result<tempfile::TempDir, Error> {
    // Nobody makes a folder while they are being removed.
    let mut folders = folders();
    let made = tempfile::Builder::new().prefix("glassloop-").tempdir_in(place);
    let folder =
        made.map_err(|error| format!("{}: {error}; name a folder that is there and can be written", place.display()))?;
    folders.push(folder.path().to_owned());
    Ok(folder)
}

/// From here on, Ctrl-C and SIGTERM end the process with one line and without leaving a file.
pub fn end_on_ctrl_c() -> Result<(), Error> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        let folders = folders();
        for folder in folders.iter() {
            // Another thread may be writing into it, or removing it, at this very moment: once more, then.
            let is_in_use =
                |error: io::Error| matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound);
            while folder.exists() && std::fs::remove_dir_all(folder).is_err_and(is_in_use) {}
        }
        eprintln!("\nstopped by {}", if signal == SIGINT { "Ctrl-C" } else { "SIGTERM" });
        std::process::exit(128 + signal);
    })?;
    Ok(())
}
