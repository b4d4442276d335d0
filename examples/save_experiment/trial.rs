//! One run of one case: downloads the images with five concurrent requests and saves them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassloop::http::client::Client;
use glassloop::sync::Semaphore;
use glassloop::{EventLoop, Job, JoinSet, run_in_executor};

use super::support::{Error, countries::body_of, meter, temporary::temporary_dir_in};

/// The size of an image, about the average size of the chapter's flags.
pub const IMAGE_BYTES: usize = 13_000;

/// The number of concurrent requests; the chapter's downloader has the same.
const PERMITS: usize = 5;

/// The thread that saves the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saver {
    /// The loop's own thread.
    Loop,
    /// A pool thread.
    Pool,
}

/// The parameters that vary.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The number of times that the image is written into its file.
    pub images: usize,
    /// The number of files in a run.
    pub files: usize,
    /// The thread that saves.
    pub saver: Saver,
    /// Whether every file is synced to disk.
    pub fsync: bool,
}

/// The measurements of one run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Wall time from the first request to the last file.
    pub wall: Duration,
    /// CPU time of the client.
    pub cpu: Duration,
    /// The length of every stall of the loop (see `meter.rs`), ascending.
    pub stalls: Vec<Duration>,
}

/// The parameters that are the same for all cases.
pub struct Trial<'a> {
    pub url: &'a str,
    /// How long every save sleeps first.
    pub slow_disk: Duration,
    /// The directory in which each run creates a temporary one.
    pub directory: &'a Path,
}

impl Trial<'_> {
    pub fn run(&self, case: &Case, mut event_loop: EventLoop) -> Result<Run, Error> {
        let directory = temporary_dir_in(self.directory)?;
        rustix::fs::sync(); // writes dirty pages of the previous run back now, not during this run
        meter::take();
        let (started, cpu) = (Instant::now(), meter::cpu_time());
        event_loop.block_on(self.download_all(case, directory.path()))??;
        let (wall, cpu) = (started.elapsed(), meter::cpu_time() - cpu);
        drop(event_loop);
        let mut stalls = meter::take().stalls;
        stalls.sort_unstable();
        Ok(Run { wall, cpu, stalls })
    }

    async fn download_all(&self, case: &Case, directory: &Path) -> Result<(), Error> {
        let (client, permits, save) = (Client::new(), Rc::new(Semaphore::new(PERMITS)), self.save(case));
        let mut tasks = JoinSet::new();
        for number in 0..case.files {
            let (client, permits, saver) = (client.clone(), permits.clone(), case.saver);
            let (url, path) = (format!("{}/{number}", self.url), directory.join(format!("{number}.gif")));
            tasks.spawn(async move {
                let image = {
                    let _permit = permits.acquire().await;
                    body_of(client.get(&url).await).await?
                };
                let save = move || save(&path, &image);
                match saver {
                    Saver::Loop => save()?, // blocks the loop
                    Saver::Pool => run_in_executor(None, Job::new(save).label("save")).await??,
                }
                Ok::<(), Error>(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Returns a function that saves one image as the case requires.
    fn save(&self, case: &Case) -> impl Fn(&PathBuf, &[u8]) -> std::io::Result<()> + Copy + Send + 'static {
        let (images, fsync, sleep) = (case.images, case.fsync, self.slow_disk);
        move |path, image| {
            std::thread::sleep(sleep);
            let mut file = File::create(path)?;
            for _ in 0..images {
                file.write_all(image)?;
            }
            if fsync { file.sync_all() } else { Ok(()) }
        }
    }
}
