//! A cache of validators: the `ETag` and `Last-Modified` of downloaded files, for conditional requests (RFC 9110 §13).
//!
//! A single file in the output directory contains the validators of all downloaded files, one line of JSON per file. A
//! run appends to it, and the last line for a path counts. In memory there is only an index, 16 bytes per file: the
//! hash of the path and the offset of its line. An entry is used only for the same URL, if the size of the downloaded
//! file still matches, and if the file is not older than the recorded `Last-Modified`. Two runs that download different
//! versions of the same size at the same time, from a server without `Last-Modified`, can leave a file and an entry
//! that do not match.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::directory::Directory;
use super::hash::stable_hash;
use super::resume::{is_strong, is_weak_last_modified, text};
use super::save_error::SaveError;
use super::target_entry::ExistingFile;
use crate::event_loop::{Job, JobHandle, run_in_executor};

/// The name of the cache file in the output directory.
pub(super) const FILE: &str = ".glassloop-validators";

/// The number of buffered bytes at which lines are written.
const WRITE_BYTES: usize = 64 * 1024;

/// The maximum length of a line that is read. A line contains a URL, a path and two header values.
const MAX_LINE_BYTES: u64 = 256 * 1024;

/// The coarsest resolution of modification times among file systems.
const TIME_STEP: Duration = Duration::from_secs(2);

/// The number of superseded lines below which compacting the file is not worthwhile.
const FEW_LINES: usize = 1000;

/// The validators of earlier runs, and those that this run adds.
#[derive(Debug)]
pub(super) struct ValidatorCache {
    directory: Directory,
    index: Arc<ValidatorIndex>,
    /// Lines that are buffered and not yet being written.
    lines: Vec<u8>,
    writes: Vec<JobHandle<Result<(), SaveError>>>,
}

/// The index of the lines that earlier runs have written.
#[derive(Debug, Default)]
pub(super) struct ValidatorIndex {
    file: Option<Mutex<File>>,
    /// The hash of each path and the offset of its last line, sorted.
    entries: Vec<(u64, u64)>,
    /// Whether the file ends with an incomplete line, because a run was killed.
    ends_within_line: bool,
}

/// The validators of one downloaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CachedValidators {
    path: String,
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
    bytes: u64,
}

impl CachedValidators {
    fn from_line(line: &[u8]) -> Option<CachedValidators> {
        let line = serde_json::from_slice::<Value>(line).ok()?;
        let optional = |key: &str| line[key].as_str().map(str::to_owned);
        Some(CachedValidators {
            path: optional("path")?,
            url: optional("url")?,
            etag: optional("etag"),
            last_modified: optional("last_modified"),
            bytes: line["bytes"].as_u64()?,
        })
    }

    /// Returns whether the file on disk is older than this version, because another run has replaced it with an earlier
    /// one.
    fn is_later_than(&self, whole: &ExistingFile) -> bool {
        let date = self.last_modified.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
        date.is_some_and(|date| whole.modified + TIME_STEP < date)
    }
}

impl ValidatorIndex {
    /// Reads the index of the lines of earlier runs. Unreadable entries are skipped. Blocking.
    pub(super) fn load(directory: &Directory) -> ValidatorIndex {
        let read = || {
            check_is_regular(&path_in(directory))?;
            ValidatorIndex::of(File::open(path_in(directory))?)
        };
        let mut index = read();
        if let Ok((known, superseded)) = &index
            && *superseded > known.entries.len().max(FEW_LINES)
        {
            match known.compact(directory) {
                Ok(()) => index = read(),
                Err(error) => log::warn!("rewriting {}: {error}", path_in(directory).display()),
            }
        }
        index.map(|(index, _)| index).unwrap_or_default()
    }

    /// Indexes the whole file. Also returns the number of superseded lines.
    fn of(file: File) -> io::Result<(ValidatorIndex, usize)> {
        let mut reader = BufReader::new(&file);
        let (mut entries, mut at, mut line, mut ends_within_line) = (Vec::new(), 0, Vec::new(), false);
        loop {
            line.clear();
            let read = (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? as u64;
            if read == 0 {
                break;
            }
            if let Some(known) = CachedValidators::from_line(&line) {
                entries.push((stable_hash(known.path.as_bytes()), at));
            }
            ends_within_line = line.last() != Some(&b'\n');
            at += read;
        }
        let lines = entries.len();
        // Sort the last line of a path first, so that deduplication removes the others.
        entries.sort_unstable_by_key(|&(hash, at)| (hash, std::cmp::Reverse(at)));
        entries.dedup_by_key(|&mut (hash, _)| hash);
        entries.shrink_to_fit();
        let superseded = lines - entries.len();
        Ok((ValidatorIndex { file: Some(Mutex::new(file)), entries, ends_within_line }, superseded))
    }

    /// Reads the line at this offset.
    fn line_at(&self, at: u64) -> io::Result<Vec<u8>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        let mut line = Vec::new();
        BufReader::with_capacity(1024, &mut *file).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn position(&self, path: &str) -> Option<u64> {
        let hash = stable_hash(path.as_bytes());
        let found = self.entries.binary_search_by_key(&hash, |&(hash, _)| hash).ok()?;
        Some(self.entries[found].1)
    }

    /// Returns the validators of a file, if its size and URL still match and the file is not older than the recorded
    /// `Last-Modified`.
    fn known(&self, path: &str, url: &str, whole: &ExistingFile) -> Option<CachedValidators> {
        let known = CachedValidators::from_line(&self.line_at(self.position(path)?).ok()?)?;
        let is_of = known.path == path && known.url == url && known.bytes == whole.bytes;
        (is_of && !known.is_later_than(whole)).then_some(known)
    }

    /// Writes the lines that are not superseded to a new file, which replaces the old one.
    fn compact(&self, directory: &Directory) -> io::Result<()> {
        let temporary = directory.path().join(format!("{FILE}.{}", std::process::id()));
        let write = || {
            let mut file = BufWriter::new(File::create_new(&temporary)?);
            for &(_, at) in &self.entries {
                file.write_all(&self.line_at(at)?)?;
            }
            file.into_inner()?;
            std::fs::rename(&temporary, path_in(directory))
        };
        write().inspect_err(|_| _ = std::fs::remove_file(&temporary))
    }
}

fn path_in(directory: &Directory) -> PathBuf {
    directory.path().join(FILE)
}

impl ValidatorCache {
    /// Creates a cache that appends to what earlier runs have written.
    pub(super) fn new(directory: Directory, index: ValidatorIndex) -> ValidatorCache {
        let lines = if index.ends_within_line { b"\n".to_vec() } else { Vec::new() };
        ValidatorCache { directory, index: Arc::new(index), lines, writes: Vec::new() }
    }

    /// Returns a job that reads the validators of a file and returns them as conditional headers. Returns `None` if the
    /// file is not in the index.
    pub(super) fn conditions(&self, path: &str, url: &str, whole: ExistingFile) -> Option<Job<HeaderMap>> {
        self.index.position(path)?;
        let (index, path, url) = (self.index.clone(), path.to_owned(), url.to_owned());
        let read = move || index.known(&path, &url, &whole).map(|known| fields(&known)).unwrap_or_default();
        Some(Job::new(read).label("read validators").cancellable())
    }

    /// Records the validators of a file. When enough lines are buffered, they are written by a job on the pool.
    pub(super) fn note(&mut self, path: String, url: &str, headers: &HeaderMap, bytes: u64) {
        let (mut etag, mut last_modified) = (text(headers, &ETAG), text(headers, &LAST_MODIFIED));
        // A file that changes twice within a second keeps its date, and perhaps its weak `ETag`, which may be derived
        // from the date. So without a strong `ETag`, a recent date is not recorded: only a full request could detect
        // the second change.
        if !etag.as_deref().is_some_and(is_strong)
            && last_modified.as_deref().is_some_and(|date| is_weak_last_modified(date, headers))
        {
            (etag, last_modified) = (None, None);
        }
        let line = json!({
            "path": path, "url": url, "etag": etag, "last_modified": last_modified, "bytes": bytes,
        });
        // Writing to memory cannot fail.
        let _infallible = writeln!(self.lines, "{line}");
        if self.lines.len() >= WRITE_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        let (lines, directory) = (std::mem::take(&mut self.lines), self.directory.clone());
        let job = Job::new(move || append(&directory, &lines)).label("save validators");
        self.writes.push(run_in_executor(None, job));
    }

    /// Writes the remaining lines. Everything has been written when the returned jobs have completed.
    pub(super) fn finish(&mut self) -> Vec<JobHandle<Result<(), SaveError>>> {
        if self.lines.len() > 1 {
            self.write();
        }
        std::mem::take(&mut self.writes)
    }
}

fn append(directory: &Directory, lines: &[u8]) -> Result<(), SaveError> {
    let path = path_in(directory);
    let append = || {
        check_is_regular(&path)?;
        File::options().append(true).create(true).open(&path)?.write_all(lines)
    };
    append().map_err(|error| SaveError::new("writing", path.clone(), error))
}

/// Returns an error if the name belongs to another kind of object: a symbolic link would let another user choose which
/// file is written, and a pipe would block.
fn check_is_regular(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(io::Error::other("not a regular file; remove it")),
        _ => Ok(()),
    }
}

fn fields(known: &CachedValidators) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(IF_NONE_MATCH, &known.etag), (IF_MODIFIED_SINCE, &known.last_modified)] {
        if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

#[cfg(test)]
#[path = "validator_cache_tests.rs"]
mod tests;
