//! Runs the command and checks its output and files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The result of a run of `glassloop flags`.
pub struct Run {
    pub code: Option<i32>,
    pub stderr: String,
}

/// Returns the command with these arguments, which are separated by spaces.
pub fn command(directory: &Path, arguments: &str) -> Command {
    crate::watchdog::watch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
    command.arg("flags").args(arguments.split_whitespace()).arg("--dest").arg(directory);
    // The servers of the tests are local.
    command.env("no_proxy", "*");
    command
}

/// Runs the command.
pub fn flags(directory: &Path, arguments: &str) -> Run {
    command(directory, arguments).output().expect("the command runs").into()
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        assert!(output.stdout.is_empty(), "messages must go to stderr");
        Run { code: output.status.code(), stderr: String::from_utf8(output.stderr).expect("UTF-8") }
    }
}

impl Run {
    /// Returns the number in front of `label` in the report; 0 if there is no such line.
    pub fn count(&self, label: &str) -> usize {
        let number_before =
            |line: &str| line.split_once(' ').filter(|(_, rest)| rest.starts_with(label))?.0.parse().ok();
        self.stderr.lines().find_map(number_before).unwrap_or(0)
    }

    /// Returns the numbers of flags that were downloaded, not found, failed and cancelled.
    pub fn counts(&self) -> [usize; 4] {
        ["flag", "not found", "error", "cancelled"].map(|label| self.count(label))
    }

    /// Asserts that the run ended with a usage error and this message.
    pub fn assert_usage_error(&self, message: &str) {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        assert!(self.stderr.contains(message), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// Returns the names of the files in a directory, sorted.
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Asserts that every file in a directory is a complete image.
pub fn assert_complete_images(directory: &Path) {
    for name in names_in(directory) {
        let image = fs::read(directory.join(&name)).expect("a file");
        assert!(image.starts_with(b"GIF8") && image.ends_with(b"\x3b"), "{name} is not a complete GIF");
    }
}
