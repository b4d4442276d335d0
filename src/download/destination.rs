//! One transfer's file name, and what becomes of the file that has it already.

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

/// How a file is to be published, for a thread of the pool.
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
    /// Looks at what was there before the run. `Some` if it is the file, so that the server need not be asked.
    pub(super) async fn check_existing(&mut self) -> Result<Option<Done>, FetchError> {
        let options = &self.run.options;
        // With `remote_name` the name is not known yet.
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
        // No condition is sent for a file that is wrong.
        self.item.found.whole = None;
        Ok(None)
    }

    /// Decides what the file is called, now that the server has answered. `Some` if the file of that name stays.
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

    /// Takes the name that the server gives, or else that of the URL. No two files of a run get the same.
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

    /// Where the file goes in the end.
    pub(super) fn final_place(&self) -> Place {
        let Place { folders, name } = self.item.place.clone();
        Place { folders, name: self.remote_name.clone().unwrap_or(name) }
    }

    /// How the file is published. `state`: what is known of it from an earlier answer.
    pub(super) fn publication(&self, answer: &HeaderMap, state: Option<&PartState>) -> Publication {
        let options = &self.run.options;
        let date = text(answer, &LAST_MODIFIED).or_else(|| state?.last_modified.clone());
        Publication {
            name: self.final_place().name,
            // What has the checksum is the right file, whatever has its name.
            existing: if self.item.sha256.is_some() { Existing::Replace } else { options.existing() },
            fsync: options.fsync,
            modified: date.filter(|_| options.keeps_modified).and_then(|date| httpdate::parse_http_date(&date).ok()),
        }
    }

    /// Computes whether a file has the content that is expected.
    async fn has_content(&self, place: &Place, expected: Sha256) -> Result<bool, FetchError> {
        let (folder, path) = (self.run.options.folder.clone(), place.path_in_folder());
        let check = Job::new(move || hash_of(&folder, &path)).label("check").abandonable();
        Ok(run_in_executor(None, check).await?? == expected)
    }
}

/// The report of a file that stays without the server being asked.
pub(super) fn existing(options: &Options, place: &Place, whole: Whole) -> Done {
    Done {
        how: How::Exists,
        path: Some(options.folder.path().join(place.path())),
        status: None,
        bytes: whole.bytes,
        resumed_from: 0,
        attempts: 0,
        reused: false,
        setup_times: None,
        to_first_byte: None,
        total: Duration::ZERO,
        etag: None,
        sha256: None,
    }
}

/// Whether an item is done without any transfer: its file is there, and nothing more is to be known of it.
pub(super) fn stays(options: &Options, item: &Item) -> Option<Whole> {
    let is_asked = options.spider || options.conditional || options.stream.is_some() || options.remote_name;
    let is_kept = options.overwrite == Overwrite::Never && item.sha256.is_none() && !is_asked;
    item.found.whole.filter(|_| is_kept)
}

/// Whether the server's file is newer than the one that is there. It is if the server does not say how old it is.
fn is_newer(answer: &HeaderMap, whole: &Whole) -> bool {
    let date = text(answer, &LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(&date).ok());
    date.is_none_or(|date| date > whole.modified)
}

fn hash_of(folder: &Folder, path: &str) -> Result<Sha256, SaveError> {
    let hash = || -> io::Result<Sha256> {
        // Not blocking: it may have become a pipe.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(openat(folder.descriptor(), path, flags, Mode::empty())?);
        let mut hasher = sha2::Sha256::default();
        io::copy(&mut file, &mut hasher)?;
        Ok(Sha256(hasher.finalize().into()))
    };
    hash().map_err(|error| SaveError::new("reading", folder.path().join(path), error))
}
