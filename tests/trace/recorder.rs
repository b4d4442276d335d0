//! What is recorded can be read again, and can be true.

use glassloop::trace::{Fact, Reader, check};

use crate::programs::{WakesWhenDropped, everything, hello, lines, record};

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

fn drops(event_loop: &mut glassloop::EventLoop) {
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
