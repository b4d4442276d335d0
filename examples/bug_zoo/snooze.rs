//! A woken future is not polled while its task awaits another one.
//!
//! Two requests (here represented by sleeps) run inside one task. The first completes, and the task handles the
//! response, which takes a while and contains an `await`. If the second request is woken during this time, the task is
//! polled, but it polls only the future that it awaits, not the request. The request is not cancelled, but it makes no
//! progress, while its timeouts and those of the server continue to run. The finding in the recording is called a
//! snooze.
//!
//! In the fixed version, each request is a task of its own.

use std::time::{Duration, Instant};

use glassloop::futures::as_completed;
use glassloop::{JoinSet, sleep};

use super::support::{self, Error};

/// Takes two steps of 30 ms each, and returns the time of completion in ms since `started`.
async fn request(started: Instant) -> u128 {
    sleep(Duration::from_millis(30)).await;
    sleep(Duration::from_millis(30)).await;
    started.elapsed().as_millis()
}

/// Handles a response, for 200 ms.
async fn handle(completed: u128) {
    println!("a request completed after {completed} ms");
    sleep(Duration::from_millis(200)).await;
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let started = Instant::now();
        let late = async move {
            sleep(Duration::from_millis(20)).await;
            request(started).await
        };
        if is_fixed {
            let mut requests = JoinSet::new();
            requests.spawn(request(started));
            requests.spawn(late);
            while let Some(done) = requests.join_next().await {
                handle(done?).await;
            }
        } else {
            let mut requests = as_completed([
                Box::pin(request(started)) as std::pin::Pin<Box<dyn Future<Output = u128>>>,
                Box::pin(late),
            ]);
            while let Some((_, done)) = requests.next().await {
                handle(done).await;
            }
        }
        println!("the second request started 20 ms after the first and needs the same time");
        Ok(())
    })?
}
