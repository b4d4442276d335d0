//! The command line: what is typed, what is printed, and the exit codes.
//!
//! | file | subject |
//! | --- | --- |
//! | `flags.rs` | `glassloop flags` |
//! | `get.rs`, `get_arguments.rs`, `get_destination.rs`, `get_network.rs` | `glassloop get` |
//! | `get_json.rs`, `get_progress.rs` | what it says to programs and to people |
//! | `serve.rs` | `glassloop serve` |
//! | `trace.rs` | `glassloop trace` |
//! | `watch.rs`, `step.rs` | the flags that let one see a loop at work |
//! | `signals.rs` | Ctrl-C and SIGTERM, delivered into the loop |
//! | `progress.rs` | a bar on a terminal, a line a second elsewhere |
//! | `proxies.rs` | the proxies that the environment asks for |
//! | `open_files.rs` | the limit on open files |
//! | `output.rs`, `terminal.rs` | standard output and standard error, which can fail or block; progress bars on them |

mod flags;
mod get;
mod get_arguments;
mod get_destination;
mod get_json;
mod get_network;
mod get_progress;
#[cfg(feature = "tls")]
mod get_trust;
mod open_files;
mod output;
mod progress;
mod proxies;
mod serve;
mod signals;
mod step;
mod terminal;
mod trace;
mod watch;

use std::hash::{BuildHasher, RandomState};
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An event loop you can see through, and a downloader built on it.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = "Start with: glassloop flags")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Flags(flags::FlagsArguments),
    Serve(serve::ServeArguments),
    Trace(trace::TraceArguments),
    Get(Box<get_arguments::GetArguments>),
}

/// Usage errors: bad arguments, or what they name is not there.
const EXIT_USAGE: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::finish(print_help_or_usage(&error)),
    };
    start_log();
    signals::report_large_files();
    let code = match arguments.command {
        Command::Flags(arguments) => flags::run(&arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
    };
    output::finish(code)
}

/// Prints what clap has to say instead of arguments: help and the version are requested output, all else is an error.
fn print_help_or_usage(error: &clap::Error) -> ExitCode {
    match error.print().and_then(|()| stdout().flush()) {
        Err(failed) if !error.use_stderr() => output::stdout_failed(&failed),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE)),
    }
}

/// Lets the log go where all messages go: standard error may be full or unread.
fn start_log() {
    let mut log = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"));
    log.format_timestamp(None).target(env_logger::Target::Pipe(Box::new(output::Paced)));
    // env_logger colors only what it writes to a terminal itself.
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if stderr().is_terminal() && !is_set("NO_COLOR") && !is_set("RUST_LOG_STYLE") {
        log.write_style(env_logger::WriteStyle::Always);
    }
    log.init();
}

/// Ends the command with one line on stderr.
fn fail(exit: u8, message: impl std::fmt::Display) -> ExitCode {
    output::say(format_args!("glassloop: {message}"));
    ExitCode::from(exit)
}

/// A seed that is another one at each run, and short enough to be typed.
fn some_seed() -> u64 {
    RandomState::new().hash_one(()) % 1_000_000
}
