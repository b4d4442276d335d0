//! `--step` on a terminal: the prompt, and the ways to leave it.

use rustix::process::{Pid, Signal, kill_process};

use crate::terminal::Terminal;

const PROMPT: &str = "Press Enter to run the turn, ? for help:";

fn start(directory: &std::path::Path) -> Terminal {
    let terminal = Terminal::start(directory, &["flags", "BR", "IN", "--step"], 80, 24);
    terminal.wait_until(|screen| screen.last().is_some_and(|row| row.trim_end() == PROMPT));
    terminal
}

#[test]
fn ctrl_c_ends_the_run_at_the_prompt() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let terminal = start(directory.path());
    kill_process(Pid::from_child(&terminal.child), Signal::INT).expect("it runs");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen:#?}");
    assert!(screen.contains(&"2 cancelled.".to_owned()), "{screen:#?}");
    let advice = "glassloop: interrupted; run the same command again to download all flags";
    assert!(screen.contains(&advice.to_owned()), "{screen:#?}");
}

#[test]
fn q_ends_the_run_as_ctrl_c_does() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut terminal = start(directory.path());
    terminal.type_text("q\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen:#?}");
    assert_eq!(screen.iter().filter(|row| row.starts_with("Before turn")).count(), 1, "{screen:#?}");
}

#[test]
fn a_question_mark_prints_the_help_and_c_continues() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut terminal = start(directory.path());
    terminal.type_text("?\n");
    terminal.wait_until(|screen| screen.iter().any(|row| row.contains("q      quit, as with Ctrl-C")));
    terminal.type_text("c\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:#?}");
    assert!(screen.contains(&"2 flags downloaded.".to_owned()), "{screen:#?}");
}

#[test]
fn the_time_at_the_prompt_is_not_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let started = std::time::Instant::now();
    let mut terminal = start(directory.path());
    // The time in which a user reads the state.
    let reading = std::time::Duration::from_secs(2);
    std::thread::sleep(reading);
    terminal.type_text("c\n");
    let (_, screen) = terminal.end();
    let row = screen.iter().find_map(|row| row.strip_prefix("Elapsed time: ")).expect("the time");
    let seconds: f64 = row.trim_end_matches('s').parse().expect("a number");
    // However slow the machine is: the command has run for the reported time besides. Two digits are printed.
    let besides = started.elapsed().saturating_sub(reading).as_secs_f64() + 0.01;
    assert!(seconds <= besides, "{seconds} s of {besides} s");
}
