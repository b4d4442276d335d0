//! Where progress bars are drawn: on standard error, through its queue, so that a terminal that takes no more (Ctrl-S, or
//! a pseudoterminal that nobody reads) blocks nobody.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

use super::output::stderr;

/// Frames a second, at most.
const REFRESH_RATE: u8 = 20;

/// Returns standard error if it is a terminal; elsewhere no bars are drawn.
pub(super) fn draw_target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::term_like_with_hz(Box::new(QueuedTerminal::default()), REFRESH_RATE)
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// A terminal that collects a frame and queues it as a whole.
#[derive(Debug, Default)]
struct QueuedTerminal {
    frame: Mutex<String>,
}

impl QueuedTerminal {
    fn add(&self, text: &str) {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }

    /// Adds a control sequence that moves the cursor by so many lines or columns (ECMA-48 §8.3).
    fn move_cursor(&self, distance: usize, direction: char) {
        if distance > 0 {
            self.add(&format!("\x1b[{distance}{direction}"));
        }
    }
}

impl TermLike for QueuedTerminal {
    fn width(&self) -> u16 {
        Term::stderr().size().1
    }

    fn height(&self) -> u16 {
        Term::stderr().size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.move_cursor(lines, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.move_cursor(lines, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.move_cursor(columns, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.move_cursor(columns, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text);
        self.add("\n");
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\x1b[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        // A frame that cannot be shown in time is out of date.
        if !frame.is_empty() && !stderr().is_behind() {
            stderr().push(frame.as_bytes());
        }
        Ok(())
    }
}
