//! The target path of one transfer, and how an existing file at that path is handled.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, LAST_MODIFIED};
use sha2::Digest;

use super::ask::Answered;
use super::disposition::name_from_disposition;
use super::entry::{Entry, Whole};
use super::error::FetchError;
use super::fetch::Transfer;
use super::list::Sha256;
use super::options::{Options, Overwrite};
use super::plan::{Item, Place};
use super::publish::Target;
use super::report::{Done, How};
use super::resume::{PartState, text};
use super::save::{Existing, Folder, Fsync, SaveError};
use crate::event_loop::{Job, run_in_executor};
use crate::platform::{Mode, OFlags, openat};

/// The parameters of publishing a file, for a job on the pool.
pub(super) struct Publication {
    name: String,
    existing: Existing,
    fsync: Fsync,
    modified: Option<SystemTime>,
}

impl Publication {
    pub(super) fn target(&self) -> Target<'_> {
        Target { name: &self.name, existing: self.existing, fsync: self.fsync, modified: self.modified }
    }
}

impl Transfer {
    /// Checks the state on disk before any request. Returns `Some` if the existing file is kept, so that no request is
    /// needed.
    pub(super) async fn check_existing(&mut self) -> Result<Option<Done>, FetchError> {
        let options = &self.run.options;
        // With `remote_name`, the file name is known only after the response.
        if options.spider || options.stream.is_some() || options.remote_name {
            return Ok(None);
        }
        if let Some(obstacle) = self.item.found.obstacle {
            return Err(obstacle.error(options.folder.path().join(self.item.place.path())).into());
        }
        let (Some(whole), Some(expected)) = (self.item.found.whole, self.item.sha256) else { return Ok(None) };
        if options.overwrite == Overwrite::Always {
            return Ok(None);
        }
        if self.has_content(&self.item.place.clone(), expected).await? {
            let existing = existing(options, &self.item.place, whole);
            return Ok(Some(Done { sha256: Some(expected), ..existing }));
        }
        // Do not make the request conditional on a file with the wrong checksum.
        self.item.found.whole = None;
        Ok(None)
    }

    /// Determines the file name after the response. Returns `Some` if an existing file of that name is kept.
    pub(super) async fn settle_name(&mut self, answered: &Answered) -> Result<Option<Done>, FetchError> {
        let options = &self.run.options;
        if options.stream.is_some() {
            return Ok(None);
        }
        if !options.remote_name {
            let stays = |whole: &Whole| options.overwrite == Overwrite::Newer && !is_newer(&answered.headers, whole);
            let current = self.item.found.whole.filter(stays);
            return Ok(current.map(|whole| self.done(How::Exists, Some(self.item.place.path()), answered, whole.bytes)));
        }
        let place = self.take_remote_name(&answered.headers);
        let (folder, path) = (self.run.options.folder.clone(), place.path_in_folder());
        let whole = match run_in_executor(None, Job::new(move || folder.entry(&path)).label("look")).await? {
            None => return Ok(None),
            Some(Entry::Other(obstacle)) => {
                return Err(obstacle.error(self.run.options.folder.path().join(place.path())).into());
            }
            Some(Entry::File(whole)) => whole,
        };
        let options = &self.run.options;
        let stays = match (options.overwrite, self.item.sha256) {
            (Overwrite::Always, _) => false,
            (_, Some(expected)) => self.has_content(&place, expected).await?,
            (Overwrite::Newer, None) => !is_newer(&answered.headers, &whole),
            (Overwrite::Never, None) => !options.conditional,
        };
        Ok(stays.then(|| self.done(How::Exists, Some(place.path()), answered, whole.bytes)))
    }

    /// Returns a path with the name from `Content-Disposition`, or else with that of the URL. Within a run, every file
    /// gets a different name.
    fn take_remote_name(&mut self, answer: &HeaderMap) -> Place {
        let place = &self.item.place;
        let name = self.remote_name.take().unwrap_or_else(|| {
            let given = answer.get(CONTENT_DISPOSITION).and_then(|value| name_from_disposition(value.as_bytes()));
            let wanted = given.unwrap_or_else(|| place.name.clone());
            self.run.remote_names.borrow_mut().give(place.folders.as_deref(), wanted)
        });
        self.remote_name = Some(name);
        self.final_place()
    }

    /// Returns the final path of the file.
    pub(super) fn final_place(&self) -> Place {
        let Place { folders, name } = self.item.place.clone();
        Place { folders, name: self.remote_name.clone().unwrap_or(name) }
    }

    /// Returns the parameters of publishing the file. `state` is the state of a partial download, if there is one.
    pub(super) fn publication(&self, answer: &HeaderMap, state: Option<&PartState>) -> Publication {
        let options = &self.run.options;
        let date = text(answer, &LAST_MODIFIED).or_else(|| state?.last_modified.clone());
        Publication {
            name: self.final_place().name,
            // The content is verified by its checksum, so it may replace any existing file.
            existing: if self.item.sha256.is_some() { Existing::Replace } else { options.existing() },
            fsync: options.fsync,
            modified: date.filter(|_| options.keeps_modified).and_then(|date| httpdate::parse_http_date(&date).ok()),
        }
    }

    /// Returns whether an existing file has the expected SHA-256.
    async fn has_content(&self, place: &Place, expected: Sha256) -> Result<bool, FetchError> {
        let (folder, path) = (self.run.options.folder.clone(), place.path_in_folder());
        let check = Job::new(move || hash_of(&folder, &path)).label("check").abandonable();
        Ok(run_in_executor(None, check).await?? == expected)
    }
}

/// Creates the report of a file that is kept without a request.
pub(super) fn existing(options: &Options, place: &Place, whole: Whole) -> Done {
    Done {
        how: How::Exists,
        path: Some(options.folder.path().join(place.path())),
        status: None,
        bytes: whole.bytes,
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

/// Returns the existing file of an item if it is kept without a request, and nothing else has to be checked.
pub(super) fn stays(options: &Options, item: &Item) -> Option<Whole> {
    let is_asked = options.spider || options.conditional || options.stream.is_some() || options.remote_name;
    let is_kept = options.overwrite == Overwrite::Never && item.sha256.is_none() && !is_asked;
    item.found.whole.filter(|_| is_kept)
}

/// Returns whether the server's version is newer than the existing file. Without a valid `Last-Modified`, it counts as
/// newer.
fn is_newer(answer: &HeaderMap, whole: &Whole) -> bool {
    let date = text(answer, &LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(&date).ok());
    date.is_none_or(|date| date > whole.modified)
}

fn hash_of(folder: &Folder, path: &str) -> Result<Sha256, SaveError> {
    let hash = || -> io::Result<Sha256> {
        // Non-blocking, since the file may have been replaced by a pipe.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(openat(folder.descriptor(), path, flags, Mode::empty())?);
        let mut hasher = sha2::Sha256::default();
        io::copy(&mut file, &mut hasher)?;
        Ok(Sha256(hasher.finalize().into()))
    };
    hash().map_err(|error| SaveError::new("reading", folder.path().join(path), error))
}
