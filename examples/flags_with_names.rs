//! Coordination: two requests a flag, one after the other, and the permit taken twice.
//!
//!     cargo run --release --example flags_with_names
//!
//! Each flag needs its image and its country's name. The permit stands for a request, so each of the two takes one for
//! itself, and between them the flag holds none: then it is another's turn. Held across both, it would be a permit for a
//! flag, and while a file is being written nobody would use the network.
//!
//! What to look at: never more than five requests at once, and flags that began later end earlier.
//!
//! To try next: hold one permit across both, and compare; ask for both at once with `join_all` (does it need the image
//! to ask for the name?), and mind how many permits that takes.

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
    folder: PathBuf,
    under_way: Cell<u32>,
    most_under_way: Cell<u32>,
}

impl Downloader {
    /// One request, with a permit of its own.
    async fn get(&self, url: String) -> Result<Vec<u8>, Error> {
        let _permit = self.permits.acquire().await;
        self.under_way.set(self.under_way.get() + 1);
        self.most_under_way.set(self.most_under_way.get().max(self.under_way.get()));
        let body = body_of(self.client.get(&url).await).await;
        self.under_way.set(self.under_way.get() - 1);
        body
    }

    async fn download_one(&self, code: &str) -> Result<(), Error> {
        let lower = code.to_lowercase();
        let image = self.get(format!("{}/{lower}/{lower}.gif", self.base_url)).await?;
        let country = Country::from_json(&self.get(metadata_url(&self.base_url, &lower, false)).await?)?;
        let name = file_name(&country.name, code.parse()?);
        println!("{name}: {} bytes", image.len());
        let path = self.folder.join(name);
        Ok(run_in_executor(None, move || std::fs::write(path, image)).await??)
    }
}

fn main() -> ExitCode {
    support::main(&["--server URL"], |arguments| {
        let (site, folder) = (support::site(arguments)?, support::temporary_folder()?);
        let downloader = Rc::new(Downloader {
            client: Client::new(),
            permits: Semaphore::new(5),
            base_url: site.base_url().to_owned(),
            folder: folder.path().to_owned(),
            under_way: Cell::new(0),
            most_under_way: Cell::new(0),
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
        let files = std::fs::read_dir(folder.path())?.count();
        println!("{files} files, {} requests, {} at once.", 2 * files, downloader.most_under_way.get());
        Ok(())
    })
}
