//! A future is woken while its owner waits for something else.
//!
//! Two requests run inside one task. The first answer comes, and the task deals with it, for a while, awaiting something.
//! Now the second answer comes, the task is woken, and polls what it awaits at the moment: not the request. It is not
//! cancelled and it does not run; it snoozes. Its deadline, though, goes on, and so does the server's patience.
//!
//! The cure: whoever is to run beside its owner is a task.

use std::time::{Duration, Instant};

use glassloop::futures::as_completed;
use glassloop::{JoinSet, sleep};

use super::support::{self, Error};

/// Two steps of 30 ms each, and when they were done, in ms.
async fn request(started: Instant) -> u128 {
    sleep(Duration::from_millis(30)).await;
    sleep(Duration::from_millis(30)).await;
    started.elapsed().as_millis()
}

/// What the task does with an answer.
async fn deal_with(done: u128) {
    println!("an answer after {done} ms");
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
                deal_with(done?).await;
            }
        } else {
            let mut requests = as_completed([
                Box::pin(request(started)) as std::pin::Pin<Box<dyn Future<Output = u128>>>,
                Box::pin(late),
            ]);
            while let Some((_, done)) = requests.next().await {
                deal_with(done).await;
            }
        }
        println!("the second was begun 20 ms after the first, and takes as long");
        Ok(())
    })?
}
