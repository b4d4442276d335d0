//! Coordination: at most three at once, first come first served.
//!
//!     cargo run --release --example semaphore
//!
//! Eight tasks want one of three permits. One column a task: `.` asks for a permit, `#` has one. A permit that is given back
//! goes to whoever has waited longest, at once: it is never free for a moment in which somebody else could take it, so
//! `free` stays at 0 as long as anybody waits.
//!
//! To try next: give the first task `acquire_many(3)` instead, and see the others wait behind it; drop a task that waits
//! (`timeout` round its `acquire`), and see that its place in the queue is not missed.

mod support;

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use glassloop::sync::Semaphore;
use glassloop::{JoinSet, sleep};

const TASKS: usize = 8;

/// One sign a task, drawn anew whenever one changes.
#[derive(Clone)]
struct Picture(Rc<RefCell<Vec<char>>>);

impl Picture {
    fn draw(&self, task: usize, sign: char, permits: &Semaphore) {
        self.0.borrow_mut()[task] = sign;
        let columns: String = self.0.borrow().iter().flat_map(|sign| [*sign, ' ']).collect();
        println!("{columns}   {} free", permits.available());
    }
}

fn main() -> ExitCode {
    support::main(&[], |_| {
        support::event_loop()?.block_on(async {
            let (permits, picture) = (Semaphore::new(3), Picture(Rc::new(RefCell::new(vec![' '; TASKS]))));
            let mut tasks = JoinSet::new();
            for number in 0..TASKS {
                let (permits, picture) = (permits.clone(), picture.clone());
                tasks.spawn_named(&format!("task {number}"), async move {
                    picture.draw(number, '.', &permits);
                    let permit = permits.acquire().await;
                    picture.draw(number, '#', &permits);
                    sleep(Duration::from_millis(100 + 20 * number as u64)).await;
                    drop(permit);
                    picture.draw(number, ' ', &permits);
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended?;
            }
            Ok(())
        })?
    })
}
