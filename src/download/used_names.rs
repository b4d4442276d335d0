//! The set of names that files and directories of a run use, in at most 16 bytes per name.
//!
//! A list may have a million lines, so the set does not store the names but a 64-bit hash of each, in open-addressing
//! tables that are between half and four fifths full. There are 64 tables, each of which grows independently, so that
//! only one small table is duplicated at a time while it grows. A collision of two hashes only means that the second
//! file gets a numeric suffix that it did not need; with a million names, that happens once in 37 million lists.

use std::collections::HashSet;

use super::hash::stable_hash;

const TABLES: usize = 64;

/// The names that are in use.
#[derive(Debug)]
pub(super) struct UsedNames {
    tables: Vec<NameTable>,
    /// Hashes of paths that are reserved for files, so that no directory gets them.
    reserved: HashSet<u64>,
}

/// A hash table with linear probing. 0 marks a free slot; each hash is stored in its home slot or a later one.
#[derive(Debug, Default)]
struct NameTable {
    places: Vec<u64>,
    taken: usize,
}

impl UsedNames {
    pub(super) fn new() -> UsedNames {
        UsedNames { tables: (0..TABLES).map(|_| NameTable::default()).collect(), reserved: HashSet::new() }
    }

    /// Reserves a unique name: `name` itself, or if it is in use, the first unused one of `name.1.ext`, `name.2.ext`
    /// and so on.
    ///
    /// All numbers up to the last one reserved are in use, so the first unused one is found by exponential and binary
    /// search: even among a million URLs that all end in a slash, a name costs about 40 lookups.
    pub(super) fn reserve_unique(&mut self, directory: Option<&str>, name: String) -> String {
        let unique = numbered(&name, self.first_unused(directory, &name, 0));
        self.insert(hash_of_file(&path_of(directory, &unique)));
        unique
    }

    /// Returns a number, at least `from`, for which the numbered name is unused. The number 0 stands for the name
    /// without a suffix.
    pub(super) fn first_unused(&self, directory: Option<&str>, name: &str, from: u64) -> u64 {
        first_free(from, |number| self.is_used(&path_of(directory, &numbered(name, number))))
    }

    /// Reserves a numbered name, and returns it. Returns `None` if it is in use.
    pub(super) fn reserve_number(&mut self, directory: Option<&str>, name: &str, number: u64) -> Option<String> {
        let name = numbered(name, number);
        let path = path_of(directory, &name);
        if self.is_used(&path) {
            return None;
        }
        self.insert(hash_of_file(&path));
        Some(name)
    }

    fn is_used(&self, path: &str) -> bool {
        self.has_file(path) || self.has_directory(path)
    }

    /// Reserves the path of a file that is known in advance, so that no directory gets it. Meant for few paths: each
    /// costs more than 16 bytes.
    pub(super) fn reserve(&mut self, path: &str) {
        self.reserved.insert(hash_of_file(path));
    }

    /// Returns the directories for a path; the same path always gets the same directories. A directory whose name is
    /// used by a file gets a numeric suffix, so that both `/a` and `/a/b` of a tree can be saved.
    pub(super) fn directories_for(&mut self, path: &str) -> String {
        let mut given = String::with_capacity(path.len());
        for segment in path.split('/') {
            if !given.is_empty() {
                given.push('/');
            }
            let parent_length = given.len();
            given.push_str(segment);
            let is_file = |path: &str| self.has_file(path) || self.reserved.contains(&hash_of_file(path));
            if is_file(&given) && !self.has_directory(&given) {
                let parent = &given[..parent_length];
                let number = first_free(1, |number| is_file(&format!("{parent}{}", numbered(segment, number))));
                given.truncate(parent_length);
                given.push_str(&numbered(segment, number));
            }
            self.insert(hash_of_directory(&given));
        }
        given
    }

    fn has_file(&self, path: &str) -> bool {
        self.contains(hash_of_file(path))
    }

    fn has_directory(&self, path: &str) -> bool {
        self.contains(hash_of_directory(path))
    }

    fn contains(&self, hash: u64) -> bool {
        self.tables[hash as usize % TABLES].find(hash).is_ok()
    }

    /// Inserts a hash, and returns whether it was not in the set before.
    fn insert(&mut self, hash: u64) -> bool {
        self.tables[hash as usize % TABLES].insert(hash)
    }
}

impl NameTable {
    /// Returns the slot of the hash, or as an error the free slot into which it has to be inserted.
    fn find(&self, hash: u64) -> Result<usize, usize> {
        if self.places.is_empty() {
            return Err(0);
        }
        // The high bits select the slot, since the low ones have selected the table.
        let mut at = ((u128::from(hash) * self.places.len() as u128) >> 64) as usize;
        loop {
            #[cfg(test)]
            tests::PROBES.set(tests::PROBES.get() + 1);
            match self.places[at] {
                0 => return Err(at),
                found if found == hash => return Ok(at),
                _ => at = if at + 1 == self.places.len() { 0 } else { at + 1 },
            }
        }
    }

    fn insert(&mut self, hash: u64) -> bool {
        if (self.taken + 1) * 5 > self.places.len() * 4 {
            self.grow();
        }
        match self.find(hash) {
            Ok(_) => false,
            Err(free) => {
                self.places[free] = hash;
                self.taken += 1;
                true
            }
        }
    }

    fn grow(&mut self) {
        let more = (self.places.len() * 3 / 2).max(8);
        let old = std::mem::replace(&mut self.places, vec![0; more]);
        for hash in old.into_iter().filter(|&hash| hash != 0) {
            if let Err(free) = self.find(hash) {
                self.places[free] = hash;
            }
        }
    }
}

/// Returns an unused number from `from` on: the first one, if all numbers below the last used one are in use.
fn first_free(from: u64, is_taken: impl Fn(u64) -> bool) -> u64 {
    if !is_taken(from) {
        return from;
    }
    let mut step = 1;
    while is_taken(from + step) {
        step *= 2;
    }
    let (mut taken, mut free) = (from + step / 2, from + step);
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        if is_taken(middle) {
            taken = middle;
        } else {
            free = middle;
        }
    }
    free
}

/// Returns the hash of a file's path. It is never 0, which marks a free slot.
fn hash_of_file(path: &str) -> u64 {
    stable_hash(path.as_bytes()).max(1)
}

/// Returns the hash of a directory's path, which differs from that of a file since no file's path ends with a slash.
fn hash_of_directory(path: &str) -> u64 {
    stable_hash(format!("{path}/").as_bytes()).max(1)
}

/// Returns the path of a name in a directory.
fn path_of(directory: Option<&str>, name: &str) -> String {
    directory.map_or_else(|| name.to_owned(), |directory| format!("{directory}/{name}"))
}

/// Returns `name.ext` with a number before the extension, or unchanged if the number is 0.
pub(super) fn numbered(name: &str, number: u64) -> String {
    if number == 0 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}.{number}.{extension}"),
        _ => format!("{name}.{number}"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// The number of slots that this thread has probed.
        pub(super) static PROBES: Cell<u64> = const { Cell::new(0) };
    }

    #[test]
    fn used_names_are_numbered_in_order() {
        crate::watchdog::watch();
        let mut names = UsedNames::new();
        let mut reserve_unique = |name: &str| names.reserve_unique(None, name.to_owned());
        assert_eq!(
            [reserve_unique("a.gif"), reserve_unique("a.gif"), reserve_unique("a.gif")],
            ["a.gif", "a.1.gif", "a.2.gif"]
        );
        assert_eq!([reserve_unique("a.1.gif"), reserve_unique("a"), reserve_unique("a")], ["a.1.1.gif", "a", "a.1"]);
    }

    #[test]
    fn a_name_can_be_used_once_per_directory() {
        crate::watchdog::watch();
        let mut names = UsedNames::new();
        assert_eq!(names.reserve_unique(Some("a.test"), "x".to_owned()), "x");
        assert_eq!(names.reserve_unique(Some("b.test"), "x".to_owned()), "x");
        assert_eq!(names.reserve_unique(Some("b.test"), "x".to_owned()), "x.1");
    }

    #[test]
    fn many_equal_names_are_numbered_without_a_gap() {
        crate::watchdog::watch();
        let mut names = UsedNames::new();
        let given: Vec<String> = (0..5000).map(|_| names.reserve_unique(None, "index.html".to_owned())).collect();
        assert!((1..5000).all(|number| given[number] == format!("index.{number}.html")));
        // The search looks up 2 · 12 names, each as a file and as a directory, and probes a few slots for each.
        assert!(PROBES.get() < 5000 * 2 * 24 * 4, "{} places were looked at", PROBES.get());
    }

    #[test]
    fn a_file_and_a_directory_of_one_name_get_different_names_in_either_order() {
        crate::watchdog::watch();
        let mut names = UsedNames::new();
        assert_eq!(names.reserve_unique(Some("h"), "a".to_owned()), "a");
        assert_eq!([names.directories_for("h/a"), names.directories_for("h/a/b")], ["h/a.1", "h/a.1/b"]);
        assert_eq!(names.reserve_unique(Some("h/a.1"), "b".to_owned()), "b.1");
        assert_eq!(names.reserve_unique(Some("h"), "a".to_owned()), "a.2");
        assert_eq!(names.directories_for("h/a"), "h/a.1");
        assert_eq!(names.directories_for("h/c.d"), "h/c.d");
        assert_eq!(names.reserve_unique(Some("h"), "c.d".to_owned()), "c.1.d");
        assert_eq!(names.directories_for("h/c.d"), "h/c.d");
    }

    #[test]
    fn a_name_takes_at_most_sixteen_bytes() {
        crate::watchdog::watch();
        let mut names = UsedNames::new();
        for number in 1..=200_000 {
            assert!(names.insert(hash_of_file(&number.to_string())));
            if number >= 10_000 && number % 997 == 0 {
                let bytes: usize = names.tables.iter().map(|table| table.places.len() * 8).sum();
                assert!(bytes <= 16 * number, "{bytes} bytes for {number} names");
            }
        }
        let for_insertion = PROBES.replace(0);
        assert!((1..=200_000).all(|number| names.has_file(&number.to_string())));
        // With linear probing at a load factor of 4/5, a successful lookup takes 3 probes on average and an
        // unsuccessful one 13. Growing repeats some of the insertions.
        assert!(for_insertion < 200_000 * 26 && PROBES.get() < 200_000 * 6, "{for_insertion} and {}", PROBES.get());
    }
}
