//! The library as one without futures would offer it: begin something, return at once, be called when it is done.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use glassloop::http::client::Client;
use glassloop::{run_in_executor, spawn};

use super::Error;

/// Calls `callback` with the output of `future`, some time later: asyncio's `add_done_callback`.
pub fn when_done<F, C>(future: F, callback: C)
where
    F: Future + 'static,
    C: FnOnce(F::Output) + 'static,
{
    let _runs_by_itself = spawn(WhenDone { future: Box::pin(future), callback: Some(callback) });
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

/// Asks for a URL and hands the body of a 200 to `callback`.
pub fn get(client: &Client, url: &str, callback: impl FnOnce(Result<Vec<u8>, Error>) + 'static) {
    when_done(client.get(url), |answer| match answer {
        Err(error) => callback(Err(error.into())),
        Ok(response) if response.status() != 200 => {
            callback(Err(format!("HTTP status {}", response.status()).into()));
        }
        Ok(response) => when_done(response.into_body().collect(64 << 20), |body| {
            callback(body.map_err(Error::from));
        }),
    });
}

/// Lets a thread of the pool write a file and tells `callback` how it went.
pub fn save(path: PathBuf, bytes: Vec<u8>, callback: impl FnOnce(Result<(), Error>) + 'static) {
    when_done(run_in_executor(None, move || std::fs::write(path, bytes)), |saved| {
        callback(match saved {
            Err(no_job) => Err(no_job.into()),
            Ok(written) => written.map_err(Error::from),
        });
    });
}
