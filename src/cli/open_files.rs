//! The limit on open files: it is raised at startup to what the run may need. If that is not possible, the run uses fewer
//! connections.

/// The number of descriptors for everything but connections and files: the reactor, the notifier, signals, directories,
/// the files that pool threads have open, and temporary ones of the system's resolver and of TLS.
#[cfg(unix)]
const OTHERS: usize = 16;

/// Raises the soft limit so that `wanted` more descriptors can be opened, or as many as the hard limit allows. Returns
/// that number.
#[cfg(unix)]
pub(super) fn raise_nofile_limit(wanted: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let reserved = open_now() + OTHERS;
    let needed = wanted.saturating_add(reserved) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    // `None` means unlimited.
    if limit.current.is_none_or(|current| current >= needed) {
        return wanted;
    }
    let before = limit.current;
    limit.current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::warn!("raising the limit on open files: {error}");
        limit.current = before;
    }
    let available = limit.current.map_or(wanted, |current| current as usize);
    wanted.min(available.saturating_sub(reserved))
}

/// Returns `wanted`: Windows has no such limit.
#[cfg(not(unix))]
pub(super) fn raise_nofile_limit(wanted: usize) -> usize {
    wanted
}

/// The connections that a download may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// The maximum number of concurrent transfers. Each may have a connection and a file open.
    pub(super) jobs: usize,
    /// The maximum number of idle connections.
    pub(super) idle_connections: usize,
}

impl Capacity {
    /// Returns the capacity that the limit on open files allows.
    pub(super) fn allowed(self) -> Capacity {
        let wanted = 2 * self.jobs + self.idle_connections;
        let capacity = self.within(raise_nofile_limit(wanted));
        if capacity.jobs < self.jobs {
            log::warn!(
                "the limit on open files (`ulimit -Hn`) is too low for {} concurrent transfers; {} are used",
                self.jobs,
                capacity.jobs
            );
        }
        capacity
    }

    /// Reduces the idle connections first, down to one for each transfer.
    fn within(self, descriptors: usize) -> Capacity {
        let jobs = self.jobs.min(descriptors / 3).max(1);
        let idle_connections = self.idle_connections.min(descriptors.saturating_sub(2 * jobs)).max(1);
        Capacity { jobs, idle_connections }
    }
}

/// Returns the number of open descriptors. Some may have been inherited.
#[cfg(unix)]
fn open_now() -> usize {
    // One of the entries is the descriptor of this directory.
    std::fs::read_dir("/dev/fd").map_or(3, |entries| entries.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_mean_fewer_connections_and_at_least_one() {
        let wanted = Capacity { jobs: 100, idle_connections: 256 };
        for (descriptors, jobs, idle_connections) in
            [(1000, 100, 256), (456, 100, 256), (400, 100, 200), (300, 100, 100), (30, 10, 10), (3, 1, 1), (0, 1, 1)]
        {
            assert_eq!(wanted.within(descriptors), Capacity { jobs, idle_connections }, "{descriptors}");
        }
        let few = Capacity { jobs: 2, idle_connections: 6 };
        assert_eq!(few.within(100), few);
    }
}
