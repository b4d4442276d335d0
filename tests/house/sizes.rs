//! A file is short enough to be understood as a whole, a function short enough to be read without scrolling.

use super::project::{File, Project};

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;

/// An exception: a file, the function in it that is too long (or nothing for the whole file), how many lines it may have, and
/// why it is not split.
type Exception = (&'static str, &'static str, usize, &'static str);

const EXCEPTIONS: &[Exception] = &[];

fn check(project: &Project, exceptions: &[Exception]) -> Vec<String> {
    let limit = |path: &str, function: &str, usual: usize| {
        let exception = exceptions.iter().find(|(file, name, ..)| *file == path && *name == function);
        exception.map_or(usual, |(_, _, lines, _)| *lines)
    };
    let mut complaints = Vec::new();
    for file in project.sources("src/").chain(project.sources("examples/")).filter(|file| !file.is_test()) {
        let (count, allowed) = (file.lines().len(), limit(&file.path, "", MAX_FILE_LINES));
        if count > allowed {
            complaints.push(format!(
                "{}: {count} lines before its tests, {allowed} are allowed: split it by subject",
                file.path
            ));
        }
        for (name, length) in functions(file) {
            let allowed = limit(&file.path, &name, MAX_FUNCTION_LINES);
            if length > allowed {
                complaints.push(format!(
                    "{}: `{name}` has {length} lines, {allowed} are allowed: give each step a function with a name",
                    file.path
                ));
            }
        }
    }
    complaints
}

/// Each function's name and length. Relies on rustfmt: a function ends with a brace as far to the right as it begins.
fn functions(file: &File) -> Vec<(String, usize)> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let is_end = |line: &&&str| {
            let rest = &line[indent.min(line.len())..];
            line[..indent.min(line.len())].trim().is_empty()
                && (rest == "}" || (rest.ends_with(';') && !rest.starts_with(' ')))
        };
        let is_one_line = line.ends_with('}') || line.ends_with(';');
        let more = if is_one_line { 0 } else { lines[at + 1..].iter().position(|line| is_end(&line)).unwrap_or(0) + 1 };
        found.push((name.to_owned(), more + 1));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.trim_start().split(' ');
    let keyword = words.find(|word| !["pub", "pub(crate)", "pub(super)", "const", "async"].contains(word))?;
    let name = (keyword == "fn").then(|| words.next())??;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    Some(&name[..end])
}

#[test]
fn files_and_functions_are_short() {
    super::assert_kept(&check(&Project::read(), EXCEPTIONS));
}

#[test]
fn every_exception_is_needed_and_has_a_reason() {
    let project = Project::read();
    let others = |one: &Exception| EXCEPTIONS.iter().filter(|other| *other != one).copied().collect::<Vec<_>>();
    for exception in EXCEPTIONS {
        let complaints = check(&project, &others(exception));
        assert_eq!(complaints.len(), 1, "{exception:?} is not needed any more: remove it; {complaints:?}");
        assert!(exception.3.len() > 20, "{exception:?} needs a reason");
    }
}

#[test]
fn a_long_file_is_found() {
    let long = "//! x\n".to_owned() + &"// x\n".repeat(MAX_FILE_LINES);
    let project = Project::of(&[("src/long.rs", &long)]);
    super::assert_found(&check(&project, &[]), &["src/long.rs", "split it"]);
    super::assert_kept(&check(&project, &[("src/long.rs", "", MAX_FILE_LINES + 1, "it is one table")]));
    let tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    super::assert_kept(&check(&Project::of(&[("src/short.rs", &tests)]), &[]));
}

#[test]
fn a_long_function_is_found_unless_it_is_an_exception() {
    let function = |lines: usize| {
        format!("impl A {{\n    pub(crate) fn long() {{\n{}    }}\n}}\n", "        x();\n".repeat(lines - 2))
    };
    let complaints = |lines, exceptions| check(&Project::of(&[("src/a.rs", &function(lines))]), exceptions);
    super::assert_kept(&complaints(MAX_FUNCTION_LINES, &[]));
    super::assert_found(&complaints(MAX_FUNCTION_LINES + 1, &[]), &["`long` has 71 lines"]);
    let exceptions = &[("src/a.rs", "long", 90, "it is one table")];
    super::assert_kept(&complaints(90, exceptions));
    super::assert_found(&complaints(91, exceptions), &["`long`"]);
}
