//! The command line: what is typed, what is printed, and the exit codes.
//!
//! | file | subject |
//! | --- | --- |
//! | `flags.rs` | `glassloop flags` |
//! | `get.rs`, `get_arguments.rs`, `get_network.rs` | `glassloop get` |
//! | `get_json.rs`, `get_progress.rs` | what it says to programs and to people |
//! | `serve.rs` | `glassloop serve` |
//! | `trace.rs` | `glassloop trace` |
//! | `watch.rs`, `step.rs` | the flags that let one see a loop at work |
//! | `signals.rs` | Ctrl-C and SIGTERM, delivered into the loop |
//! | `progress.rs` | a bar on a terminal, a line a second elsewhere |
//! | `proxies.rs` | the proxies that the environment asks for |
//! | `open_files.rs` | the limit on open files |

mod flags;
mod get;
mod get_arguments;
mod get_json;
mod get_network;
mod get_progress;
#[cfg(feature = "tls")]
mod get_trust;
mod open_files;
mod progress;
mod proxies;
mod serve;
mod signals;
mod step;
mod trace;
mod watch;

use std::hash::{BuildHasher, RandomState};
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
    let arguments = Arguments::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).format_timestamp(None).init();
    match arguments.command {
        Command::Flags(arguments) => flags::run(&arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
    }
}

/// Prints a line of what was asked for.
fn print_line(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}")
}

/// Ends the command with one line on stderr.
fn fail(exit: u8, message: impl std::fmt::Display) -> ExitCode {
    eprintln!("glassloop: {message}");
    ExitCode::from(exit)
}

/// A seed that is another one at each run, and short enough to be typed.
fn some_seed() -> u64 {
    RandomState::new().hash_one(()) % 1_000_000
}
