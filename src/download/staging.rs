//! The staging directory: it holds files that do not have their final name yet, on file systems on which an open file
//! cannot be linked to its final name.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::hash::stable_hash;
use crate::platform::{AsFd, AtFlags, Dir, Errno, Mode, OFlags, OwnedFd, host_name, is_gone, openat, statat, unlinkat};

/// The name of the staging directory.
pub(super) const STAGING: &str = ".glassloop.part";

/// The age at which a staged file counts as abandoned if this machine cannot determine whether its process still runs,
/// such as a process of another machine.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes what killed processes have left in the staging directory, and the directory itself if it is then empty. If
/// the file of a live process is removed by mistake, that process gets an error; no wrong file is ever published.
pub(super) fn sweep(directory: &OwnedFd) {
    let Ok(staging) = open_directory(directory, STAGING) else { return };
    let Ok(entries) = Dir::read_from(&staging) else { return };
    for entry in entries.flatten() {
        if let Ok(name) = entry.file_name().to_str()
            && is_abandoned(&staging, name)
        {
            let _another_process_was_faster = remove(&staging, name);
        }
    }
    remove_staging(directory);
}

/// Removes the staging directory if it is empty.
pub(super) fn remove_staging(directory: &OwnedFd) {
    let _somebody_uses_it = unlinkat(directory, STAGING, AtFlags::REMOVEDIR);
}

fn is_abandoned(staging: &OwnedFd, name: &str) -> bool {
    let mut parts = name.split('-');
    let (Some(host), Some(process)) = (parts.next(), parts.next()) else { return false };
    if host == this_host()
        && let Some(is_gone) = process.parse().ok().and_then(is_gone)
    {
        return is_gone;
    }
    let Ok(stat) = statat(staging, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
    SystemTime::now().duration_since(changed).is_ok_and(|age| age > ABANDONED_AFTER)
}

/// Returns a name for a staged file: host, process and a counter. No running process uses the same name, unless two
/// machines have the same host name.
pub(super) fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}-{}", this_host(), std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn this_host() -> String {
    format!("{:016x}", stable_hash(&host_name()))
}

/// Returns the temporary name of a file that is about to replace `name`, which may be a relative path.
pub(super) fn replacing_name(name: &str) -> String {
    let (directories, name) = name.split_at(name.rfind('/').map_or(0, |slash| slash + 1));
    format!("{directories}.{name}.new.part")
}

/// Removes a directory entry if it exists.
pub(super) fn remove(directory: impl AsFd, name: impl AsRef<OsStr>) -> Result<(), Errno> {
    match unlinkat(directory, name.as_ref(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn open_directory(directory: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    openat(directory, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}
