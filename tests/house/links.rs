//! Every link in the documentation leads to a file that is part of the package.

use std::path::{Component, Path, PathBuf};

use super::project::Project;

/// `is_packaged` says whether a path from the project's root exists and is part of what `cargo package` produces.
fn check(project: &Project, is_packaged: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in project.files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, line) in file.text.lines().enumerate() {
            for target in links(line).filter(|target| !is_packaged(&resolve(folder, target))) {
                complaints.push(format!(
                    "{}:{}: the link to `{target}` leads to no file of the package: correct it, or name the file without a link",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    complaints
}

/// The relative targets of a line's links, without their fragments: `a.md` in `[text](a.md#part)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets
        .filter(|target| !target.contains("://"))
        .map(|target| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty())
}

/// Removes `.` and `..` from the path of a link.
fn resolve(folder: &Path, target: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for component in folder.join(target).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

/// Cargo leaves out packages within the package; `Cargo.toml` excludes hidden files and `fuzz`.
fn is_packaged(path: &Path) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_excluded = path.starts_with("fuzz") || path.to_string_lossy().starts_with('.');
    let folders = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let is_in_other_package = folders.into_iter().any(|folder| root.join(folder).join("Cargo.toml").exists());
    root.join(path).exists() && !is_excluded && !is_in_other_package
}

#[test]
fn every_link_leads_to_a_file_of_the_package() {
    super::assert_kept(&check(&Project::read(), is_packaged));
}

#[test]
fn a_broken_link_is_found() {
    let one = |text| Project::of(&[("docs/a.md", text)]);
    let is_there = |path: &Path| path == Path::new("docs/b.md") || path == Path::new("DESIGN.md");
    let broken = "# A\n[b](b.md#part), [c](c.md)";
    super::assert_found(&check(&one(broken), is_there), &["docs/a.md:2", "`c.md`"]);
    let right = "[b](b.md), [design](../DESIGN.md), [d](#part), [e](https://example.org/e.md), a[1] (f.md)";
    super::assert_kept(&check(&one(right), is_there));
    assert!(!is_packaged(Path::new("fuzz/Cargo.toml")));
    assert!(!is_packaged(Path::new("examples/charfinder/src/tcp.rs")));
}
