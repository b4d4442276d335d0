//! Windows error codes under the names of the corresponding Unix errors.

use std::fmt;
use std::io;

/// A Windows error code. The constants have the names of the corresponding Unix errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

#[rustfmt::skip]
impl Errno {
    /// `ERROR_INVALID_FUNCTION`, for example for a hard link on FAT.
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

    /// Returns the error code of an error, if it has one.
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
