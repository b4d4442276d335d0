//! One run of one case: so many images, five requests at once, each saved in the case's way.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassloop::http::client::Client;
use glassloop::sync::Semaphore;
use glassloop::{EventLoop, Job, JoinSet, run_in_executor};

use super::support::{Error, countries::body_of, folders::temporary_folder_in, meter};

/// What an image has: as many as the flags on the average.
pub const IMAGE_BYTES: usize = 13_000;

/// Requests at once, as in the chapter.
const PERMITS: usize = 5;

/// Who saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The loop's own thread.
    Loop,
    /// A thread of the pool.
    Pool,
}

/// What is varied.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// How often the image is written into its file.
    pub times: usize,
    /// Files in a run.
    pub files: usize,
    /// Who saves.
    pub place: Place,
    /// Whether the disk is asked to have it.
    pub fsync: bool,
}

/// What one run has cost.
#[derive(Clone, Debug)]
pub struct Run {
    /// From the first request to the last file.
    pub wall: Duration,
    /// Processor time of the client.
    pub processor: Duration,
    /// How long the loop did not look at its sockets and timers, each time, the shortest first.
    pub stalls: Vec<Duration>,
}

/// What is the same for all cases.
pub struct Trial<'a> {
    pub url: &'a str,
    /// How long every save sleeps first.
    pub slow_disk: Duration,
    /// Where files are saved, each run in a new folder.
    pub place: &'a Path,
}

impl Trial<'_> {
    pub fn run(&self, case: &Case, mut event_loop: EventLoop) -> Result<Run, Error> {
        let folder = temporary_folder_in(self.place)?;
        rustix::fs::sync(); // what the run before has left in memory shall not be written in this one's time
        meter::take();
        let (started, processor) = (Instant::now(), meter::processor_time());
        event_loop.block_on(self.download_all(case, folder.path()))??;
        let (wall, processor) = (started.elapsed(), meter::processor_time() - processor);
        drop(event_loop);
        let mut stalls = meter::take().stalls;
        stalls.sort_unstable();
        Ok(Run { wall, processor, stalls })
    }

    async fn download_all(&self, case: &Case, folder: &Path) -> Result<(), Error> {
        let (client, permits, save) = (Client::new(), Rc::new(Semaphore::new(PERMITS)), self.save(case));
        let mut tasks = JoinSet::new();
        for number in 0..case.files {
            let (client, permits, place) = (client.clone(), permits.clone(), case.place);
            let (url, path) = (format!("{}/{number}", self.url), folder.join(format!("{number}.gif")));
            tasks.spawn(async move {
                let image = {
                    let _permit = permits.acquire().await;
                    body_of(client.get(&url).await).await?
                };
                let save = move || save(&path, &image);
                match place {
                    Place::Loop => save()?, // the loop stands still
                    Place::Pool => run_in_executor(None, Job::new(save).label("save")).await??,
                }
                Ok::<(), Error>(())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// The function that saves one image in the case's way.
    fn save(&self, case: &Case) -> impl Fn(&PathBuf, &[u8]) -> std::io::Result<()> + Copy + Send + 'static {
        let (times, fsync, sleep) = (case.times, case.fsync, self.slow_disk);
        move |path, image| {
            std::thread::sleep(sleep);
            let mut file = File::create(path)?;
            for _ in 0..times {
                file.write_all(image)?;
            }
            if fsync { file.sync_all() } else { Ok(()) }
        }
    }
}
