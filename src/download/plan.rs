//! What is to be downloaded, and where to: URLs from the command line and from a list, read as they are needed.
//!
//! A plan gives the same answers at every run and in every share of a list: what a file is called depends on the lines
//! in front of it, so every share reads all lines and leaves out what is not its own. It remembers 16 bytes a URL at
//! most, and nothing else that grows with the list.
//!
//! Reading may block for as long as a pipe or a disk likes: a plan belongs on a thread of its own (I7).

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use super::address::Address;
use super::entry::{Entry, Obstacle, Whole};
use super::hash::Shard;
use super::list::{LineError, Lines, Sha256, Wanted};
use super::name::{folders_from, name_from_path};
use super::names::TakenNames;
use super::save::Folder;
use super::slot::tidy;

/// One file to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number in the whole list, from 1, the same in every share.
    pub id: u64,
    /// Its line in the list; `None` from the command line.
    pub line: Option<u64>,
    /// What to fetch.
    pub address: Address,
    /// Where it goes.
    pub place: Place,
    /// What the content has to add up to.
    pub sha256: Option<Sha256>,
    /// What is there already.
    pub found: Found,
}

/// A file's place in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Folders inside the folder, with slashes between them.
    pub folders: Option<String>,
    /// The file's name.
    pub name: String,
}

impl Place {
    /// The path inside the folder, with slashes.
    pub(super) fn path_in_folder(&self) -> String {
        match &self.folders {
            Some(folders) => format!("{folders}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The path inside the folder.
    pub fn path(&self) -> PathBuf {
        match &self.folders {
            Some(folders) => PathBuf::from(folders).join(&self.name),
            None => PathBuf::from(&self.name),
        }
    }
}

/// What is on disk before anything is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The file itself.
    pub whole: Option<Whole>,
    /// What else has the name, so that no file can have it.
    pub obstacle: Option<Obstacle>,
    /// A part of it that an earlier run left.
    pub part: bool,
}

/// A line that cannot be used.
#[derive(Debug, PartialEq)]
pub struct BadLine {
    /// Its number among the URLs, from 1.
    pub id: u64,
    /// Its number among the lines; `None` from the command line.
    pub line: Option<u64>,
    /// Why not.
    pub error: LineError,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.error),
            None => write!(f, "URL {} of the command line: {}", self.id, self.error),
        }
    }
}

/// What a line has become.
#[derive(Debug, PartialEq)]
pub enum Planned {
    /// A file to download.
    Item(Box<Item>),
    /// Nothing.
    Bad(BadLine),
}

/// Some lines of a plan.
#[derive(Debug)]
pub struct Batch {
    /// What they have become.
    pub planned: Vec<Planned>,
    /// Whether there are no more.
    pub is_last: bool,
    /// Why there are no more, if the list could not be read.
    pub error: Option<io::Error>,
}

/// A plan, read from its beginning to its end.
///
/// ```
/// use glassloop::download::{Plan, Planned};
///
/// let mut plan = Plan::new();
/// plan.read_from(Box::new(std::io::Cursor::new("http://a.test/x.gif\nhttp://b.test/x.gif\n")));
/// let names: Vec<String> = std::iter::from_fn(|| plan.next().unwrap())
///     .map(|planned| match planned {
///         Planned::Item(item) => item.place.name,
///         Planned::Bad(line) => line.to_string(),
///     })
///     .collect();
/// assert_eq!(names, ["x.gif", "x.1.gif"]);
/// ```
#[derive(Debug)]
pub struct Plan {
    /// From the command line, first.
    given: VecDeque<Result<Wanted, LineError>>,
    lines: Option<Lines>,
    names: TakenNames,
    /// The number of the last URL.
    last_id: u64,
    shard: Option<Shard>,
    is_tree: bool,
    /// Where to look what is there already.
    folder: Option<Folder>,
    /// Waits until more is wanted.
    pace: Option<Pace>,
}

/// A function that blocks for as long as somebody is behind with the events of what has been planned so far.
pub struct Pace(pub Box<dyn FnMut() + Send>);

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pace")
    }
}

impl Plan {
    /// A plan of nothing.
    pub fn new() -> Plan {
        Plan {
            given: VecDeque::new(),
            lines: None,
            names: TakenNames::new(),
            last_id: 0,
            shard: None,
            is_tree: false,
            folder: None,
            pace: None,
        }
    }

    /// Adds a URL, in front of the list.
    pub fn add(&mut self, wanted: Result<Wanted, LineError>) {
        self.given.push_back(wanted);
    }

    /// Reads a list, behind the URLs that are added.
    pub fn read_from(&mut self, list: Box<dyn Read + Send>) {
        self.lines = Some(Lines::new(list));
    }

    /// Takes only one share.
    pub fn take_only(&mut self, shard: Shard) {
        self.shard = Some(shard);
    }

    /// Keeps the folders of the URLs: `host/path/name`. Of the URLs that have been added, files keep their names, and
    /// folders get a number where they are in the way; in a list, which is read once, what comes first keeps its name.
    pub fn keep_folders(&mut self) {
        self.is_tree = true;
        for wanted in self.given.iter().flatten() {
            let (folders, name) = (folders_of(wanted), name_of(wanted));
            self.names.reserve(&format!("{folders}/{name}"));
        }
    }

    /// Looks for what is in this folder already. An empty one is not looked at again.
    pub fn look_into(&mut self, folder: &Folder) {
        self.folder = (!folder.is_empty()).then(|| folder.clone());
    }

    /// Lets somebody hold the plan up: whoever takes longer to hear of the transfers than they take.
    pub fn paced_by(&mut self, pace: Pace) {
        self.pace = Some(pace);
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// If the list cannot be read.
    // The name of the thing it does; an `Iterator` could not fail.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> io::Result<Option<Planned>> {
        loop {
            let (wanted, line) = match self.given.pop_front() {
                Some(wanted) => (wanted, None),
                None => {
                    let Some(lines) = &mut self.lines else { return Ok(None) };
                    let Some(wanted) = lines.next()? else { return Ok(None) };
                    (wanted, Some(lines.number()))
                }
            };
            self.last_id += 1;
            let id = self.last_id;
            match wanted {
                // Each share would tell of it: the first one does.
                Err(_) if self.shard.is_some_and(|shard| shard.number() > 1) => {}
                Err(error) => return Ok(Some(Planned::Bad(BadLine { id, line, error }))),
                Ok(wanted) => {
                    let place = self.place_for(&wanted);
                    if self.shard.is_none_or(|shard| shard.holds(wanted.address.as_str())) {
                        let found = self.look_for(&place);
                        let Wanted { address, sha256, .. } = wanted;
                        return Ok(Some(Planned::Item(Box::new(Item { id, line, address, place, sha256, found }))));
                    }
                }
            }
        }
    }

    /// At most so many lines, and no more than are there without waiting, but at least one.
    pub fn next_batch(&mut self, at_most: usize) -> Batch {
        if let Some(Pace(wait)) = &mut self.pace {
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

    fn place_for(&mut self, wanted: &Wanted) -> Place {
        let folders = self.is_tree.then(|| self.names.give_folders(&folders_of(wanted)));
        let name = self.names.give(folders.as_deref(), name_of(wanted));
        Place { folders, name }
    }

    fn look_for(&self, place: &Place) -> Found {
        let Some(folder) = &self.folder else { return Found::default() };
        let path = place.path_in_folder();
        let (whole, obstacle) = match folder.entry(&path) {
            Some(Entry::File(whole)) => (Some(whole), None),
            Some(Entry::Other(obstacle)) => (None, Some(obstacle)),
            None => (None, None),
        };
        Found { whole, obstacle, part: tidy(folder, &path, whole.is_some()) }
    }
}

fn folders_of(wanted: &Wanted) -> String {
    folders_from(wanted.address.host_and_port(), wanted.address.path())
}

fn name_of(wanted: &Wanted) -> String {
    wanted.name.clone().unwrap_or_else(|| name_from_path(wanted.address.path()))
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
        let mut plan = Plan::new();
        plan.read_from(Box::new(io::Cursor::new(list.to_owned())));
        plan
    }

    fn all(mut plan: Plan) -> Vec<Planned> {
        std::iter::from_fn(|| plan.next().expect("memory can be read")).collect()
    }

    fn paths(plan: Plan) -> Vec<(u64, String)> {
        let items = all(plan).into_iter().filter_map(|planned| match planned {
            Planned::Item(item) => Some((item.id, item.place.path().display().to_string())),
            Planned::Bad(_) => None,
        });
        items.collect()
    }

    #[test]
    fn shares_add_up_to_the_list_with_the_same_names_and_numbers() {
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
    fn bad_lines_are_told_by_one_share_only() {
        let told: usize = (1..=3)
            .map(|number| {
                let mut plan = plan_of("nonsense\nhttp://a.test/\n");
                plan.take_only(format!("{number}/3").parse().expect("a share"));
                all(plan).iter().filter(|planned| matches!(planned, Planned::Bad(_))).count()
            })
            .sum();
        assert_eq!(told, 1);
    }

    #[test]
    fn a_tree_keeps_hosts_and_folders() {
        let mut plan = plan_of("http://a.test:81/b/c\nhttp://a.test:81/b/c\nhttp://b.test/\n");
        plan.keep_folders();
        let paths: Vec<String> = paths(plan).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["a.test_81/b/c", "a.test_81/b/c.1", "b.test/index.html"]);
        let mut plan = plan_of("http://a.test/b\nhttp://a.test/b/c\nhttp://a.test/d/e\nhttp://a.test/d\n");
        plan.keep_folders();
        let paths: Vec<String> = self::paths(plan).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["a.test/b", "a.test/b.1/c", "a.test/d/e", "a.test/d.1"]);
        let mut plan = plan_of("http://a.test/d/f\n");
        for url in ["http://a.test/d/e", "http://a.test/d"] {
            plan.add(Ok(Wanted::from_line(url).expect("a URL").expect("not a comment")));
        }
        plan.keep_folders();
        let paths: Vec<String> = self::paths(plan).into_iter().map(|(_, path)| path).collect();
        assert_eq!(paths, ["a.test/d.1/e", "a.test/d", "a.test/d.1/f"]);
    }

    #[test]
    fn what_is_there_already_is_found() {
        let place = tempfile::tempdir().expect("a temporary folder");
        for name in ["whole", "half.part"] {
            std::fs::write(place.path().join(name), "").expect("written");
        }
        let mut plan = plan_of("http://a.test/whole\nhttp://a.test/half\nhttp://a.test/none\n");
        plan.look_into(&Folder::open(place.path()).expect("a folder"));
        let found: Vec<(bool, bool)> = all(plan)
            .into_iter()
            .filter_map(|planned| match planned {
                Planned::Item(item) => Some((item.found.whole.is_some(), item.found.part)),
                Planned::Bad(_) => None,
            })
            .collect();
        assert_eq!(found, [(true, false), (false, true), (false, false)]);
    }
}
