//! One program, five styles (4): downloads the twenty flags with hand-written futures on the loop.
//!
//!     cargo run --release --example flags_futures
//!
//! The download of one flag is a state machine: an `enum` with one variant for each thing that it waits for, and a
//! `poll` that matches on the variants in order. Unlike with callbacks, the code of a download is in one function, `?`
//! propagates errors, and dropping the future cancels the download in any state. The compiler generates much the same
//! state machine from `download_one` in `flags_coroutines`. (The code that starts and counts the twenty downloads is an
//! `async` block here, too.)
//!
//! To try next: set GLASSLOOP_TRACE=flags.html and follow one flag from state to state; add a state that waits
//! (`event_loop::Sleep`) before a retry when the server responds with 503, as the ERROR server of `glassloop serve`
//! does.

mod support;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, ready};

use glassloop::flags::codes::POPULAR;
use glassloop::http::client::{Client, Collect, Exchange};
use glassloop::observe::{NamedState, TracedState};
use glassloop::sync::{Acquire, Permit, Semaphore};
use glassloop::{JobHandle, JoinSet, run_in_executor};

use support::Error;

const PERMITS: usize = 5;

/// The states of one download, named for what is awaited.
enum Flag {
    Permit(Acquire),
    Head(Exchange),
    Body(Collect),
    Save(JobHandle<std::io::Result<()>>, usize),
    Done,
}

impl NamedState for Flag {
    const TYPE_NAME: &'static str = "Flag";

    fn name(&self) -> &'static str {
        match self {
            Flag::Permit(_) => "Permit",
            Flag::Head(_) => "Head",
            Flag::Body(_) => "Body",
            Flag::Save(..) => "Save",
            Flag::Done => "Done",
        }
    }
}

struct OneFlag {
    state: TracedState<Flag>,
    /// Held in the states `Head` and `Body`.
    permit: Option<Permit>,
    client: Client,
    url: String,
    code: String,
    path: PathBuf,
}

impl Future for OneFlag {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let OneFlag { state, permit, client, url, code, path } = &mut *self;
        let _parent = state.enter();
        loop {
            match state.get_mut() {
                Flag::Permit(acquire) => {
                    *permit = Some(ready!(Pin::new(acquire).poll(cx)));
                    state.transition_to(Flag::Head(client.get(url)));
                }
                Flag::Head(exchange) => {
                    let response = ready!(Pin::new(exchange).poll(cx))?;
                    if response.status() != 200 {
                        return Poll::Ready(Err(format!("HTTP status {}", response.status()).into()));
                    }
                    state.transition_to(Flag::Body(response.into_body().collect(64 << 20)));
                }
                Flag::Body(collect) => {
                    let image = ready!(Pin::new(collect).poll(cx))?;
                    drop(permit.take()); // passes to the task that has waited longest
                    let (path, bytes) = (path.clone(), image.len());
                    state.transition_to(Flag::Save(run_in_executor(None, move || std::fs::write(path, image)), bytes));
                }
                Flag::Save(job, bytes) => {
                    ready!(Pin::new(job).poll(cx))??;
                    println!("{code}: {bytes} bytes");
                    state.transition_to(Flag::Done);
                }
                Flag::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}

fn download_many(base_url: &str, directory: &Path) -> Result<usize, Error> {
    let (client, permits) = (Client::new(), Semaphore::new(PERMITS));
    support::event_loop()?.block_on(async {
        let mut tasks = JoinSet::new();
        for code in POPULAR.map(str::to_lowercase) {
            let state = TracedState::new(Flag::Permit(permits.acquire()));
            let (url, path) = (format!("{base_url}/{code}/{code}.gif"), directory.join(format!("{code}.gif")));
            let (name, client) = (format!("flag {code}"), client.clone());
            tasks.spawn_named(&name, OneFlag { state, permit: None, client, url, code, path });
        }
        let mut saved = 0;
        while let Some(ended) = tasks.join_next().await {
            ended??;
            saved += 1;
        }
        Ok(saved)
    })?
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(include_str!("flags_futures.rs"), download_many)
}
