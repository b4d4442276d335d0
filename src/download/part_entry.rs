//! Access to `NAME.part` and its state file `NAME.part.json`: which version of which file the bytes belong to, and
//! whether the state file can be relied on.
//!
//! Two directory entries cannot be changed in one step, and another process may replace either of them at any time. So
//! the state file contains two inode numbers: that of the part that it describes, and its own. If the part has a
//! different inode, the two files do not belong together, and the part is not resumed. If the state file itself has a
//! different inode from the one it contains, both files have been copied, or the state file was written by hand: then
//! they are accepted as they are.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, SystemTime};

use super::directory::{Directory, MODE};
use super::resume::{PartIdentity, PartState};
use super::staging::{remove, replacing_name};
use crate::platform::{AtFlags, Errno, FileType, Mode, OFlags, Stat, fstat, is_own, openat, statat, write_all_at};

/// The maximum size of a state file that is read. Those that are written here are far smaller.
const MAX_STATE_BYTES: u64 = 64 * 1024;

/// The maximum number of retries while other processes change the same directory entry.
const MAX_RACES: usize = 8;

/// The time that another process which has just created a part may take to write the state file and the first bytes.
/// This only affects whether those bytes are kept, not correctness.
const CREATION: Duration = Duration::from_millis(100);

/// The kinds of files that may have the name `NAME.part`.
pub(super) enum PartEntry {
    /// There is no file of this name.
    Free,
    /// A part of a known version, locked.
    Known { file: File, state: PartState },
    /// A file that may be removed, but whose version is unknown.
    Unknown,
}

/// Opens and examines `NAME.part`. A file of another owner, a symbolic link, or anything else that is not safe to write
/// to is left untouched: writing through a link would let another user choose which file is overwritten.
///
/// # Errors
/// If the file must not be touched, or another process has locked it.
pub(super) fn examine(directory: &Directory, name: &str) -> io::Result<PartEntry> {
    let path = part_name(name);
    for _ in 0..MAX_RACES {
        // Non-blocking, since it may be a pipe.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(directory.descriptor(), &path, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => return Ok(PartEntry::Free),
            Err(Errno::LOOP) => return Err(not_ours("it is a symbolic link")),
            Err(Errno::ISDIR) => return Err(not_ours("it is a directory")),
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&file)?;
        check_is_ours(&stat)?;
        if stat.st_nlink > 1 {
            remove_published(directory, name, stat.st_ino)?;
            continue;
        }
        lock(&file)?;
        let (state, bytes) = (read_state(directory, name), file.metadata()?.len());
        // The previous owner may have published the file before it released the lock, or another process may have
        // replaced it.
        if !is_named(directory, &path, stat.st_ino)? {
            continue;
        }
        return match state {
            // An empty file is never resumed: the process that created it may be about to write another state file.
            _ if bytes == 0 => Ok(PartEntry::Unknown),
            StateFile::None => Err(not_ours("no state file (.part.json) beside it, so its URL is unknown")),
            StateFile::Empty => Ok(PartEntry::Unknown),
            StateFile::Of { state, identity } => {
                let is_known = identity.is_none_or(|identity| identity.part == stat.st_ino)
                    && state.total.is_none_or(|total| bytes <= total);
                Ok(if is_known { PartEntry::Known { file, state } } else { PartEntry::Unknown })
            }
        };
    }
    Err(io::Error::other("other processes keep creating and removing it; run the command again when they have ended"))
}

/// Creates `NAME.part`, locked and with a state file. An existing file of another or an unknown version is unlinked but
/// not modified, so a process that still writes to it despite the locks causes no corruption. An existing file of the
/// same version as `state` is used as it is if `may_join` is set: all processes that write to it write the same bytes.
pub(super) fn claim(directory: &Directory, name: &str, state: &PartState, may_join: bool) -> io::Result<File> {
    let path = part_name(name);
    for _ in 0..MAX_RACES {
        match examine(directory, name)? {
            PartEntry::Free => {}
            PartEntry::Known { file, state: known } if may_join && known.is_same_version(state) => return Ok(file),
            PartEntry::Unknown if await_bytes(directory, name) => continue,
            PartEntry::Known { .. } | PartEntry::Unknown => remove(directory.descriptor(), &path)?,
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(directory.descriptor(), &path, flags, MODE) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(error.into()),
        };
        lock(&file)?;
        let inode = fstat(&file)?.st_ino;
        // Check and write twice, in case another process writes its own state file at the same time. If that process
        // has also replaced `NAME.part`, its state file stays, and our part remains without one.
        for _ in 0..2 {
            if is_named(directory, &path, inode)? && !is_described(directory, name, inode) {
                write_state(directory, name, state, inode)?;
            }
        }
        return Ok(file);
    }
    Err(io::Error::other("other processes keep creating and removing it; run the command again when they have ended"))
}

/// If a part was created less than [`CREATION`] ago, waits for its first bytes, before which its state file is written.
/// Returns whether to examine the part again.
fn await_bytes(directory: &Directory, name: &str) -> bool {
    let (path, mut has_waited) = (part_name(name), false);
    loop {
        let Ok(stat) = statat(directory.descriptor(), &path, AtFlags::SYMLINK_NOFOLLOW) else { return true };
        let created = SystemTime::UNIX_EPOCH + Duration::new(stat.st_ctime as u64, stat.st_ctime_nsec as u32);
        let is_new = SystemTime::now().duration_since(created).is_ok_and(|age| age < CREATION);
        if stat.st_size > 0 || !is_new {
            return stat.st_size > 0 && has_waited;
        }
        has_waited = true;
        thread::sleep(Duration::from_millis(1));
    }
}

/// Removes `NAME.part` and its state file after the part was published or discarded, unless other files have these
/// names by now.
pub(super) fn release(directory: &Directory, name: &str, inode: u64) -> io::Result<()> {
    if is_named(directory, &part_name(name), inode)? {
        remove(directory.descriptor(), part_name(name))?;
        remove(directory.descriptor(), state_name(name))?;
    } else if is_described(directory, name, inode) {
        remove(directory.descriptor(), state_name(name))?;
    }
    Ok(())
}

/// Rewrites the state file without validators, so that the part cannot be resumed. Uses a single write, so that a kill
/// cannot leave a partial state file.
pub(super) fn remove_validators(directory: &Directory, name: &str, state: &PartState, inode: u64) -> io::Result<()> {
    let no_validators = state.clone().without_validators();
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(descriptor) = openat(directory.descriptor(), state_name(name), flags, Mode::empty()) else {
        return write_state(directory, name, &no_validators, inode);
    };
    let file = File::from(descriptor);
    let stat = fstat(&file)?;
    if !is_described(directory, name, inode) || check_is_ours(&stat).is_err() || stat.st_nlink > 1 {
        return write_state(directory, name, &no_validators, inode);
    }
    let mut text = no_validators.to_json(Some(PartIdentity { part: inode, state: stat.st_ino }));
    text.extend(std::iter::repeat_n(' ', (stat.st_size as usize).saturating_sub(text.len())));
    write_all_at(&file, text.as_bytes(), 0)
}

/// Removes what remains if a run was killed while it published a file of this name. `name` may be a relative path, and
/// `is_published` states whether a file of that name exists. Returns whether there is a part.
pub(super) fn remove_leftovers(directory: &Directory, name: &str, is_published: bool) -> bool {
    let _nothing_to_remove = remove(directory.descriptor(), replacing_name(name));
    match statat(directory.descriptor(), part_name(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(part) => !is_published || part.st_nlink == 1 || remove_published(directory, name, part.st_ino).is_err(),
        Err(_) => {
            if is_published && matches!(read_state(directory, name), StateFile::Of { .. } | StateFile::Empty) {
                let _another_run_was_faster = remove(directory.descriptor(), state_name(name));
            }
            false
        }
    }
}

/// Removes `NAME.part` if the file, which has several links, is known to be published: its content stays available
/// under the final name.
fn remove_published(directory: &Directory, name: &str, inode: u64) -> io::Result<()> {
    let is_final =
        statat(directory.descriptor(), name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| stat.st_ino == inode);
    // With `--remote-name`, the final name may be any other name; the state file then proves that the part is ours.
    if is_final || is_described(directory, name, inode) {
        release(directory, name, inode)
    } else {
        Err(not_ours("it has another name, too"))
    }
}

/// The kinds of files that may have the name `NAME.part.json`.
enum StateFile {
    /// There is no such file, or it is not a state file.
    None,
    /// An empty file: its writer was killed, or has not written the content yet.
    Empty,
    /// A state file, with the inode numbers that it contains. `identity` is `None` if the file was copied or written by
    /// hand.
    Of { state: PartState, identity: Option<PartIdentity> },
}

fn read_state(directory: &Directory, name: &str) -> StateFile {
    let read = || -> Option<StateFile> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(directory.descriptor(), state_name(name), flags, Mode::empty()).ok()?);
        let stat = fstat(&file).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let mut text = String::new();
        file.take(MAX_STATE_BYTES).read_to_string(&mut text).ok()?;
        if text.is_empty() {
            return Some(StateFile::Empty);
        }
        let (state, identity) = PartState::from_json(&text)?;
        Some(StateFile::Of { state, identity: identity.filter(|identity| identity.state == stat.st_ino) })
    };
    read().unwrap_or(StateFile::None)
}

/// Returns whether the state file describes the part with this inode.
fn is_described(directory: &Directory, name: &str, inode: u64) -> bool {
    matches!(read_state(directory, name), StateFile::Of { identity: Some(identity), .. } if identity.part == inode)
}

fn write_state(directory: &Directory, name: &str, state: &PartState, inode: u64) -> io::Result<()> {
    remove(directory.descriptor(), state_name(name))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = match openat(directory.descriptor(), state_name(name), flags, MODE) {
        Ok(descriptor) => File::from(descriptor),
        // Another process is writing its own. One of the two processes will find that the state file does not match its
        // part.
        Err(Errno::EXIST) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let identity = PartIdentity { part: inode, state: fstat(&file)?.st_ino };
    file.write_all(state.to_json(Some(identity)).as_bytes())
}

/// Returns whether the path refers to the file with this inode.
fn is_named(directory: &Directory, path: &str, inode: u64) -> io::Result<bool> {
    match statat(directory.descriptor(), path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok(named.st_ino == inode),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn part_name(name: &str) -> String {
    format!("{name}.part")
}

fn state_name(name: &str) -> String {
    format!("{name}.part.json")
}

/// Creates the error of a file that must not be written to, with advice.
fn not_ours(reason: &str) -> io::Error {
    io::Error::other(format!("{reason}; not touched: remove it, or choose another directory"))
}

fn check_is_ours(stat: &Stat) -> io::Result<()> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_ours("it is not a regular file"));
    }
    if !is_own(stat) {
        return Err(not_ours("it belongs to another user"));
    }
    Ok(())
}

/// Locks a part, so that another process does not download the same bytes. The lock is advisory: correctness does not
/// depend on it.
fn lock(file: &File) -> io::Result<()> {
    match crate::platform::lock(file) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(io::Error::other("another process is downloading it; not touched")),
        Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
