//! An inverted index from the words of Unicode character names to characters, as in *Fluent Python*.

use std::collections::HashMap;
use std::fmt;

/// Maps each word to the characters that have it in their name.
pub struct Index {
    /// All named characters, sorted by code point.
    named: Vec<Named>,
    /// Indices into `named`, ascending.
    by_word: HashMap<String, Vec<u32>>,
}

/// A character and its name: `U+1F638 😸 GRINNING CAT FACE WITH SMILING EYES`.
#[derive(Clone, Debug)]
pub struct Named {
    pub character: char,
    pub name: String,
}

impl Index {
    /// Indexes every Unicode character. This takes some hundred milliseconds, too long for the loop's thread.
    pub fn build() -> Index {
        let mut index = Index { named: vec![], by_word: HashMap::new() };
        for character in '\0'..=char::MAX {
            let Some(name) = unicode_names2::name(character) else { continue };
            let (name, position) = (name.to_string(), index.named.len() as u32);
            for word in name.split([' ', '-']).filter(|word| !word.is_empty()) {
                match index.by_word.get_mut(word) {
                    Some(positions) if positions.last() == Some(&position) => {}
                    Some(positions) => positions.push(position),
                    None => drop(index.by_word.insert(word.to_owned(), vec![position])),
                }
            }
            index.named.push(Named { character, name });
        }
        index
    }

    /// Returns the number of named characters.
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// Returns the characters whose names contain every word of `query`; nothing for a query without words.
    pub fn find(&self, query: &str) -> Vec<&Named> {
        let query = query.to_uppercase();
        let words = query.split([' ', '-']).filter(|word| !word.is_empty());
        let mut lists: Vec<&[u32]> = words.map(|word| self.by_word.get(word).map_or(&[][..], Vec::as_slice)).collect();
        lists.sort_by_key(|positions| positions.len());
        let Some((fewest, others)) = lists.split_first() else { return vec![] };
        let in_all = fewest.iter().filter(|position| others.iter().all(|list| list.binary_search(position).is_ok()));
        in_all.map(|position| &self.named[*position as usize]).collect()
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.character.is_control() { ' ' } else { self.character };
        write!(f, "U+{:04X}\t{shown}\t{}", self.character as u32, self.name)
    }
}
