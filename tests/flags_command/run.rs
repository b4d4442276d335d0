//! A run of the command, and what it said and left behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// What a run of `glassloop flags` said.
pub struct Run {
    pub code: Option<i32>,
    pub said: String,
}

/// The command with these arguments, words separated by spaces.
pub fn command(folder: &Path, arguments: &str) -> Command {
    crate::watchdog::watch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
    command.arg("flags").args(arguments.split_whitespace()).arg("--dest").arg(folder);
    // Whatever leads out of here: the servers of the tests are here.
    command.env("no_proxy", "*");
    command
}

/// Runs it to its end.
pub fn flags(folder: &Path, arguments: &str) -> Run {
    command(folder, arguments).output().expect("the command runs").into()
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        assert!(output.stdout.is_empty(), "stdout is for what was asked for");
        Run { code: output.status.code(), said: String::from_utf8(output.stderr).expect("UTF-8") }
    }
}

impl Run {
    /// The number at the start of the line that goes on with `what`; 0 if there is none.
    pub fn count(&self, what: &str) -> usize {
        let number_before =
            |line: &str| line.split_once(' ').filter(|(_, rest)| rest.starts_with(what))?.0.parse().ok();
        self.said.lines().find_map(number_before).unwrap_or(0)
    }

    /// Downloaded, not found, errors, interrupted.
    pub fn counts(&self) -> [usize; 4] {
        ["flag", "not found", "error", "interrupted"].map(|what| self.count(what))
    }

    /// Asserts that it is a usage error that says so in one line.
    pub fn assert_usage_error(&self, says: &str) {
        assert_eq!(self.code, Some(2), "{}", self.said);
        assert!(self.said.contains(says), "{}", self.said);
        assert!(!self.said.contains("panicked"), "{}", self.said);
    }
}

/// The names in a folder, in order.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Asserts that every file in a folder is a whole image.
pub fn assert_whole_images(folder: &Path) {
    for name in names_in(folder) {
        let image = fs::read(folder.join(&name)).expect("a file");
        assert!(image.starts_with(b"GIF8") && image.ends_with(b"\x3b"), "{name} is not a whole GIF");
    }
}
