//! The download plan: the URLs of the command line and of a list, each with the path that its file gets. The list is
//! read lazily, as the transfers need it.
//!
//! A plan is deterministic: it assigns the same paths in every run and in every shard of a list. A file's name depends
//! on the lines before it, so each shard reads all lines and skips those of other shards. A plan keeps at most 16 bytes
//! per file name and per directory name, and nothing else that grows with the list.
//!
//! Reading a list may block for any length of time, on a pipe or on a disk, so a plan must be read on a thread of its
//! own, never on that of the loop (I7).

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use super::directory::Directory;
use super::download_url::DownloadUrl;
use super::file_name::{directories_from, name_from_path};
use super::hash::Shard;
use super::list::{LineError, Lines, ListEntry, Sha256};
use super::part_entry::remove_leftovers;
use super::save_error::SaveError;
use super::target_entry::{ExistingFile, Obstacle, TargetEntry};
use super::used_names::UsedNames;

/// One file to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadItem {
    /// The number of the URL in the plan, starting at 1: first the URLs of the command line, then those of the list. It
    /// is the same in every shard.
    pub id: u64,
    /// The line number in the list; `None` for a URL of the command line.
    pub line: Option<u64>,
    /// The URL to fetch.
    pub url: DownloadUrl,
    /// The path of the file in the output directory.
    pub target: TargetPath,
    /// The expected SHA-256 of the content, if any.
    pub sha256: Option<Sha256>,
    /// The state of the target path on disk before the download.
    pub on_disk: OnDisk,
}

/// The path of a file, relative to the output directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPath {
    /// The subdirectories, separated by slashes; `None` if the file is in the output directory itself.
    pub directories: Option<String>,
    /// The file name.
    pub name: String,
}

impl TargetPath {
    /// Returns the relative path as a string with slashes.
    pub(super) fn relative(&self) -> String {
        match &self.directories {
            Some(directories) => format!("{directories}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Opens the directory of the file, creating it if it does not exist. Blocking.
    pub(super) fn directory_in(&self, output: &Directory) -> Result<Directory, SaveError> {
        match &self.directories {
            Some(directories) => output.open_subdirectory(directories),
            None => Ok(output.clone()),
        }
    }

    /// Returns the relative path.
    pub fn path(&self) -> PathBuf {
        match &self.directories {
            Some(directories) => PathBuf::from(directories).join(&self.name),
            None => PathBuf::from(&self.name),
        }
    }
}

/// The state of a target path on disk before the download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnDisk {
    /// The complete file, if it exists.
    pub file: Option<ExistingFile>,
    /// Another object with the same name, such as a directory, which prevents saving the file.
    pub obstacle: Option<Obstacle>,
    /// Whether there is a partial download (`NAME.part`) of an earlier run.
    pub has_part: bool,
}

/// A line that is invalid.
#[derive(Debug, PartialEq)]
pub struct InvalidLine {
    /// The number of the line in the plan, starting at 1, as for [`DownloadItem::id`].
    pub id: u64,
    /// The line number in the list; `None` for an argument of the command line.
    pub line: Option<u64>,
    /// The reason why the line is invalid.
    pub error: LineError,
}

impl fmt::Display for InvalidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.error),
            None => write!(f, "URL argument {}: {}", self.id, self.error),
        }
    }
}

/// The result of planning one line.
#[derive(Debug, PartialEq)]
pub enum PlannedLine {
    /// A file to download.
    Item(Box<DownloadItem>),
    /// An invalid line.
    Bad(InvalidLine),
}

/// A batch of planned lines.
#[derive(Debug)]
pub struct Batch {
    /// The planned lines; those of other shards, comments and empty lines are omitted.
    pub planned: Vec<PlannedLine>,
    /// Whether this batch is the last one.
    pub is_last: bool,
    /// The error that ended the plan, if the list could not be read.
    pub error: Option<io::Error>,
}

/// A download plan, read once from beginning to end.
///
/// ```
/// use glassloop::download::{Plan, PlannedLine};
///
/// let mut plan = Plan::new();
/// plan.read_from(Box::new(std::io::Cursor::new("http://a.test/x.gif\nhttp://b.test/x.gif\n")));
/// let names: Vec<String> = std::iter::from_fn(|| plan.next().unwrap())
///     .map(|planned| match planned {
///         PlannedLine::Item(item) => item.target.name,
///         PlannedLine::Bad(line) => line.to_string(),
///     })
///     .collect();
/// assert_eq!(names, ["x.gif", "x.1.gif"]);
/// ```
#[derive(Debug)]
pub struct Plan {
    /// The URLs of the command line, which precede the list.
    given: VecDeque<Result<ListEntry, LineError>>,
    lines: Option<Lines>,
    names: UsedNames,
    /// The number of the URL that was planned last.
    last_id: u64,
    shard: Option<Shard>,
    is_tree: bool,
    /// The output directory, in which existing files are looked up; `None` if it was empty or is not to be searched.
    directory: Option<Directory>,
    /// The backpressure hook, called before each batch.
    pace: Option<Throttle>,
}

/// A backpressure hook: a function that blocks while the consumer of the events has not caught up with what has been
/// planned so far.
pub struct Throttle(pub Box<dyn FnMut() + Send>);

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

impl Plan {
    /// Creates an empty plan.
    pub fn new() -> Plan {
        Plan {
            given: VecDeque::new(),
            lines: None,
            names: UsedNames::new(),
            last_id: 0,
            shard: None,
            is_tree: false,
            directory: None,
            pace: None,
        }
    }

    /// Appends a URL to those that precede the list.
    pub fn add(&mut self, entry: Result<ListEntry, LineError>) {
        self.given.push_back(entry);
    }

    /// Sets the list, whose URLs follow those that were added.
    pub fn read_from(&mut self, list: Box<dyn Read + Send>) {
        self.lines = Some(Lines::new(list));
    }

    /// Restricts the plan to one shard.
    pub fn take_only(&mut self, shard: Shard) {
        self.shard = Some(shard);
    }

    /// Makes the plan save files under the directories of their URLs: `host/path/name`. If a file and a directory would
    /// have the same name, one of them gets a numeric suffix. Among the URLs that have been added, files keep their
    /// names and directories get the suffix; in a list, which is read only once, whichever comes first keeps its name.
    pub fn keep_directories(&mut self) {
        self.is_tree = true;
        for entry in self.given.iter().flatten() {
            let (directories, name) = (directories_of(entry), name_of(entry));
            self.names.reserve(&format!("{directories}/{name}"));
        }
    }

    /// Makes the plan look up existing files in this directory. An empty directory is not looked at again.
    pub fn check_existing_in(&mut self, directory: &Directory) {
        self.directory = (!directory.is_empty()).then(|| directory.clone());
    }

    /// Sets the backpressure hook, which keeps the plan from running ahead of a slow consumer of events.
    pub fn set_throttle(&mut self, pace: Throttle) {
        self.pace = Some(pace);
    }

    /// Returns the next planned line; `None` at the end.
    ///
    /// # Errors
    /// If the list cannot be read.
    // The method is called `next` although `Plan` is not an `Iterator`: an iterator could not return an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<PlannedLine>> {
        loop {
            let (entry, line) = match self.given.pop_front() {
                Some(entry) => (entry, None),
                None => {
                    let Some(lines) = &mut self.lines else { return Ok(None) };
                    let Some(entry) = lines.next()? else { return Ok(None) };
                    (entry, Some(lines.number()))
                }
            };
            self.last_id += 1;
            let id = self.last_id;
            match entry {
                // Every shard reads this line; only the first one reports it, so that it is reported once.
                Err(_) if self.shard.is_some_and(|shard| shard.number() > 1) => {}
                Err(error) => return Ok(Some(PlannedLine::Bad(InvalidLine { id, line, error }))),
                Ok(entry) => {
                    let target = self.target_for(&entry);
                    if self.shard.is_none_or(|shard| shard.holds(entry.url.as_str())) {
                        let on_disk = self.look_up(&target);
                        let ListEntry { url, sha256, .. } = entry;
                        return Ok(Some(PlannedLine::Item(Box::new(DownloadItem {
                            id,
                            line,
                            url,
                            target,
                            sha256,
                            on_disk,
                        }))));
                    }
                }
            }
        }
    }

    /// Returns the next batch. Blocks until there is one line, or the end; then adds lines, up to `at_most` in total,
    /// as long as they can be read without blocking.
    pub fn next_batch(&mut self, at_most: usize) -> Batch {
        if let Some(Throttle(wait)) = &mut self.pace {
            wait();
        }
        let mut planned = Vec::new();
        while planned.len() < at_most {
            match self.next() {
                Ok(Some(next)) => planned.push(next),
                Ok(None) => return Batch { planned, is_last: true, error: None },
                Err(error) => return Batch { planned, is_last: true, error: Some(error) },
            }
            if self.given.is_empty() && self.lines.as_ref().is_some_and(|lines| !lines.has_line()) {
                break;
            }
        }
        Batch { planned, is_last: false, error: None }
    }

    fn target_for(&mut self, entry: &ListEntry) -> TargetPath {
        let directories = self.is_tree.then(|| self.names.directories_for(&directories_of(entry)));
        let name = self.names.reserve_unique(directories.as_deref(), name_of(entry));
        TargetPath { directories, name }
    }

    fn look_up(&self, target: &TargetPath) -> OnDisk {
        let Some(directory) = &self.directory else { return OnDisk::default() };
        let path = target.relative();
        let (file, obstacle) = match directory.entry(&path) {
            Some(TargetEntry::File(file)) => (Some(file), None),
            Some(TargetEntry::Other(obstacle)) => (None, Some(obstacle)),
            None => (None, None),
        };
        OnDisk { file, obstacle, has_part: remove_leftovers(directory, &path, file.is_some()) }
    }
}

fn directories_of(entry: &ListEntry) -> String {
    directories_from(entry.url.host_and_port(), entry.url.path())
}

fn name_of(entry: &ListEntry) -> String {
    entry.name.clone().unwrap_or_else(|| name_from_path(entry.url.path()))
}

impl Default for Plan {
    fn default() -> Self {
        Plan::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(list: &str) -> Plan {
        crate::watchdog::watch();
        let mut plan = Plan::new();
        plan.read_from(Box::new(io::Cursor::new(list.to_owned())));
        plan
    }

    fn all(mut plan: Plan) -> Vec<PlannedLine> {
        std::iter::from_fn(|| plan.next().expect("memory can be read")).collect()
    }

    fn paths(plan: Plan) -> Vec<(u64, String)> {
        let items = all(plan).into_iter().filter_map(|planned| match planned {
            PlannedLine::Item(item) => Some((item.id, item.target.path().display().to_string())),
            PlannedLine::Bad(_) => None,
        });
        items.collect()
    }

    #[test]
    fn the_shards_of_a_list_have_the_same_names_and_numbers_as_the_list() {
        let list: String = (0..500).map(|number| format!("http://h{}.test/f{}\n", number % 7, number % 50)).collect();
        let whole = paths(plan_of(&list));
        let mut union = vec![];
        for number in 1..=4 {
            let mut plan = plan_of(&list);
            plan.take_only(format!("{number}/4").parse().expect("a share"));
            union.extend(paths(plan));
        }
        union.sort();
        assert_eq!(union, whole);
    }

    #[test]
    fn invalid_lines_are_reported_by_one_shard_only() {
        let reported: usize = (1..=3)
            .map(|number| {
                let mut plan = plan_of("nonsense\nhttp://a.test/\n");
                plan.take_only(format!("{number}/3").parse().expect("a share"));
                all(plan).iter().filter(|planned| matches!(planned, PlannedLine::Bad(_))).count()
            })
            .sum();
        assert_eq!(reported, 1);
    }

    #[test]
    fn a_tree_has_the_directories_of_the_urls() {
        let mut plan = plan_of("http://a.test:81/b/c\nhttp://a.test:81/b/c\nhttp://b.test/\n");
        plan.keep_directories();
        let paths: Vec<String> = paths(plan).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["a.test_81/b/c", "a.test_81/b/c.1", "b.test/index.html"]);
        let mut plan = plan_of("http://a.test/b\nhttp://a.test/b/c\nhttp://a.test/d/e\nhttp://a.test/d\n");
        plan.keep_directories();
        let paths: Vec<String> = self::paths(plan).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["a.test/b", "a.test/b.1/c", "a.test/d/e", "a.test/d.1"]);
        let mut plan = plan_of("http://a.test/d/f\n");
        for url in ["http://a.test/d/e", "http://a.test/d"] {
            plan.add(Ok(ListEntry::from_line(url).expect("a URL").expect("not a comment")));
        }
        plan.keep_directories();
        let paths: Vec<String> = self::paths(plan).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["a.test/d.1/e", "a.test/d", "a.test/d.1/f"]);
    }

    #[test]
    fn existing_files_and_parts_are_found() {
        let place = tempfile::tempdir().expect("a temporary directory");
        for name in ["whole", "half.part"] {
            std::fs::write(place.path().join(name), "").expect("written");
        }
        let mut plan = plan_of("http://a.test/whole\nhttp://a.test/half\nhttp://a.test/none\n");
        plan.check_existing_in(&Directory::open(place.path()).expect("a directory"));
        let found: Vec<(bool, bool)> = all(plan)
            .into_iter()
            .filter_map(|planned| match planned {
                PlannedLine::Item(item) => Some((item.on_disk.file.is_some(), item.on_disk.has_part)),
                PlannedLine::Bad(_) => None,
            })
            .collect();
        assert_eq!(found, [(true, false), (false, true), (false, false)]);
    }
}
