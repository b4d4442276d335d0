//! Tests of the command line as its users see it: help texts, messages, options of other programs, and terminals.
#![cfg(unix)]

mod compatibility;
mod help;
mod messages;
#[path = "../support/server.rs"]
#[expect(dead_code, reason = "the responses of these tests are simple")]
mod server;
mod step;
mod terminal;
#[path = "../support/watchdog.rs"]
mod watchdog;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Returns the command with these arguments, which runs in a directory.
fn glassloop(directory: &Path, arguments: &[&str]) -> Command {
    watchdog::watch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).env("COLUMNS", "80");
    for name in ["http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "RUST_LOG", "GLASSLOOP_TRACE"] {
        command.env_remove(name);
    }
    command
}

/// Runs the command to its end.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    glassloop(directory, arguments).output().expect("the command runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}
