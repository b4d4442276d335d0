//! Helpers of the client tests: running a loop, and fetching a URL.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use glassloop::http::client::{Client, ClientError, ClientErrorKind};
use glassloop::http::proto::ProtocolErrorKind;
use glassloop::{EventLoop, Job, run_in_executor, sleep};
use http::{Method, Request, StatusCode};

pub const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

pub fn run<F: Future>(future: F) -> F::Output {
    crate::watchdog::watch();
    EventLoop::new().expect("a loop").block_on(future).expect("no deadlock")
}

/// Runs a future on a loop with virtual time, whose clock jumps to the next deadline when only timers are left.
pub fn run_in_virtual_time<F: Future>(future: F) -> F::Output {
    crate::watchdog::watch();
    EventLoop::builder().virtual_time().build().expect("a loop").block_on(future).expect("no deadlock")
}

/// Sends a GET request and returns the status and the complete body.
pub async fn fetch(client: &Client, url: &str) -> Result<(StatusCode, Vec<u8>), ClientError> {
    let response = client.get(url).await?;
    let status = response.status();
    Ok((status, response.into_body().collect(1 << 20).await?))
}

pub fn request(method: Method, url: &str) -> Request<()> {
    Request::builder().method(method).uri(url).body(()).expect("a request")
}

pub fn protocol_error(error: &ClientError) -> ProtocolErrorKind {
    match error.kind() {
        ClientErrorKind::Protocol(error) => error.kind,
        other => panic!("{other:?} is not a protocol error"),
    }
}

/// Receives a message from another thread, without blocking the loop.
pub async fn receive<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> T {
    run_in_executor(None, Job::new(move || receiver.recv())).await.expect("no panic").expect("a message")
}

/// Waits until the loop has polled the reactor, and the tasks that it has woken have been polled.
pub async fn poll_the_reactor() {
    for _ in 0..3 {
        sleep(Duration::from_millis(1)).await;
    }
}
