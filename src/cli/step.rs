//! `--step`: the loop stops before each turn, shows its state, and waits for Enter. Meanwhile the clocks stand still.

use std::io::{self, BufRead, Write};

use crate::event_loop::ClockPause;
use crate::observe::Observer;
use crate::trace::{Follow, LoopState, Record, RecordKind};

/// Stops before each turn until a line comes in. When the input ends, it stops no more.
pub(super) fn step(input: impl BufRead, out: impl Write, pause: ClockPause) -> impl Observer {
    let mut stepper = Stepper { input, out, pause, state: LoopState::default(), is_over: false };
    Follow::new(move |record: &Record| stepper.record(record))
}

struct Stepper<I, O> {
    input: I,
    out: O,
    pause: ClockPause,
    state: LoopState,
    /// Nobody is there to press Enter.
    is_over: bool,
}

impl<I: BufRead, O: Write> Stepper<I, O> {
    fn record(&mut self, record: &Record) {
        self.state.apply(record);
        if matches!(record.kind, RecordKind::TurnBegin { .. }) && !self.is_over {
            // Dropped when Enter has been pressed. I7: this blocks, and is meant to.
            let _guard = self.pause.pause();
            let mut answer = String::new();
            let shown = self.show(record.turn);
            self.is_over = shown.is_err() || !matches!(self.input.read_line(&mut answer), Ok(1..));
        }
    }

    fn show(&mut self, turn: u64) -> io::Result<()> {
        let (out, now) = (&mut self.out, self.state.now);
        writeln!(out, "\nBefore turn {turn}, at {}.{:03} ms:", now / 1_000_000, now / 1_000 % 1_000)?;
        write!(out, "{}Enter for the turn: ", self.state)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{BufReader, Read, Write};
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use super::step;
    use crate::event_loop::{ClockPause, EventLoop, now, sleep, spawn_named};

    #[derive(Clone, Default)]
    struct Screen(Rc<RefCell<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Somebody who takes a while to press Enter.
    struct Slow(usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            std::thread::sleep(Duration::from_millis(30));
            self.0 = self.0.saturating_sub(1);
            buffer[0] = b'\n';
            Ok(usize::from(self.0 > 0))
        }
    }

    #[test]
    fn each_turn_waits_for_enter_and_shows_what_there_is_while_the_clock_stands_still() {
        let (screen, pause) = (Screen::default(), ClockPause::new());
        let stepper = step(BufReader::with_capacity(1, Slow(4)), screen.clone(), pause.clone());
        let mut event_loop = EventLoop::builder().pausable(pause).observer(stepper).build().expect("a loop");
        let (began, slept) = (Instant::now(), Duration::from_millis(20));
        let by_the_loop = event_loop
            .block_on(async {
                let began = now();
                spawn_named("sleeper", sleep(slept)).await.expect("no panic");
                now() - began
            })
            .expect("no deadlock");
        // Enter was pressed three times; then the input ended, and that took a while, too.
        assert!(by_the_loop >= slept && began.elapsed() >= by_the_loop + 3 * Duration::from_millis(30));
        let shown = String::from_utf8(screen.0.take()).expect("UTF-8");
        assert_eq!(shown.matches("Enter for the turn: ").count(), shown.matches("Before turn ").count());
        assert!(shown.contains("  ready    the root future\n"), "{shown}");
        assert!(shown.contains("  ready    task `sleeper`\n"), "{shown}");
    }
}
