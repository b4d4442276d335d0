//! The chapter's downloader: many flags at once, but not too many, each on disk before it counts.
//!
//! It is written in coroutines, in the shape of the original: [`download_many`] starts one task a flag and takes their
//! results as they come; `download_one` takes a permit, gets the image, and hands it to a thread to be saved.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};

use super::codes::CountryCode;
use super::metadata::file_name;
use crate::download::{
    Backoff, Directory, Fsync, OnExisting, SaveError, is_retryable_status, is_transient, retry_after,
};
use crate::event_loop::{Job, JobError, JoinSet, run_in_executor, sleep};
use crate::futures::{Either, race};
use crate::http::client::{Client, ClientError};
use crate::sync::{OnceEvent, Semaphore};

/// The longest wait that a server may ask for before a retry.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// The largest answer that is taken for a flag, in bytes.
const MAX_FLAG_BYTES: usize = 64 << 20;

/// What is to be downloaded, how, and to where.
#[derive(Clone, Debug)]
pub struct FlagsOptions {
    /// Where the flags are, without a slash at the end: `URL/cc/cc.gif`.
    pub base_url: String,
    /// Where they go.
    pub directory: Directory,
    /// Requests at once.
    pub max_requests: usize,
    /// Ask for each country's name first, and call the file by it.
    pub names: bool,
    /// Where files are written.
    pub save: SaveOn,
    /// How many copies of the image a file holds.
    pub scale: usize,
    /// How often a failed request is tried again.
    pub retries: u32,
}

/// Which thread writes files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveOn {
    /// One of the pool's.
    Pool,
    /// The loop's own, which stands still meanwhile: to see what difference it makes.
    Loop,
}

/// How one flag ended.
#[derive(Debug)]
pub enum FlagOutcome {
    /// It is on disk.
    Saved,
    /// The server does not have it.
    NotFound,
    /// It could not be had.
    Failed(FlagError),
    /// It was not asked for any more.
    Cancelled,
}

/// How many ended how. The four add up to the flags that were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// On disk.
    pub saved: usize,
    /// Not on the server.
    pub not_found: usize,
    /// Ended in an error.
    pub failed: usize,
    /// Not asked for any more.
    pub cancelled: usize,
}

impl Counts {
    fn add(&mut self, outcome: &FlagOutcome) {
        match outcome {
            FlagOutcome::Saved => self.saved += 1,
            FlagOutcome::NotFound => self.not_found += 1,
            FlagOutcome::Failed(_) => self.failed += 1,
            FlagOutcome::Cancelled => self.cancelled += 1,
        }
    }
}

/// What all the tasks share.
struct Download {
    options: FlagsOptions,
    client: Client,
    permits: Semaphore,
    stop: OnceEvent,
}

/// Downloads flags and tells of each one as it ends.
///
/// When `stop` happens, requests are given up and files that are being written are finished: what is on disk is what
/// has been counted.
///
/// # Panics
/// If no loop runs on this thread.
pub async fn download_many(
    codes: &[CountryCode],
    options: FlagsOptions,
    client: Client,
    stop: OnceEvent,
    mut on_done: impl FnMut(CountryCode, &FlagOutcome),
) -> Counts {
    let permits = Semaphore::new(options.max_requests.max(1));
    let download = Rc::new(Download { options, client, permits, stop });
    let mut tasks = JoinSet::new();
    for &code in codes {
        let download = download.clone();
        tasks.spawn_named(&format!("flag {code}"), async move { (code, download.download_one(code).await) });
    }
    let mut counts = Counts::default();
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok((code, outcome)) => {
                counts.add(&outcome);
                on_done(code, &outcome);
            }
            Err(error) => {
                log::error!("{error}");
                counts.failed += 1;
            }
        }
    }
    counts
}

impl Download {
    /// One flag, from request to disk.
    async fn download_one(&self, code: CountryCode) -> FlagOutcome {
        match self.get_and_save(code).await {
            Ok(()) => FlagOutcome::Saved,
            Err(Ended::NotFound) => FlagOutcome::NotFound,
            Err(Ended::Cancelled) => FlagOutcome::Cancelled,
            Err(Ended::Failed(error)) => FlagOutcome::Failed(error),
        }
    }

    async fn get_and_save(&self, code: CountryCode) -> Result<(), Ended> {
        let flag_url = format!("{}/{}", self.options.base_url, code.lower());
        let image = self.get(format!("{flag_url}/{}.gif", code.lower())).await?;
        let name = if self.options.names {
            let metadata = self.get(format!("{flag_url}/metadata.json")).await?;
            file_name(&country_in(&metadata)?, code)
        } else {
            format!("{}.gif", code.lower())
        };
        self.save(name, image).await.map_err(Ended::Failed)
    }

    /// The body of a 200, tried again as often as allowed. Each attempt holds a permit, and none is held between them.
    async fn get(&self, url: String) -> Result<Vec<u8>, Ended> {
        let mut backoff = Backoff::new(self.options.retries);
        loop {
            let attempt = async {
                let _permit = self.permits.acquire().await;
                self.get_once(&url).await
            };
            let AttemptError { error, wait } = match self.unless_stopped(attempt).await? {
                Ok(body) => return Ok(body),
                Err(failed) => failed,
            };
            match wait {
                Wait::Never => return Err(error),
                Wait::AtLeast(least) => match backoff.next_wait(least) {
                    None => return Err(error),
                    Some(wait) => self.unless_stopped(sleep(wait)).await?,
                },
            }
        }
    }

    async fn get_once(&self, url: &str) -> Result<Vec<u8>, AttemptError> {
        let request = Request::get(url).body(()).map_err(|error| AttemptError::last(FlagError::Url(error).into()))?;
        let response = self.client.request(request).await.map_err(AttemptError::broken)?;
        match response.status() {
            StatusCode::OK => response.into_body().collect(MAX_FLAG_BYTES).await.map_err(AttemptError::broken),
            StatusCode::NOT_FOUND => Err(AttemptError::last(Ended::NotFound)),
            status => {
                let error = FlagError::Status(status).into();
                let wait = match retry_after(response.headers(), SystemTime::now()) {
                    _ if !is_retryable_status(status) => Wait::Never,
                    Some(asked) if asked > MAX_WAIT => Wait::Never,
                    least => Wait::AtLeast(least),
                };
                Err(AttemptError { error, wait })
            }
        }
    }

    async fn save(&self, name: String, image: Vec<u8>) -> Result<(), FlagError> {
        let (directory, scale) = (self.options.directory.clone(), self.options.scale);
        let bytes = image.len() as u64 * scale as u64;
        let save = move || directory.save(&name, &image, scale, OnExisting::Replace, Fsync::None);
        let saved = match self.options.save {
            SaveOn::Pool => run_in_executor(None, Job::new(save).label("save").bytes(bytes)).await?,
            SaveOn::Loop => save(), // I7: the exception on purpose
        };
        Ok(saved?)
    }

    /// The future's result, unless everything is to stop first.
    async fn unless_stopped<F: Future>(&self, future: F) -> Result<F::Output, Ended> {
        match race(self.stop.wait(), future).await {
            Either::First(()) => Err(Ended::Cancelled),
            Either::Second(output) => Ok(output),
        }
    }
}

/// The country's name in a flag's `metadata.json`.
fn country_in(metadata: &[u8]) -> Result<String, FlagError> {
    let metadata: serde_json::Value = serde_json::from_slice(metadata).map_err(|_| FlagError::Metadata)?;
    metadata["country"].as_str().map(str::to_owned).ok_or(FlagError::Metadata)
}

/// Why a flag is not saved.
enum Ended {
    NotFound,
    Cancelled,
    Failed(FlagError),
}

impl<E: Into<FlagError>> From<E> for Ended {
    fn from(error: E) -> Ended {
        Ended::Failed(error.into())
    }
}

/// A request that has failed, and what that means for another one.
struct AttemptError {
    error: Ended,
    wait: Wait,
}

enum Wait {
    /// Another attempt would end the same way.
    Never,
    /// Another one may do better, after what the server asked for.
    AtLeast(Option<Duration>),
}

impl AttemptError {
    fn last(error: Ended) -> AttemptError {
        AttemptError { error, wait: Wait::Never }
    }

    /// The connection failed, or what came over it.
    fn broken(error: ClientError) -> AttemptError {
        let wait = if is_transient(&error) { Wait::AtLeast(None) } else { Wait::Never };
        AttemptError { error: FlagError::Http(error).into(), wait }
    }
}

/// Why a flag could not be had.
#[derive(Debug)]
pub enum FlagError {
    /// The base URL and the code do not make a URL.
    Url(http::Error),
    /// The exchange failed.
    Http(ClientError),
    /// The server answered with neither the flag nor "not found".
    Status(StatusCode),
    /// The `metadata.json` does not name a country.
    Metadata,
    /// The file could not be written.
    Save(SaveError),
    /// The thread that was to write it has failed.
    Job(JobError),
}

impl From<SaveError> for FlagError {
    fn from(error: SaveError) -> FlagError {
        FlagError::Save(error)
    }
}

impl From<JobError> for FlagError {
    fn from(error: JobError) -> FlagError {
        FlagError::Job(error)
    }
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlagError::Url(error) => write!(f, "the base URL cannot be used: {error}"),
            FlagError::Http(error) => error.fmt(f),
            FlagError::Status(status) => write!(f, "HTTP status {status}"),
            FlagError::Metadata => f.write_str("its metadata.json does not name a country"),
            FlagError::Save(error) => error.fmt(f),
            FlagError::Job(error) => write!(f, "saving: {error}"),
        }
    }
}

impl std::error::Error for FlagError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FlagError::Url(error) => Some(error),
            FlagError::Http(error) => Some(error),
            FlagError::Save(error) => Some(error),
            FlagError::Job(error) => Some(error),
            FlagError::Status(_) | FlagError::Metadata => None,
        }
    }
}
