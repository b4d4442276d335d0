//! The target path of one transfer, and how an existing file at that path is handled.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, LAST_MODIFIED};
use sha2::Digest;

use super::directory::Directory;
use super::disposition::name_from_disposition;
use super::error::FetchError;
use super::list::Sha256;
use super::options::{DownloadOptions, Overwrite};
use super::plan::{DownloadItem, TargetPath};
use super::publish::PublishTarget;
use super::publish::{Fsync, OnExisting};
use super::report::{SuccessKind, TransferReport};
use super::response::FinalResponse;
use super::resume::{PartState, content_length, text};
use super::save_error::SaveError;
use super::target_entry::{ExistingFile, TargetEntry};
use super::transfer::Transfer;
use super::url_hash::UrlHash;
use super::used_names::numbered;
use crate::event_loop::{Job, run_in_executor};
use crate::platform::{Mode, OFlags, openat};

/// An owned [`PublishTarget`], which can be moved to a job on the pool.
pub(super) struct Publication {
    name: String,
    existing: OnExisting,
    fsync: Fsync,
    modified: Option<SystemTime>,
    url_hash: Option<UrlHash>,
}

impl Publication {
    pub(super) fn target(&self) -> PublishTarget<'_> {
        PublishTarget {
            name: &self.name,
            existing: self.existing,
            fsync: self.fsync,
            modified: self.modified,
            url_hash: self.url_hash.as_ref(),
        }
    }
}

impl Transfer {
    /// Checks the state on disk before any request. Returns `Some` if the existing file is kept, so that no request is
    /// needed.
    pub(super) async fn check_existing(&mut self) -> Result<Option<TransferReport>, FetchError> {
        let options = &self.run.options;
        // With `remote_name`, the file name is known only after the response.
        if options.spider || options.stream.is_some() || options.remote_name {
            return Ok(None);
        }
        if let Some(obstacle) = self.item.on_disk.obstacle {
            return Err(obstacle.error(options.directory.path().join(self.item.target.path())).into());
        }
        let (Some(file), Some(expected)) = (self.item.on_disk.file, self.item.sha256) else { return Ok(None) };
        if options.overwrite == Overwrite::Always {
            return Ok(None);
        }
        if self.has_content(&self.item.target.clone(), expected).await? {
            let report = kept_report(options, &self.item.target, file);
            return Ok(Some(TransferReport { sha256: Some(expected), ..report }));
        }
        // Do not make the request conditional on a file with the wrong checksum.
        self.item.on_disk.file = None;
        Ok(None)
    }

    /// Determines the file name from the response, if the server chooses it (`remote_name`), and applies the overwrite
    /// policy to an existing file of that name. Returns `Some` if the existing file is kept.
    pub(super) async fn determine_name(
        &mut self,
        response: &FinalResponse,
    ) -> Result<Option<TransferReport>, FetchError> {
        let options = &self.run.options;
        if options.stream.is_some() {
            return Ok(None);
        }
        if !options.remote_name {
            let stays =
                |file: &ExistingFile| options.overwrite == Overwrite::Newer && !is_newer(&response.headers, file);
            let current = self.item.on_disk.file.filter(stays);
            return Ok(
                current.map(|file| self.done(SuccessKind::Exists, Some(self.item.target.path()), response, file.bytes))
            );
        }
        let (target_path, entry) = self.take_remote_name(&response.headers).await?;
        let file = match entry {
            None => return Ok(None),
            Some(TargetEntry::Other(obstacle)) => {
                return Err(obstacle.error(self.run.options.directory.path().join(target_path.path())).into());
            }
            Some(TargetEntry::File(file)) => file,
        };
        let options = &self.run.options;
        let stays = match (options.overwrite, self.item.sha256) {
            (Overwrite::Always, _) => false,
            (_, Some(expected)) => self.has_content(&target_path, expected).await?,
            (Overwrite::Newer, None) => !is_newer(&response.headers, &file),
            (Overwrite::Never, None) => !options.conditional,
        };
        Ok(stays.then(|| self.done(SuccessKind::Exists, Some(target_path.path()), response, file.bytes)))
    }

    /// Returns the path with the name from `Content-Disposition` (or from the URL, if there is none), and the existing
    /// entry at that path. Adds a numeric suffix to the name if it is used by another file of this run, or by an
    /// existing file that came from another URL.
    async fn take_remote_name(&mut self, headers: &HeaderMap) -> Result<(TargetPath, Option<TargetEntry>), FetchError> {
        if self.remote_name.is_some() {
            let (directory, target_path) = (self.run.options.directory.clone(), self.final_path());
            let path = target_path.relative();
            let entry = run_in_executor(None, Job::new(move || directory.entry(&path)).label("look up")).await?;
            return Ok((target_path, entry));
        }
        let given = headers.get(CONTENT_DISPOSITION).and_then(|value| name_from_disposition(value.as_bytes()));
        let wanted =
            TargetPath { name: given.unwrap_or_else(|| self.item.target.name.clone()), ..self.item.target.clone() };
        let parent = wanted.directories.as_deref();
        let mut number = 0;
        loop {
            number = self.run.remote_names.borrow().first_unused(parent, &wanted.name, number);
            let (directory, path) = (self.run.options.directory.clone(), wanted.clone());
            let url_hash = UrlHash::of(self.item.url.as_str());
            let look_up = move || look_up_from(number, &directory, path, &url_hash);
            let (found, entry) = run_in_executor(None, Job::new(look_up).label("look up")).await?;
            // Another transfer may have taken the name in the meantime.
            let reserved = self.run.remote_names.borrow_mut().reserve_number(parent, &wanted.name, found);
            if reserved.is_some() {
                self.remote_name = reserved;
                return Ok((self.final_path(), entry));
            }
            number = found;
        }
    }

    /// Returns the final path of the file.
    pub(super) fn final_path(&self) -> TargetPath {
        let TargetPath { directories, name } = self.item.target.clone();
        TargetPath { directories, name: self.remote_name.clone().unwrap_or(name) }
    }

    /// Returns the parameters of publishing the file. `state` is the state of a partial download, if there is one.
    pub(super) fn publication(&self, headers: &HeaderMap, state: Option<&PartState>) -> Publication {
        let options = &self.run.options;
        let date = text(headers, &LAST_MODIFIED).or_else(|| state?.last_modified.clone());
        Publication {
            name: self.final_path().name,
            // The content is verified by its checksum, so it may replace any existing file.
            existing: if self.item.sha256.is_some() { OnExisting::Replace } else { options.existing() },
            fsync: options.fsync,
            modified: date.filter(|_| options.keeps_modified).and_then(|date| httpdate::parse_http_date(&date).ok()),
            url_hash: options.remote_name.then(|| UrlHash::of(self.item.url.as_str())),
        }
    }

    /// Returns whether an existing file has the expected SHA-256.
    async fn has_content(&self, target_path: &TargetPath, expected: Sha256) -> Result<bool, FetchError> {
        let (directory, path) = (self.run.options.directory.clone(), target_path.relative());
        let check = Job::new(move || hash_of(&directory, &path)).label("check").cancellable();
        Ok(run_in_executor(None, check).await?? == expected)
    }
}

/// Creates the report of a file that is kept without a request.
pub(super) fn kept_report(options: &DownloadOptions, target_path: &TargetPath, file: ExistingFile) -> TransferReport {
    TransferReport {
        kind: SuccessKind::Exists,
        path: Some(options.directory.path().join(target_path.path())),
        status: None,
        bytes: file.bytes,
        resumed_from: 0,
        attempts: 0,
        reused: false,
        connect_timings: None,
        to_first_byte: None,
        total: Duration::ZERO,
        etag: None,
        sha256: None,
    }
}

/// Returns the existing file of an item if it can be kept without a request and without a checksum verification.
pub(super) fn file_to_keep(options: &DownloadOptions, item: &DownloadItem) -> Option<ExistingFile> {
    let needs_request = options.spider || options.conditional || options.stream.is_some() || options.remote_name;
    let is_kept = options.overwrite == Overwrite::Never && item.sha256.is_none() && !needs_request;
    item.on_disk.file.filter(|_| is_kept)
}

/// Returns the first number, from `number` on, whose name is not used by an existing file that came from another URL,
/// and the existing entry of that name. Blocking.
fn look_up_from(
    mut number: u64,
    directory: &Directory,
    wanted: TargetPath,
    url_hash: &UrlHash,
) -> (u64, Option<TargetEntry>) {
    loop {
        let path = TargetPath { name: numbered(&wanted.name, number), ..wanted.clone() }.relative();
        match directory.entry(&path) {
            Some(TargetEntry::File(_)) if url_hash.differs_from(directory, &path) => number += 1,
            entry => return (number, entry),
        }
    }
}

/// Returns whether the server's version is newer than the existing file. A version without a valid `Last-Modified`
/// counts as newer, and so does a version with the same date and a different length.
fn is_newer(headers: &HeaderMap, file: &ExistingFile) -> bool {
    let date = text(headers, &LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(&date).ok());
    date.is_none_or(|date| {
        let has_other_length = content_length(headers).is_some_and(|length| length != file.bytes);
        date > file.modified || (date == file.modified && has_other_length)
    })
}

fn hash_of(directory: &Directory, path: &str) -> Result<Sha256, SaveError> {
    let hash = || -> io::Result<Sha256> {
        // Non-blocking, since the file may have been replaced by a pipe.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(openat(directory.descriptor(), path, flags, Mode::empty())?);
        let mut hasher = sha2::Sha256::default();
        io::copy(&mut file, &mut hasher)?;
        Ok(Sha256(hasher.finalize().into()))
    };
    hash().map_err(|error| SaveError::new("reading", directory.path().join(path), error))
}
