//! `--step`: before each turn, the loop's state is shown and the loop waits for Enter. Meanwhile the clocks are paused.
//!
//! Standard input is read by a thread, because reading it blocks: this way the prompt ends when a signal arrives. The
//! wait for a line blocks the loop's thread, which is the purpose here (an intended exception to I7).

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::signals;
use crate::event_loop::ClockPause;
use crate::observe::Observer;
use crate::trace::{Follow, LoopState, Record, RecordKind};

/// Returns an observer that stops before each turn. After the end of the input, it does not stop any more.
///
/// # Errors
/// If the thread that reads the input cannot be started.
pub(super) fn step(
    input: impl BufRead + Send + 'static,
    out: impl Write,
    pause: ClockPause,
    signals: Signals,
) -> io::Result<impl Observer> {
    let lines = InputLines::read(input)?;
    let mut stepper = Stepper { lines, out, pause, signals, state: LoopState::default(), is_continuing: false };
    Ok(Follow::new(move |record: &Record| stepper.record(record)))
}

/// The two operations on signals that the prompt needs. Tests replace them.
pub(super) struct Signals {
    /// Returns whether a signal has arrived.
    pub(super) has_arrived: fn() -> bool,
    /// Ends the run as Ctrl-C does.
    pub(super) interrupt: fn() -> io::Result<()>,
}

impl Signals {
    /// Returns the operations on the signals of this process.
    pub(super) fn of_process() -> Signals {
        Signals { has_arrived: || signals::arrived().is_some(), interrupt: signals::interrupt }
    }
}

/// The input, read by a thread, one line per request: a line that is not requested is left to other readers.
struct InputLines {
    requests: Sender<()>,
    lines: Receiver<String>,
}

/// How often the prompt checks whether a signal has arrived.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

impl InputLines {
    fn read(mut input: impl BufRead + Send + 'static) -> io::Result<InputLines> {
        let ((requests, requested), (sender, lines)) = (channel(), channel());
        let read = move || {
            for () in requested {
                let mut line = String::new();
                let is_line = matches!(input.read_line(&mut line), Ok(1..));
                if !is_line || sender.send(line).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("step".to_owned()).spawn(read)?;
        Ok(InputLines { requests, lines })
    }

    /// Waits for the next line. Returns `None` at the end of the input, and if a signal arrives.
    fn next(&self, has_signal_arrived: fn() -> bool) -> Option<String> {
        self.requests.send(()).ok()?;
        while !has_signal_arrived() {
            match self.lines.recv_timeout(CHECK_INTERVAL) {
                Ok(line) => return Some(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }
}

const HELP: &str = "  Enter  run this turn and stop before the next one
  c      continue without stopping
  q      quit, as with Ctrl-C
  ?      print this help
";

struct Stepper<O> {
    lines: InputLines,
    out: O,
    pause: ClockPause,
    signals: Signals,
    state: LoopState,
    /// Whether the loop runs to its end without another prompt.
    is_continuing: bool,
}

impl<O: Write> Stepper<O> {
    fn record(&mut self, record: &Record) {
        self.state.apply(record);
        if matches!(record.kind, RecordKind::TurnBegin { .. }) && !self.is_continuing {
            // The clocks continue when the guard is dropped.
            let _pause_guard = self.pause.pause();
            self.is_continuing = !matches!(self.prompt(record.turn), Ok(PromptCommand::Step));
        }
    }

    /// Shows the state and waits for an answer.
    fn prompt(&mut self, turn: u64) -> io::Result<PromptCommand> {
        let now = self.state.now;
        writeln!(self.out, "\nBefore turn {turn}, at {}.{:03} ms:", now / 1_000_000, now / 1_000 % 1_000)?;
        write!(self.out, "{}", self.state)?;
        loop {
            write!(self.out, "Press Enter to run the turn, ? for help: ")?;
            self.out.flush()?;
            match self.lines.next(self.signals.has_arrived).as_deref().map(str::trim) {
                Some("") => return Ok(PromptCommand::Step),
                Some("c") => return Ok(PromptCommand::Continue),
                Some("q") => {
                    (self.signals.interrupt)()?;
                    return Ok(PromptCommand::Continue);
                }
                Some(_) => self.out.write_all(HELP.as_bytes())?,
                // The next message begins on a line of its own.
                None => {
                    writeln!(self.out)?;
                    return Ok(PromptCommand::Continue);
                }
            }
        }
    }
}

/// The command that was entered at the prompt.
enum PromptCommand {
    /// Run one turn, then show the prompt again.
    Step,
    /// Run to the end without another prompt.
    Continue,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{self, BufReader, Read, Write};
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use super::{Signals, step};
    use crate::event_loop::{ClockPause, EventLoop, now, sleep, spawn_named};

    #[derive(Clone, Default)]
    struct Screen(Rc<RefCell<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An input that takes 30 ms for each byte.
    struct Slow(&'static [u8]);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(30));
            self.0.read(&mut buffer[..1])
        }
    }

    /// Runs a loop with a task that sleeps for 20 ms. Returns the time that it took by the loop's clock, and the
    /// screen.
    fn run(input: impl Read + Send + 'static, signals: Signals) -> (Duration, String) {
        let (screen, pause) = (Screen::default(), ClockPause::new());
        let input = BufReader::with_capacity(1, input);
        let stepper = step(input, screen.clone(), pause.clone(), signals).expect("a thread");
        let mut event_loop = EventLoop::builder().pausable(pause).observer(stepper).build().expect("a loop");
        let elapsed = event_loop
            .block_on(async {
                let began = now();
                spawn_named("sleeper", sleep(Duration::from_millis(20))).await.expect("no panic");
                now() - began
            })
            .expect("no deadlock");
        (elapsed, String::from_utf8(screen.0.take()).expect("UTF-8"))
    }

    fn no_signals() -> Signals {
        Signals { has_arrived: || false, interrupt: || panic!("nothing interrupts this run") }
    }

    #[test]
    fn each_turn_waits_for_enter_and_shows_the_state_while_the_clock_is_paused() {
        let began = Instant::now();
        let (elapsed, shown) = run(Slow(b"\n\n\n"), no_signals());
        // Enter was pressed three times; the end of the input took a while, too.
        assert!(elapsed >= Duration::from_millis(20) && began.elapsed() >= elapsed + Duration::from_millis(90));
        assert_eq!(shown.matches("Press Enter to run the turn").count(), shown.matches("Before turn ").count());
        assert!(shown.contains("  ready    the root future\n"), "{shown}");
        assert!(shown.contains("  ready    task `sleeper`\n"), "{shown}");
    }

    #[test]
    fn a_question_mark_prints_the_help_and_the_prompt_again() {
        let (_, shown) = run(&b"?\nc\n"[..], no_signals());
        assert!(shown.contains("  ?      print this help\nPress Enter to run the turn, ? for help: "), "{shown}");
        assert_eq!(shown.matches("Before turn ").count(), 1, "{shown}");
    }

    #[test]
    fn q_interrupts_the_run() {
        static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);
        let interrupt = || {
            IS_INTERRUPTED.store(true, Ordering::Relaxed);
            Ok(())
        };
        let (_, shown) = run(&b"\nq\n"[..], Signals { has_arrived: || false, interrupt });
        assert!(IS_INTERRUPTED.load(Ordering::Relaxed));
        assert_eq!(shown.matches("Before turn ").count(), 2, "{shown}");
    }

    #[test]
    fn a_signal_ends_the_prompt() {
        /// An input without an end, like a terminal on which nothing is typed.
        struct Silent;

        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::park();
                Ok(0)
            }
        }

        let (_, shown) = run(Silent, Signals { has_arrived: || true, interrupt: || Ok(()) });
        assert_eq!(shown.matches("Before turn ").count(), 1, "{shown}");
    }
}
