//! The project's files, read once; or a few made up ones, to show that a rule can fail.

use std::path::Path;

/// Text files by their paths from the project's root, with `/` between folders.
pub struct Project {
    pub files: Vec<File>,
}

pub struct File {
    pub path: String,
    pub text: String,
}

impl Project {
    /// Reads the sources and everything that is written for people.
    pub fn read() -> Project {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for folder in ["src", "tests", "examples", "docs", "benches"] {
            read_folder(root, &root.join(folder), &mut files);
        }
        for name in ["README.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
            if let Ok(text) = std::fs::read_to_string(root.join(name)) {
                files.push(File { path: name.to_owned(), text });
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        assert!(files.len() > 200, "only {} files were found", files.len());
        Project { files }
    }

    /// A project of these files.
    pub fn of(files: &[(&str, &str)]) -> Project {
        let files = files.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() });
        Project { files: files.collect() }
    }

    /// The Rust files below a folder.
    pub fn sources<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.starts_with(folder) && file.path.ends_with(".rs"))
    }
}

impl File {
    /// The lines before the file's own tests, which stand at its end.
    pub fn lines(&self) -> Vec<&str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_start = |at: &usize| {
            lines[*at] == "#[cfg(test)]"
                && lines.get(at + 1).is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'))
        };
        let end = (0..lines.len()).find(is_start).unwrap_or(lines.len());
        lines[..end].to_vec()
    }

    /// Whether the file is compiled for tests only.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.starts_with("tests/")
    }
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                read_folder(root, &path, files);
            }
        } else if path
            .extension()
            .is_some_and(|ending| ["rs", "md", "js", "html", "css"].iter().any(|known| ending == *known))
        {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            files.push(File { path: name, text });
        }
    }
}
