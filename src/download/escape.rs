//! Escapes untrusted text for terminal output.
//!
//! A reason phrase, a `Location` header or a file name may contain control sequences that move the cursor or change the
//! window title, or characters that reverse the direction of the following text, so that a line appears to say
//! something else. All such text must be escaped with this module.

use std::fmt::{self, Write};

/// Returns text with control characters escaped as `\u{…}`: C0 and C1 controls, DEL, the line and paragraph separators,
/// and the bidirectional formatting characters (Unicode Standard Annex 9).
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

/// The escaped text that [`escaped`] returns, to be formatted.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    text: &'a str,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plain_from = 0;
        for (at, character) in self.text.char_indices().filter(|&(_, character)| is_terminal_control(character)) {
            f.write_str(&self.text[plain_from..at])?;
            write!(f, "{}", character.escape_unicode())?;
            plain_from = at + character.len_utf8();
        }
        f.write_str(&self.text[plain_from..])
    }
}

/// Returns whether a terminal may interpret the character instead of displaying it.
pub(super) fn is_terminal_control(character: char) -> bool {
    // `is_control` covers C0, DEL and C1.
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A writer that escapes everything that is formatted into it, for messages that are assembled from parts.
pub(crate) struct EscapingWriter<'a, W>(pub(crate) &'a mut W);

impl<W: Write> Write for EscapingWriter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write!(self.0, "{}", escaped(text))
    }
}

/// Formats a message, such as an error that quotes a server, as an escaped line.
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
    fn control_characters_are_escaped() {
        for code in (0..0x20).chain(0x7f..=0x9f).chain([0x61c, 0x200e, 0x202e, 0x2066, 0x2069]) {
            let character = char::from_u32(code).expect("a character");
            let shown = escaped(&format!("x{character}y")).to_string();
            assert!(!shown.chars().any(is_terminal_control), "{code:#x}: {shown}");
            assert!(shown.starts_with("x\\u{") && shown.ends_with("}y"), "{code:#x}: {shown}");
        }
    }

    #[test]
    fn a_formatted_message_is_escaped_completely() {
        assert_eq!(escaped_line(format_args!("status {} {}", 200, "O\x07K\x7f")), r"status 200 O\u{7}K\u{7f}");
    }
}
