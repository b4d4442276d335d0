//! Files from servers: all that a download needs beyond HTTP.
//!
//! From here up, what waits is written as coroutines (`async fn`); they run on the loop that the rooms below have built.
//! Read in this order:
//!
//! | file | subject | waits, or blocks |
//! | --- | --- | --- |
//! | `run.rs`, `options.rs` | a run: the plan, the transfers, the tally | waits |
//! | `plan.rs`, `list.rs`, `address.rs` | from lines to URLs and places in a folder | blocks, on a thread of its own |
//! | `name.rs`, `disposition.rs`, `names.rs`, `hash.rs` | what files are called; which share of a list is whose | no |
//! | `host.rs`, `hosts.rs`, `turns.rs` | who may ask which host when | the last waits |
//! | `fetch.rs`, `ask.rs`, `redirect.rs`, `retry.rs` | one transfer: attempts, requests, redirects, retries | waits |
//! | `destination.rs`, `store.rs`, `body.rs`, `limit.rs` | from the socket to the disk, no faster than either | waits |
//! | `save.rs`, `entry.rs`, `publish.rs`, `part.rs`, `slot.rs`, `sink.rs` | files that are whole or not there, and files that grow | blocks, on the pool |
//! | `resume.rs`, `validators.rs` | whether two versions are the same | no |
//! | `report.rs`, `gauge.rs`, `error.rs`, `escape.rs` | what is told, and how | no |

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
