//! One job, five ways (3): the twenty flags in callbacks, on the loop.
//!
//!     cargo run --release --example flags_callbacks
//!
//! `get` and `save` begin something, return at once, and call back. One thread does it all, and no call waits. But no
//! function can be read from top to bottom any more: what is one flag's way is cut into three pieces, the loop over the
//! codes has become a recursion (`start_next` is called by the last piece), and each piece has to think of the errors
//! by itself, since there is no caller to return them to.
//!
//! To try next: forget to call `fail` in `start_next`, ask where nobody listens (`--server http://127.0.0.1:1`), and look
//! at what is said; then `flags_futures`.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use glassloop::flags::codes::POPULAR;
use glassloop::http::client::Client;
use glassloop::sync::Event;

use support::Error;
use support::callbacks::{get, save};

const AT_ONCE: usize = 5;

/// What the callbacks share. There is no stack on which it could lie.
struct Downloader {
    client: Client,
    base_url: String,
    folder: PathBuf,
    waiting: RefCell<VecDeque<String>>,
    saved: Cell<usize>,
    error: RefCell<Option<Error>>,
    finished: Event,
}

/// Begins the next flag, if there is one. Somebody calls it five times at the start, and then each flag that is done.
fn start_next(downloader: Rc<Downloader>) {
    let Some(code) = downloader.waiting.borrow_mut().pop_front() else { return };
    let url = format!("{}/{code}/{code}.gif", downloader.base_url);
    get(&downloader.client.clone(), &url, move |image| match image {
        Ok(image) => on_image(downloader, code, image),
        Err(error) => fail(&downloader, error),
    });
}

fn on_image(downloader: Rc<Downloader>, code: String, image: Vec<u8>) {
    let (path, bytes) = (downloader.folder.join(format!("{code}.gif")), image.len());
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

fn download_many(base_url: &str, folder: &Path) -> Result<usize, Error> {
    let downloader = Rc::new(Downloader {
        client: Client::new(),
        base_url: base_url.to_owned(),
        folder: folder.to_owned(),
        waiting: RefCell::new(POPULAR.iter().map(|code| code.to_lowercase()).collect()),
        saved: Cell::new(0),
        error: RefCell::new(None),
        finished: Event::new(),
    });
    support::event_loop()?.block_on(async {
        for _ in 0..AT_ONCE {
            start_next(downloader.clone());
        }
        downloader.finished.wait().await;
    })?;
    downloader.error.take().map_or(Ok(downloader.saved.get()), Err)
}

pub(crate) fn main() -> ExitCode {
    support::flags_main(download_many)
}
