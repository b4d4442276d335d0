//! What works.

use std::fs;

use crate::run::{assert_whole_images, flags, names_in};

#[test]
fn twenty_flags_arrive_with_nothing_set_up() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let run = flags(place.path(), "");
    assert_eq!(run.code, Some(0), "{}", run.said);
    // On a busy machine there are lines of progress, one a second.
    let lines: Vec<&str> = run.said.lines().filter(|line| !line.ends_with(" of 20 flags")).collect();
    assert!(lines[0].starts_with("LOCAL site: http://127.0.0.1:") && lines[0].ends_with("/flags"), "{}", run.said);
    assert_eq!(lines[1], "Searching for 20 flags: from BD to VN");
    assert_eq!(lines[2], "5 concurrent connections will be used.");
    assert_eq!(lines[3], "-".repeat(20));
    assert_eq!(lines[4], "20 flags downloaded.");
    assert!(lines[5].starts_with("Elapsed time: ") && lines[5].ends_with('s'), "{}", run.said);
    assert_eq!(names_in(place.path()).len(), 20);
    assert_whole_images(place.path());
}

#[test]
fn ten_or_fewer_codes_are_listed_and_each_gets_its_line_when_asked() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let run = flags(place.path(), "br XX -v");
    assert_eq!(run.code, Some(0), "{}", run.said);
    for line in ["Searching for 2 flags: BR, XX", "BR OK", "XX not found", "1 flag downloaded.", "1 not found."] {
        assert!(run.said.lines().any(|said| said == line), "no line `{line}` in {}", run.said);
    }
    assert_eq!(names_in(place.path()), ["br.gif"]);
}

#[test]
fn a_letter_is_its_block_and_a_limit_cuts_it() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let run = flags(place.path(), "B -l 3");
    assert!(run.said.contains("Searching for 3 flags: BA, BB, BC"), "{}", run.said);
    assert_eq!(run.counts().iter().sum::<usize>(), 3);
}

#[test]
fn a_seed_repeats_the_server_s_faults_and_the_counts_add_up() {
    let runs = [(), ()].map(|()| {
        let place = tempfile::tempdir().expect("a temporary folder");
        let run = flags(place.path(), "-s error -e -m 200 --seed 7");
        assert_eq!(run.code, Some(1), "{}", run.said);
        assert_eq!(names_in(place.path()).len(), run.count("flag"), "files on disk are flags counted");
        assert_whole_images(place.path());
        run.counts()
    });
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0].iter().sum::<usize>(), 676);
    let errors = runs[0][2];
    assert!((120..=220).contains(&errors), "about a quarter of 676 are errors, not {errors}");
}

#[test]
fn failed_requests_are_tried_again_when_asked() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let run = flags(place.path(), "-s ERROR -m 20 --seed 7 --retry 12");
    assert_eq!(run.counts(), [20, 0, 0, 0], "{}", run.said);
    assert_eq!(run.code, Some(0));
}

#[test]
fn saving_on_the_loop_gives_the_same_files() {
    let places = ["--save pool", "--save inline"].map(|save| {
        let place = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(flags(place.path(), &format!("--scale 2 {save}")).code, Some(0));
        place
    });
    assert_eq!(names_in(places[0].path()), names_in(places[1].path()));
    for name in names_in(places[0].path()) {
        let [pool, inline] = [0, 1].map(|n: usize| fs::read(places[n].path().join(&name)).expect("a file"));
        assert!(pool == inline, "{name} differs");
    }
}

#[test]
fn names_are_asked_for_and_used() {
    let place = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(flags(place.path(), "IN BR --names").code, Some(0));
    assert_eq!(names_in(place.path()), ["Brazil-BR.gif", "India-IN.gif"]);
}

#[test]
fn a_second_run_replaces_the_files_of_the_first() {
    let place = tempfile::tempdir().expect("a temporary folder");
    fs::write(place.path().join("br.gif"), "old").expect("a file");
    assert_eq!(flags(place.path(), "BR").code, Some(0));
    assert_eq!(names_in(place.path()), ["br.gif"]);
    assert_whole_images(place.path());
}
