//! The same calls with paths. Windows has no files without names, no descriptors that stay valid when their directory is
//! renamed, and no numeric file owners. An open file can be renamed and removed, since Rust opens all files with the
//! sharing modes for that.
//!
//! | file | subject |
//! | --- | --- |
//! | `mod.rs` | the calls |
//! | `errno.rs` | error codes |
//! | `flags.rs`, `stat.rs` | flags, file types and metadata |
//! | `open_file.rs`, `directory.rs` | open files, and the entries of a directory |

mod directory;
mod errno;
mod flags;
mod open_file;
mod stat;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

pub(crate) use directory::Dir;
pub(crate) use errno::Errno;
pub(crate) use flags::{Access, AtFlags, Mode, OFlags};
pub(crate) use open_file::{AsFd, CWD, OwnedFd};
pub(crate) use stat::{FileType, Stat};

/// Allows opening directories.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// Opens a symbolic link itself instead of its target.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

pub(crate) fn openat(from: impl AsFd, name: impl AsRef<Path>, flags: OFlags, _mode: Mode) -> Result<OwnedFd, Errno> {
    let path = from.resolve(name.as_ref())?;
    let mut custom_flags = FILE_FLAG_BACKUP_SEMANTICS;
    if flags.contains(OFlags::NOFOLLOW) {
        custom_flags |= FILE_FLAG_OPEN_REPARSE_POINT;
    }
    let mut options = OpenOptions::new();
    options.read(!flags.contains(OFlags::WRONLY)).write(flags.contains(OFlags::WRONLY.union(OFlags::RDWR)));
    options.create_new(flags.contains(OFlags::CREATE)).custom_flags(custom_flags);
    let file = options.open(&path)?;
    match FileType::of(file.metadata()?.file_type()) {
        FileType::Symlink => Err(Errno::LOOP),
        kind if flags.contains(OFlags::DIRECTORY) && kind != FileType::Directory => Err(Errno::NOTDIR),
        _ => Ok(OwnedFd { file, path }),
    }
}

pub(crate) fn fstat(file: impl AsFd) -> Result<Stat, Errno> {
    Stat::of(file.file().ok_or(Errno::INVAL)?)
}

pub(crate) fn statat(from: impl AsFd, name: impl AsRef<Path>, flags: AtFlags) -> Result<Stat, Errno> {
    let is_link = if flags == AtFlags::SYMLINK_NOFOLLOW { FILE_FLAG_OPEN_REPARSE_POINT } else { 0 };
    let mut options = OpenOptions::new();
    options.access_mode(0).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | is_link);
    Stat::of(&options.open(from.resolve(name.as_ref())?)?)
}

pub(crate) fn linkat(
    from: impl AsFd,
    name: impl AsRef<Path>,
    to: impl AsFd,
    new_name: impl AsRef<Path>,
    _flags: AtFlags,
) -> Result<(), Errno> {
    Ok(fs::hard_link(from.resolve(name.as_ref())?, to.resolve(new_name.as_ref())?)?)
}

pub(crate) fn renameat(
    from: impl AsFd,
    name: impl AsRef<Path>,
    to: impl AsFd,
    new_name: impl AsRef<Path>,
) -> Result<(), Errno> {
    Ok(fs::rename(from.resolve(name.as_ref())?, to.resolve(new_name.as_ref())?)?)
}

pub(crate) fn mkdirat(from: impl AsFd, name: impl AsRef<Path>, _mode: Mode) -> Result<(), Errno> {
    Ok(fs::create_dir(from.resolve(name.as_ref())?)?)
}

pub(crate) fn unlinkat(from: impl AsFd, name: impl AsRef<Path>, flags: AtFlags) -> Result<(), Errno> {
    let path = from.resolve(name.as_ref())?;
    Ok(if flags == AtFlags::REMOVEDIR { fs::remove_dir(path)? } else { fs::remove_file(path)? })
}

pub(crate) fn accessat(from: impl AsFd, name: impl AsRef<Path>, _access: Access, _flags: AtFlags) -> Result<(), Errno> {
    fs::metadata(from.resolve(name.as_ref())?)?;
    Ok(())
}

/// Flushes a file to the disk. Directories are not flushed, since NTFS records changes of names in its journal.
pub(crate) fn fsync(file: impl AsFd) -> Result<(), Errno> {
    match file.file() {
        Some(file) if file.metadata()?.is_file() => Ok(file.sync_all()?),
        _ => Ok(()),
    }
}

/// Not supported: fails with [`Errno::NOSYS`].
pub(crate) fn rename_noreplace(_from: impl AsFd, _name: &str, _to: impl AsFd, _new_name: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Not supported: an open file without a name cannot be linked.
pub(crate) fn link_open_file(_file: &File, _directory: impl AsFd, _name: &str) -> Result<(), Errno> {
    Err(Errno::NOENT)
}

/// Not supported: Windows locks also exclude the other handles of this process.
pub(crate) fn lock(_file: &File) -> Result<(), Errno> {
    Err(Errno::NOLCK)
}

/// Returns `true`, since files have no numeric owner.
pub(crate) fn is_own(_stat: &Stat) -> bool {
    true
}

/// Returns `None`, since the standard library has no call for this.
pub(crate) fn is_gone(_process: i32) -> Option<bool> {
    None
}

pub(crate) fn host_name() -> Vec<u8> {
    std::env::var_os("COMPUTERNAME").unwrap_or_default().into_encoded_bytes()
}

pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, position)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                position += written as u64;
            }
        }
    }
    Ok(())
}

pub(crate) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, position)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                position += read as u64;
            }
        }
    }
    Ok(())
}

pub(crate) fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    // With a prefix such as `C:`, the name would replace what it is appended to.
    String::from_utf8(bytes).ok().filter(|name| !name.contains(':')).map(OsString::from)
}
