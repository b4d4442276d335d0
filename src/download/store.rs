//! Receives one transfer's body, and saves it as a file or writes it to a stream.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sha2::Digest;

use super::ask::Answered;
use super::body::{Broken, CHUNK_BYTES, Chunks, Received, Receiving};
use super::error::FetchError;
use super::fetch::{Attempt, Failure, Transfer, TransferState};
use super::list::Sha256;
use super::part::{Beginning, Finished, PartFile};
use super::plan::Place;
use super::report::{Done, How};
use super::resume::PartState;
use super::retry::may_heal;
use super::save::{Existing, Folder, SaveError};
use super::sink::{OpenStream, Sink, Stream, StreamTarget};
use crate::event_loop::{Job, run_in_executor};
use crate::futures::timeout;
use crate::http::client::Body;
use crate::sync::Permit;

/// The maximum time to wait until a pipe has a reader. The two ends of a pipe may be opened in either order.
const MAX_WAIT_FOR_READER: Duration = Duration::from_secs(10);

impl Transfer {
    /// Opens the partial download of an earlier run, if there is one.
    pub(super) async fn open_part(&mut self) -> Result<(), FetchError> {
        let (folder, place, hash) = (self.run.options.folder.clone(), self.item.place.clone(), self.wants_hash());
        let find = move || PartFile::find(&folder_of(&folder, &place)?, &place.name, hash);
        let found = run_in_executor(None, Job::new(find).label("open part")).await??;
        if let Some(part) = found
            && self.run.options.resume
            && part.state().is_of(self.item.address.as_str())
        {
            self.resumed_from = part.written();
            self.reading.fall_back_to(part.written());
            self.sink = Some(Sink::Part(part));
        }
        Ok(())
    }

    /// Opens the output stream.
    pub(super) async fn open_stream(&mut self, target: StreamTarget) -> Result<(), FetchError> {
        let open = Job::new(move || OpenStream::open(&target)).label("open stream").abandonable();
        let opened = timeout(MAX_WAIT_FOR_READER, run_in_executor(Some(&self.run.stream), open)).await;
        self.stream = Some(Arc::new(opened.map_err(|_| FetchError::NoReader)???));
        Ok(())
    }

    fn wants_hash(&self) -> bool {
        self.item.sha256.is_some() || self.run.options.hash_all
    }

    /// Handles a 416 response, which may mean that the partial download is already complete.
    pub(super) async fn save_complete(&mut self, answered: &Answered) -> Result<Done, Failure> {
        match self.sink.take() {
            Some(sink) if sink.state().is_complete(&answered.headers, sink.written()) => {
                let total = Some(sink.written());
                self.finish(sink, total, answered).await
            }
            sink => {
                self.sink = sink;
                Err(self.does_not_fit(answered, "the part is longer than the file, or of another one"))
            }
        }
    }

    /// Handles a 206, or another response that contains the file.
    pub(super) async fn save(&mut self, answered: &Answered, body: Body) -> Result<Done, Failure> {
        self.transition_to(TransferState::Body);
        let is_file = matches!(answered.status.as_u16(), 200 | 203 | 206);
        if answered.asked_for_rest && !is_file {
            return Err(self.does_not_fit(answered, "it is neither the rest of the file nor all of it"));
        }
        let part = self.sink.as_ref().filter(|_| answered.status == StatusCode::PARTIAL_CONTENT);
        let (written, total) = match part {
            Some(sink) => {
                let total = sink.state().check_continues(&answered.headers, sink.written());
                (sink.written(), Some(total.map_err(|why| self.does_not_fit(answered, why))?))
            }
            None => (0, body.length()),
        };
        self.check_size(total)?;
        self.reading.set_total(total);
        let (url, source) = (self.item.address.as_str(), answered.redirected_to.as_deref());
        let state = PartState::of(url, source, &answered.headers, total);
        if part.is_none() {
            self.begin(&state).await?;
        }
        let received = self.receive(body, &state, total.map(|total| total - written)).await?;
        let bytes = match &received {
            Received::Whole(bytes, _) => bytes.len() as u64,
            Received::Written(sink) => sink.written(),
            Received::Large(_) => unreachable!("what is large has been given a sink"),
        };
        if total.is_some_and(|total| total != bytes) {
            if let Received::Written(sink) = received {
                self.sink = Some(sink);
            }
            let error = FetchError::Unexpected { status: answered.status, why: "its body is shorter than it says" };
            return Err(Failure { error, next: Attempt::After(None) });
        }
        match received {
            Received::Whole(bytes, room) => self.save_small(bytes, room, answered).await,
            Received::Written(sink) => self.finish(sink, total, answered).await,
            Received::Large(_) => unreachable!("what is large has been given a sink"),
        }
    }

    /// Creates the error of a response that does not match the partial download.
    fn does_not_fit(&self, answered: &Answered, why: &'static str) -> Failure {
        Failure { error: FetchError::Unexpected { status: answered.status, why }, next: Attempt::FromZero }
    }

    /// Prepares the output for a body that starts with the first byte. A small file is created only when it is
    /// complete, unless there is a part that it must replace.
    async fn begin(&mut self, state: &PartState) -> Result<(), Failure> {
        if matches!(&self.sink, Some(Sink::Stream(stream)) if stream.written() > 0) {
            return Err(FetchError::CannotStartOver.into());
        }
        self.reading.fall_back_to(0);
        self.resumed_from = 0;
        self.sink = None;
        if let Some(stream) = &self.stream {
            self.sink = Some(Sink::Stream(Stream::new(stream.clone(), state.clone(), self.wants_hash())));
        } else if self.has_part {
            self.sink = Some(self.create_part(state).await?);
        }
        self.asks_for_all = false;
        Ok(())
    }

    /// Creates the partial file for a large body, with its state file.
    async fn create_part(&mut self, state: &PartState) -> Result<Sink, FetchError> {
        let (folder, place) = (self.run.options.folder.clone(), self.item.place.clone());
        let beginning = Beginning {
            state: state.clone(),
            replaces_part: self.has_part,
            may_join: self.run.options.resume && !self.distrusts_part,
            hash: self.wants_hash(),
        };
        let begin = move || PartFile::begin(&folder_of(&folder, &place)?, &place.name, beginning).map(Sink::Part);
        self.has_part = true;
        let part = run_in_executor(None, Job::new(begin).label("create part")).await??;
        self.distrusts_part = false;
        Ok(part)
    }

    fn check_size(&self, length: Option<u64>) -> Result<(), Failure> {
        match self.run.options.max_bytes {
            Some(limit) if length.is_some_and(|length| length > limit) => Err(FetchError::TooLarge { limit }.into()),
            _ => Ok(()),
        }
    }

    // -- The body --------------------------------------------------------------------------------------------------

    /// Receives the body. A partial file is created if the body has more than one chunk. `expected` is the length of
    /// the body, if it is known.
    async fn receive(&mut self, body: Body, state: &PartState, expected: Option<u64>) -> Result<Received, Failure> {
        let run = self.run.clone();
        let kept = self.sink.as_ref().map_or(0, Sink::written);
        let is_large = body.length().is_some_and(|length| length > CHUNK_BYTES as u64);
        if is_large && self.sink.is_none() {
            self.sink = Some(self.create_part(state).await?);
        }
        let mut chunks = Chunks::default();
        let mut body = Some(body);
        let received = loop {
            let mut receiving = Receiving {
                body: body.take().expect("it comes back"),
                sink: self.sink.take(),
                reading: &mut self.reading,
                disk: &run.disk,
                pool: run.options.stream.is_some().then_some(&run.stream),
                limit: run.limit.as_ref(),
                expected,
                at_most: run.options.max_bytes.map(|limit| limit.saturating_sub(kept)),
            };
            match receiving.receive(chunks).await {
                Ok(Received::Large(first)) => {
                    (chunks, body) = (first, Some(receiving.body));
                    self.sink = Some(self.create_part(state).await?);
                }
                received => break received,
            }
        };
        received.map_err(|Broken { error, sink }| {
            self.sink = sink;
            let next = match &error {
                FetchError::Http(error) if may_heal(error) => Attempt::After(None),
                FetchError::Unexpected { .. } => Attempt::FromZero,
                _ => Attempt::Never,
            };
            Failure { error, next }
        })
    }

    // -- The end ---------------------------------------------------------------------------------------------------

    /// Saves a small file, which is completely in memory.
    async fn save_small(&mut self, bytes: Vec<u8>, room: Option<Permit>, answered: &Answered) -> Result<Done, Failure> {
        self.transition_to(TransferState::Save);
        // The response is complete, so the permit is released before writing: the disk must not delay the next request.
        self.turn = None;
        let (folder, place) = (self.run.options.folder.clone(), self.item.place.clone());
        let publication = self.publication(&answered.headers, None);
        let (expected, hash, length) = (self.item.sha256, self.wants_hash(), bytes.len() as u64);
        let url = self.item.address.as_str().to_owned();
        let save = move || -> Result<Finished, SaveError> {
            let folder = folder_of(&folder, &place)?;
            let found = hash.then(|| Sha256(sha2::Sha256::digest(&bytes).into()));
            if let (Some(expected), Some(found)) = (expected, found)
                && expected != found
            {
                PartFile::keep(&folder, &place.name, &url, &bytes[..])?;
                return Ok(Finished::Mismatch { found });
            }
            let target = publication.target();
            match folder.save_as(&target, &bytes, 1) {
                Ok(()) => Ok(Finished::Saved { sha256: found }),
                Err(error) if error.is_taken() && target.existing == Existing::Keep => Ok(Finished::Exists),
                Err(error) => Err(error),
            }
        };
        let job = Job::new(save).label("save").bytes(length);
        let finished = run_in_executor(None, job).await.map_err(FetchError::Job)??;
        drop(room);
        self.ended(finished, answered, length)
    }

    /// Publishes a part that is complete.
    async fn finish(&mut self, sink: Sink, total: Option<u64>, answered: &Answered) -> Result<Done, Failure> {
        self.transition_to(TransferState::Save);
        self.turn = None;
        let (expected, length) = (self.item.sha256, sink.written());
        let publication = self.publication(&answered.headers, Some(sink.state()));
        let pool = self.run.options.stream.is_some().then_some(&self.run.stream);
        let finish = move || sink.finish(total, expected, &publication.target());
        let finished = run_in_executor(pool, Job::new(finish).label("finish")).await.map_err(FetchError::Job)??;
        self.ended(finished, answered, length)
    }

    fn ended(&mut self, finished: Finished, answered: &Answered, bytes: u64) -> Result<Done, Failure> {
        let path = self.run.options.stream.is_none().then(|| self.final_place().path());
        match finished {
            Finished::Saved { sha256 } => {
                if let (Some(validators), Some(path)) = (&self.run.validators, &path) {
                    let (path, url) = (path.to_string_lossy().into_owned(), self.item.address.as_str());
                    validators.borrow_mut().note(path, url, &answered.headers, bytes);
                }
                Ok(Done { sha256, ..self.done(How::Saved, path, answered, bytes) })
            }
            Finished::Exists => Ok(self.done(How::Exists, path, answered, bytes)),
            Finished::Mismatch { found } => {
                let expected = self.item.sha256.unwrap_or(found);
                Err(FetchError::Checksum { expected, found }.into())
            }
        }
    }
}

fn folder_of(folder: &Folder, place: &Place) -> Result<Folder, SaveError> {
    match &place.folders {
        Some(folders) => folder.within(folders),
        None => Ok(folder.clone()),
    }
}
