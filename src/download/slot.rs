//! `NAME.part` and `NAME.part.json`: which version of a file the bytes are of, and whether that can be relied on.
//!
//! Two names cannot be changed at once, and another process may replace either of them at any moment. So the state says
//! which file it describes: the inode of the part, and its own. If the part has another inode, the two do not belong
//! together, and the part is not continued. If the state itself has another inode than it says, both have been copied,
//! or come from somebody who wrote them by hand: then they are taken as they are.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, SystemTime};

use super::publish::{remove, replacing_name};
use super::resume::{Identity, PartState};
use super::save::{Folder, MODE};
use crate::platform::{AtFlags, Errno, FileType, Mode, OFlags, Stat, fstat, is_own, openat, statat, write_all_at};

/// The largest state that is read: ours are far smaller.
const MAX_STATE_BYTES: u64 = 64 * 1024;

/// How often the name is looked at again while other processes change it.
const MAX_RACES: usize = 8;

/// How long a process that has created the part may take for the state and the first bytes. This decides about bytes that
/// could be kept, and about nothing else.
const CREATION: Duration = Duration::from_millis(100);

/// What has the name `NAME.part`.
pub(super) enum Slot {
    /// Nothing.
    Free,
    /// A file of a known version, locked.
    Known { file: File, state: PartState },
    /// A file that is ours to remove, but of which nothing certain is known.
    Unknown,
}

/// Looks at what has the name. What is not ours, or not safe to write to, is left alone: a link would let somebody else
/// choose what is overwritten.
///
/// # Errors
/// If it is not ours or in use.
pub(super) fn look(folder: &Folder, name: &str) -> io::Result<Slot> {
    let path = part_name(name);
    for _ in 0..MAX_RACES {
        // Not blocking: it may be a pipe.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder.descriptor(), &path, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => return Ok(Slot::Free),
            Err(Errno::LOOP) => return Err(foreign("it is a symbolic link")),
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&file)?;
        check_is_ours(&stat)?;
        if stat.st_nlink > 1 {
            remove_published(folder, name, stat.st_ino)?;
            continue;
        }
        lock(&file)?;
        let (state, bytes) = (read_state(folder, name), file.metadata()?.len());
        // Its last owner may have published it before giving the lock up, or another process may have replaced it.
        if !is_named(folder, &path, stat.st_ino)? {
            continue;
        }
        return match state {
            // An empty file is never continued: whoever has created it may be about to write another state.
            _ if bytes == 0 => Ok(Slot::Unknown),
            StateFile::None => Err(foreign("it has no state beside it that says what it is a part of")),
            StateFile::Empty => Ok(Slot::Unknown),
            StateFile::Of { state, identity } => {
                let is_known = identity.is_none_or(|identity| identity.part == stat.st_ino)
                    && state.total.is_none_or(|total| bytes <= total);
                Ok(if is_known { Slot::Known { file, state } } else { Slot::Unknown })
            }
        };
    }
    Err(io::Error::other("other processes keep creating and removing it; run it again when they have ended"))
}

/// Creates `NAME.part`, locked and with its state. What has the name and is of another version, or of none that is known,
/// loses it, but is not changed: a process that still writes to it, whatever the locks say, does so without harm.
/// If it is of the version of `state` and `may_join`, it is used as it is: all who write to it write the same bytes.
pub(super) fn claim(folder: &Folder, name: &str, state: &PartState, may_join: bool) -> io::Result<File> {
    let path = part_name(name);
    for _ in 0..MAX_RACES {
        match look(folder, name)? {
            Slot::Free => {}
            Slot::Known { file, state: known } if may_join && known.is_same_version(state) => return Ok(file),
            Slot::Unknown if await_bytes(folder, name) => continue,
            Slot::Known { .. } | Slot::Unknown => remove(folder.descriptor(), &path)?,
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(folder.descriptor(), &path, flags, MODE) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(error.into()),
        };
        lock(&file)?;
        let inode = fstat(&file)?.st_ino;
        // Once more if another process has written its state at the same time. If it has also taken the name, its
        // state stays, and our file will have to do without.
        for _ in 0..2 {
            if is_named(folder, &path, inode)? && !is_described(folder, name, inode) {
                write_state(folder, name, state, inode)?;
            }
        }
        return Ok(file);
    }
    Err(io::Error::other("other processes keep creating and removing it; run it again when they have ended"))
}

/// Waits for the first bytes of a part that has been created just now: then it has a state, too. Returns whether to look again.
fn await_bytes(folder: &Folder, name: &str) -> bool {
    let (path, mut has_waited) = (part_name(name), false);
    loop {
        let Ok(stat) = statat(folder.descriptor(), &path, AtFlags::SYMLINK_NOFOLLOW) else { return true };
        let created = SystemTime::UNIX_EPOCH + Duration::new(stat.st_ctime as u64, stat.st_ctime_nsec as u32);
        let is_new = SystemTime::now().duration_since(created).is_ok_and(|age| age < CREATION);
        if stat.st_size > 0 || !is_new {
            return stat.st_size > 0 && has_waited;
        }
        has_waited = true;
        thread::sleep(Duration::from_millis(1));
    }
}

/// Removes the names of a part that has been published or given up, as far as they still are its.
pub(super) fn release(folder: &Folder, name: &str, inode: u64) -> io::Result<()> {
    if is_named(folder, &part_name(name), inode)? {
        remove(folder.descriptor(), part_name(name))?;
        remove(folder.descriptor(), state_name(name))?;
    } else if is_described(folder, name, inode) {
        remove(folder.descriptor(), state_name(name))?;
    }
    Ok(())
}

/// Replaces the state of a part by one that lets nobody continue it. In one write: a kill must not leave half of it.
pub(super) fn disown(folder: &Folder, name: &str, state: &PartState, inode: u64) -> io::Result<()> {
    let useless = state.clone().without_validators();
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(descriptor) = openat(folder.descriptor(), state_name(name), flags, Mode::empty()) else {
        return write_state(folder, name, &useless, inode);
    };
    let file = File::from(descriptor);
    let stat = fstat(&file)?;
    if !is_described(folder, name, inode) || check_is_ours(&stat).is_err() || stat.st_nlink > 1 {
        return write_state(folder, name, &useless, inode);
    }
    let mut text = useless.to_json(Some(Identity { part: inode, state: stat.st_ino }));
    text.extend(std::iter::repeat_n(' ', (stat.st_size as usize).saturating_sub(text.len())));
    write_all_at(&file, text.as_bytes(), 0)
}

/// Removes what a run has left that was killed while it published a file of this name. `name` may have folders in front.
/// Returns whether there is a part.
pub(super) fn tidy(folder: &Folder, name: &str, is_published: bool) -> bool {
    let _nothing_to_remove = remove(folder.descriptor(), replacing_name(name));
    match statat(folder.descriptor(), part_name(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(part) => !is_published || part.st_nlink == 1 || remove_published(folder, name, part.st_ino).is_err(),
        Err(_) => {
            if is_published && matches!(read_state(folder, name), StateFile::Of { .. } | StateFile::Empty) {
                let _another_run_was_faster = remove(folder.descriptor(), state_name(name));
            }
            false
        }
    }
}

/// Removes the name of a part that has got its final name, too. Its content is safe under that one.
fn remove_published(folder: &Folder, name: &str, inode: u64) -> io::Result<()> {
    let is_final = statat(folder.descriptor(), name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| stat.st_ino == inode);
    // The server may have chosen the final name; then our own state says that it is ours.
    if is_final || is_described(folder, name, inode) {
        release(folder, name, inode)
    } else {
        Err(foreign("it has another name, too"))
    }
}

/// What has the name `NAME.part.json`.
enum StateFile {
    /// Nothing, or nothing of ours.
    None,
    /// The beginning of one.
    Empty,
    /// A state, and which part it says that it is of. `None` if it has been copied or was written by hand.
    Of { state: PartState, identity: Option<Identity> },
}

fn read_state(folder: &Folder, name: &str) -> StateFile {
    let read = || -> Option<StateFile> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(folder.descriptor(), state_name(name), flags, Mode::empty()).ok()?);
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

/// Whether the state says that it is of this very file.
fn is_described(folder: &Folder, name: &str, inode: u64) -> bool {
    matches!(read_state(folder, name), StateFile::Of { identity: Some(identity), .. } if identity.part == inode)
}

fn write_state(folder: &Folder, name: &str, state: &PartState, inode: u64) -> io::Result<()> {
    remove(folder.descriptor(), state_name(name))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = match openat(folder.descriptor(), state_name(name), flags, MODE) {
        Ok(descriptor) => File::from(descriptor),
        // Another process writes its own: one of the two will find that it is not its part's.
        Err(Errno::EXIST) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let identity = Identity { part: inode, state: fstat(&file)?.st_ino };
    file.write_all(state.to_json(Some(identity)).as_bytes())
}

/// Whether a name is that of this very file.
fn is_named(folder: &Folder, path: &str, inode: u64) -> io::Result<bool> {
    match statat(folder.descriptor(), path, AtFlags::SYMLINK_NOFOLLOW) {
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

/// A file that is not ours to write to, and what to do about it.
fn foreign(why: &str) -> io::Error {
    io::Error::other(format!("{why}; it is left alone: remove it, or choose another folder"))
}

fn check_is_ours(stat: &Stat) -> io::Result<()> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(foreign("it is not a regular file"));
    }
    if !is_own(stat) {
        return Err(foreign("it belongs to another user"));
    }
    Ok(())
}

/// Locks a part, as a courtesy to another process that would download the same bytes. Nothing depends on it.
fn lock(file: &File) -> io::Result<()> {
    match crate::platform::lock(file) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(io::Error::other("another process is downloading it; it is left alone")),
        Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
