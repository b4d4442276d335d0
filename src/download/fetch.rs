//! One transfer: a state machine of attempts, with backoff between them.
//!
//! ```text
//!   Permit ──▶ Request ──▶ Body ──▶ Save ──▶ Done
//!    ▲          │          │
//!    └── Wait ◀─┴──────────┘   retryable error (or Pause: the host is paused, and its pause decides when to retry)
//! ```
//!
//! Each attempt starts at the URL, follows redirects, and resumes the partial download that the previous attempt left.
//! In state `Permit`, the transfer waits for a permit to send requests to the host. In state `Wait` (backoff), it holds
//! no permit, so that other transfers can use it. In state `Pause`, it waits until the host is no longer paused.

use std::time::Duration;

use http::StatusCode;

use super::error::FetchError;
use super::report::{DownloadEventKind, SuccessKind, TransferReport};
use super::request::drain;
use super::response::FinalResponse;
use super::resume::content_length;
use super::retry::Backoff;
use super::scheduler::HostPermit;
use super::sink::BodySink;
use super::transfer::{AttemptError, RetryDecision, Transfer, TransferOutcome, TransferState};
use crate::event_loop::sleep;
use crate::futures::{Either, race, timeout};

impl Transfer {
    /// Runs the transfer to completion and reports the outcome.
    pub(super) async fn run(mut self) -> TransferOutcome {
        let run = self.run.clone();
        run.report(&self.item, DownloadEventKind::Start);
        let outcome = match race(run.stop.wait(), self.within_max_time()).await {
            Either::First(()) => None,
            Either::Second(outcome) => Some(outcome),
        };
        self.transition_to(TransferState::Done);
        let (event, ended) = match &outcome {
            Some(Ok(done)) => {
                run.shortage.transfer_succeeded();
                (DownloadEventKind::Done(done), TransferOutcome::Succeeded(done.kind))
            }
            Some(Err(error)) => {
                let is_disk_full = matches!(error, FetchError::Save(error) if error.is_disk_full());
                (DownloadEventKind::Fail(error), TransferOutcome::Failed { class: error.class(), is_disk_full })
            }
            None => (DownloadEventKind::Cancelled, TransferOutcome::Cancelled),
        };
        run.report(&self.item, event);
        ended
    }

    async fn within_max_time(&mut self) -> Result<TransferReport, FetchError> {
        match self.run.options.max_time {
            None => self.attempt_until_done().await,
            Some(limit) => match timeout(limit, self.attempt_until_done()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(FetchError::TimedOut { limit }),
            },
        }
    }

    async fn attempt_until_done(&mut self) -> Result<TransferReport, FetchError> {
        if let Some(done) = self.check_existing().await? {
            return Ok(done);
        }
        if let Some(target) = self.run.options.stream.clone().filter(|_| !self.run.options.spider) {
            self.open_stream(target).await?;
        }
        if self.has_part {
            while let Err(error) = self.open_part().await {
                if !error.is_out_of_descriptors() || !self.wait_for_descriptors().await {
                    return Err(error);
                }
            }
            if self.permit.is_none() {
                let origin = self.item.url.origin().to_owned();
                self.acquire_permit(&origin).await?;
            }
        }
        let mut backoff = Backoff::starting_at(self.resumable_bytes(), self.run.options.retries);
        loop {
            self.attempts += 1;
            let AttemptError { error, next } = match self.attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let next = if error.is_out_of_descriptors() { RetryDecision::AfterShortage } else { next };
            let Some(wait) = self.wait_before_retry(&next, &mut backoff).await else { return Err(error) };
            self.run.report(&self.item, DownloadEventKind::Retry { attempts: self.attempts, error: &error, wait });
            self.progress.reset_to(self.resumable_bytes());
            match next {
                // No sleep here: `acquire_permit` waits until the host is no longer paused.
                RetryDecision::AfterPause => self.transition_to(TransferState::Pause),
                RetryDecision::Backoff(_) => {
                    self.permit = None;
                    self.transition_to(TransferState::Wait);
                    sleep(wait).await;
                    self.transition_to(TransferState::Permit);
                }
                _ => self.transition_to(TransferState::Permit),
            }
            let origin = self.item.url.origin().to_owned();
            self.acquire_permit(&origin).await?;
        }
    }

    /// Prepares the next attempt, and returns how long to wait before it; `None` if there is no retry. The wait for
    /// file descriptors takes place in this function, so zero is returned for it.
    async fn wait_before_retry(&mut self, next: &RetryDecision, backoff: &mut Backoff) -> Option<Duration> {
        match *next {
            RetryDecision::AfterShortage => self.wait_for_descriptors().await.then_some(Duration::ZERO),
            RetryDecision::FromZero if self.has_restarted => None,
            RetryDecision::FromZero => {
                (self.has_restarted, self.requests_whole_file, self.part_is_untrusted) = (true, true, true);
                Some(Duration::ZERO)
            }
            RetryDecision::WithoutRange => Some(Duration::ZERO),
            RetryDecision::AfterPause => Some(self.permit.as_ref().map_or(Duration::ZERO, HostPermit::paused_for)),
            RetryDecision::Backoff(retry) => {
                backoff.reached(self.resumable_bytes());
                let wait = backoff.next_wait(retry)?;
                Some(wait.max(self.permit.as_ref().map_or(Duration::ZERO, HostPermit::retry_delay)))
            }
        }
    }

    /// Waits until a file descriptor may be available for another attempt: closes idle connections, and releases the
    /// permit. Does not use up a retry, since the transfer did not cause the shortage. Returns `false` if the shortage
    /// has lasted too long.
    async fn wait_for_descriptors(&mut self) -> bool {
        log::debug!("no file descriptor is left for {}", self.item.target.name);
        self.run.client.close_idle_connections();
        self.permit = None;
        self.transition_to(TransferState::Permit);
        self.run.scheduler.shrink();
        self.run.shortage.wait(&self.run.counters).await
    }

    /// Returns how many bytes of the file the next attempt can resume from.
    fn resumable_bytes(&self) -> u64 {
        self.sink.as_ref().map_or(0, BodySink::written)
    }

    async fn attempt(&mut self) -> Result<TransferReport, AttemptError> {
        let (response, body) = self.send_request().await?;
        let status = response.status;
        match status.as_u16() {
            304 if response.is_conditional => Ok(self.unchanged(&response)),
            304 => Err(unexpected(status, "the request was not conditional")),
            _ if self.run.options.spider => {
                let bytes = content_length(&response.headers).unwrap_or_default();
                Ok(self.done(SuccessKind::Checked, None, &response, bytes))
            }
            206 if !response.is_range_request => Err(unexpected(status, "the request was not for a part of the file")),
            200..=299 | 416 => match self.determine_name(&response).await? {
                Some(done) => {
                    drain(body).await;
                    Ok(done)
                }
                None if status == StatusCode::RANGE_NOT_SATISFIABLE => {
                    drain(body).await;
                    self.finish_after_416(&response).await
                }
                None => self.save(&response, body).await,
            },
            _ => Err(unexpected(status, "this status is not supported")),
        }
    }

    fn unchanged(&self, response: &FinalResponse) -> TransferReport {
        let kind = if self.run.options.conditional { SuccessKind::Unchanged } else { SuccessKind::Exists };
        let bytes = self.item.on_disk.file.map_or(0, |file| file.bytes);
        self.done(kind, Some(self.item.target.path()), response, bytes)
    }
}

fn unexpected(status: StatusCode, reason: &'static str) -> AttemptError {
    FetchError::Unexpected { status, reason }.into()
}
