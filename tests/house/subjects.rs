//! Every file states its subject in its first lines.

use super::project::Project;

/// The shortest first line that says something.
const MIN_SUBJECT_CHARACTERS: usize = 15;

fn check(project: &Project) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in project.files.iter().filter(|file| file.path.ends_with(".rs") && !file.path.starts_with("tests/data")) {
        // `lib.rs` may begin with attributes, which are for the compiler.
        let is_for_people = |line: &&str| !line.is_empty() && !line.starts_with("#![") && !line.starts_with("// ");
        let first = file.text.lines().find(is_for_people);
        let subject = first.and_then(|line| line.strip_prefix("//!")).map_or("", str::trim);
        if subject.len() < MIN_SUBJECT_CHARACTERS {
            complaints.push(format!("{}: begin it with `//!` and a sentence that says what it is about", file.path));
        }
    }
    complaints
}

#[test]
fn every_file_states_its_subject() {
    super::assert_kept(&check(&Project::read()));
}

#[test]
fn a_file_without_a_subject_is_found() {
    for text in ["use std::io;\n", "//! Yes.\nuse std::io;\n", ""] {
        super::assert_found(&check(&Project::of(&[("src/a.rs", text)])), &["src/a.rs", "begin it with"]);
    }
    super::assert_kept(&check(&Project::of(&[(
        "src/lib.rs",
        "#![forbid(unsafe_code)]\n//! An event loop in which…\n",
    )])));
}
