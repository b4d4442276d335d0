//! One job, five ways (5): the twenty flags in coroutines, on the loop: the chapter's downloader.
//!
//!     cargo run --release --example flags_coroutines
//!
//! Each flag is a task that reads from top to bottom: take a permit, get the image, let a thread save it. Nothing here
//! blocks, and nothing here shows that it does not, except the word `await`.
//!
//! To try next: `PERMITS = 1`, then 20; leave the `await` behind `run_in_executor` away and see what is counted.

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

/// What all the tasks share.
struct Downloader {
    client: Client,
    permits: Semaphore,
    base_url: String,
    folder: PathBuf,
}

impl Downloader {
    async fn download_one(&self, code: &str) -> Result<(), Error> {
        let image = {
            let _permit = self.permits.acquire().await;
            self.get_flag(code).await?
        };
        let (path, bytes) = (self.folder.join(format!("{code}.gif")), image.len());
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

fn download_many(base_url: &str, folder: &Path) -> Result<usize, Error> {
    let (client, permits) = (Client::new(), Semaphore::new(PERMITS));
    let downloader = Downloader { client, permits, base_url: base_url.to_owned(), folder: folder.to_owned() };
    support::event_loop()?.block_on(supervise(downloader))?
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(download_many)
}
