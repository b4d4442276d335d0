//! The chapter's downloader: it downloads many flags concurrently, with a limit, and counts each one when it is on disk.
//!
//! It consists of coroutines, with the structure of the original: [`download_many`] spawns one task per flag and processes
//! their results as they arrive; `download_one` acquires a permit, requests the image, and has it saved by a thread.

use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};

use super::codes::CountryCode;
use super::metadata::file_name;
use crate::download::{Backoff, Directory, Fsync, OnExisting, Retry, SaveError, is_retryable_status, retry_after};
use crate::event_loop::{Job, JobError, JoinSet, run_in_executor, sleep};
use crate::futures::{Either, race};
use crate::http::client::{Client, ClientError};
use crate::sync::{OnceEvent, Semaphore};

/// The longest `Retry-After` that is honoured.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// The maximum size of a response body, in bytes.
const MAX_FLAG_BYTES: usize = 64 << 20;

/// The options of a run.
#[derive(Clone, Debug)]
pub struct FlagsOptions {
    /// The URL below which the flags are, without a slash at the end: a flag is at `URL/cc/cc.gif`.
    pub base_url: String,
    /// The output directory.
    pub directory: Directory,
    /// The maximum number of concurrent requests.
    pub max_requests: usize,
    /// Whether files are named after their countries, whose names are requested first.
    pub names: bool,
    /// The thread that writes files.
    pub save: SaveOn,
    /// The number of copies of the image in a file.
    pub scale: usize,
    /// The maximum number of retries of a request.
    pub retries: u32,
}

/// The thread that writes files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveOn {
    /// A thread of the pool.
    Pool,
    /// The loop's own thread, which blocks the loop. This shows what difference it makes.
    Loop,
}

/// The outcome of one flag.
#[derive(Debug)]
pub enum FlagOutcome {
    /// The flag is on disk.
    Saved,
    /// The server responded with 404.
    NotFound,
    /// The download failed.
    Failed(FlagError),
    /// The run was stopped before the flag was downloaded.
    Cancelled,
}

/// The number of flags with each outcome. The sum is the number of flags that were requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flags that are on disk.
    pub saved: usize,
    /// Flags that the server does not have.
    pub not_found: usize,
    /// Flags whose download failed.
    pub failed: usize,
    /// Flags that were not downloaded because the run was stopped.
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

/// The context that all tasks share.
struct FlagsRun {
    options: FlagsOptions,
    client: Client,
    permits: Semaphore,
    stop: OnceEvent,
}

/// Downloads flags, and calls `on_done` with the outcome of each.
///
/// When `stop` is set, requests are cancelled, but files that are being written are completed. So the files on disk are
/// those that have been counted.
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
    let run = Rc::new(FlagsRun { options, client, permits, stop });
    let mut tasks = JoinSet::new();
    for &code in codes {
        let run = run.clone();
        tasks.spawn_named(&format!("flag {code}"), async move { (code, run.download_one(code).await) });
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

impl FlagsRun {
    /// Downloads one flag, from the request to the disk.
    async fn download_one(&self, code: CountryCode) -> FlagOutcome {
        match self.get_and_save(code).await {
            Ok(()) => FlagOutcome::Saved,
            Err(FlagFailure::NotFound) => FlagOutcome::NotFound,
            Err(FlagFailure::Cancelled) => FlagOutcome::Cancelled,
            Err(FlagFailure::Failed(error)) => FlagOutcome::Failed(error),
        }
    }

    async fn get_and_save(&self, code: CountryCode) -> Result<(), FlagFailure> {
        let flag_url = format!("{}/{}", self.options.base_url, code.lower());
        let image = self.get(format!("{flag_url}/{}.gif", code.lower())).await?;
        let name = if self.options.names {
            let metadata = self.get(format!("{flag_url}/metadata.json")).await?;
            file_name(&country_in(&metadata)?, code)
        } else {
            format!("{}.gif", code.lower())
        };
        self.save(name, image).await.map_err(FlagFailure::Failed)
    }

    /// Returns the body of a 200 response. Retries transient errors. Each attempt holds a permit, but no wait does.
    async fn get(&self, url: String) -> Result<Vec<u8>, FlagFailure> {
        let mut backoff = Backoff::new(self.options.retries);
        loop {
            let attempt = async {
                let _permit = self.permits.acquire().await;
                self.get_once(&url).await
            };
            let RequestError { error, retry } = match self.unless_stopped(attempt).await? {
                Ok(body) => return Ok(body),
                Err(failed) => failed,
            };
            let Some(wait) = backoff.next_wait(retry) else { return Err(error) };
            self.unless_stopped(sleep(wait)).await?;
        }
    }

    async fn get_once(&self, url: &str) -> Result<Vec<u8>, RequestError> {
        let request =
            Request::get(url).body(()).map_err(|error| RequestError::permanent(FlagError::Url(error).into()))?;
        let response = self.client.request(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body().collect(MAX_FLAG_BYTES).await?),
            StatusCode::NOT_FOUND => Err(RequestError::permanent(FlagFailure::NotFound)),
            status => {
                let requested = retry_after(response.headers(), SystemTime::now());
                let retry = Retry::after_status(is_retryable_status(status), requested, MAX_WAIT);
                Err(RequestError { error: FlagError::Status(status).into(), retry })
            }
        }
    }

    async fn save(&self, name: String, image: Vec<u8>) -> Result<(), FlagError> {
        let (directory, scale) = (self.options.directory.clone(), self.options.scale);
        let bytes = image.len() as u64 * scale as u64;
        let save = move || directory.save(&name, &image, scale, OnExisting::Replace, Fsync::None);
        let saved = match self.options.save {
            SaveOn::Pool => run_in_executor(None, Job::new(save).label("save").bytes(bytes)).await?,
            SaveOn::Loop => save(), // I7: the deliberate exception
        };
        Ok(saved?)
    }

    /// Returns the output of the future, unless the run is stopped first.
    async fn unless_stopped<F: Future>(&self, future: F) -> Result<F::Output, FlagFailure> {
        match race(self.stop.wait(), future).await {
            Either::First(()) => Err(FlagFailure::Cancelled),
            Either::Second(output) => Ok(output),
        }
    }
}

/// Returns the name of the country in a flag's `metadata.json`.
fn country_in(metadata: &[u8]) -> Result<String, FlagError> {
    let metadata: serde_json::Value = serde_json::from_slice(metadata).map_err(|_| FlagError::Metadata)?;
    metadata["country"].as_str().map(str::to_owned).ok_or(FlagError::Metadata)
}

/// The reason why a flag was not saved.
enum FlagFailure {
    NotFound,
    Cancelled,
    Failed(FlagError),
}

impl<E: Into<FlagError>> From<E> for FlagFailure {
    fn from(error: E) -> FlagFailure {
        FlagFailure::Failed(error.into())
    }
}

/// The error of a request, and whether it is retried.
struct RequestError {
    error: FlagFailure,
    retry: Retry,
}

impl RequestError {
    fn permanent(error: FlagFailure) -> RequestError {
        RequestError { error, retry: Retry::Never }
    }
}

impl From<ClientError> for RequestError {
    fn from(error: ClientError) -> RequestError {
        let retry = Retry::after_error(&error);
        RequestError { error: FlagError::Http(error).into(), retry }
    }
}

/// The error of a flag.
#[derive(Debug)]
pub enum FlagError {
    /// The base URL and the code do not form a valid URL.
    Url(http::Error),
    /// The exchange failed.
    Http(ClientError),
    /// The server responded with a status other than 200 and 404.
    Status(StatusCode),
    /// The `metadata.json` does not name a country.
    Metadata,
    /// The file could not be written.
    Save(SaveError),
    /// The job that writes the file failed.
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
            FlagError::Url(error) => write!(f, "invalid base URL: {error}"),
            FlagError::Http(error) => error.fmt(f),
            FlagError::Status(status) => write!(f, "HTTP status {status}"),
            FlagError::Metadata => f.write_str("metadata.json contains no country name"),
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
