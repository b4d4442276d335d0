//! One run of one case: so many images, five requests at once, each saved in the case's way; and the server, which is
//! this program in another process.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassloop::flags::site::EmbeddedServer;
use glassloop::http::client::Client;
use glassloop::http::server::{Faults, Limits, text};
use glassloop::sync::Semaphore;
use glassloop::{Job, JoinSet, run_in_executor};
use http::StatusCode;

use super::support::{self, Error, countries::body_of, meter};

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
    pub fn run(&self, case: &Case) -> Result<Run, Error> {
        let folder = support::temporary_folder_in(self.place)?;
        rustix::fs::sync(); // what the run before has left in memory shall not be written in this one's time
        meter::take();
        let (started, processor) = (Instant::now(), meter::processor_time());
        let mut event_loop = support::measured_event_loop()?;
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

/// Tells a process that it is the server.
const ROLE: &str = "GLASSLOOP_EXPERIMENT_SERVER";

/// Whether this process is the server.
pub fn is_server() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Answers every request with an image, until whoever started this process closes its end of stdin, or is gone.
pub fn serve() -> Result<(), Error> {
    let image = || bytes::Bytes::from(vec![b'x'; IMAGE_BYTES]);
    let server = EmbeddedServer::serve(Limits::default(), Faults::default(), move || {
        let image = image();
        Ok(move |_: &http::Request<()>| text(StatusCode::OK, image.clone()))
    })?;
    println!("http://{}", server.address());
    std::io::stdin().read_to_end(&mut vec![])?;
    Ok(())
}

/// The server's process. It ends when this is dropped.
pub struct Server {
    process: Child,
    url: String,
}

impl Server {
    pub fn start() -> Result<Server, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ROLE, "1").env_remove("GLASSLOOP_TRACE").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut url = String::new();
        BufReader::new(process.stdout.take().ok_or("its stdout is piped")?).read_line(&mut url)?;
        Ok(Server { process, url: url.trim().to_owned() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _is_gone = self.process.wait();
    }
}
