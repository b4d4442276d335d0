//! Help texts and the version.
//!
//! `-h` shows the most important options and fits on one screen: clap prints it, without the options that are marked
//! with `hide_short_help`. `--help` and `glassloop help COMMAND` show all options, one line for each. clap's own long
//! help would use three lines for each, so these are printed here, before the arguments are parsed.

use std::ffi::OsString;
use std::sync::LazyLock;

use clap::builder::StyledStr;
use clap::{ArgAction, Args, Command};

/// Returns the text that `--help` or `help COMMAND` requests, if the arguments contain one of them.
pub(super) fn requested_help(command: Command, arguments: &[OsString]) -> Option<StyledStr> {
    let mut arguments: Vec<&str> = arguments.iter().skip(1).map(|argument| argument.to_str().unwrap_or("")).collect();
    if arguments.first() == Some(&"help") {
        arguments.remove(0);
    } else if !arguments.iter().take_while(|argument| **argument != "--").any(|argument| *argument == "--help") {
        return None;
    }
    Some(full_help(selected_command(command, &arguments)))
}

/// Returns the command that the arguments select, such as `glassloop trace explain`.
pub(super) fn selected_command(mut command: Command, arguments: &[&str]) -> Command {
    // This sets the full names of the subcommands.
    command.build();
    for argument in arguments {
        if let Some(subcommand) = command.find_subcommand(argument) {
            command = subcommand.clone();
        }
    }
    command
}

fn full_help(command: Command) -> StyledStr {
    let notes = command.get_after_long_help().cloned();
    let command = command.after_help(notes.unwrap_or_default());
    command.mut_args(|argument| argument.hide_short_help(false)).render_help()
}

/// The help option of a command with many options. clap would list its own help option in a separate group.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Reporting")]
pub(super) struct HelpArguments {
    /// Print the main options (-h) or all (--help)
    #[arg(short, long, action = ArgAction::HelpShort, hide_short_help = true)]
    help: Option<bool>,
}

/// The first line of `--version` and the only one of `-V` is the version. The features and the target follow.
pub(super) static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let features = if cfg!(feature = "tls") { "cli, server, tls, trace" } else { "cli, server, trace" };
    format!("{}\nfeatures: {features}\ntarget: {}", env!("CARGO_PKG_VERSION"), target())
});

/// Returns the target triple. It is assembled from `cfg` values, since cargo passes it only to build scripts.
fn target() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let architecture = match std::env::consts::ARCH {
        "x86" => "i686",
        architecture => architecture,
    };
    let vendor = match () {
        () if cfg!(target_vendor = "apple") => "apple",
        () if cfg!(windows) => "pc",
        () => "unknown",
    };
    let environment = match () {
        () if cfg!(target_env = "gnu") => "-gnu",
        () if cfg!(target_env = "musl") => "-musl",
        () if cfg!(target_env = "msvc") => "-msvc",
        () => "",
    };
    format!("{architecture}-{vendor}-{os}{environment}")
}
