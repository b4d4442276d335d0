//! Which file names are taken, in at most 16 bytes a name.
//!
//! A list may have a million lines, so the names themselves are not kept: a 64-bit hash of each is, in open-addressing
//! tables that are between half and four fifths full. There are 64 tables, each of which grows by itself, so that the
//! moment in which old and new places exist side by side is one of a small table. Two different names with equal hashes
//! only mean that the second gets a number it would not have needed; among a million names that happens once in 37
//! million lists.

use super::hash::stable_hash;

const TABLES: usize = 64;

/// The names that have been given out.
#[derive(Debug)]
pub(super) struct TakenNames {
    tables: Vec<Table>,
}

/// Hashes, 0 for a free place, each at or behind the place that it points to.
#[derive(Debug, Default)]
struct Table {
    places: Vec<u64>,
    taken: usize,
}

impl TakenNames {
    pub(super) fn new() -> TakenNames {
        TakenNames { tables: (0..TABLES).map(|_| Table::default()).collect() }
    }

    /// Gives the name out, or if it is taken the first of `name.1.ext`, `name.2.ext`, … that is free.
    ///
    /// All numbers up to the last one given are taken, so the first free one is found by doubling and halving: a million
    /// URLs that all end in a slash cost twenty looks each.
    pub(super) fn give(&mut self, folder: Option<&str>, name: String) -> String {
        if self.insert(hash_of(folder, &name)) {
            return name;
        }
        let is_taken = |number| self.contains(hash_of(folder, &numbered(&name, number)));
        let mut free = 1;
        while is_taken(free) {
            free *= 2;
        }
        let mut taken = free / 2;
        while free - taken > 1 {
            let middle = taken + (free - taken) / 2;
            if is_taken(middle) {
                taken = middle;
            } else {
                free = middle;
            }
        }
        let given = numbered(&name, free);
        self.insert(hash_of(folder, &given));
        given
    }

    fn contains(&self, hash: u64) -> bool {
        self.tables[hash as usize % TABLES].find(hash).is_ok()
    }

    /// Whether it was not there before.
    fn insert(&mut self, hash: u64) -> bool {
        self.tables[hash as usize % TABLES].insert(hash)
    }
}

impl Table {
    /// Where the hash is, or the free place where it belongs.
    fn find(&self, hash: u64) -> Result<usize, usize> {
        if self.places.is_empty() {
            return Err(0);
        }
        // The high bits choose the place: the low ones have chosen the table.
        let mut at = ((u128::from(hash) * self.places.len() as u128) >> 64) as usize;
        loop {
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

/// Never 0, which marks a free place.
fn hash_of(folder: Option<&str>, name: &str) -> u64 {
    match folder {
        None => stable_hash(name.as_bytes()).max(1),
        Some(folder) => stable_hash(format!("{folder}/{name}").as_bytes()).max(1),
    }
}

/// `name.ext` with a number in front of its extension.
fn numbered(name: &str, number: u64) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}.{number}.{extension}"),
        _ => format!("{name}.{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number_in_the_order_of_the_asking() {
        let mut names = TakenNames::new();
        let mut give = |name: &str| names.give(None, name.to_owned());
        assert_eq!([give("a.gif"), give("a.gif"), give("a.gif")], ["a.gif", "a.1.gif", "a.2.gif"]);
        assert_eq!([give("a.1.gif"), give("a"), give("a")], ["a.1.1.gif", "a", "a.1"]);
    }

    #[test]
    fn the_same_name_in_two_folders_is_two_names() {
        let mut names = TakenNames::new();
        assert_eq!(names.give(Some("a.test"), "x".to_owned()), "x");
        assert_eq!(names.give(Some("b.test"), "x".to_owned()), "x");
        assert_eq!(names.give(Some("b.test"), "x".to_owned()), "x.1");
    }

    #[test]
    fn many_equal_names_are_numbered_without_a_gap() {
        let mut names = TakenNames::new();
        let given: Vec<String> = (0..5000).map(|_| names.give(None, "index.html".to_owned())).collect();
        assert!((1..5000).all(|number| given[number] == format!("index.{number}.html")));
    }

    #[test]
    fn a_name_costs_at_most_sixteen_bytes() {
        let mut names = TakenNames::new();
        for number in 1..=200_000 {
            assert!(names.insert(hash_of(None, &number.to_string())));
            if number >= 10_000 && number % 997 == 0 {
                let bytes: usize = names.tables.iter().map(|table| table.places.len() * 8).sum();
                assert!(bytes <= 16 * number, "{bytes} bytes for {number} names");
            }
        }
        assert!((1..=200_000).all(|number| names.contains(hash_of(None, &number.to_string()))));
    }
}
