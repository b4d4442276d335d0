//! The response that ends a redirect chain: its head, with what the transfer has to know about its request.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::http::client::ConnectTimings;

/// The head of a response that is neither a redirect nor an error, with facts about its request.
pub(super) struct FinalResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Whether the connection had served an earlier exchange.
    pub(super) is_reused: bool,
    pub(super) connect_timings: Option<ConnectTimings>,
    /// Whether the request was a range request for the rest of a partial download.
    pub(super) is_range_request: bool,
    /// The URL at the end of the redirect chain; `None` if there were no redirects.
    pub(super) redirected_to: Option<String>,
    /// Whether the request was conditional.
    pub(super) is_conditional: bool,
    /// The time from sending the request to receiving the head of the response.
    pub(super) to_first_byte: Duration,
}
