//! The context of a run: what all its transfers share.

use std::cell::RefCell;

use super::descriptors::DescriptorShortage;
use super::options::DownloadOptions;
use super::plan::DownloadItem;
use super::progress::ProgressCounters;
use super::rate_limit::RateLimit;
use super::report::{DownloadEvent, DownloadEventKind};
use super::scheduler::HostScheduler;
use super::used_names::UsedNames;
use super::validator_cache::ValidatorCache;
use crate::event_loop::ThreadPool;
use crate::http::client::Client;
use crate::sync;

/// The callback that receives the events of a run.
pub(super) type EventCallback = dyn FnMut(&DownloadEvent<'_>);

/// The state that all transfers of a run share.
pub(super) struct RunContext {
    pub(super) options: DownloadOptions,
    pub(super) client: Client,
    pub(super) scheduler: HostScheduler,
    /// Capacity for bytes that have been received and not yet written to disk, shared by all transfers.
    pub(super) disk: sync::Semaphore,
    /// The pool of one thread that writes to the output stream (standard output or a pipe). Neither the loop (I7) nor
    /// the default pool may do this, since a slow reader of the stream can block a write for any length of time.
    pub(super) stream: ThreadPool,
    pub(super) limit: Option<RateLimit>,
    pub(super) counters: ProgressCounters,
    /// The event that stops the run.
    pub(super) stop: sync::OnceEvent,
    pub(super) shortage: DescriptorShortage,
    pub(super) validators: Option<RefCell<ValidatorCache>>,
    /// The file names that were derived from `Content-Disposition` headers in this run.
    pub(super) remote_names: RefCell<UsedNames>,
    pub(super) callback: RefCell<Box<EventCallback>>,
}

impl RunContext {
    pub(super) fn report(&self, item: &DownloadItem, kind: DownloadEventKind<'_>) {
        let url = Some(item.url.as_str());
        (self.callback.borrow_mut())(&DownloadEvent { id: item.id, line: item.line, url, kind });
    }
}
