//! One program, five styles (5): downloads the twenty flags with coroutines on the loop.
//!
//!     cargo run --release --example flags_coroutines
//!
//! This is the downloader of the asyncio chapter of *Fluent Python*, which calls an `async fn` a coroutine. Each flag
//! is a task whose code is in the order in which it runs: acquire a permit, request the image, save it on a pool
//! thread. Nothing here blocks the loop's thread, and a task can be suspended only at an `await`.
//!
//! To try next: `PERMITS = 1`, then 20; remove the `await` after `run_in_executor` and compare the number of flags
//! reported with the number of files.

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use glassloop::flags::codes::POPULAR;
use glassloop::http::client::Client;
use glassloop::sync::Semaphore;
use glassloop::{JoinSet, run_in_executor};

use support::Error;

const PERMITS: usize = 5;

/// State shared by all tasks.
struct Downloader {
    client: Client,
    permits: Semaphore,
    base_url: String,
    directory: PathBuf,
}

impl Downloader {
    async fn download_one(&self, code: &str) -> Result<(), Error> {
        let image = {
            let _permit = self.permits.acquire().await;
            self.get_flag(code).await?
        };
        let (path, bytes) = (self.directory.join(format!("{code}.gif")), image.len());
        run_in_executor(None, move || std::fs::write(path, image)).await??;
        println!("{code}: {bytes} bytes");
        Ok(())
    }

    async fn get_flag(&self, code: &str) -> Result<Vec<u8>, Error> {
        let response = self.client.get(&format!("{}/{code}/{code}.gif", self.base_url)).await?;
        if response.status() != 200 {
            return Err(format!("HTTP status {}", response.status()).into());
        }
        Ok(response.into_body().collect(64 << 20).await?)
    }
}

async fn supervise(downloader: Downloader) -> Result<usize, Error> {
    let downloader = Rc::new(downloader);
    let mut tasks = JoinSet::new();
    for code in POPULAR.map(str::to_lowercase) {
        let downloader = downloader.clone();
        tasks.spawn_named(&format!("flag {code}"), async move { downloader.download_one(&code).await });
    }
    let mut saved = 0;
    while let Some(ended) = tasks.join_next().await {
        ended??;
        saved += 1;
    }
    Ok(saved)
}

fn download_many(base_url: &str, directory: &Path) -> Result<usize, Error> {
    let (client, permits) = (Client::new(), Semaphore::new(PERMITS));
    let downloader = Downloader { client, permits, base_url: base_url.to_owned(), directory: directory.to_owned() };
    support::event_loop()?.block_on(supervise(downloader))?
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(include_str!("flags_coroutines.rs"), download_many)
}
