//! The downloader: scheduling, retries, resumed downloads, file naming and atomic saving, on top of the HTTP client.
//!
//! The modules below this one write their futures by hand. From here up, asynchronous code is written as coroutines
//! (`async fn`), which run on the same event loop. Suggested reading order, with how each file may wait:
//!
//! | file | subject | async or blocking |
//! | --- | --- | --- |
//! | `run.rs`, `options.rs` | a run: it reads the plan, starts transfers and counts outcomes | async |
//! | `plan.rs`, `list.rs`, `address.rs` | from list lines to URLs and target paths | blocking, on a thread of its own |
//! | `name.rs`, `disposition.rs`, `names.rs`, `hash.rs` | file names; sharding of a list | neither |
//! | `host.rs`, `hosts.rs`, `turns.rs` | per-host limits, circuit breaker, retry budget | only `turns.rs`: async |
//! | `fetch.rs`, `ask.rs`, `redirect.rs`, `retry.rs` | one transfer: attempts, requests, redirects, backoff | async |
//! | `destination.rs`, `store.rs`, `body.rs`, `limit.rs` | from the socket to the disk, with backpressure | async |
//! | `save.rs`, `entry.rs`, `publish.rs` | directories and atomic saves | blocking, on the pool |
//! | `part.rs`, `slot.rs`, `sink.rs` | partial downloads (`NAME.part`) and output streams | blocking, on the pool |
//! | `resume.rs`, `validators.rs` | entity tags and dates: resuming, conditional requests | neither |
//! | `report.rs`, `gauge.rs`, `error.rs`, `escape.rs` | events, progress counters, errors, escaping | neither |

mod address;
mod ask;
mod body;
mod destination;
mod disposition;
mod entry;
mod error;
mod escape;
mod fetch;
mod gauge;
mod hash;
mod host;
mod hosts;
mod limit;
mod list;
mod name;
mod names;
mod options;
mod part;
mod plan;
mod publish;
mod redirect;
mod report;
mod resume;
mod retry;
mod run;
mod save;
mod sink;
mod slot;
mod store;
mod turns;
mod validators;

pub use address::{Address, AddressError};
pub use entry::{Entry, Obstacle, Whole};
pub use error::{Class, FetchError};
pub(crate) use escape::escaped_line;
pub use escape::{Escaped, escaped};
pub use gauge::{Active, Gauge};
pub use hash::{Shard, stable_hash};
pub use limit::RateLimit;
pub use list::{LineError, Sha256, Wanted};
pub use name::{is_reserved, name_from_path};
pub use options::{Options, Overwrite};
pub use plan::{BadLine, Batch, Found, Item, Pace, Place, Plan, Planned};
pub use redirect::RedirectRules;
pub use report::{Done, Event, How, What};
pub use retry::{Backoff, is_worth_retrying, may_heal, retry_after};
pub use run::{Tally, download_all};
pub use save::{Existing, Folder, Fsync, SaveError};
pub use sink::StreamTarget;
pub(crate) use sink::stdout;
