//! Coordination: a fair semaphore lets at most three tasks run at once, in FIFO order.
//!
//!     cargo run --release --example semaphore
//!
//! Eight tasks share three permits. Each task has a column: `.` means that it waits for a permit, `#` that it holds
//! one. A released permit goes directly to the task that has waited longest, and is never available to other tasks in
//! between, so the number of free permits stays at 0 as long as any task waits.
//!
//! To try next: use `acquire_many(3)` in the first task, and see the others queue behind it; cancel a waiting task
//! (with a `timeout` around its `acquire`), and see that the tasks behind it in the queue still get their permits.

mod support;

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use glassloop::sync::Semaphore;
use glassloop::{JoinSet, sleep};

const TASKS: usize = 8;

/// One character per task. The line is printed again after each change.
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
    support::main(include_str!("semaphore.rs"), &[], |_| {
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
