//! The same with paths. There are no files without names here, no descriptors that outlive a rename of their directory, and no
//! users that own files; a file that is open can be renamed and removed, since Rust opens all of them so that it can.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// Opens directories, too.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// Opens a link and not what it leads to.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
/// What the system counts times from, in seconds before 1970.
const YEAR_1601: i64 = 11_644_473_600;

/// An error of the system: its number here, under its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

#[rustfmt::skip]
impl Errno {
    /// `ERROR_INVALID_FUNCTION`, as of a hard link on FAT.
    pub(crate) const PERM: Errno = Errno(1);
    /// `ERROR_FILE_NOT_FOUND`
    pub(crate) const NOENT: Errno = Errno(2);
    /// `ERROR_TOO_MANY_OPEN_FILES`
    pub(crate) const MFILE: Errno = Errno(4);
    /// `ERROR_NOT_ENOUGH_MEMORY`
    pub(crate) const NOMEM: Errno = Errno(8);
    /// `ERROR_NOT_SAME_DEVICE`
    pub(crate) const XDEV: Errno = Errno(17);
    /// `ERROR_LOCK_VIOLATION`
    pub(crate) const WOULDBLOCK: Errno = Errno(33);
    /// `ERROR_NOT_SUPPORTED`
    pub(crate) const OPNOTSUPP: Errno = Errno(50);
    /// `ERROR_INVALID_PARAMETER`
    pub(crate) const INVAL: Errno = Errno(87);
    /// `ERROR_DISK_FULL`
    #[cfg(test)]
    pub(crate) const NOSPC: Errno = Errno(112);
    /// `ERROR_CALL_NOT_IMPLEMENTED`
    pub(crate) const NOSYS: Errno = Errno(120);
    /// `ERROR_LOCK_FAILED`
    pub(crate) const NOLCK: Errno = Errno(167);
    /// `ERROR_BUSY`
    pub(crate) const AGAIN: Errno = Errno(170);
    /// `ERROR_ALREADY_EXISTS`
    pub(crate) const EXIST: Errno = Errno(183);
    /// `ERROR_DIRECTORY`
    pub(crate) const NOTDIR: Errno = Errno(267);
    /// `ERROR_DIRECTORY_NOT_SUPPORTED`
    pub(crate) const ISDIR: Errno = Errno(336);
    /// `ERROR_OPERATION_ABORTED`
    pub(crate) const INTR: Errno = Errno(995);
    /// `ERROR_IO_DEVICE`
    pub(crate) const IO: Errno = Errno(1117);
    /// `ERROR_TOO_MANY_LINKS`
    pub(crate) const MLINK: Errno = Errno(1142);
    /// `ERROR_NOT_ENOUGH_QUOTA`
    pub(crate) const NFILE: Errno = Errno(1816);
    /// `ERROR_CANT_RESOLVE_FILENAME`
    pub(crate) const LOOP: Errno = Errno(1921);

    /// Returns the system's error, if there is one behind it.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<Errno> {
        match error.kind() {
            io::ErrorKind::NotFound => Some(Errno::NOENT),
            io::ErrorKind::AlreadyExists => Some(Errno::EXIST),
            _ => error.raw_os_error().map(Errno),
        }
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        Errno::from_io_error(&error).unwrap_or(Errno::IO)
    }
}

impl From<Errno> for io::Error {
    fn from(error: Errno) -> io::Error {
        io::Error::from_raw_os_error(error.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OFlags(u32);

impl OFlags {
    pub(crate) const RDONLY: OFlags = OFlags(0);
    pub(crate) const WRONLY: OFlags = OFlags(1);
    pub(crate) const RDWR: OFlags = OFlags(2);
    pub(crate) const CREATE: OFlags = OFlags(4);
    /// With `CREATE`, and never without it.
    pub(crate) const EXCL: OFlags = OFlags(8);
    pub(crate) const NOFOLLOW: OFlags = OFlags(16);
    pub(crate) const DIRECTORY: OFlags = OFlags(32);
    /// No meaning here, like the next two.
    pub(crate) const NONBLOCK: OFlags = OFlags(0);
    pub(crate) const NOCTTY: OFlags = OFlags(0);
    pub(crate) const CLOEXEC: OFlags = OFlags(0);

    pub(crate) const fn union(self, other: OFlags) -> OFlags {
        OFlags(self.0 | other.0)
    }

    const fn contains(self, other: OFlags) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for OFlags {
    type Output = OFlags;

    fn bitor(self, other: OFlags) -> OFlags {
        self.union(other)
    }
}

/// How a call takes its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtFlags(u32);

impl AtFlags {
    pub(crate) const SYMLINK_NOFOLLOW: AtFlags = AtFlags(1);
    pub(crate) const REMOVEDIR: AtFlags = AtFlags(2);

    pub(crate) const fn empty() -> AtFlags {
        AtFlags(0)
    }
}

/// Who may use a file: decided by the directory here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode;

impl Mode {
    pub(crate) const fn empty() -> Mode {
        Mode
    }

    pub(crate) const fn from_raw_mode(_mode: u32) -> Mode {
        Mode
    }
}

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the last four are in no directory of Windows")]
pub(crate) enum FileType {
    RegularFile,
    Directory,
    Symlink,
    Unknown,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
}

impl FileType {
    pub(crate) fn from_raw_mode(mode: FileType) -> FileType {
        mode
    }

    fn of(kind: fs::FileType) -> FileType {
        match kind {
            kind if kind.is_symlink() => FileType::Symlink,
            kind if kind.is_dir() => FileType::Directory,
            kind if kind.is_file() => FileType::RegularFile,
            _ => FileType::Unknown,
        }
    }
}

/// What is known of a file, under the names that it has there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) st_mode: FileType,
    pub(crate) st_ino: u64,
    pub(crate) st_nlink: u64,
    pub(crate) st_size: i64,
    pub(crate) st_mtime: i64,
    /// When it was created: there is no time of the last change to its metadata.
    pub(crate) st_ctime: i64,
    pub(crate) st_ctime_nsec: i64,
}

impl Stat {
    fn of(file: &File) -> Result<Stat, Errno> {
        let information = winapi_util::file::information(file)?;
        let seconds = |time: Option<u64>| (time.unwrap_or(0) / 10_000_000) as i64 - YEAR_1601;
        Ok(Stat {
            st_mode: FileType::of(file.metadata()?.file_type()),
            st_ino: information.file_index(),
            st_nlink: information.number_of_links(),
            st_size: information.file_size() as i64,
            st_mtime: seconds(information.last_write_time()),
            st_ctime: seconds(information.creation_time()),
            st_ctime_nsec: (information.creation_time().unwrap_or(0) % 10_000_000 * 100) as i64,
        })
    }
}

/// Something open, and where it was found.
#[derive(Debug)]
pub(crate) struct OwnedFd {
    file: File,
    path: PathBuf,
}

impl From<OwnedFd> for File {
    fn from(opened: OwnedFd) -> File {
        opened.file
    }
}

/// The current directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cwd;

pub(crate) const CWD: Cwd = Cwd;

/// Something that is open, or the current directory.
pub(crate) trait AsFd {
    fn file(&self) -> Option<&File>;

    /// Returns the path of a name in this directory.
    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno>;
}

impl AsFd for Cwd {
    fn file(&self) -> Option<&File> {
        None
    }

    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno> {
        Ok(name.to_owned())
    }
}

impl AsFd for File {
    fn file(&self) -> Option<&File> {
        Some(self)
    }

    fn resolve(&self, _name: &Path) -> Result<PathBuf, Errno> {
        Err(Errno::NOTDIR)
    }
}

impl AsFd for OwnedFd {
    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }

    /// Refuses what leads out of the directory: `C:`, and streams beside a file's content (`file:stream`).
    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno> {
        let is_plain = |part: Component<'_>| match part {
            Component::Normal(name) => !name.as_encoded_bytes().contains(&b':'),
            Component::CurDir => true,
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => false,
        };
        if name.components().all(is_plain) { Ok(self.path.join(name)) } else { Err(Errno::INVAL) }
    }
}

impl<F: AsFd> AsFd for &F {
    fn file(&self) -> Option<&File> {
        (*self).file()
    }

    fn resolve(&self, name: &Path) -> Result<PathBuf, Errno> {
        (*self).resolve(name)
    }
}

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

/// The access that a call needs; whether it is given shows when it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access;

impl Access {
    pub(crate) const WRITE_OK: Access = Access;
}

pub(crate) fn accessat(from: impl AsFd, name: impl AsRef<Path>, _access: Access, _flags: AtFlags) -> Result<(), Errno> {
    fs::metadata(from.resolve(name.as_ref())?)?;
    Ok(())
}

/// Waits until the disk has everything of a file. The names in a directory are the journal's business.
pub(crate) fn fsync(file: impl AsFd) -> Result<(), Errno> {
    match file.file() {
        Some(file) if file.metadata()?.is_file() => Ok(file.sync_all()?),
        _ => Ok(()),
    }
}

/// The entries of a directory.
pub(crate) struct Dir(fs::ReadDir);

impl Dir {
    pub(crate) fn new(directory: OwnedFd) -> Result<Dir, Errno> {
        Dir::read_from(&directory)
    }

    pub(crate) fn read_from(directory: &OwnedFd) -> Result<Dir, Errno> {
        Ok(Dir(fs::read_dir(&directory.path)?))
    }
}

impl Iterator for Dir {
    type Item = Result<DirEntry, Errno>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.next()?;
        let read = |entry: fs::DirEntry| -> io::Result<DirEntry> {
            Ok(DirEntry { name: EntryName(entry.file_name()), kind: FileType::of(entry.file_type()?) })
        };
        Some(entry.and_then(read).map_err(Errno::from))
    }
}

pub(crate) struct DirEntry {
    name: EntryName,
    kind: FileType,
}

impl DirEntry {
    pub(crate) fn file_name(&self) -> &EntryName {
        &self.name
    }

    pub(crate) fn file_type(&self) -> FileType {
        self.kind
    }
}

pub(crate) struct EntryName(OsString);

impl EntryName {
    pub(crate) fn to_bytes(&self) -> &[u8] {
        self.0.as_encoded_bytes()
    }

    pub(crate) fn to_str(&self) -> Result<&str, &OsStr> {
        self.0.to_str().ok_or(&self.0)
    }
}

/// There is no such call.
pub(crate) fn rename_noreplace(_from: impl AsFd, _name: &str, _to: impl AsFd, _new_name: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// An open file cannot be linked without a name of its own.
pub(crate) fn link_open_file(_file: &File, _directory: impl AsFd, _name: &str) -> Result<(), Errno> {
    Err(Errno::NOENT)
}

/// Locks would keep this process's own other handles from reading.
pub(crate) fn lock(_file: &File) -> Result<(), Errno> {
    Err(Errno::NOLCK)
}

/// Whoever may write to the directory may write to the file.
pub(crate) fn is_own(_stat: &Stat) -> bool {
    true
}

/// The system's own calls would be needed.
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
