//! The downloader: scheduling, retries, resumed downloads, file naming and atomic saving, on top of the HTTP client.
//!
//! The layers that this one builds on (event loop, network, HTTP client) implement `Future` by hand. In this layer and
//! above, asynchronous code is mostly written as `async fn`; both kinds run on the same event loop. Suggested reading
//! order, with whether the functions of each file are async or blocking ("neither": they never wait):
//!
//! | file | subject | async or blocking |
//! | --- | --- | --- |
//! | `run.rs`, `options.rs`, `context.rs` | a run: it reads the plan, starts transfers and counts outcomes | async |
//! | `plan.rs`, `list.rs`, `download_url.rs` | from list lines to URLs and target paths | blocking, on a thread of its own |
//! | `file_name.rs`, `disposition.rs`, `used_names.rs`, `hash.rs` | file names; sharding of a list | neither |
//! | `host.rs`, `host_table.rs`, `scheduler.rs` | per-host limits, circuit breaker, retry budget | only `scheduler.rs`: async |
//! | `transfer.rs`, `fetch.rs`, `retry.rs` | one transfer: attempts and backoff | async |
//! | `request.rs`, `redirect.rs`, `response.rs` | the requests of an attempt, redirects, errors | async |
//! | `destination.rs`, `store.rs`, `body.rs`, `rate_limit.rs` | from the socket to the disk, with backpressure | async |
//! | `small_file.rs`, `save.rs`, `publish.rs`, `staging.rs` | atomic saves | blocking, on the pool |
//! | `directory.rs`, `target_entry.rs`, `url_hash.rs` | directories, existing files and the URLs they came from | blocking |
//! | `part.rs`, `part_entry.rs`, `sink.rs` | partial downloads (`NAME.part`) and output streams | blocking, on the pool |
//! | `resume.rs`, `validator_cache.rs` | entity tags and dates: resuming, conditional requests | cache: blocking |
//! | `descriptors.rs` | shortages of file descriptors | async |
//! | `report.rs`, `progress.rs`, `error.rs`, `save_error.rs`, `escape.rs` | events, progress counters, errors, escaping | neither |

mod body;
mod context;
mod descriptors;
mod destination;
mod directory;
mod disposition;
mod download_url;
mod error;
mod escape;
mod fetch;
mod file_name;
mod hash;
mod host;
mod host_table;
mod list;
mod options;
mod part;
mod part_entry;
mod plan;
mod progress;
mod publish;
mod rate_limit;
mod redirect;
mod report;
mod request;
mod response;
mod resume;
mod retry;
mod run;
mod save;
mod save_error;
mod scheduler;
mod sink;
mod small_file;
mod staging;
mod store;
mod target_entry;
mod transfer;
mod url_hash;
mod used_names;
mod validator_cache;

pub use directory::Directory;
pub use download_url::{DownloadUrl, UrlError};
pub use error::{ErrorClass, FetchError};
pub(crate) use escape::escaped_line;
pub use escape::{Escaped, escaped};
pub use file_name::{is_reserved, name_from_path};
pub use hash::{Shard, stable_hash};
pub use list::{LineError, ListEntry, Sha256};
pub use options::{DownloadOptions, Overwrite};
pub use plan::{Batch, DownloadItem, InvalidLine, OnDisk, Plan, PlannedLine, TargetPath, Throttle};
pub use progress::{ActiveTransfer, ProgressCounters};
pub use publish::{Fsync, OnExisting};
pub use rate_limit::RateLimit;
pub use redirect::RedirectPolicy;
pub use report::{DownloadEvent, DownloadEventKind, SuccessKind, TransferReport};
pub use retry::{Backoff, Retry, is_retryable_status, retry_after};
pub use run::{RunSummary, download_all};
pub use save_error::SaveError;
pub use sink::StreamTarget;
pub(crate) use sink::stdout;
pub use target_entry::{ExistingFile, Obstacle, TargetEntry};
