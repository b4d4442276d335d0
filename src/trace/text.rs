//! Strings of a recording, which are cheap to clone.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

/// A string that several records may share.
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
    /// A string that is compiled into the program.
    Static(&'static str),
    /// A string that was created at run time or read from a file.
    Shared(Arc<str>),
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Static(text) => text,
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
        Text::Static(text)
    }
}

impl Default for Text {
    fn default() -> Text {
        Text::Static("")
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

/// Stores equal strings once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashSet<Text>,
    /// Locations in the source code, by the address of the compiler's constant.
    locations: HashMap<*const Location<'static>, Text>,
}

impl Interner {
    /// The maximum number of stored strings, since a run may give each of a million tasks its own name. When it is
    /// reached, the table is cleared.
    const CAPACITY: usize = 4096;

    /// Returns the string. It shares the allocation of an equal one that is stored.
    pub(super) fn text(&mut self, text: &str) -> Text {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() == Self::CAPACITY {
            self.texts.clear();
        }
        let new = Text::Shared(text.into());
        self.texts.insert(new.clone());
        new
    }

    /// Returns a location in the source code as `file:line:column`.
    pub(super) fn location(&mut self, location: &'static Location<'static>) -> Text {
        self.locations.entry(location).or_insert_with(|| Text::Shared(location.to_string().into())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Interner, Text};

    #[test]
    fn equal_texts_are_stored_once() {
        let mut interner = Interner::default();
        let (first, second) = (interner.text("flag BR"), interner.text("flag BR"));
        let (Text::Shared(first), Text::Shared(second)) = (first, second) else { panic!("expected two shared texts") };
        assert!(std::sync::Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn the_number_of_stored_texts_is_limited() {
        let mut interner = Interner::default();
        for number in 0..3 * Interner::CAPACITY {
            interner.text(&number.to_string());
        }
        assert!(interner.texts.len() <= Interner::CAPACITY);
    }
}
