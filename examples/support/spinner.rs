//! A spinner that runs as a task and counts its steps.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use glassloop::sleep;

/// A spinner that makes a hundred steps a second, as long as nothing blocks the loop.
#[derive(Clone, Debug, Default)]
pub struct Spinner {
    steps: Rc<Cell<u32>>,
}

impl Spinner {
    /// Spins until the task is aborted.
    pub async fn spin(self) {
        for sign in r"\|/-".chars().cycle() {
            print!("\r{sign}\r");
            std::io::stdout().flush().ok();
            sleep(Duration::from_millis(10)).await;
            self.steps.set(self.steps.get() + 1);
        }
    }

    /// Returns the number of steps made so far.
    pub fn steps(&self) -> u32 {
        self.steps.get()
    }
}
