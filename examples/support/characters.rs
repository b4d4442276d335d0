//! The names of Unicode's characters, and which of them have all the words of a query: the chapter's inverted index.

use std::collections::HashMap;
use std::fmt;

/// Which characters have a word in their name.
pub struct Index {
    /// In the order of their numbers.
    named: Vec<Named>,
    /// Places in `named`, rising.
    by_word: HashMap<String, Vec<u32>>,
}

/// A character and its name: `U+1F638 😸 GRINNING CAT FACE WITH SMILING EYES`.
#[derive(Clone, Debug)]
pub struct Named {
    pub character: char,
    pub name: String,
}

impl Index {
    /// Looks at every character there is: some hundred milliseconds, so better not on a loop's thread.
    pub fn build() -> Index {
        let mut index = Index { named: vec![], by_word: HashMap::new() };
        for character in '\0'..=char::MAX {
            let Some(name) = unicode_names2::name(character) else { continue };
            let (name, place) = (name.to_string(), index.named.len() as u32);
            for word in name.split([' ', '-']).filter(|word| !word.is_empty()) {
                match index.by_word.get_mut(word) {
                    Some(places) if places.last() == Some(&place) => {}
                    Some(places) => places.push(place),
                    None => drop(index.by_word.insert(word.to_owned(), vec![place])),
                }
            }
            index.named.push(Named { character, name });
        }
        index
    }

    /// How many characters have names.
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// Those whose names have all the words of `query`. None if it has no word.
    pub fn find(&self, query: &str) -> Vec<&Named> {
        let query = query.to_uppercase();
        let words = query.split([' ', '-']).filter(|word| !word.is_empty());
        let mut lists: Vec<&[u32]> = words.map(|word| self.by_word.get(word).map_or(&[][..], Vec::as_slice)).collect();
        lists.sort_by_key(|places| places.len());
        let Some((fewest, others)) = lists.split_first() else { return vec![] };
        let in_all = fewest.iter().filter(|place| others.iter().all(|places| places.binary_search(place).is_ok()));
        in_all.map(|place| &self.named[*place as usize]).collect()
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.character.is_control() { ' ' } else { self.character };
        write!(f, "U+{:04X}\t{shown}\t{}", self.character as u32, self.name)
    }
}
