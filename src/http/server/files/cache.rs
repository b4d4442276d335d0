//! A cache for small files, which are revalidated on the thread pool at most once a second.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::lookup::Identity;
use crate::http::server::representation::Representation;

/// How long an entry is used without revalidation.
const FRESHNESS_LIFETIME: Duration = Duration::from_secs(1);

/// The maximum size of all cached files. The oldest entry is evicted first.
const MAX_BYTES: u64 = 16 << 20;

/// The maximum number of entries, since even empty files use memory.
const MAX_FILES: usize = 4_096;

/// The cache. Its keys are request paths as received, so that a hit needs no percent-decoding.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: RefCell<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    files: HashMap<Rc<str>, Entry>,
    /// The keys in the order of insertion.
    order: VecDeque<Rc<str>>,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    representation: Representation,
    /// When the entry was last validated, or when its revalidation was started.
    validated_at: Cell<Instant>,
}

/// The result of a lookup in the cache.
#[derive(Debug)]
pub(super) enum CacheResult {
    /// A fresh entry.
    Fresh(Representation),
    /// A stale entry. The caller has to revalidate it; other lookups meanwhile return the old entry as fresh.
    Stale(Identity),
    Miss,
}

impl Cache {
    /// Looks a path up.
    pub(super) fn get(&self, path: &str, now: Instant) -> CacheResult {
        let entries = self.entries.borrow();
        match entries.files.get(path) {
            None => CacheResult::Miss,
            Some(entry) if now.saturating_duration_since(entry.validated_at.get()) < FRESHNESS_LIFETIME => {
                CacheResult::Fresh(entry.representation.clone())
            }
            Some(entry) => {
                entry.validated_at.set(now);
                CacheResult::Stale(entry.identity)
            }
        }
    }

    /// Returns the entry of a path, even if it is stale.
    pub(super) fn get_stale(&self, path: &str) -> Option<Representation> {
        self.entries.borrow().files.get(path).map(|entry| entry.representation.clone())
    }

    /// Inserts or replaces an entry, and evicts the oldest entries if the cache is full.
    pub(super) fn insert(&self, path: &str, identity: Identity, representation: Representation, now: Instant) {
        self.remove(path);
        let mut entries = self.entries.borrow_mut();
        let path: Rc<str> = path.into();
        entries.bytes += identity.size();
        entries.order.push_back(path.clone());
        entries.files.insert(path, Entry { identity, representation, validated_at: Cell::new(now) });
        while entries.bytes > MAX_BYTES || entries.files.len() > MAX_FILES {
            let Some(oldest) = entries.order.pop_front() else { break };
            entries.remove_file(&oldest);
        }
    }

    /// Removes the entry of a path.
    pub(super) fn remove(&self, path: &str) {
        let mut entries = self.entries.borrow_mut();
        if entries.remove_file(path) {
            entries.order.retain(|other| **other != *path);
        }
    }
}

impl Entries {
    /// Removes a file, but not its key in `order`. Returns whether there was one.
    fn remove_file(&mut self, path: &str) -> bool {
        let removed = self.files.remove(path);
        if let Some(entry) = &removed {
            self.bytes -= entry.identity.size();
        }
        removed.is_some()
    }
}
