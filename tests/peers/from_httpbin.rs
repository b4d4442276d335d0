//! The client against httpbin, a server for testing HTTP clients.

use glassloop::futures::join_all;
use glassloop::http::client::{Client, ClientError};
use http::{Method, Request, StatusCode};

use crate::processes::block_on;
use crate::python::httpbin;

const MEBIBYTE: usize = 1 << 20;

async fn body_of(client: &Client, url: &str) -> Result<(StatusCode, Vec<u8>), ClientError> {
    let response = client.get(url).await?;
    let status = response.status();
    Ok((status, response.into_body().collect(MEBIBYTE).await?))
}

#[test]
#[ignore = "needs Python with httpbin and waitress"]
fn the_client_returns_the_status_that_httpbin_sends() {
    let (_server, url) = httpbin();
    block_on(async {
        let client = Client::new();
        for status in [200, 201, 204, 301, 302, 304, 307, 400, 401, 403, 404, 418, 429, 500, 502, 503] {
            let (seen, _) = body_of(&client, &format!("{url}/status/{status}")).await.expect("a response");
            assert_eq!(seen.as_u16(), status);
        }
    });
}

#[test]
#[ignore = "needs Python with httpbin and waitress"]
fn redirects_are_returned_and_not_followed() {
    let (_server, url) = httpbin();
    block_on(async {
        let response =
            Client::new().get(&format!("{url}/redirect-to?url=/get&status_code=308")).await.expect("a response");
        assert_eq!(response.status(), 308);
        assert_eq!(response.headers()["location"], "/get");
    });
}

#[test]
#[ignore = "needs Python with httpbin and waitress"]
fn requests_without_a_body_reach_the_server_unchanged() {
    let (_server, url) = httpbin();
    block_on(async {
        let client = Client::new();
        for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
            let request = Request::builder().method(method.clone()).uri(format!("{url}/anything?a=b%20c"));
            let response = client.request(request.body(()).expect("a request")).await.expect("a response");
            assert_eq!(response.status(), 200, "{method}");
            let body = response.into_body().collect(MEBIBYTE).await.expect("a body");
            match method {
                Method::HEAD | Method::OPTIONS => assert!(body.is_empty()),
                _ => {
                    let received: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                    assert_eq!(received["method"], method.as_str());
                    assert_eq!(received["args"]["a"], "b c");
                    assert_eq!(received["headers"]["Accept"], "*/*");
                }
            }
        }
    });
}

#[test]
#[ignore = "needs Python with httpbin and waitress"]
fn bodies_are_received_completely_in_every_framing() {
    let (_server, url) = httpbin();
    block_on(async {
        let client = Client::new();
        // With a Content-Length. httpbin generates the bytes from the seed.
        for size in [0, 1, 1000, 100 * 1024] {
            let path = format!("{url}/bytes/{size}?seed=7");
            let (_, first) = body_of(&client, &path).await.expect("a body");
            let (_, again) = body_of(&client, &path).await.expect("a body");
            assert_eq!(first.len(), size);
            assert!(first == again);
            // Chunked.
            let (_, streamed) =
                body_of(&client, &format!("{url}/stream-bytes/{size}?seed=7&chunk_size=97")).await.expect("a body");
            assert!(first == streamed, "{size}: the chunked body differs");
        }
        let (_, lines) = body_of(&client, &format!("{url}/stream/20")).await.expect("a body");
        assert_eq!(lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 20);
    });
}

#[test]
#[ignore = "needs Python with httpbin and waitress"]
fn a_slowly_sent_body_is_received_completely() {
    let (_server, url) = httpbin();
    block_on(async {
        let client = Client::new();
        let (_, dripped) =
            body_of(&client, &format!("{url}/drip?duration=1&numbytes=10&delay=0")).await.expect("a body");
        assert_eq!(dripped, b"**********");
    });
}

#[test]
#[ignore = "needs Python with httpbin and waitress"]
fn a_range_request_returns_the_requested_range() {
    let (_server, url) = httpbin();
    block_on(async {
        let request =
            Request::get(format!("{url}/range/1000")).header("Range", "bytes=26-51").body(()).expect("a request");
        let response = Client::new().request(request).await.expect("a response");
        assert_eq!(response.status(), 206);
        assert_eq!(response.headers()["content-range"], "bytes 26-51/1000");
        assert_eq!(response.into_body().collect(MEBIBYTE).await.expect("a body"), b"abcdefghijklmnopqrstuvwxyz");
    });
}

#[test]
#[ignore = "needs Python with httpbin and waitress"]
fn concurrent_requests_use_at_most_one_connection_each() {
    let (_server, url) = httpbin();
    block_on(async {
        let client = Client::new();
        let slow = format!("{url}/delay/1");
        let all = join_all((0..5).map(|_| body_of(&client, &slow))).await;
        assert!(all.into_iter().all(|result| result.expect("a response").0 == 200));
        assert!(client.connections_opened() <= 5);
    });
}
