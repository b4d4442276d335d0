//! Small files, kept in memory and looked at again on the pool at most once a second.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::lookup::Identity;
use crate::http::server::representation::Representation;

/// How long a file is believed to be what it was.
const FRESH: Duration = Duration::from_secs(1);

/// How many bytes of files are kept. What came first goes first.
const MOST_BYTES: u64 = 16 << 20;

/// How many files. An empty one costs memory, too.
const MOST_FILES: usize = 4_096;

/// Files by the path that was asked for, as it was written: finding one takes no decoding.
#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<Rc<str>, File>,
    /// In the order in which they came.
    order: VecDeque<Rc<str>>,
    bytes: u64,
}

#[derive(Debug)]
struct File {
    identity: Identity,
    representation: Representation,
    /// When it was last known to be so, or somebody last went to look.
    looked_at: Cell<Instant>,
}

/// What the cache has.
#[derive(Debug)]
pub(super) enum Hit {
    /// This.
    Fresh(Representation),
    /// Something that has to be looked at again. Whoever is told so is to do it; the others get the old state meanwhile.
    Stale(Identity),
    Nothing,
}

impl Cache {
    /// What there is under a path.
    pub(super) fn get(&self, path: &str, now: Instant) -> Hit {
        let kept = self.kept.borrow();
        match kept.files.get(path) {
            None => Hit::Nothing,
            Some(file) if now.saturating_duration_since(file.looked_at.get()) < FRESH => {
                Hit::Fresh(file.representation.clone())
            }
            Some(file) => {
                file.looked_at.set(now);
                Hit::Stale(file.identity)
            }
        }
    }

    /// The same however old it is.
    pub(super) fn get_any(&self, path: &str) -> Option<Representation> {
        self.kept.borrow().files.get(path).map(|file| file.representation.clone())
    }

    /// Keeps a file, at the expense of those that came first.
    pub(super) fn put(&self, path: &str, identity: Identity, representation: Representation, now: Instant) {
        self.remove(path);
        let mut kept = self.kept.borrow_mut();
        let path: Rc<str> = path.into();
        kept.bytes += identity.size();
        kept.order.push_back(path.clone());
        kept.files.insert(path, File { identity, representation, looked_at: Cell::new(now) });
        while kept.bytes > MOST_BYTES || kept.files.len() > MOST_FILES {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.forget(&oldest);
        }
    }

    /// Forgets what is under a path.
    pub(super) fn remove(&self, path: &str) {
        let mut kept = self.kept.borrow_mut();
        if kept.forget(path) {
            kept.order.retain(|other| **other != *path);
        }
    }
}

impl Kept {
    fn forget(&mut self, path: &str) -> bool {
        let forgotten = self.files.remove(path);
        if let Some(file) = &forgotten {
            self.bytes -= file.identity.size();
        }
        forgotten.is_some()
    }
}
