//! Coordination: a future that is not polled does nothing.
//!
//!     cargo run --release --example lazy
//!
//! Calling an `async fn` runs none of its lines, and `client.get` opens no connection: both only describe what will be
//! done. So two futures that are made first and awaited one after the other run one after the other. `join_all` polls
//! both, and `spawn` hands one to the loop: only these make two things happen at once. (asyncio's `create_task` is
//! `spawn`; a bare coroutine object in Python is as lazy as this.)
//!
//! To try next: make `first` and `second` JoinHandles by `spawn`, then await one after the other; ask for a port where
//! nobody listens, and do not await it.

mod support;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use glassloop::futures::join_all;
use glassloop::http::client::Client;
use glassloop::{sleep, spawn};

/// What takes a tenth of a second.
async fn slow(polled: &Cell<bool>) {
    polled.set(true);
    sleep(Duration::from_millis(100)).await;
}

fn main() -> ExitCode {
    support::main(&["--server URL"], |arguments| {
        let (site, client) = (support::site(arguments)?, Client::new());
        support::event_loop()?.block_on(async {
            let polled = Cell::new(false);
            let future = slow(&polled);
            sleep(Duration::from_millis(150)).await;
            println!("made, and 150 ms later: has it begun? {}", polled.get());
            let started = Instant::now();
            future.await;
            println!("awaited: it took {} ms from there", tenths(started));

            let exchange = client.get(&format!("{}/br/br.gif", site.base_url()));
            sleep(Duration::from_millis(50)).await;
            println!("a request that nobody awaited has opened {} connections", client.connections_opened());
            drop(exchange);

            let started = Instant::now();
            let (first, second) = (slow(&polled), slow(&polled));
            first.await;
            second.await;
            println!("two, awaited one after the other: {} ms", tenths(started));

            let started = Instant::now();
            join_all([slow(&polled), slow(&polled)]).await;
            println!("two, joined:                      {} ms", tenths(started));

            let started = Instant::now();
            let other = spawn(async { slow(&Cell::new(false)).await });
            slow(&polled).await;
            other.await?;
            println!("one spawned, one awaited:         {} ms", tenths(started));
            Ok(())
        })?
    })
}

/// The time since then in ms, in whole tenths of a second: what the machine does beside is left out.
fn tenths(started: Instant) -> u128 {
    started.elapsed().as_millis() / 100 * 100
}
