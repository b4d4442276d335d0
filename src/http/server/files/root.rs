//! Opening what is below a folder, and nothing else.
//!
//! A name without `..` can still lead out of the folder, over a symbolic link, and a check before the opening would be
//! about another moment than the opening. So the kernel is told to resolve the name below the folder (`openat2` with
//! `RESOLVE_BENEATH`, Linux 5.6). Where it cannot, each step is taken alone, and a link is not followed at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

/// A folder that is served.
#[derive(Debug)]
pub(super) struct Root {
    folder: OwnedFd,
}

/// What is there.
#[derive(Debug)]
pub(super) enum Opened {
    /// A regular file, open for reading.
    File(File),
    /// A folder.
    Folder(OwnedFd),
    /// Nothing, or nothing that is served.
    Nothing,
}

/// How files are opened: a FIFO or a terminal that took a file's place in the last moment must not make us wait.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// How folders are opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    /// # Errors
    /// If it is no folder, or may not be read.
    pub(super) fn open(folder: &Path) -> io::Result<Root> {
        Ok(Root { folder: openat(CWD, folder, FOLDER, Mode::empty())? })
    }

    /// Opens what is at a relative name.
    ///
    /// # Errors
    /// If the system is short of something. That a name leads nowhere, or where it must not, is no error.
    pub(super) fn open_below(&self, name: &Path) -> io::Result<Opened> {
        let name = if name.as_os_str().is_empty() { Path::new(".") } else { name };
        let opened = match self.open_resolved(name) {
            // Not there, or forbidden to this process, as sandboxes do.
            Err(Errno::NOSYS | Errno::PERM) => self.open_step_by_step(name),
            opened => opened,
        };
        match opened {
            Ok(opened) => Ok(opened),
            Err(error) if is_shortage(error) => Err(error.into()),
            Err(_) => Ok(Opened::Nothing),
        }
    }

    #[cfg(target_os = "linux")]
    fn open_resolved(&self, name: &Path) -> Result<Opened, Errno> {
        // Looked at first, through a descriptor that can do nothing: opening a device can have effects.
        let place = self.resolve(name, OFlags::PATH | OFlags::CLOEXEC)?;
        match FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) {
            FileType::RegularFile => {
                let file = self.resolve(name, READ)?;
                let is_regular = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::RegularFile;
                Ok(if is_regular { Opened::File(file.into()) } else { Opened::Nothing })
            }
            FileType::Directory => self.resolve(name, FOLDER).map(Opened::Folder),
            _ => Ok(Opened::Nothing),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_resolved(&self, _name: &Path) -> Result<Opened, Errno> {
        Err(Errno::NOSYS)
    }

    #[cfg(target_os = "linux")]
    fn resolve(&self, name: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        use rustix::fs::{ResolveFlags, openat2};

        /// How often a resolution that a rename has disturbed is tried again.
        const ATTEMPTS: usize = 8;
        let below = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut opened = Err(Errno::AGAIN);
        for _ in 0..ATTEMPTS {
            opened = openat2(&self.folder, name, flags, Mode::empty(), below);
            if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        opened
    }

    /// The same without the kernel's help.
    fn open_step_by_step(&self, name: &Path) -> Result<Opened, Errno> {
        let mut folder = openat(&self.folder, ".", FOLDER, Mode::empty())?;
        let mut steps = name.iter().filter(|step| *step != OsStr::new(".")).peekable();
        while let Some(step) = steps.next() {
            let kind = FileType::from_raw_mode(statat(&folder, step, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
            match kind {
                FileType::Directory => folder = openat(&folder, step, FOLDER | OFlags::NOFOLLOW, Mode::empty())?,
                FileType::RegularFile if steps.peek().is_none() => {
                    let file = openat(&folder, step, READ | OFlags::NOFOLLOW, Mode::empty())?;
                    let is_regular =
                        FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::RegularFile;
                    return Ok(if is_regular { Opened::File(file.into()) } else { Opened::Nothing });
                }
                _ => return Ok(Opened::Nothing),
            }
        }
        Ok(Opened::Folder(folder))
    }
}

/// Whether a failure says something about this process or this machine, not about the name.
fn is_shortage(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A folder with a file, a folder with one, and links of every kind, beside a secret.
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
        rustix::fs::mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let opened = Root::open(&root).unwrap();
        (place, opened)
    }

    fn kind(opened: Result<Opened, impl Sized>) -> &'static str {
        match opened {
            Ok(Opened::File(_)) => "file",
            Ok(Opened::Folder(_)) => "folder",
            Ok(Opened::Nothing) | Err(_) => "nothing",
        }
    }

    #[test]
    fn what_is_below_is_opened_and_nothing_else() {
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
            assert_eq!(kind(root.open_below(Path::new(name))), there, "{name}");
        }
    }

    #[test]
    fn step_by_step_no_link_is_followed() {
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
            assert_eq!(kind(root.open_step_by_step(Path::new(name))), there, "{name}");
        }
    }
}
