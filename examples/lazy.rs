//! Coordination: a future that is not polled does nothing.
//!
//!     cargo run --release --example lazy
//!
//! Calling an `async fn` runs none of its body, and `client.get` opens no connection: both only return a future. If two
//! futures are created and then awaited one after the other, the second does not start before the first has completed.
//! They run concurrently with `join_all`, which polls both, or with `spawn`, which makes one of them a task. (`spawn`
//! corresponds to asyncio's `create_task`, and a Python coroutine object is as lazy as a Rust future.)
//!
//! To try next: spawn `first` and `second`, then await the two JoinHandles one after the other; request a URL on a
//! closed port, and do not await it.

mod support;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use glassloop::futures::join_all;
use glassloop::http::client::Client;
use glassloop::{sleep, spawn};

/// Takes a tenth of a second.
async fn slow(polled: &Cell<bool>) {
    polled.set(true);
    sleep(Duration::from_millis(100)).await;
}

fn main() -> ExitCode {
    support::main(include_str!("lazy.rs"), &["--server URL"], |arguments| {
        let (site, client) = (support::site(arguments)?, Client::new());
        support::event_loop()?.block_on(async {
            let polled = Cell::new(false);
            let future = slow(&polled);
            sleep(Duration::from_millis(150)).await;
            println!("created 150 ms ago, started: {}", polled.get());
            let started = Instant::now();
            future.await;
            println!("awaited: took {} ms from there", tenths(started));

            let exchange = client.get(&format!("{}/br/br.gif", site.base_url()));
            sleep(Duration::from_millis(50)).await;
            println!("connections opened by a request that was not awaited: {}", client.connections_opened());
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

/// Returns the elapsed time in ms, rounded down to tenths of a second so that small delays do not show.
fn tenths(started: Instant) -> u128 {
    started.elapsed().as_millis() / 100 * 100
}
