//! Text that somebody else chose, made harmless for a terminal.
//!
//! A reason phrase, a `Location`, a file name: each may hold sequences that move the cursor, retitle the window, or turn
//! the direction of what follows, so that a line says something else than it seems to. All such text passes here.

use std::fmt::{self, Write};

/// Shows text with everything replaced that a terminal would obey: C0 and C1 controls, DEL, and the characters that
/// change the direction of writing (Unicode Standard Annex 9). Each becomes `\u{…}`.
///
/// ```
/// use glassloop::download::escaped;
///
/// assert_eq!(escaped("a\x1b[2Jb").to_string(), r"a\u{1b}[2Jb");
/// assert_eq!(escaped("Füße, 旗").to_string(), "Füße, 旗");
/// ```
pub fn escaped(text: &str) -> Escaped<'_> {
    Escaped { text }
}

/// The text of [`escaped`], to be formatted.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    text: &'a str,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plain_from = 0;
        for (at, character) in self.text.char_indices().filter(|&(_, character)| is_obeyed(character)) {
            f.write_str(&self.text[plain_from..at])?;
            write!(f, "{}", character.escape_unicode())?;
            plain_from = at + character.len_utf8();
        }
        f.write_str(&self.text[plain_from..])
    }
}

/// Whether a terminal does something else with it than to show it.
pub(super) fn is_obeyed(character: char) -> bool {
    // `is_control` is C0, DEL and C1.
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A writer that escapes what is formatted into it, for messages that are put together from parts.
pub(crate) struct EscapingWriter<'a, W>(pub(crate) &'a mut W);

impl<W: Write> Write for EscapingWriter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write!(self.0, "{}", escaped(text))
    }
}

/// The same for a message that is a value: an error with a server's words in it.
pub(crate) fn escaped_line(message: impl fmt::Display) -> String {
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _infallible = write!(EscapingWriter(&mut line), "{message}");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for code in (0..0x20).chain(0x7f..=0x9f).chain([0x61c, 0x200e, 0x202e, 0x2066, 0x2069]) {
            let character = char::from_u32(code).expect("a character");
            let shown = escaped(&format!("x{character}y")).to_string();
            assert!(!shown.chars().any(is_obeyed), "{code:#x}: {shown}");
            assert!(shown.starts_with("x\\u{") && shown.ends_with("}y"), "{code:#x}: {shown}");
        }
    }

    #[test]
    fn a_message_put_together_from_parts_is_escaped_as_a_whole() {
        assert_eq!(escaped_line(format_args!("status {} {}", 200, "O\x07K\x7f")), r"status 200 O\u{7}K\u{7f}");
    }
}
