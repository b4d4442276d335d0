//! Ctrl-C and SIGTERM: saved files are complete, partial files are removed, and the report is printed.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Run, assert_complete_images, command, names_in};

fn interrupt_after_the_first_flag(signal: Signal) -> (Run, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a temporary directory");
    // Two concurrent requests with a delay of half a second: the complete run would take minutes.
    let mut child =
        command(place.path(), "-s DELAY -e -m 2 -v").stderr(Stdio::piped()).spawn().expect("the command runs");
    let mut stderr = BufReader::new(child.stderr.take().expect("a piped stderr"));
    let mut output = String::new();
    while !output.contains("AA not found") {
        assert!(stderr.read_line(&mut output).expect("a line") > 0, "the run ended: {output}");
    }
    let process = Pid::from_raw(child.id() as i32).expect("a process");
    kill_process(process, signal).expect("a running process");
    stderr.read_to_string(&mut output).expect("the rest");
    let code = child.wait().expect("an exit status").code();
    (Run { code, stderr: output }, place)
}

#[test]
fn ctrl_c_prints_the_report_and_leaves_only_the_files_that_it_counts() {
    let (run, place) = interrupt_after_the_first_flag(Signal::INT);
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    let counts = run.counts();
    assert_eq!(counts.iter().sum::<usize>(), 676, "{}", run.stderr);
    assert!(counts[3] > 600, "{}", run.stderr);
    assert_eq!(names_in(place.path()).len(), counts[0]);
    assert_complete_images(place.path());
}

#[test]
fn sigterm_prints_the_report_and_exits_with_143() {
    let (run, _place) = interrupt_after_the_first_flag(Signal::TERM);
    assert_eq!(run.code, Some(143), "{}", run.stderr);
    assert_eq!(run.counts().iter().sum::<usize>(), 676, "{}", run.stderr);
}
