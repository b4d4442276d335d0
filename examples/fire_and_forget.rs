//! Files and the thread pool: a job whose result is never awaited.
//!
//!     cargo run --release --example fire_and_forget
//!
//! The downloader in the asyncio chapter of *Fluent Python* passes each image to the executor and does not await the
//! result. That is quick, but "OK" is printed before the file exists, and if the write fails, the error is silently
//! lost. Here one of the three flags is written to a directory that does not exist. The first run does not await the
//! jobs, like the program in the chapter; the second run does.
//!
//! The other two files are written in both runs, since the loop waits for queued jobs when it shuts down.
//! (`asyncio.run` waits for its executor in the same way.)
//!
//! To try next: keep the `JobHandle`s in a list and await them all at the end. Which of these problems does this solve,
//! and which remains?

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use glassloop::http::client::Client;
use glassloop::run_in_executor;

use support::Error;
use support::countries::body_of;

/// Writes a file as if to a slow disk.
fn save_flag(path: PathBuf, image: Vec<u8>) -> std::io::Result<()> {
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(path, image)
}

async fn download(base_url: &str, directory: &Path, is_awaited: bool) -> Result<(), Error> {
    let client = Client::new();
    for code in ["br", "no-such-dir/cn", "in"] {
        let flag = code.trim_start_matches("no-such-dir/");
        let image = body_of(client.get(&format!("{base_url}/{flag}/{flag}.gif")).await).await?;
        let path = directory.join(format!("{code}.gif"));
        let job = run_in_executor(None, {
            let path = path.clone();
            move || save_flag(path, image)
        });
        if is_awaited {
            match job.await? {
                Ok(()) => println!("{flag} OK       file exists: {}", path.exists()),
                Err(error) => println!("*** Error for {flag}: {error}"),
            }
        } else {
            drop(job); // the chapter's code discards it as well
            println!("{flag} OK       file exists: {}", path.exists());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    support::main(include_str!("fire_and_forget.rs"), &["--server URL"], |arguments| {
        let site = support::site(arguments)?;
        for (title, is_awaited) in [("not awaited, as in the chapter:", false), ("awaited:", true)] {
            let directory = support::temporary_dir()?;
            println!("{title}");
            let mut event_loop = support::event_loop()?;
            event_loop.block_on(download(site.base_url(), directory.path(), is_awaited))??;
            drop(event_loop); // waits for queued jobs
            println!("   files at the end: {} of 3\n", std::fs::read_dir(directory.path())?.count());
        }
        Ok(())
    })
}
