//! What the tests of the client share.

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

/// The same on a loop whose clock jumps to the next deadline when there is nothing else to wait for.
pub fn run_in_virtual_time<F: Future>(future: F) -> F::Output {
    crate::watchdog::watch();
    EventLoop::builder().virtual_time().build().expect("a loop").block_on(future).expect("no deadlock")
}

/// Gets the whole of a small thing.
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
        other => panic!("{other:?} is no protocol error"),
    }
}

/// Waits for a message of another thread without holding up the loop.
pub async fn hear<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> T {
    run_in_executor(None, Job::new(move || receiver.recv())).await.expect("no panic").expect("a message")
}

/// One look at the reactor shows what the kernel knows, and one turn later it has been seen to.
pub async fn let_the_loop_look() {
    for _ in 0..3 {
        sleep(Duration::from_millis(1)).await;
    }
}
