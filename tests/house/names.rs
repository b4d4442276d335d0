//! One name means one thing: no two types of the crate have the same name.

use std::collections::BTreeMap;

use super::project::Project;

/// Names that several types have, and why that confuses nobody.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("State", "each parser of `http/proto` has its own, which no other file sees"),
    ("Entry", "a private row of the table that the file is about"),
    ("Builder", "a method `builder` returns it, as in `http`"),
    ("Sender", "of a channel and of a oneshot, as in tokio"),
    ("Receiver", "of a channel and of a oneshot, as in tokio"),
    ("Body", "of the client and of the server; no file uses both"),
    ("Connection", "of the client and of the server; no file uses both"),
];

fn check(project: &Project, exceptions: &[(&str, &str)]) -> Vec<String> {
    let is_exception = |name: &str| exceptions.iter().any(|(exception, _)| *exception == name);
    let complain = |(name, paths): (&str, Vec<&str>)| {
        format!("{} types are called `{name}`, in {}: name each for what only it is", paths.len(), paths.join(", "))
    };
    let names = types(project).into_iter();
    names.filter(|(name, paths)| paths.len() > 1 && !is_exception(name)).map(complain).collect()
}

/// The files in which each type is declared. Types within functions do not count, nor do those of tests.
fn types(project: &Project) -> BTreeMap<&str, Vec<&str>> {
    let mut types = BTreeMap::<&str, Vec<&str>>::new();
    for file in project.sources("src/").filter(|file| !file.is_test()) {
        for line in file.lines() {
            if let Some(name) = declared_type(line) {
                types.entry(name).or_default().push(&file.path);
            }
        }
    }
    types
}

/// The name of the type that a line declares. Relies on rustfmt: what is declared in a module is not indented.
fn declared_type(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => line,
    };
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|keyword| line.strip_prefix(keyword))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[test]
fn no_two_types_have_the_same_name() {
    super::assert_kept(&check(&Project::read(), EXCEPTIONS));
}

#[test]
fn every_exception_is_needed() {
    let project = Project::read();
    let types = types(&project);
    for (name, _) in EXCEPTIONS {
        assert!(
            types.get(name).is_some_and(|paths| paths.len() > 1),
            "only one type is called `{name}`: remove it here"
        );
    }
}

#[test]
fn two_types_with_the_same_name_are_found() {
    let one =
        ("src/a/one.rs", "pub(crate) struct Wait<F> {\n    a: F,\n}\nfn a() {\n    enum Inner {}\n}\nimpl Wait {}\n");
    let other =
        ("src/b/other.rs", "use a::Wait as Other;\nenum Wait {}\n#[cfg(test)]\nmod tests {\nstruct Inner;\n}\n");
    let project = Project::of(&[one, other]);
    super::assert_found(&check(&project, &[]), &["2 types are called `Wait`", "src/a/one.rs, src/b/other.rs"]);
    super::assert_kept(&check(&project, &[("Wait", "it is an example")]));
    super::assert_kept(&check(&Project::of(&[one]), &[]));
}
