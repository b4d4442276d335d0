//! A large file while it grows: `NAME.part`, with what must be known to continue it in `NAME.part.json`.
//!
//! ```text
//!   create or adopt, lock ──▶ begin: empty, state written ──▶ write … ──▶ finish: renamed, state removed
//!            │                        ▲                         │
//!            └── continue ────────────┼─────────────────────────┘ killed, or the connection broke
//!                                     └── the server's file is another one now
//! ```
//!
//! Two rules keep a file from ever being a mixture of two versions. The state says which version the bytes are of, and
//! is there before the first of them; and whoever adds bytes holds a lock on the very file that has the name. An empty
//! file needs no state: there is nothing in it to mix.
//!
//! What is not ours, or not safe to write to, is left alone: a link would let somebody else choose what is overwritten.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, fstat, openat, statat, unlinkat};
use rustix::io::Errno;
use sha2::Digest;

use super::list::Sha256;
use super::resume::PartState;
use super::save::{Existing, Folder, Fsync, MODE, SaveError};

/// The largest state that is read: ours are far smaller.
const MAX_STATE_BYTES: u64 = 64 * 1024;

/// A file that is being downloaded, open and locked. Dropping it leaves it for the next run.
#[derive(Debug)]
pub(super) struct PartFile {
    folder: Folder,
    /// The name that the file will have, to which the ending is added.
    name: String,
    file: File,
    written: u64,
    /// Of which version the bytes are. `None` if that is not known, so that they are of no use.
    state: Option<PartState>,
    hasher: Option<sha2::Sha256>,
}

/// How a file ended.
#[derive(Debug)]
pub(super) enum Finished {
    /// It has its name.
    Saved { sha256: Option<Sha256> },
    /// There was another file of that name, which stays.
    Exists,
    /// Its content is not what it should be. It stays where it is, and will not be continued.
    Mismatch { found: Sha256 },
}

impl PartFile {
    /// Opens a file that an earlier run left. `None` if there is none.
    ///
    /// # Errors
    /// If it is not ours, is in use, or is no file that should be written to. It stays as it is.
    pub(super) fn find(folder: &Folder, name: &str, hash: bool) -> Result<Option<PartFile>, SaveError> {
        let part = PartFile::find_and_lock(folder, name).and_then(|found| match found {
            Some(file) => PartFile::adopt(folder, name, file, hash).map(Some),
            None => Ok(None),
        });
        part.map_err(|error| SaveError::new("continuing", folder.path().join(part_name(name)), error))
    }

    /// Opens a new file, or the one that an earlier run left.
    ///
    /// # Errors
    /// As for [`find`](Self::find), and if it cannot be created.
    pub(super) fn create(folder: &Folder, name: &str, hash: bool) -> Result<PartFile, SaveError> {
        let create = || {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(folder.descriptor(), part_name(name), flags, MODE) {
                Ok(descriptor) => {
                    let file = File::from(descriptor);
                    lock(&file)?;
                    Ok(Some(file))
                }
                Err(Errno::EXIST) => PartFile::find_and_lock(folder, name),
                Err(error) => Err(error.into()),
            }
        };
        let part = create().and_then(|file| {
            let file = file.ok_or_else(|| io::Error::other("somebody else creates and removes it"))?;
            PartFile::adopt(folder, name, file, hash)
        });
        part.map_err(|error| SaveError::new("creating", folder.path().join(part_name(name)), error))
    }

    fn find_and_lock(folder: &Folder, name: &str) -> io::Result<Option<File>> {
        let path = part_name(name);
        // As long as others finish theirs under the same name just now: not for ever.
        for _ in 0..8 {
            // Not blocking: it may be a pipe.
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = match openat(folder.descriptor(), &path, flags, Mode::empty()) {
                Ok(descriptor) => File::from(descriptor),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::LOOP) => return Err(foreign("it is a symbolic link")),
                Err(error) => return Err(error.into()),
            };
            let stat = fstat(&file)?;
            check_is_ours(&stat)?;
            lock(&file)?;
            // Its last owner may have renamed it before giving the lock up: then it is a finished file by now.
            match statat(folder.descriptor(), &path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(named) if (named.st_dev, named.st_ino) == (stat.st_dev, stat.st_ino) => return Ok(Some(file)),
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("somebody else creates and removes it"))
    }

    /// Takes a locked file over, with its state.
    fn adopt(folder: &Folder, name: &str, mut file: File, hash: bool) -> io::Result<PartFile> {
        let written = file.metadata()?.len();
        let state = if written == 0 { None } else { read_state(folder, name) };
        if written > 0 && state.is_none() {
            return Err(foreign("it has no state beside it that says what it is a part of"));
        }
        let mut hasher = hash.then(sha2::Sha256::default);
        if let Some(hasher) = &mut hasher
            && written > 0
        {
            io::copy(&mut file, hasher)?;
        }
        file.seek(SeekFrom::Start(written))?;
        Ok(PartFile { folder: folder.clone(), name: name.to_owned(), file, written, state, hasher })
    }

    /// How many bytes are in it.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Of which version they are.
    pub(super) fn state(&self) -> Option<&PartState> {
        self.state.as_ref()
    }

    /// Starts from zero with the version that this state describes.
    ///
    /// # Errors
    /// If the state cannot be written.
    pub(super) fn begin(&mut self, state: PartState) -> Result<(), SaveError> {
        let mut begin = || -> io::Result<()> {
            // In this order: at no moment are there bytes beside the state of another version.
            self.file.set_len(0)?;
            self.file.rewind()?;
            self.written = 0;
            if let Some(hasher) = &mut self.hasher {
                hasher.reset();
            }
            self.write_state(&state)
        };
        begin().map_err(|error| self.failed("beginning", error))?;
        self.state = Some(state);
        Ok(())
    }

    fn write_state(&self, state: &PartState) -> io::Result<()> {
        let (folder, name) = (self.folder.descriptor(), state_name(&self.name));
        remove(&self.folder, &name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(openat(folder, &name, flags, MODE)?).write_all(state.to_json().as_bytes())
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// If the disk is full, for example. What fits is kept.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        self.file.write_all(bytes).map_err(|error| self.failed("writing", error))?;
        self.written += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Gives the complete file its name, if its content is right.
    ///
    /// # Errors
    /// If that is impossible. The part stays.
    pub(super) fn finish(
        mut self,
        name: &str,
        expected: Option<Sha256>,
        existing: Existing,
        fsync: Fsync,
    ) -> Result<Finished, SaveError> {
        let found = self.hasher.take().map(|hasher| Sha256(hasher.finalize().into()));
        if let (Some(expected), Some(found)) = (expected, found)
            && expected != found
        {
            // Without a validator it is never continued, and the next run begins anew.
            let useless = self.state.take().unwrap_or_default().without_validators();
            self.write_state(&useless).map_err(|error| self.failed("giving up", error))?;
            return Ok(Finished::Mismatch { found });
        }
        let is_new = self.give_name(name, existing, fsync).map_err(|error| self.failed("finishing", error))?;
        Ok(if is_new { Finished::Saved { sha256: found } } else { Finished::Exists })
    }

    fn give_name(&self, name: &str, existing: Existing, fsync: Fsync) -> io::Result<bool> {
        if fsync != Fsync::None {
            self.file.sync_all()?;
        }
        let is_new = match self.folder.rename(&part_name(&self.name), name, existing) {
            Ok(()) => true,
            Err(Errno::EXIST) if existing == Existing::Keep => {
                remove(&self.folder, &part_name(&self.name))?;
                false
            }
            Err(error) => return Err(error.into()),
        };
        remove(&self.folder, &state_name(&self.name))?;
        if fsync == Fsync::Full {
            rustix::fs::fsync(self.folder.descriptor())?;
        }
        Ok(is_new)
    }

    fn failed(&self, action: &'static str, error: io::Error) -> SaveError {
        SaveError::new(action, self.folder.path().join(part_name(&self.name)), error)
    }
}

/// Removes the state that a run left which was killed after it had renamed the file.
pub(super) fn tidy(folder: &Folder, name: &str) {
    if folder.look_at(&format!("{name}.part")).is_none() && read_state(folder, name).is_some() {
        let _another_run_was_faster = remove(folder, &state_name(name));
    }
}

fn part_name(name: &str) -> OsString {
    format!("{name}.part").into()
}

fn state_name(name: &str) -> OsString {
    format!("{name}.part.json").into()
}

/// A file that is not ours to write to, and what to do about it.
fn foreign(why: &str) -> io::Error {
    io::Error::other(format!("{why}; it is left alone: remove it, or choose another folder"))
}

fn check_is_ours(stat: &Stat) -> io::Result<()> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(foreign("it is not a regular file"));
    }
    if stat.st_nlink > 1 {
        return Err(foreign("it has another name, too"));
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(foreign("it belongs to another user"));
    }
    Ok(())
}

fn lock(file: &File) -> io::Result<()> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(io::Error::other("another process is downloading it; it is left alone")),
        // File systems without locks: the other checks have to do.
        Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn read_state(folder: &Folder, name: &str) -> Option<PartState> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(folder.descriptor(), state_name(name), flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(MAX_STATE_BYTES).read_to_string(&mut text).ok()?;
    PartState::from_json(&text)
}

/// Removes a file if it is there.
fn remove(folder: &Folder, name: &OsString) -> io::Result<()> {
    match unlinkat(folder.descriptor(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::download::address::Address;

    struct Place {
        folder: Folder,
        place: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Place {
            let place = tempfile::tempdir().expect("a temporary folder");
            Place { folder: Folder::open(place.path()).expect("a folder"), place }
        }

        fn create(&self) -> Result<PartFile, SaveError> {
            PartFile::create(&self.folder, "x", true)
        }

        fn find(&self) -> Result<Option<PartFile>, SaveError> {
            PartFile::find(&self.folder, "x", true)
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.place.path()).expect("the folder");
            let mut names: Vec<String> =
                entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
            names.sort();
            names
        }

        fn read(&self, name: &str) -> Vec<u8> {
            std::fs::read(self.place.path().join(name)).expect("the file")
        }
    }

    fn state() -> PartState {
        PartState {
            url: Address::parse("http://a.test/x").expect("a URL").as_str().to_owned(),
            etag: Some("\"1\"".to_owned()),
            last_modified: None,
            total: Some(6),
        }
    }

    #[test]
    fn a_part_is_continued_and_becomes_the_file() {
        let place = Place::new();
        let mut part = place.create().expect("created");
        part.begin(state()).expect("begun");
        part.write(b"abc").expect("written");
        drop(part);
        assert_eq!(place.names(), ["x.part", "x.part.json"]);
        let mut part = place.find().expect("ours").expect("there");
        assert_eq!((part.written(), part.state()), (3, Some(&state())));
        part.write(b"def").expect("written");
        let finished = part.finish("x", None, Existing::Keep, Fsync::None).expect("finished");
        let Finished::Saved { sha256: Some(digest) } = finished else { panic!("{finished:?}") };
        assert_eq!(digest.0[..], sha2::Sha256::digest(b"abcdef")[..]);
        assert_eq!((place.names(), place.read("x")), (vec!["x".to_owned()], b"abcdef".to_vec()));
    }

    #[test]
    fn content_that_is_not_what_it_should_be_stays_and_is_not_continued() {
        let place = Place::new();
        let mut part = place.create().expect("created");
        part.begin(state()).expect("begun");
        part.write(b"abcdef").expect("written");
        let finished = part.finish("x", Some(Sha256([0; 32])), Existing::Keep, Fsync::None).expect("no trouble");
        assert!(matches!(finished, Finished::Mismatch { .. }));
        let part = place.find().expect("ours").expect("there");
        assert!(part.state().is_some_and(|state| state.validator().is_none()));
    }

    #[test]
    fn a_name_that_was_taken_meanwhile_stays_and_nothing_stray_is_left() {
        let place = Place::new();
        let mut part = place.create().expect("created");
        part.begin(state()).expect("begun");
        part.write(b"new").expect("written");
        std::fs::write(place.place.path().join("x"), "old").expect("written");
        let finished = part.finish("x", None, Existing::Keep, Fsync::None).expect("no trouble");
        assert!(matches!(finished, Finished::Exists));
        assert_eq!((place.names(), place.read("x")), (vec!["x".to_owned()], b"old".to_vec()));
    }

    #[test]
    fn a_part_without_state_is_left_alone_unless_it_is_empty() {
        let place = Place::new();
        std::fs::write(place.place.path().join("x.part"), "somebody's").expect("written");
        for error in [place.find().expect_err("not ours"), place.create().expect_err("not ours")] {
            assert!(error.to_string().contains("no state"), "{error}");
        }
        assert_eq!(place.read("x.part"), b"somebody's");
        std::fs::write(place.place.path().join("x.part"), "").expect("written");
        place.create().expect("there is nothing to lose");
    }

    #[test]
    fn links_pipes_and_what_another_holds_are_left_alone() {
        let place = Place::new();
        let path = place.place.path().join("x.part");
        std::fs::write(place.place.path().join("target"), "").expect("written");
        for (make, says) in [
            (Box::new(|| std::os::unix::fs::symlink("target", &path)) as Box<dyn Fn() -> io::Result<()>>, "symbolic"),
            (Box::new(|| std::fs::hard_link(place.place.path().join("target"), &path)), "another name"),
            (Box::new(|| std::fs::create_dir(&path)), "directory"),
        ] {
            make().expect("made");
            let error = place.create().expect_err(says);
            assert!(error.to_string().contains(says), "{error}");
            let _file = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        }
        let _held = place.create().expect("created");
        let error = place.create().expect_err("held");
        assert!(error.to_string().contains("another process"), "{error}");
    }

    #[test]
    fn a_state_without_its_part_is_tidied_away() {
        let place = Place::new();
        let mut part = place.create().expect("created");
        part.begin(state()).expect("begun");
        tidy(&place.folder, "x");
        assert_eq!(place.names(), ["x.part", "x.part.json"]);
        std::fs::remove_file(place.place.path().join("x.part")).expect("removed");
        tidy(&place.folder, "x");
        assert!(place.names().is_empty());
        std::fs::write(place.place.path().join("x.part.json"), "{\"mine\": 1}").expect("written");
        tidy(&place.folder, "x");
        assert_eq!(place.names(), ["x.part.json"]);
    }
}
