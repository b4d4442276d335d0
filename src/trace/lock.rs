//! Locks the file of a recording, so that two processes cannot write to the same file.
//!
//! A child process inherits `GLASSLOOP_TRACE`. If it truncated the file that the variable names, it would destroy the
//! recording of its parent. So a file is locked before it is truncated, and the lock is held while the recording is in
//! use.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens, locks and truncates the file of a recording. The lock is released when all duplicates of the descriptor are
/// closed.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] if another recording has locked the file; otherwise the errors of opening a file.
pub(super) fn open_locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    // Pipes and devices cannot be truncated, and a lock on them would not protect anything.
    if file.metadata()?.is_file() {
        if is_locked_by_other(&file) {
            let message = "another recording is being written to this file; choose another name";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        file.set_len(0)?;
    }
    Ok(file)
}

/// Tries to lock the file. Returns whether another recording has locked it.
#[cfg(unix)]
fn is_locked_by_other(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => false,
        Err(rustix::io::Errno::WOULDBLOCK) => true,
        // Some network file systems do not support locks. There, the header identifies the process that records.
        Err(_) => is_of_running_process(file),
    }
}

/// Returns `false`: on Windows, files are not locked, and a recording truncates the file of an earlier one.
#[cfg(not(unix))]
fn is_locked_by_other(_file: &File) -> bool {
    false
}

/// Returns whether the file is the recording of another process that is still running.
#[cfg(unix)]
fn is_of_running_process(file: &File) -> bool {
    use std::io::{BufRead, BufReader, Read};

    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    use super::header::RecordingHeader;

    /// The maximum length of a header.
    const MAX_HEADER_BYTES: u64 = 1024 * 1024;

    let mut line = String::new();
    if BufReader::new(file.take(MAX_HEADER_BYTES)).read_line(&mut line).is_err() {
        return false;
    }
    let Some(pid) = RecordingHeader::parse(line.trim_end()).ok().and_then(|header| i32::try_from(header.pid).ok())
    else {
        return false;
    };
    pid != std::process::id() as i32
        && Pid::from_raw(pid).is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;

    use super::{is_of_running_process, open_locked};
    use crate::observe::ClockKind;
    use crate::trace::header::RecordingHeader;

    fn file_with(contents: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(contents).expect("it is written");
        std::io::Seek::rewind(&mut file).expect("it can be read");
        file
    }

    fn header_of(pid: u32) -> Vec<u8> {
        let mut line = Vec::new();
        RecordingHeader { pid, ..RecordingHeader::now(ClockKind::Real) }.put(&mut line);
        line
    }

    #[test]
    fn a_locked_file_is_not_truncated_by_a_second_recording() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run.jsonl");
        std::fs::write(&path, "an earlier run").expect("a file");
        let first = open_locked(&path).expect("a file that is not locked");
        assert_eq!(std::fs::read(&path).expect("a file"), b"");
        std::fs::write(&path, "this run").expect("a file");
        assert_eq!(
            open_locked(&path).expect_err("an error for a locked file").kind(),
            std::io::ErrorKind::ResourceBusy
        );
        assert_eq!(std::fs::read(&path).expect("a file"), b"this run");
        let duplicate = first.try_clone().expect("a duplicate");
        drop(first);
        open_locked(&path).expect_err("an error while a duplicate is open");
        drop(duplicate);
        open_locked(&path).expect("a file that is not locked any more");
    }

    #[test]
    fn without_locks_the_process_id_in_the_header_shows_whether_a_recording_is_in_progress() {
        assert!(is_of_running_process(&file_with(&header_of(1))));
        assert!(!is_of_running_process(&file_with(&header_of(std::process::id()))));
        // Larger than the largest process id of Linux.
        assert!(!is_of_running_process(&file_with(&header_of(0x7fff_fffe))));
        assert!(!is_of_running_process(&file_with(b"")));
        assert!(!is_of_running_process(&file_with(b"something else\n")));
    }
}
