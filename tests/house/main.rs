//! The rules of the house: what every file of this project promises its readers, checked on the text of the files.
//!
//! Each rule is a function from the project's files to a list of complaints, each of which says what to do. Each has two
//! tests: the project keeps the rule, and the rule can fail.

mod imports;
mod invariants;
mod links;
mod names;
mod project;
mod sizes;
mod subjects;
mod terms;

/// Fails with all complaints at once, so that one run is enough to mend them.
#[track_caller]
fn assert_kept(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// Fails unless there is exactly one complaint, and it contains all of these words.
#[track_caller]
fn assert_found(complaints: &[String], words: &[&str]) {
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    for word in words {
        assert!(complaints[0].contains(word), "`{word}` is missing in: {}", complaints[0]);
    }
}
