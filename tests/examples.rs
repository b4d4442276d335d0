//! The examples, run as their readers run them. `cargo test` builds them first; `cargo test --test examples` alone does
//! not: `cargo build --examples` does.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use glassloop::trace::{ENVIRONMENT_VARIABLE, Reader, RecordKind, check};

/// All of them, in the order in which they are to be read.
const EXAMPLES: [&str; 26] = [
    "hello_turns",
    "countdown",
    "spinner_thread",
    "spinner_loop",
    "spinner_blocked",
    "flags_sequential",
    "flags_threads",
    "flags_callbacks",
    "flags_futures",
    "flags_coroutines",
    "compare",
    "three_calls_nested",
    "three_calls_chained",
    "three_calls_future",
    "three_calls_coroutine",
    "as_completed",
    "semaphore",
    "flags_with_names",
    "lazy",
    "cancel",
    "files_and_epoll",
    "fire_and_forget",
    "prime_blocked",
    "prime_yielding",
    "save_experiment",
    "bug_zoo",
];

/// These are in a package of their own, `examples/charfinder`, and are listed last.
const CHARFINDERS: [&str; 2] = ["charfinder_tcp", "charfinder_web"];

/// Of the bug zoo: the bug, and the finding that it must have.
const BUGS: [(&str, &str); 9] = [
    ("lost_waker", "lost_waker"),
    ("stale_waker", "stale_waker"),
    ("lost_wakeup", "deadlock"),
    ("not_drained", "undrained"),
    ("spin", "spin"),
    ("poll_after_ready", "poll_after_ready"),
    ("token_reuse", "stale_event"),
    ("snooze", "snooze"),
    ("blocking", "slow_poll"),
];

/// These depend on how busy the machine is.
const OF_TIME: [&str; 3] = ["slow_poll", "loop_lag", "busy_machine"];

/// A place for one example: what it takes for the temporary folder, and where it leaves its recording.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let stage = Stage { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(stage.temporary()).unwrap();
        stage
    }

    fn temporary(&self) -> PathBuf {
        self.folder.path().join("temporary")
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        watchdog::watch();
        let path = if CHARFINDERS.contains(&name) {
            charfinder_target().join("debug").join(name)
        } else {
            profile_folder().join("examples").join(name)
        };
        assert!(path.exists(), "{} does not exist: `cargo build --examples` creates it", path.display());
        let mut command = Command::new(path);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("TMPDIR", self.temporary()).env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
        command
    }

    /// Runs an example to its end and sees that it has left nothing in the temporary folder.
    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        let output = self.command(name, arguments).output().unwrap();
        assert_eq!(left_in(&self.temporary()), Vec::<String>::new(), "left behind by {name}");
        output
    }

    /// What a run is found to do wrong, by the recordings of all its loops.
    fn findings(&self, name: &str, arguments: &[&str]) -> Vec<String> {
        let mut command = self.command(name, arguments);
        let output = command.env(ENVIRONMENT_VARIABLE, self.folder.path().join("run.jsonl")).output().unwrap();
        assert!(output.status.success(), "{name} {arguments:?}: {}", stderr(&output));
        let recordings = self.take_recordings();
        assert!(!recordings.is_empty(), "{name} is not recorded");
        recordings.iter().flat_map(|(_, recording)| findings_in(recording)).collect()
    }

    /// What was recorded, by name; the files are gone then.
    fn take_recordings(&self) -> Vec<(String, String)> {
        let names = left_in(self.folder.path()).into_iter().filter(|name| name.ends_with(".jsonl"));
        let mut recordings: Vec<_> = names
            .map(|name| {
                let path = self.folder.path().join(&name);
                let recording = std::fs::read_to_string(&path).unwrap();
                std::fs::remove_file(path).unwrap();
                (name, recording)
            })
            .collect();
        recordings.sort();
        recordings
    }
}

/// The folder of the profile that these tests are built with: `target/debug`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

/// The folder in which the package of the charfinders is built.
fn charfinder_target() -> PathBuf {
    profile_folder().with_file_name("charfinder")
}

/// The findings of a recording, which can be true.
fn findings_in(recording: &str) -> Vec<String> {
    let open = || Reader::open(recording.as_bytes()).unwrap();
    check(&mut open()).unwrap();
    let findings = open().filter_map(|line| match line.unwrap().kind {
        RecordKind::Finding { finding } => Some(finding.what.to_string()),
        _ => None,
    });
    findings.collect()
}

fn left_in(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn all_examples_are_known_here_and_listed_in_the_readme_in_this_order() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut there: Vec<String> = std::fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").exists())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    there.sort();
    let mut known = EXAMPLES.map(str::to_owned).to_vec();
    known.sort();
    assert_eq!(there, known);

    let readme = include_str!("../README.md");
    let list = &readme[readme.find("## Examples").expect("a list of the examples")..];
    let places: Vec<usize> = EXAMPLES
        .iter()
        .chain(&CHARFINDERS)
        .map(|name| list.find(&format!("`{name}")).unwrap_or_else(|| panic!("{name} is not listed")))
        .collect();
    assert!(places.is_sorted(), "the list is in another order");
}

#[test]
fn every_example_runs_to_its_end_and_leaves_no_temporary_file() {
    let stage = Stage::new();
    for name in EXAMPLES {
        check_run(&stage, name);
    }
}

fn check_run(stage: &Stage, name: &str) {
    let output = stage.run(name, &[]);
    assert!(output.status.success(), "{name}: {}", stderr(&output));
    assert!(!output.stdout.is_empty(), "{name} prints what to look at");
}

/// Checks that `--help` prints the first lines of the source and nothing else of it.
fn check_help(stage: &Stage, name: &str) {
    let output = stage.run(name, &["--help"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{name}");
    let help = stdout(&output);
    assert!(help.contains(name) && help.contains("To try next"), "{name}: {help}");
    assert!(!help.contains("//!") && !help.contains("mod support"), "{name}: {help}");
}

#[test]
fn help_prints_what_an_example_does_and_its_arguments() {
    let stage = Stage::new();
    for name in EXAMPLES {
        check_help(&stage, name);
    }
    let help = stdout(&stage.run("spinner_blocked", &["--help"]));
    assert!(help.ends_with("\nArguments: --fixed\n"), "{help}");
}

#[test]
fn five_ways_to_download_flags_have_the_same_output() {
    let stage = Stage::new();
    let ways = ["sequential", "threads", "callbacks", "futures", "coroutines"].map(|way| {
        let output = stage.run(&format!("flags_{way}"), &[]);
        let mut lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    });
    assert_eq!(ways[0].len(), 21);
    for way in &ways[1..] {
        assert_eq!(*way, ways[0]);
    }
}

#[test]
fn three_calls_have_the_same_output_in_all_four_styles_also_when_the_second_fails() {
    let stage = Stage::new();
    for (arguments, code) in [(&[][..], 0), (&["--fail-second"], 1)] {
        let styles = ["nested", "chained", "future", "coroutine"].map(|style| {
            let output = stage.run(&format!("three_calls_{style}"), arguments);
            (stdout(&output), stderr(&output), output.status.code())
        });
        assert_eq!(styles[0].2, Some(code));
        assert_eq!(styles[0].0.is_empty(), code == 1);
        for style in &styles[1..] {
            assert_eq!(*style, styles[0]);
        }
    }
}

#[test]
fn each_bug_is_found_by_its_name_and_not_when_it_is_fixed() {
    let stage = Stage::new();
    for (bug, finding) in BUGS {
        let found = stage.findings("bug_zoo", &[bug]);
        assert!(found.iter().any(|found| found == finding), "{bug}: {found:?}");
        let mut found = stage.findings("bug_zoo", &[bug, "--fixed"]);
        found.retain(|found| !OF_TIME.contains(&found.as_str()));
        assert_eq!(found, Vec::<String>::new(), "{bug} --fixed");
    }
}

#[test]
fn no_other_example_has_a_finding() {
    let stage = Stage::new();
    for name in EXAMPLES {
        // Three have no loop, and the zoo has its own test.
        if ["spinner_thread", "flags_sequential", "flags_threads", "bug_zoo"].contains(&name) {
            continue;
        }
        check_findings(&stage, name);
    }
}

fn check_findings(stage: &Stage, name: &str) {
    let mut found = stage.findings(name, &[]);
    found.retain(|found| !OF_TIME.contains(&found.as_str()));
    assert_eq!(found, Vec::<String>::new(), "{name}");
}

#[test]
fn each_loop_of_an_example_has_a_recording_of_its_own() {
    let stage = Stage::new();
    for (name, recorded, said) in [
        ("fire_and_forget", &["run.2.jsonl", "run.jsonl"][..], "recording the next loop to run.2.jsonl\n"),
        ("compare", &["run.callbacks.jsonl", "run.coroutines.jsonl", "run.futures.jsonl"], ""),
        // What is measured is not recorded.
        ("save_experiment", &["run.jsonl"], ""),
    ] {
        let output = stage.command(name, &[]).env(ENVIRONMENT_VARIABLE, "run.jsonl").output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), said.to_owned()), "{name}");
        let names: Vec<String> = stage.take_recordings().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, recorded, "{name}");
    }
}

#[test]
fn every_file_of_the_examples_is_short() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 130, "{} has {lines} lines", path.display());
            }
        }
    }
}

#[test]
fn what_is_not_known_is_answered_with_what_is() {
    let stage = Stage::new();
    let output = stage.run("spinner_blocked", &["--faster"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "unknown argument `--faster`; valid arguments: --fixed\n");
    let output = stage.run("bug_zoo", &["mermaid"]);
    assert_eq!(output.status.code(), Some(1));
    for (bug, _) in BUGS {
        assert!(stderr(&output).contains(bug), "{bug}");
    }
}

#[test]
fn a_server_that_is_not_there_is_one_line() {
    let stage = Stage::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for name in EXAMPLES.iter().filter(|name| {
        name.starts_with("flags_") || name.starts_with("three_") || ["compare", "save_experiment"].contains(name)
    }) {
        let output = stage.run(name, &["--server", &format!("http://{nobody}/flags")]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(stderr(&output).lines().count(), 1, "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("refused"), "{name}: {}", stderr(&output));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_one_line() {
    let stage = Stage::new();
    let output = stage.run("save_experiment", &["--dest", "/nobody/has/this"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    for name in EXAMPLES.iter().filter(|name| !["spinner_thread", "flags_sequential", "flags_threads"].contains(name)) {
        let arguments = if *name == "bug_zoo" { &["spin"][..] } else { &[] };
        check_unwritable_recording(&stage, name, arguments);
    }
}

fn check_unwritable_recording(stage: &Stage, name: &str, arguments: &[&str]) {
    let output =
        stage.command(name, arguments).env(ENVIRONMENT_VARIABLE, "/nobody/has/this/run.html").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{name}");
    assert_eq!(stderr(&output).lines().count(), 1, "{name}: {}", stderr(&output));
    assert!(stderr(&output).contains("recording to /nobody/has/this/run."), "{name}: {}", stderr(&output));
}

#[test]
#[ignore = "builds another package"]
fn the_charfinders_keep_the_rules_of_the_other_examples() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/charfinder/Cargo.toml");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(manifest);
    let status = build.arg("--target-dir").arg(charfinder_target()).status().unwrap();
    assert!(status.success(), "the package cannot be built");
    let stage = Stage::new();
    for name in CHARFINDERS {
        check_help(&stage, name);
        check_run(&stage, name);
        check_findings(&stage, name);
        check_unwritable_recording(&stage, name, &[]);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_is_one_line_and_leaves_no_temporary_file() {
    use rustix::process::{Pid, Signal, kill_process};

    for name in ["flags_sequential", "flags_threads", "flags_coroutines", "fire_and_forget", "save_experiment"] {
        let stage = Stage::new();
        // A server that takes the connection and never says a word.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/flags", silent.local_addr().unwrap());
        let mut command = stage.command(name, &["--server", &url]);
        let child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _connection = silent.accept().unwrap();
        assert_eq!(left_in(&stage.temporary()).len(), 1, "{name} works in a folder of its own");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}");
        assert_eq!(stderr(&output).trim(), "stopped by Ctrl-C");
        assert_eq!(left_in(&stage.temporary()), Vec::<String>::new(), "left behind by {name}");
    }
}
