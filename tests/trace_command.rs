//! The options `--trace`, `--explain`, `--step` and `--summary`, and the command `glassloop trace`.
#![cfg(feature = "cli")]

#[path = "support/watchdog.rs"]
mod watchdog;

use std::path::Path;
use std::process::{Command, Output, Stdio};

const GLASSLOOP: &str = env!("CARGO_BIN_EXE_glassloop");

fn glassloop(arguments: &[&str], directory: &Path) -> Output {
    watchdog::watch();
    let mut command = Command::new(GLASSLOOP);
    command.args(arguments).current_dir(directory).env_remove("RUST_LOG").env_remove("GLASSLOOP_TRACE");
    command.stdin(Stdio::null()).output().expect("a started command")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_recording_of_flags_is_accepted_by_every_trace_command() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let run = glassloop(&["flags", "BR", "IN", "--trace", "run.jsonl", "--summary"], directory.path());
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("\npolls       "), "{}", text(&run.stderr));
    for (command, expected) in [
        ("check", " events, consistent\n"),
        ("stats", "\nloop lag    p50 "),
        ("explain", " is woken because source "),
        ("perfetto", "\"ph\":\"X\""),
        ("html", "<!doctype html>"),
    ] {
        let output = glassloop(&["trace", command, "run.jsonl"], directory.path());
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
        assert!(text(&output.stdout).to_lowercase().contains(&expected.to_lowercase()), "{command}");
    }
    let output = glassloop(&["trace", "explain", "run.jsonl", "-o", "run.txt"], directory.path());
    assert!(output.status.success() && output.stdout.is_empty());
    let narration = std::fs::read_to_string(directory.path().join("run.txt")).expect("a text file");
    assert!(narration.contains("Task `flag BR` is woken because source "), "{narration}");
}

#[test]
fn an_error_in_the_recording_gives_exit_code_1_and_the_line_number() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(glassloop(&["flags", "BR", "--trace", "run.jsonl"], directory.path()).status.success());
    let recording = std::fs::read_to_string(directory.path().join("run.jsonl")).expect("a recording");
    let tenth_line = recording.match_indices('\n').nth(9).expect("ten lines").0;
    std::fs::write(directory.path().join("cut.jsonl"), &recording[..tenth_line + 20]).expect("a file");
    std::fs::write(directory.path().join("other.jsonl"), "hello\n").expect("a file");
    for (command, file, expected) in [
        ("check", "cut.jsonl", "cut.jsonl: line 11: the line is cut off"),
        ("explain", "cut.jsonl", "line 11: the line is cut off"),
        ("stats", "cut.jsonl", "line 11: the line is cut off"),
        ("perfetto", "cut.jsonl", "line 11: the line is cut off"),
        ("check", "other.jsonl", "other.jsonl: line 1: not a glassloop recording"),
    ] {
        let output = glassloop(&["trace", command, file], directory.path());
        assert_eq!(output.status.code(), Some(1), "{command} {file}");
        assert!(text(&output.stderr).contains(expected), "{command} {file}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr).lines().count(), 1);
    }
    let missing = glassloop(&["trace", "check", "missing.jsonl"], directory.path());
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn every_trace_command_rejects_a_wrong_file_with_one_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for format in ["html", "json"] {
        let name = format!("run.{format}");
        assert!(glassloop(&["flags", "BR", "--trace", &name], directory.path()).status.success());
    }
    std::fs::copy(directory.path().join("run.html"), directory.path().join("alone.html")).expect("a copy");
    std::fs::write(directory.path().join("empty.jsonl"), "").expect("a file");
    std::fs::write(directory.path().join("br.gif"), b"GIF89a\x00\xff\n").expect("a file");
    std::fs::create_dir(directory.path().join("folder")).expect("a directory");
    let unknown = "line 1: not a glassloop recording; expected a .jsonl file made with --trace FILE.jsonl";
    for (file, code, expected) in [
        ("run.html", 2, "run.html is a replay page, not a recording; pass run.html.jsonl".to_owned()),
        ("run.json", 2, "run.json is a Perfetto timeline, not a recording; pass run.json.jsonl".to_owned()),
        ("alone.html", 2, "alone.html is a replay page, not a recording; pass the .jsonl file that it".to_owned()),
        ("empty.jsonl", 1, format!("empty.jsonl: {unknown}")),
        ("br.gif", 1, format!("br.gif: {unknown}")),
        ("none.jsonl", 2, "opening none.jsonl: ".to_owned()),
    ] {
        for command in ["explain", "stats", "check", "perfetto", "html"] {
            let output = glassloop(&["trace", command, file], directory.path());
            let message = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{command} {file}: {message}");
            assert!(message.starts_with(&format!("glassloop: {expected}")), "{command} {file}: {message}");
            assert_eq!((message.lines().count(), output.stdout.len()), (1, 0), "{command} {file}: {message}");
        }
    }
}

#[test]
fn the_output_cannot_overwrite_the_recording() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(glassloop(&["flags", "BR", "--trace", "run.jsonl"], directory.path()).status.success());
    let recording = std::fs::read(directory.path().join("run.jsonl")).expect("a recording");
    let output = glassloop(&["trace", "html", "run.jsonl", "-o", "./run.jsonl"], directory.path());
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "glassloop: --output ./run.jsonl would overwrite the recording\n");
    assert_eq!(std::fs::read(directory.path().join("run.jsonl")).expect("a recording"), recording);
}

#[test]
fn trace_reports_which_files_it_has_written() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, jsonl, usage) in [
        ("run.jsonl", "run.jsonl", "; `glassloop trace explain run.jsonl` narrates them\n"),
        ("run.json", "run.json.jsonl", "; open run.json at https://ui.perfetto.dev\n"),
        ("run.html", "run.html.jsonl", "; open run.html in a browser to replay the run\n"),
    ] {
        let run = glassloop(&["flags", "BR", "--trace", name], directory.path());
        let recording = std::fs::read_to_string(directory.path().join(jsonl)).expect("the recording");
        let expected = format!("glassloop: recorded {} events to {jsonl}{usage}", recording.lines().count() - 1);
        assert!(text(&run.stderr).contains(&expected), "{}", text(&run.stderr));
        assert!(directory.path().join(name).exists());
    }
}

#[test]
fn a_recording_can_be_read_from_standard_input() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(glassloop(&["flags", "BR", "--trace", "run.jsonl"], directory.path()).status.success());
    let recording = std::fs::File::open(directory.path().join("run.jsonl")).expect("a recording");
    let check =
        Command::new(GLASSLOOP).args(["trace", "check", "-"]).stdin(recording).output().expect("a started command");
    assert!(check.status.success(), "{}", text(&check.stderr));
}

#[test]
fn turns_restricts_the_narration_to_these_turns() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let run = glassloop(&["flags", "BR", "-v", "--explain", "--turns", "2..3"], directory.path());
    let narration = text(&run.stderr);
    let turns: Vec<&str> = narration.lines().filter(|line| line.contains("  Turn ")).collect();
    assert_eq!(turns.len(), 4, "{narration}");
    assert!(turns[0].contains("Turn 2 begins") && turns[3].contains("Turn 3 ends."), "{narration}");
}

#[test]
fn a_recording_that_cannot_be_started_is_an_error_before_the_run() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (arguments, code, expected) in [
        (["flags", "BR", "--trace", "run.txt"], 2, "ends in .jsonl, .json or .html"),
        (["flags", "BR", "--trace", "no/directory/run.jsonl"], 1, "recording to no/directory/run.jsonl"),
        (["flags", "BR", "--turns", "3"], 2, "--explain"),
    ] {
        let run = glassloop(&arguments, directory.path());
        assert_eq!(run.status.code(), Some(code), "{arguments:?}");
        assert!(text(&run.stderr).contains(expected), "{arguments:?}: {}", text(&run.stderr));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn step_waits_for_enter_before_each_turn() {
    use std::io::{Read, Write};

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    watchdog::watch();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a terminal");
    let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("UTF-8");
    // Without O_NOCTTY it could become the controlling terminal of the test, which SIGHUP would kill when the terminal is
    // closed.
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let theirs = || rustix::fs::open(&*name, flags, Mode::empty()).expect("the other end of the terminal");
    let mut child = Command::new(GLASSLOOP)
        .args(["flags", "BR", "-v", "--step"])
        .current_dir(directory.path())
        .stdin(theirs())
        .stdout(Stdio::null())
        .stderr(theirs())
        .spawn()
        .expect("a started command");
    let mut ours = std::fs::File::from(ours);
    let (mut shown, mut answered) = (String::new(), 0);
    let mut buffer = [0; 4096];
    // Reading fails when the other end is closed.
    while let Ok(read @ 1..) = ours.read(&mut buffer) {
        shown += &text(&buffer[..read]);
        while shown.matches("Press Enter to run the turn, ? for help: ").count() > answered {
            ours.write_all(b"\n").expect("a write");
            answered += 1;
        }
    }
    assert!(child.wait().expect("an exit status").success(), "{shown}");
    assert!(answered >= 4, "{shown}");
    for turn in 1..=answered {
        assert!(shown.contains(&format!("\nBefore turn {turn}, at ")), "turn {turn}: {shown}");
    }
    assert!(shown.contains("tasks    the root future waits for the next task of a set"), "{shown}");
    assert!(shown.contains("BR OK") && shown.contains("1 flag downloaded."), "{shown}");
}
