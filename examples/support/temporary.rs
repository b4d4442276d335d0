//! Temporary directories that are removed when they are dropped and on Ctrl-C.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Error;

/// Directories to remove when a signal ends the process.
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Locks the list. Once a signal has arrived, its handler keeps the lock until the process exits.
fn lock_directories() -> MutexGuard<'static, Vec<PathBuf>> {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks until the process exits if a signal is ending it, so that `main` does not report errors caused by the
/// cleanup.
pub fn wait_for_pending_exit() {
    drop(lock_directories());
}

/// Creates a directory in the system's temporary directory. It is removed when it is dropped and on Ctrl-C.
pub fn temporary_dir() -> Result<tempfile::TempDir, Error> {
    temporary_dir_in(&std::env::temp_dir())
}

/// Creates a directory like [`temporary_dir`], but in `parent`, which may be on another disk.
pub fn temporary_dir_in(parent: &Path) -> Result<tempfile::TempDir, Error> {
    // With the lock held, no directory can be created while the signal handler removes them.
    let mut directories = lock_directories();
    let created = tempfile::Builder::new().prefix("glassloop-").tempdir_in(parent);
    let directory = created
        .map_err(|error| format!("{}: {error}; choose a directory that exists and is writable", parent.display()))?;
    directories.push(directory.path().to_owned());
    Ok(directory)
}

/// Installs a handler for Ctrl-C and SIGTERM that removes the temporary directories, prints one line and exits.
pub fn exit_on_ctrl_c() -> Result<(), Error> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        let directories = lock_directories();
        for directory in directories.iter() {
            // Another thread may be writing to the directory or removing it at the same time: retry.
            let is_in_use =
                |error: io::Error| matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound);
            while directory.exists() && std::fs::remove_dir_all(directory).is_err_and(is_in_use) {}
        }
        eprintln!("\nstopped by {}", if signal == SIGINT { "Ctrl-C" } else { "SIGTERM" });
        std::process::exit(128 + signal);
    })?;
    Ok(())
}
