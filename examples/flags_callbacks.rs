//! One program, five styles (3): downloads the twenty flags with callbacks on the loop.
//!
//!     cargo run --release --example flags_callbacks
//!
//! `get` and `save` start an operation, return at once, and call a callback on completion. All callbacks run on one
//! thread, and none of them blocks it. The price is that the code is no longer in the order in which it runs: the
//! download of one flag is split over three functions, the loop over the codes becomes a recursion (`on_saved` calls
//! `start_next`), and each function has to handle errors itself, since it has no caller to which it could return them.
//!
//! To try next: remove the call of `fail` in `start_next`, connect to a closed port (`--server http://127.0.0.1:1`),
//! and read the message; then read `flags_futures`.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use glassloop::flags::codes::POPULAR;
use glassloop::http::client::Client;
use glassloop::sync::OnceEvent;

use support::Error;
use support::callbacks::{get, save};

const MAX_CONCURRENT: usize = 5;

/// State shared by the callbacks. It is on the heap, since no stack frame outlives the calls.
struct Downloader {
    client: Client,
    base_url: String,
    directory: PathBuf,
    queue: RefCell<VecDeque<String>>,
    saved: Cell<usize>,
    error: RefCell<Option<Error>>,
    finished: OnceEvent,
}

/// Starts the next download, if there is one. It is called five times at the start and then after each completed flag.
fn start_next(downloader: Rc<Downloader>) {
    let Some(code) = downloader.queue.borrow_mut().pop_front() else { return };
    let url = format!("{}/{code}/{code}.gif", downloader.base_url);
    get(&downloader.client.clone(), &url, move |image| match image {
        Ok(image) => on_image(downloader, code, image),
        Err(error) => fail(&downloader, error),
    });
}

fn on_image(downloader: Rc<Downloader>, code: String, image: Vec<u8>) {
    let (path, bytes) = (downloader.directory.join(format!("{code}.gif")), image.len());
    save(path, image, move |saved| match saved {
        Ok(()) => on_saved(downloader, &code, bytes),
        Err(error) => fail(&downloader, error),
    });
}

fn on_saved(downloader: Rc<Downloader>, code: &str, bytes: usize) {
    println!("{code}: {bytes} bytes");
    downloader.saved.set(downloader.saved.get() + 1);
    if downloader.saved.get() == POPULAR.len() {
        downloader.finished.set();
    }
    start_next(downloader);
}

fn fail(downloader: &Downloader, error: Error) {
    downloader.error.borrow_mut().get_or_insert(error);
    downloader.finished.set();
}

fn download_many(base_url: &str, directory: &Path) -> Result<usize, Error> {
    let downloader = Rc::new(Downloader {
        client: Client::new(),
        base_url: base_url.to_owned(),
        directory: directory.to_owned(),
        queue: RefCell::new(POPULAR.iter().map(|code| code.to_lowercase()).collect()),
        saved: Cell::new(0),
        error: RefCell::new(None),
        finished: OnceEvent::new(),
    });
    support::event_loop()?.block_on(async {
        for _ in 0..MAX_CONCURRENT {
            start_next(downloader.clone());
        }
        downloader.finished.wait().await;
    })?;
    downloader.error.take().map_or(Ok(downloader.saved.get()), Err)
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(include_str!("flags_callbacks.rs"), download_many)
}
