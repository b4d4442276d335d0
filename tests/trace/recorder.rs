//! What is recorded can be read again, and can be true.

use std::cell::RefCell;
use std::process::{Command, Stdio};
use std::rc::Rc;

use glassloop::EventLoop;
use glassloop::observe::{Event, Observer};
use glassloop::trace::{Fact, Reader, Recorder, Recording, Tee, Written, check};

use crate::programs::{WakesWhenDropped, everything, hello, lines, record, record_into};

#[test]
fn what_we_write_passes_the_check() {
    for (name, program) in
        [("hello", hello as fn(&mut glassloop::EventLoop)), ("everything", everything), ("drops", drops)]
    {
        let recording = record(program);
        let mut reader = Reader::open(recording.as_bytes()).expect("a header");
        match check(&mut reader) {
            Ok(sound) => assert_eq!(sound.lines as usize, recording.lines().count() - 1),
            Err(fault) => panic!("{name}: {fault}\n{}", around(&recording, fault.line)),
        }
    }
}

fn drops(event_loop: &mut EventLoop) {
    event_loop
        .block_on(async {
            let (sender, receiver) = glassloop::sync::oneshot();
            glassloop::spawn_named("dropped", WakesWhenDropped(Some(sender)));
            receiver.await.expect_err("the sender was dropped");
        })
        .expect("no deadlock");
}

fn around(recording: &str, line: u64) -> String {
    recording.lines().skip((line as usize).saturating_sub(30)).take(31).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_tells_of_every_kind_of_event_but_those_that_others_tell() {
    let recording = record(everything);
    let told: std::collections::HashSet<&str> = lines(&recording).iter().map(|line| line.fact.kind()).collect();
    let missing: Vec<&str> = Fact::KINDS.iter().copied().filter(|kind| !told.contains(kind)).collect();
    assert_eq!(missing, ["http", "diagnosis", "mark", "dropped"]);
}

/// Runs one of the tests that are programs, in a process of its own that is to record to `path`.
pub fn child(program: &str, path: &std::path::Path) -> Command {
    let mut child = Command::new(std::env::current_exe().expect("this is a program"));
    child.args(["--exact", program, "--ignored", "--nocapture"]).env(PATH, path);
    child.stdout(Stdio::null()).stderr(Stdio::null());
    child
}

/// Names the file for a child to record to.
const PATH: &str = "GLASSLOOP_TEST_RECORDING";

pub fn child_path() -> Option<std::path::PathBuf> {
    std::env::var_os(PATH).map(Into::into)
}

#[test]
#[ignore = "a program for a child process"]
fn sleeps_for_ever() {
    let Some(path) = child_path() else { return };
    record_into(&path, |event_loop| {
        hello(event_loop);
        event_loop
            .block_on(async {
                let mut listener =
                    glassloop::net::TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a listener");
                let _nobody = std::future::poll_fn(|cx| listener.poll_accept(cx)).await;
            })
            .expect("a source is armed");
    });
}

#[test]
fn a_run_that_is_killed_in_its_sleep_has_left_all_its_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    let mut child = child("recorder::sleeps_for_ever", &path).spawn().expect("a child");
    let recording = loop {
        assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains(r#""why":"forever""#) && text.ends_with('\n') {
            break text;
        }
        std::thread::yield_now();
    };
    child.kill().expect("it lives");
    child.wait().expect("a child");
    assert_eq!(std::fs::read_to_string(&path).expect("the recording"), recording);
    let lines = lines(&recording);
    assert_eq!(lines.last().expect("lines").fact.kind(), "wait_begin");
    let fault = check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect_err("it was killed");
    assert_eq!(fault.fault.to_string(), "the recording ends in the middle of turn 6");
}

#[test]
#[ignore = "a program for a child process"]
fn makes_many_events() {
    let Some(path) = child_path() else { return };
    let mut polls = 0;
    record_into(&path, |event_loop| {
        event_loop
            .block_on(std::future::poll_fn(|cx| {
                polls += 1;
                if polls == 3_000 {
                    return std::task::Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                std::task::Poll::Pending
            }))
            .expect("no deadlock");
    });
    assert_eq!(polls, 3_000);
}

/// What `makes_many_events` leaves where there is room for less than that.
fn check_incomplete(recording: &str) {
    let lines = lines(recording);
    let Some(Fact::Dropped { number }) = lines.last().map(|line| line.fact.clone()) else {
        panic!("it does not say that it is incomplete: {:?}", lines.last());
    };
    // A poll, its end, a wake, and the edges of a turn every 61 polls at least.
    assert!(lines.len() as u64 - 1 + number > 3 * 3_000, "{} lines, {number} dropped", lines.len());
    let sound = check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("it can be true");
    assert_eq!(sound.dropped, number);
}

#[test]
#[cfg(unix)]
fn a_file_that_cannot_grow_says_that_it_is_incomplete_and_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    for blocks in [1, 8, 100] {
        let path = folder.path().join(format!("{blocks}.jsonl"));
        let program = child("recorder::makes_many_events", &path);
        let mut limited = Command::new("sh");
        // Files of at most so many kilobytes or half kilobytes, and an error instead of a signal.
        limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        limited.arg(program.get_program()).args(program.get_args()).env(PATH, &path);
        assert!(limited.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a shell").success());
        check_incomplete(&std::fs::read_to_string(&path).expect("the recording"));
    }
}

#[test]
#[ignore = "needs the right to mount a file system in a namespace of its own"]
fn a_disk_that_fills_leaves_a_recording_that_says_that_it_is_incomplete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("disk/run.jsonl");
    std::fs::create_dir(folder.path().join("disk")).expect("a folder");
    let program = child("recorder::makes_many_events", &path);
    let mut unshared = Command::new("unshare");
    let script = "mount -t tmpfs -o size=64k tmpfs \"$0\" && \"$@\" && cp \"$0/run.jsonl\" \"$0/../copy.jsonl\"";
    unshared.args(["-Urm", "sh", "-c", script]).arg(folder.path().join("disk"));
    unshared.arg(program.get_program()).args(program.get_args()).env(PATH, &path);
    assert!(unshared.stdout(Stdio::null()).status().expect("unshare").success());
    let recording = std::fs::read_to_string(folder.path().join("copy.jsonl")).expect("the recording");
    assert!(recording.len() > 60_000, "{}", recording.len());
    check_incomplete(&recording);
}

#[test]
#[cfg(target_os = "linux")]
fn a_recording_that_cannot_be_written_at_all_does_not_hold_up_the_run() {
    record_into("/dev/full".as_ref(), hello);
}

#[test]
fn what_kept_a_recording_from_being_complete_is_said_by_finish() {
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::create(folder.path().join("run.jsonl")).expect("a recorder");
    assert_eq!(recorder.finish().expect("all is written"), Written { lines: 0, dropped: 0 });
    Recorder::create(folder.path().join("no/such/folder.jsonl")).expect_err("there is no such folder");
    #[cfg(target_os = "linux")]
    {
        let error = Recorder::create("/dev/full").expect("a recorder").finish().expect_err("it is full");
        assert!(error.to_string().starts_with("the recording /dev/full is incomplete"), "{error}");
    }
}

#[test]
fn a_recording_of_several_forms_is_made_when_the_loop_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json");
    let recording = Recording::create(&path).expect("a recording");
    let mut event_loop = EventLoop::builder().observer(recording).build().expect("a loop");
    hello(&mut event_loop);
    drop(event_loop);
    let timeline = std::fs::read_to_string(&path).expect("a timeline");
    crate::timeline::validate(&timeline).expect("all rules are kept");
    let lines = std::fs::read_to_string(folder.path().join("run.json.jsonl")).expect("the recording");
    check(&mut Reader::open(lines.as_bytes()).expect("a header")).expect("it can be true");
}

#[test]
fn several_observers_hear_the_same() {
    struct Kinds(Rc<RefCell<Vec<u64>>>);
    impl Observer for Kinds {
        fn event(&mut self, event: &Event<'_>) {
            self.0.borrow_mut().push(event.seq);
        }
    }
    let (one, other) = (Rc::new(RefCell::default()), Rc::new(RefCell::default()));
    let mut tee = Tee::new();
    assert!(tee.is_empty());
    tee.add(Kinds(Rc::clone(&one)));
    tee.add(Kinds(Rc::clone(&other)));
    hello(&mut EventLoop::builder().observer(tee).build().expect("a loop"));
    assert_eq!(*one.borrow(), (0..one.borrow().len() as u64).collect::<Vec<u64>>());
    assert_eq!(one, other);
}

#[test]
#[cfg(target_os = "linux")]
fn a_writer_that_falls_behind_costs_events_and_neither_memory_nor_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    // Nobody reads the pipe while the loop runs.
    let recorder = Recorder::create(&path).expect("a recorder");
    let mut event_loop = EventLoop::builder().observer(recorder).build().expect("a loop");
    event_loop
        .block_on(async {
            for _ in 0..60_000 {
                glassloop::futures::yield_now().await;
            }
        })
        .expect("no deadlock");
    let pipe = std::fs::File::open(&path).expect("the pipe");
    let reading = std::thread::spawn(move || std::io::read_to_string(pipe).expect("text"));
    drop(event_loop);
    let recording = reading.join().expect("no panic");
    let sound = check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("it can be true");
    // A wake, a poll and its end each; and the turns.
    assert!(sound.dropped > 0 && sound.lines + sound.dropped > 3 * 60_000, "{sound:?}");
    assert!(sound.lines < 150_000, "{sound:?}");
}
