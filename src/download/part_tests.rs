//! Tests of partial downloads, their state files and how they are published, without a server.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::download::Fsync;
use crate::download::publish::{SYNC_ERROR, SYNCS};

struct TestDirectory {
    directory: Directory,
    place: tempfile::TempDir,
}

impl TestDirectory {
    fn new() -> TestDirectory {
        crate::watchdog::watch();
        let place = tempfile::tempdir().expect("a temporary directory");
        TestDirectory { directory: Directory::open(place.path()).expect("a directory"), place }
    }

    fn create(&self, state: PartState) -> Result<PartFile, SaveError> {
        let beginning = NewPart { state, replaces_part: false, may_join: true, hash: true };
        PartFile::create(&self.directory, "x", beginning)
    }

    /// Creates a part of "abcdef" that was interrupted after `bytes` bytes.
    fn leave(&self, state: PartState, bytes: usize) {
        self.create(state).expect("created").write(&b"abcdef"[..bytes]).expect("written");
    }

    fn open(&self) -> Result<Option<PartFile>, SaveError> {
        PartFile::open(&self.directory, "x", true)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.place.path()).expect("the directory");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.retain(|name| name != super::super::staging::STAGING);
        names.sort();
        names
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("the file")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("written");
    }
}

fn state() -> PartState {
    let (url, etag) = ("http://a.test/x".to_owned(), Some("\"1\"".to_owned()));
    PartState { url, etag, last_modified: None, total: Some(6), source: None }
}

fn other() -> PartState {
    PartState { etag: Some("\"2\"".to_owned()), ..state() }
}

fn target(existing: OnExisting) -> PublishTarget<'static> {
    PublishTarget { name: "x", existing, fsync: Fsync::None, modified: None, url_hash: None }
}

fn finish(part: PartFile, existing: OnExisting) -> Result<Finished, SaveError> {
    part.finish(Some(6), None, &target(existing))
}

/// Releases the lock, to simulate a file system on which locking succeeds but excludes no other process.
fn unlock(part: &PartFile) {
    rustix::fs::flock(&part.file, rustix::fs::FlockOperation::Unlock).expect("unlocked");
}

#[test]
fn a_part_is_resumed_and_published() {
    let place = TestDirectory::new();
    place.leave(state(), 3);
    assert_eq!(place.names(), ["x.part", "x.part.json"]);
    let mut part = place.open().expect("ours").expect("there");
    assert_eq!((part.written(), part.state()), (3, &state()));
    part.write(b"def").expect("written");
    let finished = finish(part, OnExisting::Keep).expect("finished");
    let Finished::Saved { sha256: Some(digest) } = finished else { panic!("{finished:?}") };
    assert_eq!(digest.0[..], sha2::Sha256::digest(b"abcdef")[..]);
    assert_eq!((place.names(), place.read("x")), (vec!["x".to_owned()], b"abcdef".to_vec()));
}

#[test]
fn a_file_with_the_wrong_length_is_never_published() {
    for (state_total, total, bytes) in
        [(Some(6), Some(6), 5), (Some(6), None, 5), (None, Some(6), 5), (None, Some(5), 6)]
    {
        let place = TestDirectory::new();
        let state = PartState { total: state_total, ..state() };
        place.leave(state, bytes);
        let part = place.open().expect("ours").expect("there");
        let error = part.finish(total, None, &target(OnExisting::Keep)).expect_err("another length");
        assert!(error.to_string().contains(&format!("{bytes} bytes on disk")), "{error}");
        assert_eq!(place.names(), ["x.part", "x.part.json"], "it stays for the next run");
    }
    // Another process truncates the file after it was written.
    let place = TestDirectory::new();
    let mut part = place.create(state()).expect("created");
    part.write(b"abcdef").expect("written");
    std::fs::OpenOptions::new().write(true).open(place.path("x.part")).expect("opened").set_len(4).expect("cut");
    finish(part, OnExisting::Keep).expect_err("another length");
}

#[test]
fn content_with_a_wrong_checksum_is_kept_as_a_part_that_is_not_resumed() {
    // With a validator, the file has a name while it is downloaded; without one, it does not.
    for state in [state(), state().without_validators()] {
        let place = TestDirectory::new();
        let mut part = place.create(state).expect("created");
        part.write(b"abcdef").expect("written");
        let wrong = Some(Sha256([0; 32]));
        let finished = part.finish(Some(6), wrong, &target(OnExisting::Keep)).expect("no error");
        assert!(matches!(finished, Finished::Mismatch { .. }));
        assert_eq!(
            (place.names(), place.read("x.part")),
            (vec!["x.part".to_owned(), "x.part.json".to_owned()], b"abcdef".to_vec())
        );
        let part = place.open().expect("ours").expect("there");
        assert_eq!((part.state().validator(), part.state().url.as_str()), (None, "http://a.test/x"));
    }
}

#[test]
fn a_file_that_appears_during_the_download_is_kept_and_no_temporary_file_is_left() {
    for has_links in [true, false] {
        let place = TestDirectory::new();
        if !has_links {
            place.directory.support().lacks_links();
        }
        let mut part = place.create(state()).expect("created");
        part.write(b"abcdef").expect("written");
        place.write("x", "old");
        assert!(matches!(finish(part, OnExisting::Keep).expect("no error"), Finished::Exists));
        assert_eq!((place.names(), place.read("x")), (vec!["x".to_owned()], b"old".to_vec()));
        place.leave(state(), 6);
        finish(place.open().expect("ours").expect("there"), OnExisting::Replace).expect("replaced");
        assert_eq!(place.read("x"), b"abcdef");
        let TestDirectory { directory, place } = place;
        drop(directory);
        assert_eq!(std::fs::read_dir(place.path()).expect("the directory").count(), 1);
    }
}

#[test]
fn without_a_validator_the_file_has_no_name_until_it_is_complete() {
    let place = TestDirectory::new();
    let mut part = place.create(state().without_validators()).expect("created");
    part.write(b"abcdef").expect("written");
    assert!(place.names().is_empty());
    finish(part, OnExisting::Keep).expect("saved");
    assert_eq!((place.names(), place.read("x")), (vec!["x".to_owned()], b"abcdef".to_vec()));
}

#[test]
fn the_file_is_copied_if_it_turns_out_that_it_cannot_be_linked() {
    let place = TestDirectory::new();
    let mut part = place.create(state().without_validators()).expect("created");
    part.write(b"abcdef").expect("written");
    place.directory.support().lacks_links();
    finish(part, OnExisting::Keep).expect("saved");
    assert_eq!(place.read("x"), b"abcdef");
}

#[test]
fn a_part_without_a_state_file_is_not_touched_unless_it_is_empty() {
    let place = TestDirectory::new();
    place.write("x.part", "not ours");
    for error in [place.open().expect_err("not ours"), place.create(state()).expect_err("not ours")] {
        assert!(error.to_string().contains("no state file"), "{error}");
    }
    assert_eq!(place.read("x.part"), b"not ours");
    place.write("x.part", "");
    assert!(place.open().expect("no error").is_none());
    place.create(state()).expect("there is nothing to lose");
}

#[test]
fn links_directories_and_locked_parts_are_not_touched() {
    let place = TestDirectory::new();
    let path = place.path("x.part");
    place.write("target", "");
    for (make, says) in [
        (Box::new(|| symlink("target", &path)) as Box<dyn Fn() -> io::Result<()>>, "symbolic"),
        (Box::new(|| std::fs::hard_link(place.path("target"), &path)), "another name"),
        (Box::new(|| std::fs::create_dir(&path)), "directory"),
    ] {
        make().expect("made");
        let error = place.create(state()).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
        let _file = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
    }
    let _held = place.create(state()).expect("created");
    let error = place.create(state()).expect_err("held");
    assert!(error.to_string().contains("another process"), "{error}");
}

#[test]
fn an_inode_is_never_used_for_another_version() {
    let place = TestDirectory::new();
    let mut first = place.create(state()).expect("created");
    first.write(b"abc").expect("written");
    unlock(&first);
    let mut second = place.create(other()).expect("created");
    second.write(b"A").expect("written");
    unlock(&second);
    assert_ne!(first.file.metadata().expect("open").ino(), second.file.metadata().expect("open").ino());
    // The first process continues although its file has lost its name, and publishes it.
    first.write(b"def").expect("written");
    finish(first, OnExisting::Keep).expect("published");
    assert_eq!((place.read("x"), place.read("x.part")), (b"abcdef".to_vec(), b"A".to_vec()));
    let found = place.open().expect("ours").expect("there");
    assert_eq!((found.state(), found.written()), (&other(), 1));
    unlock(&found);
    second.write(b"BCDEF").expect("written");
    finish(second, OnExisting::Replace).expect("published");
    assert_eq!((place.read("x"), place.names()), (b"ABCDEF".to_vec(), vec!["x".to_owned()]));
}

#[test]
fn processes_that_download_the_same_version_can_share_its_part() {
    for has_links in [true, false] {
        let place = TestDirectory::new();
        if !has_links {
            place.directory.support().lacks_links();
        }
        let mut first = place.create(state()).expect("created");
        first.write(b"abcd").expect("written");
        unlock(&first);
        let mut second = place.create(state()).expect("joined");
        unlock(&second);
        second.write(b"ab").expect("written");
        assert_eq!(place.read("x.part"), b"abcd", "nothing is truncated");
        first.write(b"ef").expect("written");
        finish(first, OnExisting::Keep).expect("published");
        second.write(b"cdef").expect("written");
        assert!(matches!(finish(second, OnExisting::Keep).expect("no error"), Finished::Exists));
        assert_eq!(place.read("x"), b"abcdef");
    }
}

#[test]
fn a_state_file_of_another_inode_is_ignored_unless_both_files_were_copied() {
    let place = TestDirectory::new();
    place.leave(state(), 3);
    // Another process has replaced the file that the state file describes.
    place.write("new", "XYZ");
    std::fs::rename(place.path("new"), place.path("x.part")).expect("renamed");
    assert!(place.open().expect("ours").is_none());
    place.leave(state(), 3);
    assert_eq!(place.open().expect("ours").expect("there").written(), 3);
    let copy = TestDirectory::new();
    for name in ["x.part", "x.part.json"] {
        copy.write(name, place.read(name));
    }
    assert_eq!(copy.open().expect("ours").expect("there").written(), 3);
    // The part is longer than the complete file.
    copy.write("x.part", "abcdefg");
    assert!(copy.open().expect("ours").is_none());
}

#[test]
fn after_a_failed_write_nothing_more_is_written() {
    let place = TestDirectory::new();
    let mut part = place.create(state()).expect("created");
    part.write(b"ab").expect("written");
    // Writing to a read-only descriptor fails.
    part.file = File::open(place.path("x.part")).expect("opened");
    part.write(b"cd").expect_err("it is open for reading only");
    part.file = File::options().write(true).open(place.path("x.part")).expect("opened");
    part.write(b"ef").expect_err("there would be a gap");
    assert_eq!((place.read("x.part"), part.written()), (b"ab".to_vec(), 2));
}

#[test]
fn leftovers_of_a_kill_between_two_steps_are_removed_by_the_next_run() {
    let complete = |place: &TestDirectory| place.leave(state(), 6);
    let remove_leftovers =
        |place: &TestDirectory| part_entry::remove_leftovers(&place.directory, "x", place.path("x").exists());
    // Killed after publishing but before the part's name was removed: detected by the plan, or when the part is looked
    // up.
    for by_plan in [true, false] {
        let place = TestDirectory::new();
        complete(&place);
        std::fs::hard_link(place.path("x.part"), place.path("x")).expect("linked");
        assert!(if by_plan { !remove_leftovers(&place) } else { place.open().expect("ours").is_none() });
        assert_eq!((place.names(), place.read("x")), (vec!["x".to_owned()], b"abcdef".to_vec()));
    }
    // The same, but the final name came from the server.
    let place = TestDirectory::new();
    complete(&place);
    std::fs::hard_link(place.path("x.part"), place.path("theirs")).expect("linked");
    assert!(place.open().expect("ours").is_none());
    assert_eq!(place.names(), ["theirs"]);
    // Killed after publishing but before the state file was removed.
    let place = TestDirectory::new();
    complete(&place);
    std::fs::rename(place.path("x.part"), place.path("x")).expect("renamed");
    assert!(!remove_leftovers(&place));
    assert_eq!(place.names(), ["x"]);
    // Killed between link and rename, with and without an existing file that was to be replaced.
    for is_there in [true, false] {
        let place = TestDirectory::new();
        place.write(".x.new.part", "abcdef");
        if is_there {
            place.write("x", "old");
        }
        assert!(!remove_leftovers(&place));
        assert_eq!(place.names().len(), usize::from(is_there));
    }
}

#[test]
fn parts_in_progress_and_unrelated_files_are_not_removed() {
    let place = TestDirectory::new();
    place.leave(state(), 3);
    for is_published in [true, false] {
        assert!(part_entry::remove_leftovers(&place.directory, "x", is_published));
        assert_eq!(place.names(), ["x.part", "x.part.json"]);
    }
    let place = TestDirectory::new();
    place.write("x.part.json", "{\"mine\": 1}");
    assert!(!part_entry::remove_leftovers(&place.directory, "x", true));
    assert_eq!(place.names(), ["x.part.json"]);
}

#[test]
fn the_fsync_policy_determines_what_is_synced() {
    for (fsync, syncs) in [(Fsync::None, 0), (Fsync::File, 1), (Fsync::Full, 2)] {
        let place = TestDirectory::new();
        let mut part = place.create(state()).expect("created");
        part.write(b"abcdef").expect("written");
        SYNCS.set(0);
        part.finish(Some(6), None, &PublishTarget { fsync, ..target(OnExisting::Keep) }).expect("finished");
        assert_eq!(SYNCS.get(), syncs, "{fsync:?}");
    }
}

#[test]
fn a_part_whose_sync_failed_is_not_resumed() {
    for (error, is_saved) in [(Errno::IO, false), (Errno::NOSPC, false), (Errno::INTR, true)] {
        let place = TestDirectory::new();
        let mut part = place.create(state()).expect("created");
        part.write(b"abcdef").expect("written");
        SYNC_ERROR.set(Some(error));
        let finished = part.finish(Some(6), None, &PublishTarget { fsync: Fsync::File, ..target(OnExisting::Keep) });
        assert_eq!((finished.is_ok(), place.names().contains(&"x".to_owned())), (is_saved, is_saved), "{error}");
        if !is_saved {
            let left = place.open().expect("ours").expect("it stays, to be looked at");
            assert_eq!(left.state().validator(), None, "{error}");
        }
    }
}

#[test]
fn a_part_that_another_program_truncates_gets_no_hole() {
    let place = TestDirectory::new();
    let mut part = place.create(state()).expect("created");
    part.write(b"abc").expect("written");
    std::fs::OpenOptions::new().write(true).open(place.path("x.part")).expect("opened").set_len(2).expect("cut");
    let error = part.write(b"def").expect_err("it would leave a hole");
    assert!(error.to_string().contains("run the command again"), "{error}");
    drop(part);
    assert_eq!(place.read("x.part"), b"ab");
    assert_eq!(place.open().expect("ours").expect("there").written(), 2);
}

#[test]
fn an_empty_part_is_restarted() {
    let place = TestDirectory::new();
    drop(place.create(state()).expect("created"));
    assert_eq!(place.names(), ["x.part", "x.part.json"]);
    assert!(place.open().expect("ours").is_none());
    place.leave(state(), 3);
    assert_eq!(place.open().expect("ours").expect("there").written(), 3);
}

#[test]
fn a_directory_that_cannot_be_synced_is_no_error_unless_the_disk_fails() {
    for (error, is_saved) in [(Errno::INVAL, true), (Errno::OPNOTSUPP, true), (Errno::IO, false)] {
        let place = TestDirectory::new();
        SYNC_ERROR.set(Some(error));
        let sealed =
            PublishTarget { fsync: Fsync::Full, ..target(OnExisting::Keep) }.seal_name(place.directory.descriptor());
        assert_eq!(sealed.is_ok(), is_saved, "{error}");
    }
}

#[test]
fn a_file_that_has_its_final_name_already_keeps_no_temporary_name() {
    // Killed after the part was linked to its final name. The next run replaces the file with itself.
    let place = TestDirectory::new();
    let mut part = place.create(state()).expect("created");
    part.write(b"abcdef").expect("written");
    std::fs::hard_link(place.path("x.part"), place.path("x")).expect("linked");
    finish(part, OnExisting::Replace).expect("published");
    assert_eq!((place.names(), place.read("x")), (vec!["x".to_owned()], b"abcdef".to_vec()));
}

#[test]
fn an_existing_file_is_found_without_links_and_without_an_atomic_rename() {
    let place = TestDirectory::new();
    assert!(!place.directory.has("x"));
    for (name, exists) in [("x", true), ("y", false)] {
        place.write("x", "");
        assert_eq!(place.directory.has(name), exists, "{name}");
    }
    // A dangling link is in the way of a file as well.
    symlink("missing", place.path("z")).expect("a link");
    assert!(place.directory.has("z"));
}
