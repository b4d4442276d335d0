//! The limit on open files: raised at the start to what the run can need, and if that is not possible, fewer connections.

/// Descriptors that the program opens beside connections and files: the reactor, the notifier, signals, folders, files
/// that are written by the threads of the pool, and what the system's resolver and TLS need for a moment.
#[cfg(unix)]
const OTHERS: usize = 16;

/// Raises the soft limit so that this many descriptors can be opened, as far as the hard limit allows. Returns how many
/// can be.
#[cfg(unix)]
pub(super) fn raise_nofile_limit(wanted: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let reserved = open_now() + OTHERS;
    let needed = wanted.saturating_add(reserved) as u64;
    let mut limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
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

/// Windows has no such limit.
#[cfg(not(unix))]
pub(super) fn raise_nofile_limit(wanted: usize) -> usize {
    wanted
}

/// Descriptors of a run that downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Transfers at once: each may have a connection and a file.
    pub(super) jobs: usize,
    /// Connections that wait for their next request.
    pub(super) idle_connections: usize,
}

impl Capacity {
    /// As much of this as the limit on open files allows.
    pub(super) fn allowed(self) -> Capacity {
        let wanted = 2 * self.jobs + self.idle_connections;
        let capacity = self.within(raise_nofile_limit(wanted));
        if capacity.jobs < self.jobs {
            log::warn!(
                "the limit on open files (`ulimit -Hn`) is too low for {} transfers at once: there will be {}",
                self.jobs,
                capacity.jobs
            );
        }
        capacity
    }

    /// Idle connections make way first, as long as there is one for each transfer.
    fn within(self, descriptors: usize) -> Capacity {
        let jobs = self.jobs.min(descriptors / 3).max(1);
        let idle_connections = self.idle_connections.min(descriptors.saturating_sub(2 * jobs)).max(1);
        Capacity { jobs, idle_connections }
    }
}

/// Descriptors that are open: some may have been inherited.
#[cfg(unix)]
fn open_now() -> usize {
    // One of the entries is that of the reading itself.
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
