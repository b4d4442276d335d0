//! Recordings of several loops, of child processes, and of processes that exit during a run.

use glassloop::EventLoop;
use glassloop::trace::{Reader, Recorder, Recording, check};

use crate::programs::{hello, parse, record_into};
use crate::recorder::{child, child_path};

#[test]
#[ignore = "a program for a child process"]
fn uses_the_environment_variable() {
    let mut event_loop = glassloop::trace::builder().expect("a builder").build().expect("a loop");
    hello(&mut event_loop);
}

#[test]
fn the_environment_variable_enables_recording() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.jsonl");
    let status = child("processes::uses_the_environment_variable", &path)
        .env(glassloop::trace::ENVIRONMENT_VARIABLE, &path)
        .status();
    assert!(status.expect("a child").success());
    let recording = std::fs::read_to_string(&path).expect("the recording");
    check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("a consistent recording");
}

#[test]
#[ignore = "a program for a child process"]
fn uses_the_environment_variable_for_three_loops() {
    for _ in 0..3 {
        let mut event_loop = glassloop::trace::builder().expect("a builder").build().expect("a loop");
        hello(&mut event_loop);
    }
}

#[test]
fn each_loop_of_a_process_has_a_recording_of_its_own() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("my.run.html");
    let mut command = child("processes::uses_the_environment_variable_for_three_loops", &path);
    assert!(command.env(glassloop::trace::ENVIRONMENT_VARIABLE, &path).status().expect("a child").success());
    let mut names: Vec<String> = std::fs::read_dir(directory.path())
        .expect("the directory")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    let pages = ["my.run.2.html", "my.run.3.html", "my.run.html"];
    assert_eq!(names, pages.map(|page| [page.to_owned(), format!("{page}.jsonl")]).concat());
    for page in pages {
        let recording = std::fs::read_to_string(directory.path().join(format!("{page}.jsonl"))).expect("the recording");
        check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("a consistent recording");
    }
}

#[test]
#[ignore = "a program for a child process"]
fn runs_children_that_use_the_environment_variable() {
    let Some(path) = child_path() else { return };
    let run_child = || {
        let status = child("processes::uses_the_environment_variable", &path).status().expect("a child");
        assert!(status.success());
    };
    let mut event_loop = glassloop::trace::builder().expect("a builder").build().expect("a loop");
    hello(&mut event_loop);
    run_child();
    hello(&mut event_loop);
    drop(event_loop);
    run_child(); // the parent's recording is complete, and must not be overwritten
}

#[test]
#[cfg(unix)]
fn a_child_process_that_inherits_the_variable_does_not_overwrite_the_recording_of_its_parent() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for ending in ["jsonl", "html"] {
        let path = directory.path().join(format!("my.run.{ending}"));
        std::fs::write(&path, "an earlier run").expect("a file");
        let mut command = child("processes::runs_children_that_use_the_environment_variable", &path);
        let mut parent = command.env(glassloop::trace::ENVIRONMENT_VARIABLE, &path).spawn().expect("a child");
        assert!(parent.wait().expect("a child").success());
        let mut runs = vec![];
        for entry in std::fs::read_dir(directory.path()).expect("the directory") {
            let file = entry.expect("a file").path();
            let name = file.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
            let recording = std::fs::read_to_string(&file).expect("text");
            std::fs::remove_file(&file).expect("a removed file");
            if !name.ends_with(".jsonl") {
                assert!(recording.starts_with("<!doctype html>"), "{name}: {}", &recording[..40]);
                continue;
            }
            let mut reader = Reader::open(recording.as_bytes()).expect("a header");
            let pid = reader.header().pid;
            check(&mut reader).expect("a consistent recording");
            let expected = if pid == parent.id() { "my.run.".to_owned() } else { format!("my.run.pid{pid}.") };
            assert!(name.starts_with(&expected) && !name[expected.len()..].starts_with("pid"), "{name} of {pid}");
            let begins = parse(&recording).iter().filter(|record| record.kind.name() == "run_begin").count();
            runs.push((pid == parent.id(), begins));
        }
        runs.sort();
        assert_eq!(runs, [(false, 1), (false, 1), (true, 2)], "{ending}");
    }
}

#[test]
#[cfg(unix)]
fn two_concurrent_recordings_cannot_use_the_same_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.jsonl");
    record_into(&path, |event_loop| {
        hello(event_loop);
        let error = Recording::create(&path).expect_err("a file in use");
        let expected = format!(
            "recording to {}: another recording is being written to this file; choose another name",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
    });
    let recording = std::fs::read_to_string(&path).expect("the recording");
    check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("a consistent recording");
    drop(Recorder::create(&path).expect("the file is no longer in use"));
}

#[test]
fn the_error_for_a_missing_directory_names_the_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let error =
        Recording::create(directory.path().join("no/such/run.html")).expect_err("an error for a missing directory");
    let message = error.to_string();
    assert!(message.starts_with("recording to ") && message.ends_with("; create the directory first"), "{message}");
}

#[test]
fn a_recording_is_complete_after_shutdown_even_if_handles_remain() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.json");
    let recording = Recording::create(&path).expect("a recording");
    let mut event_loop = EventLoop::builder().observer(recording).build().expect("a loop");
    hello(&mut event_loop);
    let handles = event_loop
        .block_on(async {
            let sleep = glassloop::sleep(std::time::Duration::from_secs(60));
            (
                sleep,
                glassloop::spawn(std::future::pending::<()>()),
                glassloop::net::TcpListener::bind(([127, 0, 0, 1], 0).into()),
            )
        })
        .expect("no deadlock");
    event_loop.shutdown();
    let lines = std::fs::read_to_string(directory.path().join("run.json.jsonl")).expect("the recording");
    check(&mut Reader::open(lines.as_bytes()).expect("a header")).expect("a consistent recording");
    assert_eq!(lines.matches(r#""kind":"run_end""#).count(), 2);
    let timeline = std::fs::read_to_string(&path).expect("a timeline");
    crate::timeline::validate(&timeline).expect("a valid timeline");
    drop(handles);
    assert_eq!(std::fs::read_to_string(directory.path().join("run.json.jsonl")).expect("the recording"), lines);
}

/// The environment variable that selects where `exits` calls `process::exit`.
const WHERE: &str = "GLASSLOOP_TEST_EXIT";

#[test]
#[ignore = "a program for a child process"]
fn exits() {
    let Some(path) = child_path() else { return };
    record_into(&path, |event_loop| {
        hello(event_loop);
        match std::env::var(WHERE).as_deref() {
            Ok("in a poll") => {
                let exit = || async { std::process::exit(0) };
                event_loop.block_on(async { glassloop::spawn(exit()).await }).expect("it runs").expect("it ends here");
            }
            Ok("between two runs") => std::process::exit(0),
            Ok("with a panic") => event_loop.block_on(async { panic!("on purpose") }).expect("it ends here"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn all_events_are_recorded_wherever_the_process_exits() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (place, last) in [("in a poll", "poll_begin"), ("between two runs", "run_end"), ("with a panic", "run_end")] {
        let path = directory.path().join(format!("{place}.jsonl"));
        let mut child = child("processes::exits", &path);
        let status = child.env(WHERE, place).status().expect("a child");
        assert_eq!(status.success(), place != "with a panic", "{place}");
        let recording = std::fs::read_to_string(&path).expect("the recording");
        let lines = parse(&recording);
        assert_eq!(lines.last().expect("lines").kind.name(), last, "{place}");
        assert_eq!(recording.matches(r#""kind":"run_begin""#).count(), 1 + usize::from(place != "between two runs"));
    }
}
