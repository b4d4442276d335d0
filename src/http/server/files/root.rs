//! Opens files beneath the served directory.
//!
//! A path without `..` can still lead out of the directory through a symbolic link, and a separate check would be
//! subject to a race. So the kernel has to resolve the path beneath the directory (`openat2` with `RESOLVE_BENEATH`,
//! Linux 5.6). Where that is not available, each component is opened separately, and no symbolic link is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::platform::{AtFlags, CWD, Errno, FileType, Mode, OFlags, OwnedFd, fstat, openat, statat};

/// The served directory.
#[derive(Debug)]
pub(super) struct Root {
    directory: OwnedFd,
}

/// The result of opening a path.
#[derive(Debug)]
pub(super) enum OpenOutcome {
    /// A regular file, open for reading.
    File(File),
    /// A directory.
    Directory(OwnedFd),
    /// No such file, or one that is not served.
    NotFound,
}

/// The flags for opening files. `NONBLOCK` and `NOCTTY` matter if a FIFO or a terminal has replaced the file after the
/// check of its type.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The flags for opening directories.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    /// Opens the directory.
    ///
    /// # Errors
    /// If it is not a directory, or cannot be read.
    pub(super) fn open(directory: &Path) -> io::Result<Root> {
        Ok(Root { directory: openat(CWD, directory, DIRECTORY, Mode::empty())? })
    }

    /// Opens a path relative to the directory.
    ///
    /// # Errors
    /// If the disk fails, or the system is out of memory or file descriptors. A path that does not exist or leads out
    /// of the directory is not an error, but `OpenOutcome::NotFound`.
    pub(super) fn open_beneath(&self, name: &Path) -> io::Result<OpenOutcome> {
        let name = if name.as_os_str().is_empty() { Path::new(".") } else { name };
        let opened = match self.open_with_openat2(name) {
            // `openat2` does not exist, or a sandbox forbids it.
            Err(Errno::NOSYS | Errno::PERM) => self.open_by_component(name),
            opened => opened,
        };
        match opened {
            Ok(opened) => Ok(opened),
            Err(error) if is_system_failure(error) => Err(error.into()),
            Err(_) => Ok(OpenOutcome::NotFound),
        }
    }

    #[cfg(target_os = "linux")]
    fn open_with_openat2(&self, name: &Path) -> Result<OpenOutcome, Errno> {
        // The type is checked with an `O_PATH` descriptor first, since opening a device can have side effects.
        let descriptor = self.resolve(name, OFlags::PATH | OFlags::CLOEXEC)?;
        match FileType::from_raw_mode(fstat(&descriptor)?.st_mode) {
            FileType::RegularFile => {
                let file = self.resolve(name, READ)?;
                let is_regular = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile;
                Ok(if is_regular { OpenOutcome::File(file.into()) } else { OpenOutcome::NotFound })
            }
            FileType::Directory => self.resolve(name, DIRECTORY).map(OpenOutcome::Directory),
            _ => Ok(OpenOutcome::NotFound),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_with_openat2(&self, _name: &Path) -> Result<OpenOutcome, Errno> {
        Err(Errno::NOSYS)
    }

    #[cfg(target_os = "linux")]
    fn resolve(&self, name: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        use rustix::fs::{ResolveFlags, openat2};

        /// The maximum number of attempts. `openat2` fails with `EAGAIN` after a concurrent rename.
        const ATTEMPTS: usize = 8;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut opened = Err(Errno::AGAIN);
        for _ in 0..ATTEMPTS {
            opened = openat2(&self.directory, name, flags, Mode::empty(), beneath);
            if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        opened
    }

    /// Opens a path without `openat2`, component by component.
    fn open_by_component(&self, name: &Path) -> Result<OpenOutcome, Errno> {
        let mut directory = openat(&self.directory, ".", DIRECTORY, Mode::empty())?;
        let mut components = name.iter().filter(|component| *component != OsStr::new(".")).peekable();
        while let Some(component) = components.next() {
            let kind = FileType::from_raw_mode(statat(&directory, component, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
            match kind {
                FileType::Directory => {
                    directory = openat(&directory, component, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
                }
                FileType::RegularFile if components.peek().is_none() => {
                    let file = openat(&directory, component, READ | OFlags::NOFOLLOW, Mode::empty())?;
                    let is_regular = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile;
                    return Ok(if is_regular { OpenOutcome::File(file.into()) } else { OpenOutcome::NotFound });
                }
                _ => return Ok(OpenOutcome::NotFound),
            }
        }
        Ok(OpenOutcome::Directory(directory))
    }
}

/// Returns whether an error is about the system and not about the path.
fn is_system_failure(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Creates a served directory with files, a subdirectory and symbolic links of every kind, next to a secret file.
    fn place() -> (tempfile::TempDir, Root) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("folder")).unwrap();
        fs::write(place.path().join("secret"), "secret").unwrap();
        fs::write(root.join("file"), "file").unwrap();
        fs::write(root.join("folder/file"), "file").unwrap();
        symlink("file", root.join("inside")).unwrap();
        symlink("../secret", root.join("outside")).unwrap();
        symlink(place.path().join("secret"), root.join("absolute")).unwrap();
        symlink("..", root.join("folder/up")).unwrap();
        symlink("../..", root.join("folder/out")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        #[cfg(not(target_vendor = "apple"))] // It has no `mknodat`.
        rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let opened = Root::open(&root).unwrap();
        (place, opened)
    }

    fn kind(opened: Result<OpenOutcome, impl Sized>) -> &'static str {
        match opened {
            Ok(OpenOutcome::File(_)) => "file",
            Ok(OpenOutcome::Directory(_)) => "folder",
            Ok(OpenOutcome::NotFound) | Err(_) => "nothing",
        }
    }

    #[test]
    fn only_files_beneath_the_directory_are_opened() {
        let (_place, root) = place();
        for (name, there) in [
            ("", "folder"),
            ("file", "file"),
            ("folder", "folder"),
            ("folder/file", "file"),
            ("inside", "file"),
            ("folder/up/file", "file"),
            ("outside", "nothing"),
            ("absolute", "nothing"),
            ("folder/out/secret", "nothing"),
            ("loop", "nothing"),
            ("fifo", "nothing"),
            ("missing", "nothing"),
            ("file/file", "nothing"),
        ] {
            assert_eq!(kind(root.open_beneath(Path::new(name))), there, "{name}");
        }
    }

    #[test]
    fn without_openat2_no_symbolic_link_is_followed() {
        let (_place, root) = place();
        for (name, there) in [
            (".", "folder"),
            ("file", "file"),
            ("folder", "folder"),
            ("folder/file", "file"),
            ("inside", "nothing"),
            ("folder/up/file", "nothing"),
            ("outside", "nothing"),
            ("absolute", "nothing"),
            ("folder/out/secret", "nothing"),
            ("fifo", "nothing"),
            ("missing", "nothing"),
            ("file/file", "nothing"),
        ] {
            assert_eq!(kind(root.open_by_component(Path::new(name))), there, "{name}");
        }
    }
}
