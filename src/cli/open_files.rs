//! The limit on open files, raised at the start to what the run can need.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that are not connections: standard streams, the reactor, folders, files being written.
const OTHERS: u64 = 64;

/// Raises the soft limit to so many connections and what else is needed, as far as the hard limit lets us.
pub(super) fn allow(connections: usize) {
    let wanted = connections as u64 + OTHERS;
    let mut limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    if limit.current < Some(wanted) {
        log::warn!(
            "at most {} files may be open (`ulimit -Hn`), and this run may want {wanted}",
            limit.current.unwrap_or(0)
        );
    }
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::warn!("raising the limit on open files: {error}");
    }
}
