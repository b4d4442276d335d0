//! A run of the command, and what it said and left behind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder of its own for a test.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a run has said.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub said: String,
}

impl Place {
    pub fn new() -> Place {
        crate::watchdog::watch();
        Place { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command, with its files in this folder.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
        command.args(["get", "--progress", "none", "--dest"]).arg(self.folder()).args(arguments);
        // Whatever leads out of here: the servers of the tests are here.
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the command to its end.
    pub fn get(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        self.command(arguments).output().expect("the command runs").into()
    }

    /// Runs it with a list on standard input.
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

    /// The names in the folder, in order.
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
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(!said.contains("panicked"), "{said}");
        Run { code: output.status.code(), stdout: output.stdout, said }
    }
}

impl Run {
    /// Asserts how it ended, and that it said this.
    #[track_caller]
    pub fn assert(&self, code: i32, says: &str) -> &Run {
        assert_eq!(self.code, Some(code), "{}", self.said);
        assert!(self.said.contains(says), "`{says}` is not in: {}", self.said);
        self
    }

    /// The lines of `--json`.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.stdout).expect("JSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// How many lines there are of each event.
    pub fn events(&self) -> BTreeMap<String, usize> {
        let mut events = BTreeMap::new();
        for line in self.lines() {
            *events.entry(line["event"].as_str().expect("each has a name").to_owned()).or_default() += 1;
        }
        events
    }

    /// The only line of an event.
    #[track_caller]
    pub fn line(&self, event: &str) -> Value {
        let lines: Vec<Value> = self.lines().into_iter().filter(|line| line["event"] == event).collect();
        assert_eq!(lines.len(), 1, "{event} in {:?}", String::from_utf8_lossy(&self.stdout));
        lines[0].clone()
    }
}

/// Bytes that are different everywhere, and the same every time.
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
