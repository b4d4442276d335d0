//! Runs the command in a temporary directory, and checks its output and files.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A temporary directory for one test.
pub struct TestDirectory {
    folder: tempfile::TempDir,
}

/// The result of a run.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl TestDirectory {
    pub fn new() -> TestDirectory {
        crate::watchdog::watch();
        TestDirectory { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the command, with this output directory.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
        command.args(["get", "--progress", "none", "--dest"]).arg(self.folder()).args(arguments);
        // The servers of the tests are local, so no proxy may be used.
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the command until it exits.
    pub fn get(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.command(arguments).output().expect("the command runs").into()
    }

    /// Runs the command with a list on standard input.
    pub fn get_list(&self, list: &str, arguments: &[&str]) -> Run {
        let mut command = self.command(["-i", "-"]);
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        let list = list.to_owned();
        let writer = std::thread::spawn(move || _ = stdin.write_all(list.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("it does not panic");
        output.into()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}; there are {:?}", self.names()))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("UTF-8")
    }

    /// Returns the names of the files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).expect("the folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(!stderr.contains("panicked"), "{stderr}");
        Run { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

impl Run {
    /// Asserts the exit code, and that stderr contains a text.
    #[track_caller]
    pub fn assert(&self, code: i32, says: &str) -> &Run {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stderr.contains(says), "`{says}` is not in: {}", self.stderr);
        self
    }

    /// Returns the lines of `--json`.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.stdout).expect("JSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Returns the number of lines of each event.
    pub fn events(&self) -> BTreeMap<String, usize> {
        let mut events = BTreeMap::new();
        for line in self.lines() {
            *events.entry(line["event"].as_str().expect("each has a name").to_owned()).or_default() += 1;
        }
        events
    }

    /// Returns the only line of an event.
    #[track_caller]
    pub fn line(&self, event: &str) -> Value {
        let lines: Vec<Value> = self.lines().into_iter().filter(|line| line["event"] == event).collect();
        assert_eq!(lines.len(), 1, "{event} in {:?}", String::from_utf8_lossy(&self.stdout));
        lines[0].clone()
    }
}

/// Returns pseudorandom bytes, which depend only on the seed.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length).collect()
}
