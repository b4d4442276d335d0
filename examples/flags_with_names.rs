//! Coordination: two requests per flag, one after the other, each with a permit of its own.
//!
//!     cargo run --release --example flags_with_names
//!
//! Each flag needs its image and the name of its country. A permit limits the number of concurrent requests, so each
//! request acquires its own and releases it when it is done. Between the two requests, another flag may get the permit.
//! If a download kept one permit until its end, the permit would be unused while the file is being written.
//!
//! What to look at: there are never more than five requests at once, and a flag that was started later may finish
//! earlier.
//!
//! To try next: hold one permit for both requests, and compare; send both requests concurrently with `join_all` (the
//! second does not depend on the first), and find out how many permits a download then needs.

mod support;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use glassloop::flags::codes::POPULAR;
use glassloop::flags::metadata::file_name;
use glassloop::http::client::Client;
use glassloop::sync::Semaphore;
use glassloop::{JoinSet, run_in_executor};

use support::Error;
use support::countries::{Country, body_of, metadata_url};

struct Downloader {
    client: Client,
    permits: Semaphore,
    base_url: String,
    directory: PathBuf,
    in_flight: Cell<u32>,
    max_in_flight: Cell<u32>,
}

impl Downloader {
    /// Sends one request, with a permit of its own.
    async fn get(&self, url: String) -> Result<Vec<u8>, Error> {
        let _permit = self.permits.acquire().await;
        self.in_flight.set(self.in_flight.get() + 1);
        self.max_in_flight.set(self.max_in_flight.get().max(self.in_flight.get()));
        let body = body_of(self.client.get(&url).await).await;
        self.in_flight.set(self.in_flight.get() - 1);
        body
    }

    async fn download_one(&self, code: &str) -> Result<(), Error> {
        let lower = code.to_lowercase();
        let image = self.get(format!("{}/{lower}/{lower}.gif", self.base_url)).await?;
        let country = Country::from_json(&self.get(metadata_url(&self.base_url, &lower, false)).await?)?;
        let name = file_name(&country.name, code.parse()?);
        println!("{name}: {} bytes", image.len());
        let path = self.directory.join(name);
        Ok(run_in_executor(None, move || std::fs::write(path, image)).await??)
    }
}

fn main() -> ExitCode {
    support::main(include_str!("flags_with_names.rs"), &["--server URL"], |arguments| {
        let (site, directory) = (support::site(arguments)?, support::temporary_dir()?);
        let downloader = Rc::new(Downloader {
            client: Client::new(),
            permits: Semaphore::new(5),
            base_url: site.base_url().to_owned(),
            directory: directory.path().to_owned(),
            in_flight: Cell::new(0),
            max_in_flight: Cell::new(0),
        });
        support::event_loop()?.block_on(async {
            let mut tasks = JoinSet::new();
            for code in POPULAR {
                let downloader = downloader.clone();
                tasks.spawn_named(&format!("flag {code}"), async move { downloader.download_one(code).await });
            }
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            Ok::<(), Error>(())
        })??;
        let files = std::fs::read_dir(directory.path())?.count();
        println!("{files} files, {} requests, at most {} at once.", 2 * files, downloader.max_in_flight.get());
        Ok(())
    })
}
