//! One job, five ways (5): the twenty flags in coroutines, the chapter's downloader over the library's API.
//!
//!     cargo run --release --example flags_coroutines
//!
//! Each flag is a task that reads from top to bottom: take a permit, get the image, let a thread save it. Nothing here
//! blocks, and nothing here shows that it does not, except the word `await`.
//!
//! To try next: `PERMITS = 1`, then 20; leave the `await` behind `run_in_executor` away and see what is counted.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use glassloop::flags::codes::POPULAR;
use glassloop::flags::site::{EmbeddedServer, Kind};
use glassloop::http::client::Client;
use glassloop::sync::Semaphore;
use glassloop::{EventLoop, JoinSet, run_in_executor};

const PERMITS: usize = 5;

type Error = Box<dyn std::error::Error>;

/// What all the tasks share.
struct Downloader {
    client: Client,
    permits: Semaphore,
    base_url: String,
    folder: PathBuf,
}

impl Downloader {
    async fn download_one(&self, code: &str) -> Result<usize, Error> {
        let image = {
            let _permit = self.permits.acquire().await;
            self.get_flag(code).await?
        };
        let (path, length) = (self.folder.join(format!("{code}.gif")), image.len());
        run_in_executor(None, move || std::fs::write(path, image)).await??;
        Ok(length)
    }

    async fn get_flag(&self, code: &str) -> Result<Vec<u8>, Error> {
        let response = self.client.get(&format!("{}/{code}/{code}.gif", self.base_url)).await?;
        if response.status() != 200 {
            return Err(format!("HTTP status {}", response.status()).into());
        }
        Ok(response.into_body().collect(1 << 20).await?)
    }
}

async fn download_many(downloader: Downloader) -> usize {
    let downloader = Rc::new(downloader);
    let mut tasks = JoinSet::new();
    for code in POPULAR {
        let (downloader, code) = (downloader.clone(), code.to_lowercase());
        tasks.spawn(async move { (code.clone(), downloader.download_one(&code).await) });
    }
    let mut saved = 0;
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok((code, Ok(bytes))) => {
                println!("{code}: {bytes} bytes");
                saved += 1;
            }
            Ok((code, Err(error))) => println!("*** Error for {code}: {error}"),
            Err(panicked) => println!("*** {panicked}"),
        }
    }
    saved
}

fn main() -> Result<(), Error> {
    let server = EmbeddedServer::start(Kind::Local)?;
    let folder = std::env::temp_dir().join(format!("flags_coroutines-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (client, permits) = (Client::new(), Semaphore::new(PERMITS));
    let (base_url, started) = (server.base_url(), Instant::now());

    let mut event_loop = EventLoop::new()?;
    let downloader = Downloader { client, permits, base_url, folder: folder.clone() };
    let saved = event_loop.block_on(download_many(downloader))?;

    println!("{saved} flags in {:.3} s, in {}", started.elapsed().as_secs_f64(), folder.display());
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
