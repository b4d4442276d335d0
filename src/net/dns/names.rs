//! The table of lookups in progress, with the channels to the futures that wait for them, and the cache of results.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::LookupResult;
use crate::sync::oneshot;

/// The time for which results are cached.
pub(super) const CACHE_TTL: Duration = Duration::from_secs(60);

/// The maximum number of cached results; if it is exceeded, the oldest is evicted.
pub(super) const MAX_CACHED: usize = 1024;

/// A table of names, in lower case. Failures are not cached, so the next request starts a new lookup.
#[derive(Default)]
pub(super) struct Names {
    entries: RefCell<HashMap<String, Entry>>,
    /// The cached names with the times of their results, oldest first. A name may occur more than once.
    cached: RefCell<VecDeque<(String, Instant)>>,
}

enum Entry {
    /// A lookup in progress, with the channels of the futures that wait for its result.
    InFlight(Vec<oneshot::Sender<LookupResult>>),
    /// A cached result, with the time at which the lookup completed.
    Cached(Vec<IpAddr>, Instant),
}

/// The result of [`Names::request`].
pub(super) enum RequestOutcome {
    /// The result is cached.
    Cached(Vec<IpAddr>),
    /// A lookup was already in progress. Its result will be sent to this channel.
    Joined(oneshot::Receiver<LookupResult>),
    /// There was no lookup in progress: the caller must start one. Its result will be sent to this channel.
    New(oneshot::Receiver<LookupResult>),
}

impl Names {
    /// Returns the cached result, or a channel that receives the result of the lookup.
    pub(super) fn request(&self, name: &str, now: Instant) -> RequestOutcome {
        let mut entries = self.entries.borrow_mut();
        match entries.get_mut(name) {
            Some(Entry::Cached(addresses, at)) if now.saturating_duration_since(*at) < CACHE_TTL => {
                RequestOutcome::Cached(addresses.clone())
            }
            Some(Entry::InFlight(waiting)) => {
                let (sender, receiver) = oneshot::oneshot();
                waiting.push(sender);
                RequestOutcome::Joined(receiver)
            }
            Some(Entry::Cached(..)) | None => {
                let (sender, receiver) = oneshot::oneshot();
                entries.insert(name.to_owned(), Entry::InFlight(vec![sender]));
                RequestOutcome::New(receiver)
            }
        }
    }

    /// Returns whether any future is still waiting for this name.
    pub(super) fn is_awaited(&self, name: &str) -> bool {
        match self.entries.borrow().get(name) {
            Some(Entry::InFlight(waiting)) => waiting.iter().any(|sender| !sender.is_closed()),
            _ => false,
        }
    }

    /// Ends a lookup: caches its result unless it is an error, and sends it to all waiters.
    pub(super) fn complete(&self, name: &str, result: LookupResult, now: Instant) {
        let entry = match &result {
            Ok(addresses) => self.cache(name, addresses.clone(), now),
            Err(_) => self.entries.borrow_mut().remove(name),
        };
        if let Some(Entry::InFlight(waiting)) = entry {
            for sender in waiting {
                let _dropped_waiter = sender.send(result.clone());
            }
        }
    }

    /// Ends a lookup without a result, if it is still in progress. The waiting futures receive an error.
    pub(super) fn cancel(&self, name: &str) {
        let is_in_flight = matches!(self.entries.borrow().get(name), Some(Entry::InFlight(_)));
        if is_in_flight {
            let cancelled = self.entries.borrow_mut().remove(name);
            drop(cancelled); // after the borrow has ended (I4)
        }
    }

    /// Caches a result and evicts old ones. Returns the previous entry of the name.
    fn cache(&self, name: &str, addresses: Vec<IpAddr>, at: Instant) -> Option<Entry> {
        let (mut entries, mut cached) = (self.entries.borrow_mut(), self.cached.borrow_mut());
        cached.push_back((name.to_owned(), at));
        let previous = entries.insert(name.to_owned(), Entry::Cached(addresses, at));
        while let Some((oldest, cached_at)) = cached.front()
            && (cached.len() > MAX_CACHED || at.saturating_duration_since(*cached_at) >= CACHE_TTL)
        {
            // A newer result of the same name stays.
            if matches!(entries.get(oldest), Some(Entry::Cached(_, at)) if at == cached_at) {
                entries.remove(oldest);
            }
            cached.pop_front();
        }
        previous
    }

    /// Returns the number of names, cached or in flight.
    pub(super) fn len(&self) -> usize {
        self.entries.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_evicts_the_oldest_results_and_those_that_have_expired() {
        let names = Names::default();
        let counts = || (names.len(), names.cached.borrow().len());
        let start = Instant::now();
        for number in 0..3 * MAX_CACHED {
            names.complete(&number.to_string(), Ok(vec![]), start);
        }
        assert_eq!(counts(), (MAX_CACHED, MAX_CACHED));
        let latest = (3 * MAX_CACHED - 1).to_string();
        assert!(matches!(names.request(&latest, start), RequestOutcome::Cached(_)));
        names.complete("a", Ok(vec![]), start + CACHE_TTL);
        assert_eq!(counts(), (1, 1));
        // A name that was looked up again is not evicted together with its first result.
        names.complete("a", Ok(vec![]), start + CACHE_TTL + Duration::from_secs(1));
        names.complete("b", Ok(vec![]), start + 2 * CACHE_TTL);
        assert_eq!(counts(), (2, 2));
    }
}
