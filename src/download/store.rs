//! Receives one transfer's body, and saves it as a file or writes it to a stream.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::body::{BodyReceiver, CHUNK_BYTES, Chunks, ReceiveError, ReceivedBody};
use super::error::FetchError;
use super::part::{Finished, NewPart, PartFile};
use super::report::{SuccessKind, TransferReport};
use super::response::FinalResponse;
use super::resume::PartState;
use super::retry::Retry;
use super::sink::{BodySink, OpenStream, Stream, StreamTarget};
use super::small_file::SmallFile;
use super::transfer::{AttemptError, RetryDecision, Transfer, TransferState};
use crate::event_loop::{Job, run_in_executor};
use crate::futures::timeout;
use crate::http::client::Body;
use crate::sync::Permit;

/// The maximum time to wait until a pipe has a reader. The two ends of a pipe may be opened in either order.
const MAX_WAIT_FOR_READER: Duration = Duration::from_secs(10);

impl Transfer {
    /// Opens the partial download of an earlier run, if there is one.
    pub(super) async fn open_part(&mut self) -> Result<(), FetchError> {
        let (directory, target_path, hash) =
            (self.run.options.directory.clone(), self.item.target.clone(), self.wants_hash());
        let find = move || PartFile::open(&target_path.directory_in(&directory)?, &target_path.name, hash);
        let found = run_in_executor(None, Job::new(find).label("open part")).await??;
        if let Some(part) = found
            && self.run.options.resume
            && part.state().is_of(self.item.url.as_str())
        {
            self.resumed_from = part.written();
            self.progress.reset_to(part.written());
            self.sink = Some(BodySink::Part(part));
        }
        Ok(())
    }

    /// Opens the output stream.
    pub(super) async fn open_stream(&mut self, target: StreamTarget) -> Result<(), FetchError> {
        let open = Job::new(move || OpenStream::open(&target)).label("open stream").cancellable();
        let opened = timeout(MAX_WAIT_FOR_READER, run_in_executor(Some(&self.run.stream), open)).await;
        self.stream = Some(Arc::new(opened.map_err(|_| FetchError::NoReader)???));
        Ok(())
    }

    fn wants_hash(&self) -> bool {
        self.item.sha256.is_some() || self.run.options.hash_all
    }

    /// Handles a 416 response, which may mean that the partial download is already complete.
    pub(super) async fn finish_after_416(&mut self, response: &FinalResponse) -> Result<TransferReport, AttemptError> {
        match self.sink.take() {
            Some(sink) if sink.state().is_complete(&response.headers, sink.written()) => {
                let total = Some(sink.written());
                self.finish(sink, total, response).await
            }
            sink => {
                self.sink = sink;
                Err(self
                    .does_not_fit(response, "the partial file is longer than the remote file, or of another version"))
            }
        }
    }

    /// Handles a 2xx response: checks that it matches the partial download, if there is one, and saves the content.
    pub(super) async fn save(&mut self, response: &FinalResponse, body: Body) -> Result<TransferReport, AttemptError> {
        self.transition_to(TransferState::Body);
        let is_file = matches!(response.status.as_u16(), 200 | 203 | 206);
        if response.is_range_request && !is_file {
            return Err(self.does_not_fit(response, "this status does not continue the partial file"));
        }
        let part = self.sink.as_ref().filter(|_| response.status == StatusCode::PARTIAL_CONTENT);
        let (written, total) = match part {
            Some(sink) => {
                let total = sink.state().validate_partial_response(&response.headers, sink.written());
                (sink.written(), Some(total.map_err(|reason| self.does_not_fit(response, reason))?))
            }
            None => (0, body.length()),
        };
        self.check_size(total)?;
        self.progress.set_total(total);
        let (url, source) = (self.item.url.as_str(), response.redirected_to.as_deref());
        let state = PartState::of(url, source, &response.headers, total);
        if part.is_none() {
            self.prepare_output(&state).await?;
        }
        let received = self.receive(body, &state, total.map(|total| total - written)).await?;
        let bytes = match &received {
            ReceivedBody::Small(bytes, _) => bytes.len() as u64,
            ReceivedBody::Written(sink) => sink.written(),
            ReceivedBody::Large(_) => unreachable!("a large body has a sink"),
        };
        if total.is_some_and(|total| total != bytes) {
            if let ReceivedBody::Written(sink) = received {
                self.sink = Some(sink);
            }
            let error =
                FetchError::Unexpected { status: response.status, reason: "the body is shorter than its length" };
            return Err(AttemptError { error, next: RetryDecision::Backoff(Retry::After(None)) });
        }
        match received {
            ReceivedBody::Small(bytes, capacity) => self.save_small(bytes, capacity, response).await,
            ReceivedBody::Written(sink) => self.finish(sink, total, response).await,
            ReceivedBody::Large(_) => unreachable!("a large body has a sink"),
        }
    }

    /// Creates the error of a response that does not match the partial download.
    fn does_not_fit(&self, response: &FinalResponse, reason: &'static str) -> AttemptError {
        AttemptError {
            error: FetchError::Unexpected { status: response.status, reason },
            next: RetryDecision::FromZero,
        }
    }

    /// Prepares the output for a body that starts with the first byte. A small file is created only when it is
    /// complete, unless there is a part that it must replace.
    async fn prepare_output(&mut self, state: &PartState) -> Result<(), AttemptError> {
        if matches!(&self.sink, Some(BodySink::Stream(stream)) if stream.written() > 0) {
            return Err(FetchError::CannotRestart.into());
        }
        self.progress.reset_to(0);
        self.resumed_from = 0;
        self.sink = None;
        if let Some(stream) = &self.stream {
            self.sink = Some(BodySink::Stream(Stream::new(stream.clone(), state.clone(), self.wants_hash())));
        } else if self.has_part {
            self.sink = Some(self.create_part(state).await?);
        }
        self.requests_whole_file = false;
        Ok(())
    }

    /// Creates the partial file, with its state file unless the partial file has no name.
    async fn create_part(&mut self, state: &PartState) -> Result<BodySink, FetchError> {
        let (directory, target_path) = (self.run.options.directory.clone(), self.item.target.clone());
        let new_part = NewPart {
            state: state.clone(),
            replaces_part: self.has_part,
            may_join: self.run.options.resume && !self.part_is_untrusted,
            hash: self.wants_hash(),
        };
        let create = move || {
            PartFile::create(&target_path.directory_in(&directory)?, &target_path.name, new_part).map(BodySink::Part)
        };
        self.has_part = true;
        let part = run_in_executor(None, Job::new(create).label("create part")).await??;
        self.part_is_untrusted = false;
        Ok(part)
    }

    fn check_size(&self, length: Option<u64>) -> Result<(), AttemptError> {
        match self.run.options.max_bytes {
            Some(limit) if length.is_some_and(|length| length > limit) => Err(FetchError::TooLarge { limit }.into()),
            _ => Ok(()),
        }
    }

    // -- The body --------------------------------------------------------------------------------------------------

    /// Receives the body. A partial file is created if the body has more than one chunk, or if the backlog has no
    /// capacity for more of it. `expected` is the length of the body, if it is known.
    async fn receive(
        &mut self,
        body: Body,
        state: &PartState,
        expected: Option<u64>,
    ) -> Result<ReceivedBody, AttemptError> {
        let run = self.run.clone();
        let kept = self.sink.as_ref().map_or(0, BodySink::written);
        let is_large = body.length().is_some_and(|length| length > CHUNK_BYTES as u64);
        if is_large && self.sink.is_none() {
            self.sink = Some(self.create_part(state).await?);
        }
        let mut chunks = Chunks::default();
        let mut body = Some(body);
        let received = loop {
            let mut receiving = BodyReceiver {
                body: body.take().expect("it comes back"),
                sink: self.sink.take(),
                progress: &mut self.progress,
                disk: &run.disk,
                pool: run.options.stream.is_some().then_some(&run.stream),
                limit: run.limit.as_ref(),
                expected,
                at_most: run.options.max_bytes.map(|limit| limit.saturating_sub(kept)),
            };
            match receiving.receive(chunks).await {
                Ok(ReceivedBody::Large(first)) => {
                    (chunks, body) = (first, Some(receiving.body));
                    self.sink = Some(self.create_part(state).await?);
                }
                received => break received,
            }
        };
        match received {
            Ok(received) => Ok(received),
            Err(ReceiveError { error, sink, unwritten }) => {
                self.sink = sink;
                let next = match &error {
                    FetchError::Http(error) => RetryDecision::Backoff(Retry::after_error(error)),
                    FetchError::Unexpected { .. } => RetryDecision::FromZero,
                    _ => RetryDecision::Backoff(Retry::Never),
                };
                if matches!(next, RetryDecision::Backoff(Retry::After(_))) {
                    self.keep_for_retry(unwritten, state).await;
                }
                Err(AttemptError { error, next })
            }
        }
    }

    /// Saves the beginning of a small file as a part if the next attempt can resume it. If that fails, the attempt
    /// starts from zero.
    async fn keep_for_retry(&mut self, bytes: Vec<u8>, state: &PartState) {
        let can_resume = self.run.options.resume && state.validator().is_some();
        if bytes.is_empty() || self.sink.is_some() || !can_resume {
            return;
        }
        let written = match self.create_part(state).await {
            Ok(mut sink) => {
                let write = move || sink.write(&bytes).map(|()| sink);
                run_in_executor(None, Job::new(write).label("write")).await.map_err(FetchError::Job)
            }
            Err(error) => Err(error),
        };
        match written.and_then(|written| written.map_err(FetchError::Save)) {
            Ok(sink) => self.sink = Some(sink),
            Err(error) => log::debug!("keeping the beginning of {}: {error}", self.item.target.name),
        }
    }

    // -- The end ---------------------------------------------------------------------------------------------------

    /// Saves a small file, which is completely in memory.
    async fn save_small(
        &mut self,
        bytes: Vec<u8>,
        capacity: Option<Permit>,
        response: &FinalResponse,
    ) -> Result<TransferReport, AttemptError> {
        self.transition_to(TransferState::Save);
        // The response is complete, so the permit is released before writing: the disk must not delay the next request.
        self.permit = None;
        let length = bytes.len() as u64;
        let mut small = SmallFile {
            directory: self.run.options.directory.clone(),
            target_path: self.item.target.clone(),
            publication: self.publication(&response.headers, None),
            url: self.item.url.as_str().to_owned(),
            bytes,
            expected: self.item.sha256,
            hash: self.wants_hash(),
        };
        let mut waiting = None;
        let finished = loop {
            let save = move || {
                let saved = small.save();
                (small, saved)
            };
            let job = Job::new(save).label("save").bytes(length);
            let (unsaved, saved) = run_in_executor(None, job).await.map_err(FetchError::Job)?;
            let saved = saved.map_err(FetchError::Save);
            if !saved.as_ref().is_err_and(FetchError::is_out_of_descriptors) {
                break saved?;
            }
            // The file is complete, so no request has to be sent again. Until it is saved, new connections must not
            // take the descriptors that are released.
            waiting.get_or_insert_with(|| self.run.scheduler.save_waits());
            self.run.client.close_idle_connections();
            if !self.run.shortage.wait(&self.run.counters).await {
                break saved?;
            }
            small = unsaved;
        };
        drop(capacity);
        self.report_finished(finished, response, length)
    }

    /// Completes the output: verifies it, and publishes the file unless the output is a stream.
    async fn finish(
        &mut self,
        sink: BodySink,
        total: Option<u64>,
        response: &FinalResponse,
    ) -> Result<TransferReport, AttemptError> {
        self.transition_to(TransferState::Save);
        self.permit = None;
        let (expected, length) = (self.item.sha256, sink.written());
        let publication = self.publication(&response.headers, Some(sink.state()));
        let pool = self.run.options.stream.is_some().then_some(&self.run.stream);
        let finish = move || sink.finish(total, expected, &publication.target());
        let finished = run_in_executor(pool, Job::new(finish).label("finish")).await.map_err(FetchError::Job)??;
        self.report_finished(finished, response, length)
    }

    fn report_finished(
        &mut self,
        finished: Finished,
        response: &FinalResponse,
        bytes: u64,
    ) -> Result<TransferReport, AttemptError> {
        let path = self.run.options.stream.is_none().then(|| self.final_path().path());
        match finished {
            Finished::Saved { sha256 } => {
                if let (Some(validators), Some(path)) = (&self.run.validators, &path) {
                    let (path, url) = (path.to_string_lossy().into_owned(), self.item.url.as_str());
                    validators.borrow_mut().note(path, url, &response.headers, bytes);
                }
                Ok(TransferReport { sha256, ..self.done(SuccessKind::Saved, path, response, bytes) })
            }
            Finished::Exists => Ok(self.done(SuccessKind::Exists, path, response, bytes)),
            Finished::Mismatch { found } => {
                let expected = self.item.sha256.unwrap_or(found);
                let is_kept = self.stream.is_none();
                Err(FetchError::Checksum { expected, found, is_kept }.into())
            }
        }
    }
}
