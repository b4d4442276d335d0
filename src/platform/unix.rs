//! The system calls of Linux, macOS and the BSDs.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

pub(crate) use std::os::fd::OwnedFd;

pub(crate) use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, accessat, fstat, fsync, linkat, mkdirat, openat, renameat,
    statat, unlinkat,
};
pub(crate) use rustix::io::Errno;

pub(crate) use std::os::fd::AsFd;

/// Renames a file, or fails with [`Errno::EXIST`] if the new name exists. Fails with [`Errno::NOSYS`] if the system has no
/// such call, and with [`Errno::INVAL`] or [`Errno::OPNOTSUPP`] if the file system does not support it.
pub(crate) fn rename_noreplace(from: impl AsFd, name: &str, to: impl AsFd, new_name: &str) -> Result<(), Errno> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        rustix::fs::renameat_with(from, name, to, new_name, rustix::fs::RenameFlags::NOREPLACE)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    {
        let _ = (from, name, to, new_name);
        Err(Errno::NOSYS)
    }
}

/// Creates a name for an open file. Fails with [`Errno::NOENT`] without `/proc`, where an open file has no path.
pub(crate) fn link_open_file(file: &File, directory: impl AsFd, name: &str) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    // `AT_EMPTY_PATH` requires a privilege; a path in /proc does not.
    let open_file = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, &open_file, directory, name, AtFlags::SYMLINK_FOLLOW)
}

/// Locks a file as long as it is open. Fails with [`Errno::WOULDBLOCK`] if another process has locked it.
pub(crate) fn lock(file: &File) -> Result<(), Errno> {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
}

/// Returns whether a file belongs to the user of this process.
pub(crate) fn is_own(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}

/// Returns whether there is no process with this id on this machine. `None` if that is unknown.
pub(crate) fn is_gone(process: i32) -> Option<bool> {
    let process = rustix::process::Pid::from_raw(process)?;
    Some(rustix::process::test_kill_process(process) == Err(Errno::SRCH))
}

/// Returns the name of this machine.
pub(crate) fn host_name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

/// Writes all bytes at a position of a file.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    file.write_all_at(bytes, position)
}

/// Fills the buffer from a position of a file.
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    file.read_exact_at(buffer, position)
}

/// Returns a file name with these bytes, or `None` if they are not a valid name.
pub(crate) fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    Some(OsString::from_vec(bytes))
}
