//! Files and the pool: a job that nobody awaits.
//!
//!     cargo run --release --example fire_and_forget
//!
//! The chapter's own downloader hands each image to the executor and does not await the result. That is quick, and two
//! things are lost: "OK" is said before the file is there, and if the file cannot be written, nobody is ever told. Here
//! one of three flags goes into a folder that does not exist. First as in the chapter, then awaited.
//!
//! What is not lost, here: a write that was queued runs to its end, also when the program ends meanwhile. (asyncio's
//! executor is waited for at the end of `asyncio.run`, too.)
//!
//! To try next: keep the `JobHandle`s in a list and await them all at the end: what is better, what is still wrong?

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use glassloop::http::client::Client;
use glassloop::run_in_executor;

use support::Error;
use support::countries::body_of;

/// Writes a file, on a disk that takes its time.
fn save_flag(path: PathBuf, image: Vec<u8>) -> std::io::Result<()> {
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(path, image)
}

async fn download(base_url: &str, folder: &Path, is_awaited: bool) -> Result<(), Error> {
    let client = Client::new();
    for code in ["br", "no-such-folder/cn", "in"] {
        let flag = code.trim_start_matches("no-such-folder/");
        let image = body_of(client.get(&format!("{base_url}/{flag}/{flag}.gif")).await).await?;
        let path = folder.join(format!("{code}.gif"));
        let job = run_in_executor(None, {
            let path = path.clone();
            move || save_flag(path, image)
        });
        if is_awaited {
            match job.await? {
                Ok(()) => println!("{flag} OK       is its file there? {}", path.exists()),
                Err(error) => println!("*** Error for {flag}: {error}"),
            }
        } else {
            drop(job); // as the chapter does: by not looking at it
            println!("{flag} OK       is its file there? {}", path.exists());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    support::main(&["--server URL"], |arguments| {
        let site = support::site(arguments)?;
        for (title, is_awaited) in [("as in the chapter, not awaited:", false), ("awaited:", true)] {
            let folder = support::temporary_folder()?;
            println!("{title}");
            let mut event_loop = support::event_loop()?;
            event_loop.block_on(download(site.base_url(), folder.path(), is_awaited))??;
            drop(event_loop); // which waits for what was queued
            println!("   in the end there are {} files of 3\n", std::fs::read_dir(folder.path())?.count());
        }
        Ok(())
    })
}
