//! Ctrl-C: what has started is finished or removed, and the report is printed.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Run, assert_whole_images, command, names_in};

fn interrupt_after_the_first_flag(signal: Signal) -> (Run, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a temporary folder");
    // Two at a time, half a second each: it would take minutes.
    let mut child =
        command(place.path(), "-s DELAY -e -m 2 -v").stderr(Stdio::piped()).spawn().expect("the command runs");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains("AA not found") {
        assert!(stderr.read_line(&mut said).expect("a line") > 0, "it ended: {said}");
    }
    let process = Pid::from_raw(child.id() as i32).expect("a process");
    kill_process(process, signal).expect("it is there");
    stderr.read_to_string(&mut said).expect("the rest");
    let code = child.wait().expect("it ends").code();
    (Run { code, said }, place)
}

#[test]
fn ctrl_c_ends_the_run_with_its_report_and_files_on_disk_are_flags_counted() {
    let (run, place) = interrupt_after_the_first_flag(Signal::INT);
    assert_eq!(run.code, Some(130), "{}", run.said);
    let counts = run.counts();
    assert_eq!(counts.iter().sum::<usize>(), 676, "{}", run.said);
    assert!(counts[3] > 600, "{}", run.said);
    assert_eq!(names_in(place.path()).len(), counts[0]);
    assert_whole_images(place.path());
}

#[test]
fn sigterm_does_the_same_with_its_own_exit_code() {
    let (run, _place) = interrupt_after_the_first_flag(Signal::TERM);
    assert_eq!(run.code, Some(143), "{}", run.said);
    assert_eq!(run.counts().iter().sum::<usize>(), 676, "{}", run.said);
}
