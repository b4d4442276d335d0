//! Sends the requests of one attempt, follows redirects, and classifies error statuses.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, IF_MODIFIED_SINCE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

use super::download_url::DownloadUrl;
use super::error::FetchError;
use super::host::{HostSignal, RetryCost};
use super::options::Overwrite;
use super::redirect::{RedirectChain, is_redirect};
use super::report::DownloadEventKind;
use super::response::FinalResponse;
use super::retry::{Retry, retry_after};
use super::transfer::{AttemptError, RetryDecision, Transfer, TransferState};
use crate::event_loop::{now, run_in_executor};
use crate::futures::timeout;
use crate::http::client::Body;

impl Transfer {
    /// Requests the file, or the missing rest of a partial download, and follows redirects.
    pub(super) async fn send_request(&mut self) -> Result<(FinalResponse, Body), AttemptError> {
        self.transition_to(TransferState::Request);
        let mut route = RedirectChain::new(self.item.url.clone(), self.request_headers(), self.run.options.redirects);
        let has_rest = self.sink.as_ref().is_some_and(|sink| sink.written() > 0);
        let conditions = if has_rest { HeaderMap::new() } else { self.conditions().await? };
        loop {
            let mut headers = route.headers().clone();
            let rest = self.range_headers(route.here());
            let is_range_request = !rest.is_empty();
            headers.extend(rest);
            headers.extend(conditions.clone());
            let mut request = Request::new(());
            *request.method_mut() = if self.run.options.spider { Method::HEAD } else { Method::GET };
            *request.uri_mut() = route.here().to_uri()?;
            *request.headers_mut() = headers;
            let sent_at = now();
            let response = match self.run.client.request(request).await {
                Ok(response) => response,
                Err(error) => {
                    let retry = Retry::after_error(&error);
                    let signal = match retry {
                        Retry::After(_) => HostSignal::ConnectionFailed,
                        Retry::Never => HostSignal::Accepted,
                    };
                    let error = FetchError::from(error);
                    // Without a file descriptor, the request was not sent, so this is no evidence about the host.
                    if !error.is_out_of_descriptors() {
                        self.record_result(signal);
                    }
                    return Err(AttemptError { error, next: RetryDecision::Backoff(retry) });
                }
            };
            let status = response.status();
            if is_redirect(status) {
                self.record_result(HostSignal::Accepted);
                let origin = route.here().origin().to_owned();
                route.follow(response.headers())?;
                self.run.report(&self.item, DownloadEventKind::Redirect { status, to: route.here().as_str() });
                drain(response.into_body()).await;
                if route.here().origin() != origin {
                    self.transition_to(TransferState::Permit);
                    let origin = route.here().origin().to_owned();
                    self.acquire_permit(&origin).await?;
                    self.transition_to(TransferState::Request);
                }
            } else if status.as_u16() < 400 || (status == StatusCode::RANGE_NOT_SATISFIABLE && is_range_request) {
                self.record_result(HostSignal::Accepted);
                let to_first_byte = now().saturating_duration_since(sent_at);
                let is_conditional = !conditions.is_empty();
                let (head, body) = response.into_parts();
                let final_response = FinalResponse {
                    status,
                    headers: head.headers,
                    is_reused: body.is_reused(),
                    connect_timings: body.connect_timings(),
                    is_range_request,
                    redirected_to: route.redirected_to().map(|address| address.as_str().to_owned()),
                    is_conditional,
                    to_first_byte,
                };
                return Ok((final_response, body));
            } else {
                return Err(self.handle_error_status(response, is_range_request).await);
            }
        }
    }

    /// Returns the credentials and the caller's headers. Credentials in the URL take precedence over those of the run.
    fn request_headers(&self) -> HeaderMap {
        let mut headers = self.run.options.headers.clone();
        if let Some(authorization) = self.item.url.authorization() {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }

    /// Returns the `Range` and `If-Range` headers of a request for the rest of a partial download. Returns no headers
    /// if there is none, or if it must not be resumed from the URL `here`.
    fn range_headers(&self, here: &DownloadUrl) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let Some(part) = self.sink.as_ref().filter(|sink| sink.written() > 0 && !self.requests_whole_file) else {
            return headers;
        };
        let validator = part.state().validator().filter(|_| part.state().came_from(here.as_str()));
        if let Some(Ok(validator)) = validator.map(HeaderValue::from_str) {
            let range = HeaderValue::try_from(format!("bytes={}-", part.written()));
            headers.insert(RANGE, range.expect("digits are legal in a field"));
            headers.insert(IF_RANGE, validator);
        }
        headers
    }

    /// Returns the headers of a conditional request for a file that exists: `If-None-Match`, `If-Modified-Since` or
    /// both. Returns no headers if the request is not to be conditional.
    async fn conditions(&self) -> Result<HeaderMap, FetchError> {
        let mut headers = HeaderMap::new();
        let options = &self.run.options;
        let Some(file) = self.item.on_disk.file.filter(|_| options.stream.is_none() && !options.remote_name) else {
            return Ok(headers);
        };
        let (path, url) = (self.item.target.path(), self.item.url.as_str());
        let validators = self.run.validators.as_ref().map(RefCell::borrow);
        let job = validators.and_then(|validators| validators.conditions(&path.to_string_lossy(), url, file));
        if let Some(job) = job {
            headers = run_in_executor(None, job).await?;
        }
        if headers.is_empty() && options.overwrite == Overwrite::Newer {
            // With a date one second earlier, the server also sends a version that was modified in the same second, so
            // that its length can be compared.
            let tolerance = if file.has_weak_date() { Duration::from_secs(1) } else { Duration::ZERO };
            let modified = (file.modified - tolerance).max(SystemTime::UNIX_EPOCH);
            let date = HeaderValue::try_from(httpdate::fmt_http_date(modified));
            headers.insert(IF_MODIFIED_SINCE, date.expect("a date is legal in a field"));
        }
        Ok(headers)
    }

    /// Records the result of a request for the scheduling of its host.
    fn record_result(&self, signal: HostSignal) -> RetryCost {
        self.permit.as_ref().map_or(RetryCost::Transfer, |permit| permit.record_result(signal))
    }

    /// Handles a status of 400 or more: records it for the host, and decides whether and when the transfer is retried.
    async fn handle_error_status(&mut self, response: Response<Body>, is_range_request: bool) -> AttemptError {
        let status = response.status();
        let requested = retry_after(response.headers(), SystemTime::now());
        let signal = match (status.as_u16(), requested) {
            (429, requested) => HostSignal::Throttled(requested),
            (503, Some(requested)) => HostSignal::Throttled(Some(requested)),
            (503, None) => HostSignal::Unavailable,
            _ => HostSignal::Accepted,
        };
        self.is_rejected = signal != HostSignal::Accepted;
        let cost = self.record_result(signal);
        let is_only_the_range = is_range_request && self.rejects_ranges(status);
        let options = &self.run.options;
        let limit = options.max_wait;
        let is_retryable = options.retries_after(status);
        let retry = Retry::after_status(is_retryable, requested, limit);
        let next = match requested {
            None if is_only_the_range && cost == RetryCost::Transfer => RetryDecision::WithoutRange,
            _ if retry != Retry::Never && cost == RetryCost::Host => RetryDecision::AfterPause,
            _ => RetryDecision::Backoff(retry),
        };
        let error = match requested {
            Some(requested) if is_retryable && requested > limit => {
                FetchError::RetryAfterTooLong { status, requested, limit }
            }
            _ => FetchError::Status(status),
        };
        drain(response.into_body()).await;
        AttemptError { error, next }
    }
}

impl Transfer {
    /// Counts a rejected range request, and returns whether the next request should be for the whole file:
    /// after the first rejection with a permanent error, or the second with a transient one. Returns `true` at most
    /// once per transfer.
    fn rejects_ranges(&mut self, status: StatusCode) -> bool {
        self.rejected_ranges += 1;
        let options = &self.run.options;
        let most_rejections = if options.retries_after(status) && options.retries > 0 { 2 } else { 1 };
        let is_enough = self.rejected_ranges >= most_rejections && !self.has_tried_without_range;
        if is_enough {
            (self.has_tried_without_range, self.requests_whole_file) = (true, true);
        }
        is_enough
    }
}

/// The maximum number of body bytes that are drained so that the connection can be reused.
const MAX_DRAINED_BYTES: usize = 64 * 1024;

/// The maximum time for draining a body.
const MAX_DRAINING: Duration = Duration::from_millis(500);

/// Reads and discards a response body, so that the connection can be reused. If the body is large or slow, or the
/// connection cannot be reused anyway, the connection is closed instead.
pub(super) async fn drain(body: Body) {
    if !body.keeps_connection() {
        return;
    }
    let _error_closes_the_connection = timeout(MAX_DRAINING, body.collect(MAX_DRAINED_BYTES)).await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::event_loop::EventLoop;
    use crate::http::client::Client;

    /// Drains the body of a response from a server that sends `head` and five bytes, then keeps the connection open.
    /// Returns how long this takes and whether the connection was kept.
    fn drain_body_of(head: &str) -> (Duration, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let response = format!("{head}\r\n\r\nhello");
        let server = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            connection.write_all(response.as_bytes()).unwrap();
            let _closed = connection.read(&mut [0]);
        });
        let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
        let drained = event_loop.block_on(async {
            let client = Client::new();
            let body = client.get(&url).await.unwrap().into_body();
            let started = now();
            drain(body).await;
            (now() - started, client.connections_idle() == 1)
        });
        drop(event_loop);
        server.join().unwrap();
        drained.unwrap()
    }

    #[test]
    fn a_body_is_drained_only_if_the_connection_can_be_reused() {
        for head in [
            "HTTP/1.1 302 Found\r\nlocation: /",
            "HTTP/1.1 404 Not Found",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 6\r\nconnection: close",
            "HTTP/1.0 404 Not Found\r\ncontent-length: 6",
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: identity\r\ncontent-length: 6",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 65537",
        ] {
            assert_eq!(drain_body_of(head), (Duration::ZERO, false), "{head}");
        }
        assert_eq!(drain_body_of("HTTP/1.1 404 Not Found\r\ncontent-length: 5"), (Duration::ZERO, true));
        let (waited, is_kept) = drain_body_of("HTTP/1.1 404 Not Found\r\ncontent-length: 6");
        assert!(waited >= MAX_DRAINING && !is_kept, "{waited:?}");
    }
}
