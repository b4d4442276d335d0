//! `--trace`, `--explain`, `--step`, `--summary` and `glassloop trace`, as they are typed.
#![cfg(feature = "cli")]

#[path = "support/watchdog.rs"]
mod watchdog;

use std::path::Path;
use std::process::{Command, Output, Stdio};

const GLASSLOOP: &str = env!("CARGO_BIN_EXE_glassloop");

fn glassloop(arguments: &[&str], folder: &Path) -> Output {
    watchdog::watch();
    let mut command = Command::new(GLASSLOOP);
    command.args(arguments).current_dir(folder).env_remove("RUST_LOG").env_remove("GLASSLOOP_TRACE");
    command.stdin(Stdio::null()).output().expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_run_of_flags_is_recorded_checked_counted_told_and_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = glassloop(&["flags", "BR", "IN", "--trace", "run.jsonl", "--summary"], folder.path());
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("\npolls       "), "{}", text(&run.stderr));
    for (what, wanted) in [
        ("check", " events, and they can be true\n"),
        ("stats", "\nloop lag    p50 "),
        ("explain", " is woken because source "),
        ("perfetto", "\"ph\":\"X\""),
        ("html", "<!doctype html>"),
    ] {
        let made = glassloop(&["trace", what, "run.jsonl"], folder.path());
        assert!(made.status.success(), "{what}: {}", text(&made.stderr));
        assert!(text(&made.stdout).to_lowercase().contains(&wanted.to_lowercase()), "{what}");
    }
    let told = glassloop(&["trace", "explain", "run.jsonl", "-o", "run.txt"], folder.path());
    assert!(told.status.success() && told.stdout.is_empty());
    let told = std::fs::read_to_string(folder.path().join("run.txt")).expect("a text");
    assert!(told.contains("Task `flag BR` is woken because source "), "{told}");
}

#[test]
fn a_recording_that_is_broken_ends_the_command_with_1_and_names_the_line() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(glassloop(&["flags", "BR", "--trace", "run.jsonl"], folder.path()).status.success());
    let recording = std::fs::read_to_string(folder.path().join("run.jsonl")).expect("a recording");
    let tenth_line = recording.match_indices('\n').nth(9).expect("there are ten lines").0;
    std::fs::write(folder.path().join("cut.jsonl"), &recording[..tenth_line + 20]).expect("a file");
    std::fs::write(folder.path().join("other.jsonl"), "hello\n").expect("a file");
    for (what, file, wanted) in [
        ("check", "cut.jsonl", "cut.jsonl: line 11: it is cut off in the middle"),
        ("explain", "cut.jsonl", "cut.jsonl is sound only up to here: line 11: it is cut off in the middle"),
        ("stats", "cut.jsonl", "cut.jsonl is sound only up to here: line 11"),
        ("perfetto", "cut.jsonl", "cut.jsonl is sound only up to here: line 11"),
        ("check", "other.jsonl", "other.jsonl: line 1: this is not a recording of glassloop"),
    ] {
        let said = glassloop(&["trace", what, file], folder.path());
        assert_eq!(said.status.code(), Some(1), "{what} {file}");
        assert!(text(&said.stderr).contains(wanted), "{what} {file}: {}", text(&said.stderr));
        assert_eq!(text(&said.stderr).lines().count(), 1);
    }
    let missing = glassloop(&["trace", "check", "missing.jsonl"], folder.path());
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn a_recording_comes_from_standard_input_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(glassloop(&["flags", "BR", "--trace", "run.jsonl"], folder.path()).status.success());
    let recording = std::fs::File::open(folder.path().join("run.jsonl")).expect("a recording");
    let check = Command::new(GLASSLOOP).args(["trace", "check", "-"]).stdin(recording).output().expect("it starts");
    assert!(check.status.success(), "{}", text(&check.stderr));
}

#[test]
fn explain_tells_only_the_turns_that_were_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = glassloop(&["flags", "BR", "-v", "--explain", "--turns", "2..3"], folder.path());
    let told = text(&run.stderr);
    let turns: Vec<&str> = told.lines().filter(|line| line.contains("  Turn ")).collect();
    assert_eq!(turns.len(), 4, "{told}");
    assert!(turns[0].contains("Turn 2 begins") && turns[3].contains("Turn 3 ends."), "{told}");
}

#[test]
fn what_cannot_be_recorded_is_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, code, wanted) in [
        (["flags", "BR", "--trace", "run.txt"], 2, "ends in .jsonl, .json or .html"),
        (["flags", "BR", "--trace", "no/folder/run.jsonl"], 1, "recording to no/folder/run.jsonl"),
        (["flags", "BR", "--turns", "3"], 2, "--explain"),
    ] {
        let run = glassloop(&arguments, folder.path());
        assert_eq!(run.status.code(), Some(code), "{arguments:?}");
        assert!(text(&run.stderr).contains(wanted), "{arguments:?}: {}", text(&run.stderr));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn step_waits_for_enter_before_each_turn_on_a_terminal() {
    use std::io::{Read, Write};

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    watchdog::watch();
    let folder = tempfile::tempdir().expect("a folder");
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a terminal");
    let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("in letters");
    // O_NOCTTY: opened by a session leader, as a test is under `setsid`, it would become the controlling terminal, and
    // SIGHUP would kill the test when it closes.
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let theirs = || rustix::fs::open(&*name, flags, Mode::empty()).expect("its other end");
    let mut child = Command::new(GLASSLOOP)
        .args(["flags", "BR", "-v", "--step"])
        .current_dir(folder.path())
        .stdin(theirs())
        .stdout(Stdio::null())
        .stderr(theirs())
        .spawn()
        .expect("the command starts");
    let mut ours = std::fs::File::from(ours);
    let (mut shown, mut answered) = (String::new(), 0);
    let mut buffer = [0; 4096];
    // It ends with an error when nobody has the other end open any more.
    while let Ok(read @ 1..) = ours.read(&mut buffer) {
        shown += &text(&buffer[..read]);
        while shown.matches("Enter for the turn: ").count() > answered {
            ours.write_all(b"\n").expect("it listens");
            answered += 1;
        }
    }
    assert!(child.wait().expect("it ends").success(), "{shown}");
    assert!(answered >= 4, "{shown}");
    for turn in 1..=answered {
        assert!(shown.contains(&format!("\nBefore turn {turn}, at ")), "turn {turn}: {shown}");
    }
    assert!(shown.contains("tasks    the root future waits for the next task of a set"), "{shown}");
    assert!(shown.contains("BR OK") && shown.contains("1 flag downloaded."), "{shown}");
}
