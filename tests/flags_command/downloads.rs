//! Successful runs, and runs against the faulty embedded servers.

use std::fs;

use crate::run::{assert_complete_images, flags, names_in};

#[test]
fn twenty_flags_are_downloaded_without_any_arguments() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = flags(place.path(), "");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // If the run takes longer than a second, there are progress lines.
    let lines: Vec<&str> = run.stderr.lines().filter(|line| !line.contains(" of 20 flags, ")).collect();
    assert!(lines[0].starts_with("LOCAL site: http://127.0.0.1:") && lines[0].ends_with("/flags"), "{}", run.stderr);
    assert_eq!(lines[1], "Searching for 20 flags: from BD to VN");
    assert_eq!(lines[2], "5 concurrent connections will be used.");
    assert_eq!(lines[3], "-".repeat(20));
    assert_eq!(lines[4], "20 flags downloaded.");
    assert!(lines[5].starts_with("Elapsed time: ") && lines[5].ends_with('s'), "{}", run.stderr);
    assert_eq!(names_in(place.path()).len(), 20);
    assert_complete_images(place.path());
}

#[test]
fn up_to_ten_codes_are_listed_and_verbose_prints_a_line_for_each() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = flags(place.path(), "br XX -v");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for line in ["Searching for 2 flags: BR, XX", "BR OK", "XX not found", "1 flag downloaded.", "1 not found."] {
        assert!(run.stderr.lines().any(|printed| printed == line), "no line `{line}` in {}", run.stderr);
    }
    assert_eq!(names_in(place.path()), ["br.gif"]);
}

#[test]
fn a_letter_selects_its_block_and_the_limit_applies() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = flags(place.path(), "B -l 3");
    assert!(run.stderr.contains("Searching for 3 flags: BA, BB, BC"), "{}", run.stderr);
    assert_eq!(run.counts().iter().sum::<usize>(), 3);
}

#[test]
fn runs_with_the_same_seed_have_the_same_counts() {
    let runs = [(), ()].map(|()| {
        let place = tempfile::tempdir().expect("a temporary directory");
        let run = flags(place.path(), "-s error -e -m 200 --seed 7");
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert_eq!(names_in(place.path()).len(), run.count("flag"), "the report must count the files on disk");
        assert_complete_images(place.path());
        run.counts()
    });
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0].iter().sum::<usize>(), 676);
    let errors = runs[0][2];
    assert!((120..=220).contains(&errors), "{errors} errors; expected about a quarter of 676");
}

#[test]
fn retry_repeats_failed_requests() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = flags(place.path(), "-s ERROR -m 20 --seed 7 --retry 12");
    assert_eq!(run.counts(), [20, 0, 0, 0], "{}", run.stderr);
    assert_eq!(run.code, Some(0));
}

#[test]
fn saving_inline_and_on_the_pool_give_the_same_files() {
    let places = ["--save pool", "--save inline"].map(|save| {
        let place = tempfile::tempdir().expect("a temporary directory");
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
fn names_saves_flags_under_the_names_of_their_countries() {
    let place = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(flags(place.path(), "IN BR --names").code, Some(0));
    assert_eq!(names_in(place.path()), ["Brazil-BR.gif", "India-IN.gif"]);
}

#[test]
fn existing_files_are_replaced() {
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::write(place.path().join("br.gif"), "old").expect("a file");
    assert_eq!(flags(place.path(), "BR").code, Some(0));
    assert_eq!(names_in(place.path()), ["br.gif"]);
    assert_complete_images(place.path());
}
