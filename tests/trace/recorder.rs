//! Recording real runs, including runs that are killed and disks that are full.

use std::cell::RefCell;
use std::process::{Command, Stdio};
use std::rc::Rc;

use glassloop::EventLoop;
use glassloop::observe::{Event, Observer};
use glassloop::trace::{Reader, RecordKind, Recorder, Recording, Tee, WriteReport, check};

use crate::programs::{WakesWhenDropped, everything, hello, parse, record, record_into};

#[test]
fn recordings_of_real_runs_pass_the_check() {
    for (name, program) in
        [("hello", hello as fn(&mut glassloop::EventLoop)), ("everything", everything), ("drops", drops)]
    {
        let recording = record(program);
        let mut reader = Reader::open(recording.as_bytes()).expect("a header");
        match check(&mut reader) {
            Ok(checked) => assert_eq!(checked.records as usize, recording.lines().count() - 1),
            Err(error) => panic!("{name}: {error}\n{}", around(&recording, error.line)),
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
fn the_delay_of_a_poll_is_counted_from_a_wake_since_the_poll_before() {
    let recording = record(everything);
    let (mut began, mut repeated) = (std::collections::HashMap::new(), 0);
    for line in parse(&recording) {
        let RecordKind::PollBegin { task, delay, .. } = line.kind else { continue };
        if let Some(before) = began.insert(task, line.time) {
            repeated += 1;
            assert!(delay <= line.time - before, "task {task} is polled at {} after a delay of {delay}", line.time);
        }
    }
    assert!(repeated > 10, "only {repeated} polls are not the first of their task");
}

#[test]
fn a_run_contains_every_kind_of_event_that_the_loop_emits() {
    let recording = record(everything);
    let present: std::collections::HashSet<&str> = parse(&recording).iter().map(|record| record.kind.name()).collect();
    // On a busy machine there may be a finding that says so.
    let is_missing = |kind: &&str| *kind != "diagnosis" && !present.contains(kind);
    let missing: Vec<&str> = RecordKind::NAMES.iter().copied().filter(is_missing).collect();
    assert_eq!(missing, ["http", "mark", "dropped"]);
}

/// Returns a command that runs one of the ignored tests, which are programs, in a child process that records to `path`.
pub fn child(program: &str, path: &std::path::Path) -> Command {
    let mut child = Command::new(std::env::current_exe().expect("the path of this executable"));
    child.args(["--exact", program, "--ignored", "--nocapture"]).env(PATH, path);
    child.stdout(Stdio::null()).stderr(Stdio::null());
    child
}

/// The environment variable with the path of a child's recording.
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
fn a_run_that_is_killed_while_the_loop_sleeps_has_recorded_all_events() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.jsonl");
    let mut child = child("recorder::sleeps_for_ever", &path).spawn().expect("a child");
    let recording = loop {
        assert!(child.try_wait().expect("a child").is_none(), "the child exited");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains(r#""why":"forever""#) && text.ends_with('\n') {
            break text;
        }
        std::thread::yield_now();
    };
    child.kill().expect("a running child");
    child.wait().expect("a child");
    assert_eq!(std::fs::read_to_string(&path).expect("the recording"), recording);
    let lines = parse(&recording);
    assert_eq!(lines.last().expect("lines").kind.name(), "wait_begin");
    let error = check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect_err("an incomplete recording");
    assert_eq!(error.reason.to_string(), "the recording ends inside turn 6");
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

/// Checks a recording by `makes_many_events` that did not fit on the disk.
fn check_incomplete(recording: &str) {
    let lines = parse(recording);
    let Some(RecordKind::Dropped { number }) = lines.last().map(|record| record.kind.clone()) else {
        panic!("the last line is not `dropped`: {:?}", lines.last());
    };
    // Each poll causes at least three events: its begin, its end and a wake.
    assert!(lines.len() as u64 - 1 + number > 3 * 3_000, "{} lines, {number} dropped", lines.len());
    let checked = check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("a consistent recording");
    assert_eq!(checked.dropped, number);
}

#[test]
#[cfg(unix)]
fn a_recording_at_the_file_size_limit_ends_with_dropped_and_the_run_continues() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for blocks in [1, 8, 100] {
        let path = directory.path().join(format!("{blocks}.jsonl"));
        let program = child("recorder::makes_many_events", &path);
        let mut limited = Command::new("sh");
        // `ulimit -f` counts blocks of 512 or 1024 bytes. Ignoring SIGXFSZ makes writes fail with an error instead.
        limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        limited.arg(program.get_program()).args(program.get_args()).env(PATH, &path);
        assert!(limited.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a shell").success());
        check_incomplete(&std::fs::read_to_string(&path).expect("the recording"));
    }
}

#[test]
#[ignore = "needs permission to mount a file system in a user namespace"]
fn a_recording_on_a_full_disk_ends_with_dropped() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("disk/run.jsonl");
    std::fs::create_dir(directory.path().join("disk")).expect("a directory");
    let program = child("recorder::makes_many_events", &path);
    let mut unshared = Command::new("unshare");
    let script = "mount -t tmpfs -o size=64k tmpfs \"$0\" && \"$@\" && cp \"$0/run.jsonl\" \"$0/../copy.jsonl\"";
    unshared.args(["-Urm", "sh", "-c", script]).arg(directory.path().join("disk"));
    unshared.arg(program.get_program()).args(program.get_args()).env(PATH, &path);
    assert!(unshared.stdout(Stdio::null()).status().expect("unshare").success());
    let recording = std::fs::read_to_string(directory.path().join("copy.jsonl")).expect("the recording");
    assert!(recording.len() > 60_000, "{}", recording.len());
    check_incomplete(&recording);
}

#[test]
#[cfg(target_os = "linux")]
fn a_recording_that_cannot_be_written_does_not_stop_the_run() {
    record_into("/dev/full".as_ref(), hello);
}

#[test]
fn finish_returns_the_error_that_made_the_recording_incomplete() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let recorder = Recorder::create(directory.path().join("run.jsonl")).expect("a recorder");
    assert_eq!(recorder.finish().expect("a complete recording"), WriteReport { records: 0, dropped: 0 });
    Recorder::create(directory.path().join("no/such/folder.jsonl")).expect_err("a missing directory");
    #[cfg(target_os = "linux")]
    {
        let error = Recorder::create("/dev/full").expect("a recorder").finish().expect_err("a full disk");
        assert!(error.to_string().starts_with("the recording /dev/full is incomplete"), "{error}");
    }
}

#[test]
fn the_timeline_is_written_when_the_loop_is_dropped() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("run.json");
    let recording = Recording::create(&path).expect("a recording");
    let mut event_loop = EventLoop::builder().observer(recording).build().expect("a loop");
    hello(&mut event_loop);
    drop(event_loop);
    let timeline = std::fs::read_to_string(&path).expect("a timeline");
    crate::timeline::validate(&timeline).expect("a valid timeline");
    let lines = std::fs::read_to_string(directory.path().join("run.json.jsonl")).expect("the recording");
    check(&mut Reader::open(lines.as_bytes()).expect("a header")).expect("a consistent recording");
}

#[test]
fn on_finish_reports_the_files_and_the_number_of_events() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, jsonl) in [("run.jsonl", None), ("run.json", Some("run.json.jsonl"))] {
        let path = directory.path().join(name);
        let reported = Rc::new(RefCell::new(None));
        let keep = Rc::clone(&reported);
        let recording = Recording::create(&path).expect("a recording").on_finish(move |report| {
            // Both files are complete when the function is called.
            let recording = report.jsonl.unwrap_or(report.path);
            let lines = std::fs::read_to_string(recording).expect("the recording").lines().count() as u64;
            assert_eq!((report.events, report.dropped), (lines - 1, 0));
            assert!(report.path.exists());
            *keep.borrow_mut() = Some((report.path.to_owned(), report.jsonl.map(ToOwned::to_owned)));
        });
        let mut event_loop = EventLoop::builder().observer(recording).build().expect("a loop");
        hello(&mut event_loop);
        assert_eq!(*reported.borrow(), None);
        drop(event_loop);
        assert_eq!(reported.take(), Some((path, jsonl.map(|name| directory.path().join(name)))));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn on_finish_is_not_called_if_the_recording_is_incomplete() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("full.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
    let is_called = Rc::new(RefCell::new(false));
    let keep = Rc::clone(&is_called);
    let recording = Recording::create(&path).expect("a recording").on_finish(move |_| *keep.borrow_mut() = true);
    hello(&mut EventLoop::builder().observer(recording).build().expect("a loop"));
    assert!(!*is_called.borrow());
}

#[test]
fn a_tee_passes_all_events_to_every_observer() {
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
fn events_are_dropped_if_the_writer_falls_behind() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    // The pipe is not read while the loop runs.
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
    let checked = check(&mut Reader::open(recording.as_bytes()).expect("a header")).expect("a consistent recording");
    // Each yield causes at least three events: a wake, and the begin and end of a poll.
    assert!(checked.dropped > 0 && checked.records + checked.dropped > 3 * 60_000, "{checked:?}");
    assert!(checked.records < 150_000, "{checked:?}");
}
