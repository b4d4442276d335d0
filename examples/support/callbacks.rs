//! A callback API over the library: each function starts an operation, returns at once, and calls back on completion.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use glassloop::http::client::Client;
use glassloop::{run_in_executor, spawn};

use super::Error;

/// Runs `future` as a task and calls `callback` with its output, like asyncio's `add_done_callback`.
pub fn when_done<F, C>(future: F, callback: C)
where
    F: Future + 'static,
    C: FnOnce(F::Output) + 'static,
{
    let _detached = spawn(WhenDone { future: Box::pin(future), callback: Some(callback) });
}

struct WhenDone<F, C> {
    future: Pin<Box<F>>,
    callback: Option<C>,
}

impl<F: Future, C> Unpin for WhenDone<F, C> {}

impl<F: Future, C: FnOnce(F::Output)> Future for WhenDone<F, C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let output = ready!(self.future.as_mut().poll(cx));
        if let Some(callback) = self.callback.take() {
            callback(output);
        }
        Poll::Ready(())
    }
}

/// Requests the URL and passes the response body to `callback`. Any status but 200 is an error.
pub fn get(client: &Client, url: &str, callback: impl FnOnce(Result<Vec<u8>, Error>) + 'static) {
    when_done(client.get(url), |result| match result {
        Err(error) => callback(Err(error.into())),
        Ok(response) if response.status() != 200 => {
            callback(Err(format!("HTTP status {}", response.status()).into()));
        }
        Ok(response) => when_done(response.into_body().collect(64 << 20), |body| {
            callback(body.map_err(Error::from));
        }),
    });
}

/// Writes a file on a pool thread and passes the result to `callback`.
pub fn save(path: PathBuf, bytes: Vec<u8>, callback: impl FnOnce(Result<(), Error>) + 'static) {
    when_done(run_in_executor(None, move || std::fs::write(path, bytes)), |saved| {
        callback(match saved {
            Err(job_error) => Err(job_error.into()),
            Ok(written) => written.map_err(Error::from),
        });
    });
}
