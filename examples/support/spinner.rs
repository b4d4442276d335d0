//! A spinner as a task, and how often it has turned.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use glassloop::sleep;

/// Turns a hundred times a second, if it is let.
#[derive(Clone, Debug, Default)]
pub struct Spinner {
    turns: Rc<Cell<u32>>,
}

impl Spinner {
    /// Turns for ever.
    pub async fn spin(self) {
        for sign in r"\|/-".chars().cycle() {
            print!("\r{sign}\r");
            std::io::stdout().flush().ok();
            sleep(Duration::from_millis(10)).await;
            self.turns.set(self.turns.get() + 1);
        }
    }

    /// How often it has.
    pub fn turns(&self) -> u32 {
        self.turns.get()
    }
}
