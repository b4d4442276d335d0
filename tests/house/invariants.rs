//! The code cites an invariant (`// I5`) where it relies on it, and tests named `i05_…` hold it to that.

use std::collections::BTreeSet;

use super::project::Project;

fn check(project: &Project) -> Vec<String> {
    let (mut cited, mut tested) = (BTreeSet::new(), BTreeSet::new());
    for file in &project.files {
        for line in file.text.lines() {
            if file.path.starts_with("src/")
                && let Some(at) = line.find("//")
            {
                cited.extend(citations(&line[at..]));
            }
            tested.extend(tested_by(line));
        }
    }
    let missing = cited.difference(&tested).map(|number| {
        format!(
            "I{number} is cited in src, and no test is named `i{number:02}_…`: write one that fails when it is broken"
        )
    });
    let unused = tested.difference(&cited).map(|number| {
        format!(
            "tests are named `i{number:02}_…`, and no line of src cites I{number}: cite it where the code upholds it"
        )
    });
    missing.chain(unused).collect()
}

/// `I5`, `(I8)`, `I1, I4`: a capital I and digits, as a word of its own.
fn citations(comment: &str) -> Vec<u32> {
    let words = comment.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter_map(|word| word.strip_prefix('I').and_then(|number| number.parse().ok())).collect()
}

fn tested_by(line: &str) -> Option<u32> {
    let name = line.trim_start().strip_prefix("fn i")?;
    (name.as_bytes().get(2) == Some(&b'_')).then(|| name[..2].parse().ok())?
}

#[test]
fn every_invariant_that_is_cited_is_tested_and_the_other_way_round() {
    super::assert_kept(&check(&Project::read()));
}

#[test]
fn an_invariant_without_a_test_and_a_test_without_an_invariant_are_found() {
    let test = ("tests/a.rs", "#[test]\nfn i05_readiness() {}\n");
    super::assert_kept(&check(&Project::of(&[("src/a.rs", "let a = 1; // I5\n"), test])));
    super::assert_found(&check(&Project::of(&[("src/a.rs", "// As I6 asks.\n// (I5)\n"), test])), &["I6", "`i06_…`"]);
    super::assert_found(&check(&Project::of(&[("src/a.rs", "let I5 = 1;\n"), test])), &["`i05_…`", "cite it"]);
}
