//! Claims the file of a recording, so that no two processes write to the same one.
//!
//! A child process inherits `GLASSLOOP_TRACE`. If it emptied the file that the variable names, it would destroy the
//! recording of its parent. So a file is locked before it is emptied, and the lock is kept for as long as the recording
//! is to be left alone.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for a recording, empties it, and keeps others from doing the same until all duplicates of the descriptor
/// are closed.
///
/// # Errors
/// [`io::ErrorKind::ResourceBusy`] if another recording has claimed it; otherwise those of opening a file.
pub(super) fn claim(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    // A pipe or a device can be neither locked to any purpose nor emptied.
    if file.metadata()?.is_file() {
        if is_claimed(&file) {
            let message = "another recording is being written to it; choose another name";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        file.set_len(0)?;
    }
    Ok(file)
}

/// Locks the file. Returns whether somebody else has done so.
#[cfg(unix)]
fn is_claimed(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => false,
        Err(rustix::io::Errno::WOULDBLOCK) => true,
        // Some network file systems have no locks. There the header says whose recording it is.
        Err(_) => is_of_a_living_process(file),
    }
}

/// Without locks to rely on, the last one to start gets the file.
#[cfg(not(unix))]
fn is_claimed(_file: &File) -> bool {
    false
}

/// Whether the file is the recording of another process that still runs.
#[cfg(unix)]
fn is_of_a_living_process(file: &File) -> bool {
    use std::io::{BufRead, BufReader, Read};

    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    use super::header::Header;

    /// More than any header has.
    const MOST_BYTES: u64 = 1024 * 1024;

    let mut line = String::new();
    if BufReader::new(file.take(MOST_BYTES)).read_line(&mut line).is_err() {
        return false;
    }
    let Some(pid) = Header::parse(line.trim_end()).ok().and_then(|header| i32::try_from(header.pid).ok()) else {
        return false;
    };
    pid != std::process::id() as i32
        && Pid::from_raw(pid).is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;

    use super::{claim, is_of_a_living_process};
    use crate::observe::ClockKind;
    use crate::trace::header::Header;

    fn file_with(contents: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(contents).expect("it is written");
        std::io::Seek::rewind(&mut file).expect("it can be read");
        file
    }

    fn header_of(pid: u32) -> Vec<u8> {
        let mut line = Vec::new();
        Header { pid, ..Header::now(ClockKind::Real) }.put(&mut line);
        line
    }

    #[test]
    fn a_file_is_emptied_by_the_first_to_claim_it_and_by_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.jsonl");
        std::fs::write(&path, "an earlier run").expect("a file");
        let first = claim(&path).expect("nobody has it");
        assert_eq!(std::fs::read(&path).expect("a file"), b"");
        std::fs::write(&path, "this run").expect("a file");
        assert_eq!(claim(&path).expect_err("it is claimed").kind(), std::io::ErrorKind::ResourceBusy);
        assert_eq!(std::fs::read(&path).expect("a file"), b"this run");
        let duplicate = first.try_clone().expect("a duplicate");
        drop(first);
        claim(&path).expect_err("a duplicate keeps it");
        drop(duplicate);
        claim(&path).expect("it is free again");
    }

    #[test]
    fn without_locks_the_header_says_whether_a_recording_goes_on() {
        assert!(is_of_a_living_process(&file_with(&header_of(1))));
        assert!(!is_of_a_living_process(&file_with(&header_of(std::process::id()))));
        // More than Linux ever hands out.
        assert!(!is_of_a_living_process(&file_with(&header_of(0x7fff_fffe))));
        assert!(!is_of_a_living_process(&file_with(b"")));
        assert!(!is_of_a_living_process(&file_with(b"something else\n")));
    }
}
