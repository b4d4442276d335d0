//! The command line: arguments, output and exit codes.
//!
//! | file | subject |
//! | --- | --- |
//! | `help.rs`, `usage_error.rs` | help texts, the version, and messages about invalid arguments |
//! | `flags.rs`, `flags_progress.rs` | `glassloop flags` |
//! | `get.rs`, `get_arguments.rs`, `get_destination.rs`, `get_network.rs`, `get_trust.rs` | `glassloop get` |
//! | `get_compatibility.rs` | options of curl, wget and aria2c: those that are accepted, and advice about the others |
//! | `get_json.rs`, `get_progress.rs`, `get_summary.rs` | the output of `glassloop get` |
//! | `serve.rs`, `serve_arguments.rs` | `glassloop serve` |
//! | `trace.rs` | `glassloop trace` |
//! | `manual.rs` | `glassloop completions` and `glassloop man` |
//! | `observers.rs`, `step.rs` | the options that record, narrate, measure or step through a run |
//! | `signals.rs` | Ctrl-C and SIGTERM, delivered to the loop |
//! | `proxies.rs` | proxies from the environment and the command line |
//! | `open_files.rs` | the limit on open files |
//! | `output.rs` | standard output and standard error, which can fail or block |
//! | `progress.rs`, `terminal.rs` | the layout of progress displays, and how they are drawn on a terminal |

mod flags;
mod flags_progress;
mod get;
mod get_arguments;
mod get_compatibility;
mod get_destination;
mod get_json;
mod get_network;
mod get_progress;
mod get_summary;
#[cfg(feature = "tls")]
mod get_trust;
mod help;
mod manual;
mod observers;
mod open_files;
mod output;
mod progress;
mod proxies;
mod serve;
mod serve_arguments;
mod signals;
mod step;
mod terminal;
mod trace;
mod usage_error;

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// An observable event loop, and a downloader built on it.
#[derive(Debug, Parser)]
#[command(
    version,
    long_version = help::LONG_VERSION.as_str(),
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  glassloop flags                    download twenty images of flags
  glassloop get example.org/a.iso    download a file
  glassloop get --help               list all options of a command"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Flags(flags::FlagsArguments),
    Get(Box<get_arguments::GetArguments>),
    Serve(serve_arguments::ServeArguments),
    Trace(trace::TraceArguments),
    Completions(manual::CompletionsArguments),
    Man(manual::ManArguments),
}

/// The exit code of usage errors: invalid arguments, or an input that they name does not exist.
const EXIT_USAGE: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    if let Some(help) = help::requested_help(command(), &typed) {
        return output::finish(print(&help));
    }
    let arguments = match Arguments::try_parse_from(&typed) {
        Ok(arguments) => arguments,
        Err(error) => return output::finish(print_help_or_usage_error(&error, &typed)),
    };
    start_log(match &arguments.command {
        Command::Get(arguments) => arguments.verbose,
        Command::Trace(arguments) => arguments.verbose,
        _ => 0,
    });
    signals::handle_sigxfsz();
    let code = match arguments.command {
        Command::Flags(arguments) => flags::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Completions(arguments) => manual::completions(command(), &arguments),
        Command::Man(arguments) => manual::man(command(), &arguments),
    };
    output::finish(code)
}

/// Returns clap's definition of the command line.
fn command() -> clap::Command {
    Arguments::command()
}

/// Prints what clap returns instead of arguments: help, the version, or a usage error.
fn print_help_or_usage_error(error: &clap::Error, typed: &[OsString]) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};

    match error.kind() {
        DisplayHelp | DisplayVersion => print(&error.render()),
        DisplayHelpOnMissingArgumentOrSubcommand => {
            output::print_message(error.render().to_string().trim_end());
            ExitCode::from(EXIT_USAGE)
        }
        _ => {
            let typed: Vec<&str> = typed.iter().skip(1).filter_map(|argument| argument.to_str()).collect();
            let selected = help::selected_command(command(), &typed);
            let name = selected.get_bin_name().unwrap_or("glassloop");
            fail(EXIT_USAGE, usage_error::message(error, name))
        }
    }
}

/// Prints a help text or the version, with styles on a terminal.
fn print(text: &clap::builder::StyledStr) -> ExitCode {
    let is_styled = stdout().is_terminal() && !is_set("NO_COLOR");
    let text = if is_styled { text.ansi().to_string() } else { text.to_string() };
    let written = crate::download::stdout().and_then(|mut stdout| {
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    });
    written.map_or_else(|error| output::stdout_failed(&error), |()| ExitCode::SUCCESS)
}

/// Starts the log; each `-v` raises its level. Like all messages, it is written through `output.rs`, because standard
/// error may be full or not read.
fn start_log(verbosity: u8) {
    let level = ["warn", "info", "debug", "trace"][usize::from(verbosity.min(3))];
    let mut log = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level));
    log.format_timestamp(None).target(env_logger::Target::Pipe(Box::new(output::Paced)));
    // env_logger uses colors only if it writes to the terminal itself.
    if stderr().is_terminal() && !is_set("NO_COLOR") && !is_set("RUST_LOG_STYLE") {
        log.write_style(env_logger::WriteStyle::Always);
    }
    log.init();
}

/// Returns whether an environment variable has a value that is not empty.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Prints an error message and returns the exit code.
fn fail(exit_code: u8, message: impl std::fmt::Display) -> ExitCode {
    output::print_message(format_args!("glassloop: {message}"));
    ExitCode::from(exit_code)
}

/// Returns a seed that differs from run to run and is short enough to be typed.
fn random_seed() -> u64 {
    RandomState::new().hash_one(()) % 1_000_000
}
