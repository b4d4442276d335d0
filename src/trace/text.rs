//! Text in a recording: cheap to clone, whether it is part of the program or was made while it ran.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

/// A piece of text that several lines of a recording may share.
///
/// ```
/// use glassloop::trace::Text;
///
/// let name = Text::from("timer");
/// assert_eq!(&*name, "timer");
/// assert_eq!(name.len(), 5);
/// ```
#[derive(Clone)]
pub enum Text {
    /// A part of the program.
    Fixed(&'static str),
    /// Made while it ran, or read from a file.
    Shared(Arc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Fixed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Text {
        Text::Fixed(text)
    }
}

impl Default for Text {
    fn default() -> Text {
        Text::Fixed("")
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Texts that were met before, so that each is stored once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashSet<Text>,
    /// Lines of source code, by the address of what the compiler knows of them.
    places: HashMap<*const Location<'static>, Text>,
}

impl Interner {
    /// Texts that are remembered. A run may name each of a million tasks: then all are forgotten now and then.
    const MOST: usize = 4096;

    /// The text, shared with earlier ones of the same content.
    pub(super) fn text(&mut self, text: &str) -> Text {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() == Self::MOST {
            self.texts.clear();
        }
        let new = Text::Shared(text.into());
        self.texts.insert(new.clone());
        new
    }

    /// A line of source code, as `file:line:column`.
    pub(super) fn place(&mut self, place: &'static Location<'static>) -> Text {
        self.places.entry(place).or_insert_with(|| Text::Shared(place.to_string().into())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Interner, Text};

    #[test]
    fn equal_texts_are_stored_once() {
        let mut interner = Interner::default();
        let (first, second) = (interner.text("flag BR"), interner.text("flag BR"));
        let (Text::Shared(first), Text::Shared(second)) = (first, second) else { panic!("both were made at run time") };
        assert!(std::sync::Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_million_names_are_not_all_remembered() {
        let mut interner = Interner::default();
        for number in 0..3 * Interner::MOST {
            interner.text(&number.to_string());
        }
        assert!(interner.texts.len() <= Interner::MOST);
    }
}
