//! Ctrl-C and SIGTERM, delivered to the loop as readiness.
//!
//! The first signal ends the run gracefully. The second one exits from the signal handler, because the loop may be
//! blocked.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::sync::{OnceEvent, oneshot};

/// A signal that ends a run early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Interruption {
    /// Returns the exit code: 128 plus the number of the signal, as in shells.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Interruption::Interrupt => 130,
            Interruption::Terminate => 143,
        }
    }
}

/// The exit code for the last signal that has arrived, 0 before the first.
static ARRIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Returns the last signal that has arrived since the handlers were installed, whether the loop has handled it or not.
pub(super) fn arrived() -> Option<Interruption> {
    let code = ARRIVED.load(Ordering::Acquire);
    [Interruption::Interrupt, Interruption::Terminate].into_iter().find(|which| usize::from(which.exit_code()) == code)
}

/// Whether the loop has handled a signal, so that the exit code of the command reflects it.
static HANDLED: AtomicBool = AtomicBool::new(false);

/// Returns the last signal that has arrived, unless the loop has handled one.
pub(super) fn unhandled() -> Option<Interruption> {
    if HANDLED.load(Ordering::Acquire) { None } else { arrived() }
}

/// Handles SIGXFSZ, so that a write beyond the limit on file sizes (`ulimit -f`) returns an error. By default, the
/// signal ends the process without a message.
pub(super) fn handle_sigxfsz() {
    #[cfg(unix)]
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()) {
        log::debug!("handling SIGXFSZ: {error}");
    }
}

/// The flags that the signal handlers of the process set.
#[derive(Clone, Debug)]
pub(super) struct SignalHandlers {
    /// Whether the next signal ends the process immediately.
    exit_on_signal: Arc<AtomicBool>,
    /// Whether a signal has arrived that makes a shutdown abandon the jobs in progress.
    forced_shutdown: Arc<AtomicBool>,
}

impl SignalHandlers {
    /// Installs the handlers.
    ///
    /// # Errors
    /// If the system call fails.
    pub(super) fn install() -> io::Result<SignalHandlers> {
        let handlers = SignalHandlers { exit_on_signal: Arc::default(), forced_shutdown: Arc::default() };
        for (signal, exit) in [(SIGINT, Interruption::Interrupt), (SIGTERM, Interruption::Terminate)] {
            // This comes first, so that a signal that arrives from here on is recorded.
            signal_hook::flag::register_usize(signal, ARRIVED.clone(), exit.exit_code().into())?;
            // In this order: the first signal finds the flag unset, and sets it for the second.
            let code = i32::from(exit.exit_code());
            signal_hook::flag::register_conditional_shutdown(signal, code, handlers.exit_on_signal.clone())?;
            signal_hook::flag::register(signal, handlers.exit_on_signal.clone())?;
            signal_hook::flag::register(signal, handlers.forced_shutdown.clone())?;
        }
        Ok(handlers)
    }

    /// Returns the flag for [`Builder::forced_shutdown_flag`](crate::event_loop::Builder::forced_shutdown_flag).
    pub(super) fn forced_shutdown_flag(&self) -> Arc<AtomicBool> {
        self.forced_shutdown.clone()
    }

    /// Prepares for the shutdown of the loop: the next signal abandons the files that are still being written, and the
    /// one after that ends the process.
    pub(super) fn arm_for_shutdown(&self) {
        self.forced_shutdown.store(false, Ordering::Release);
        self.exit_on_signal.store(false, Ordering::Release);
    }
}

/// Sends SIGINT to this process, as Ctrl-C does.
///
/// # Errors
/// If the system call fails.
pub(super) fn interrupt() -> io::Result<()> {
    signal_hook::low_level::raise(SIGINT)
}

/// Waits for Ctrl-C or SIGTERM. The source is unref'd: deadlock detection ignores it.
///
/// # Errors
/// If the signals cannot be registered with the loop.
pub(super) async fn interruption() -> io::Result<Interruption> {
    wait::for_signal().await.inspect(|_| HANDLED.store(true, Ordering::Release))
}

/// Waits for a byte in a pipe that the signal handler writes to.
#[cfg(unix)]
mod wait {
    use std::future::poll_fn;
    use std::io;
    use std::task::Poll;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook_mio::v1_0::Signals;

    use super::{Interruption, arrived};
    use crate::event_loop::{Direction, InitialReadiness, PollEvented, SourceMetadata};

    pub(super) async fn for_signal() -> io::Result<Interruption> {
        let metadata = SourceMetadata { what: "signals", descriptor: None, peer: None };
        let mut signals = PollEvented::new(Signals::new([SIGINT, SIGTERM])?, InitialReadiness::NotReady, metadata)?;
        signals.set_unref(true);
        // A signal may have arrived after the handlers were installed, but before this source was registered.
        if let Some(interruption) = arrived() {
            return Ok(interruption);
        }
        poll_fn(|cx| {
            loop {
                match signals.io_mut().pending().next() {
                    Some(SIGINT) => return Poll::Ready(Ok(Interruption::Interrupt)),
                    Some(_) => return Poll::Ready(Ok(Interruption::Terminate)),
                    None => {}
                }
                // `pending` has drained the pipe, so the readiness that the reactor has stored is out of date.
                signals.clear_ready(Direction::Read);
                if signals.poll_ready(cx, Direction::Read).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

/// Checks periodically: on this platform, the loop cannot wait for a signal.
#[cfg(not(unix))]
mod wait {
    use std::io;
    use std::time::Duration;

    use super::{Interruption, arrived};

    const INTERVAL: Duration = Duration::from_millis(50);

    pub(super) async fn for_signal() -> io::Result<Interruption> {
        loop {
            if let Some(interruption) = arrived() {
                return Ok(interruption);
            }
            crate::sleep(INTERVAL).unref().await;
        }
    }
}

/// Ends the run gracefully when a signal arrives.
pub(super) async fn watch_signals(stop: OnceEvent, interrupted: oneshot::Sender<Interruption>) {
    match interruption().await {
        Ok(interruption) => {
            let _run_is_over = interrupted.send(interruption);
            stop.set();
        }
        Err(error) => log::warn!("cannot wait for signals, so Ctrl-C will end the run immediately: {error}"),
    }
}
