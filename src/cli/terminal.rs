//! A frame at the bottom of a terminal: lines that are redrawn in place, below the messages.
//!
//! This file computes what to write and writes nothing itself. A frame stays clean when the terminal is resized: most
//! terminals then wrap its lines again, so the rows that it occupies are computed from the widths of its lines and the
//! terminal's new width.

use std::io;

use terminal_size::{Height, Width, terminal_size_of};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The size of a terminal, in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Returns the size of the terminal on standard error; `None` if it is not a terminal.
pub(super) fn size() -> Option<Size> {
    let (Width(columns), Height(rows)) = terminal_size_of(io::stderr())?;
    // A pseudoterminal whose size was never set reports zero.
    let or = |number: u16, usual| if number == 0 { usual } else { usize::from(number) };
    Some(Size { columns: or(columns, 80), rows: or(rows, 24) })
}

/// The lines that are on the terminal. The cursor is at the end of the last one.
#[derive(Debug, Default)]
pub(super) struct ProgressFrame {
    lines: Vec<String>,
}

impl ProgressFrame {
    /// Creates an empty frame, which occupies no row.
    pub(super) const fn new() -> ProgressFrame {
        ProgressFrame { lines: Vec::new() }
    }

    /// Returns whether nothing is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Replaces the frame with other lines. Lines that do not fit into the terminal are left out. Returns what has to
    /// be written.
    pub(super) fn show(&mut self, lines: &[String], size: Size) -> String {
        let mut output = self.go_to_first_row(size);
        let fitting = &lines[..lines.len().min(size.rows)];
        // A character in the last column would leave the cursor between two rows.
        self.lines = fitting.iter().map(|line| truncated(line, size.columns - 1).to_owned()).collect();
        output.push_str(&self.redraw());
        output
    }

    /// Writes a message above the frame. Returns what has to be written.
    pub(super) fn write_above(&mut self, message: &str, size: Size) -> String {
        let erased = self.go_to_first_row(size);
        format!("{erased}\x1b[J{message}{}", self.redraw())
    }

    /// Removes the frame. Returns what has to be written.
    pub(super) fn erase(&mut self, size: Size) -> String {
        if self.is_empty() {
            return String::new();
        }
        let output = self.go_to_first_row(size) + "\x1b[J";
        self.lines.clear();
        output
    }

    /// Moves the cursor to the start of the frame (ECMA-48 §8.3.22, CUU).
    fn go_to_first_row(&self, size: Size) -> String {
        let rows: usize = self.lines.iter().map(|line| line.width().div_ceil(size.columns).max(1)).sum();
        match rows.saturating_sub(1) {
            0 => "\r".to_owned(),
            up => format!("\r\x1b[{up}A"),
        }
    }

    /// Returns the content of the frame. Each row is erased after its new content: erasing it before would flicker
    /// (ECMA-48 §8.3.41, EL; §8.3.39, ED).
    fn redraw(&self) -> String {
        self.lines.join("\x1b[K\n") + "\x1b[K\x1b[J"
    }
}

/// Returns as much of the beginning of a text as fits into this many columns.
pub(super) fn truncated(text: &str, columns: usize) -> &str {
    let mut width = 0;
    for (at, character) in text.char_indices() {
        width += character.width().unwrap_or(0);
        if width > columns {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that interprets what frames consist of, and wraps its lines again when it is resized.
    struct Emulator {
        /// Logical lines: each is wrapped into rows at the terminal's width.
        lines: Vec<String>,
        /// The row of the cursor, counted from the first row.
        row: usize,
        /// Whether the cursor is in the first column of its row. Other columns do not matter here.
        is_at_start: bool,
        columns: usize,
    }

    impl Emulator {
        fn new(columns: usize) -> Emulator {
            Emulator { lines: vec![String::new()], row: 0, is_at_start: true, columns }
        }

        fn write(&mut self, output: &str) {
            let mut rest = output;
            while let Some(character) = rest.chars().next() {
                rest = &rest[character.len_utf8()..];
                match character {
                    '\r' => self.is_at_start = true,
                    '\n' => {
                        (self.row, self.is_at_start) = (self.row + 1, true);
                        if self.row == self.rows() {
                            self.lines.push(String::new());
                        }
                    }
                    '\x1b' => {
                        let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("a complete sequence");
                        let parameter = rest[1..end].parse().unwrap_or(1);
                        match &rest[end..=end] {
                            "A" => self.row = self.row.saturating_sub(parameter),
                            // Text always replaces a whole line here, so there is nothing to erase behind it.
                            "K" => {}
                            "J" => self.erase_below(),
                            other => panic!("{other}"),
                        }
                        rest = &rest[end + 1..];
                    }
                    _ => {
                        let text = &output[output.len() - rest.len() - character.len_utf8()..];
                        let text = &text[..text.find(['\x1b', '\n', '\r']).unwrap_or(text.len())];
                        rest = &rest[text.len() - character.len_utf8()..];
                        self.replace_row(text);
                    }
                }
            }
        }

        fn rows_of(&self, line: &str) -> usize {
            line.len().div_ceil(self.columns).max(1)
        }

        fn rows(&self) -> usize {
            self.lines.iter().map(|line| self.rows_of(line)).sum()
        }

        /// Splits a line that is wrapped over several rows into a line for each row, as overwriting one does.
        fn split(&mut self) {
            let columns = self.columns;
            let pieces = |line: &String| -> Vec<String> {
                let pieces = line.as_bytes().chunks(columns).map(|piece| String::from_utf8_lossy(piece).into_owned());
                if line.is_empty() { vec![String::new()] } else { pieces.collect() }
            };
            self.lines = self.lines.iter().flat_map(pieces).collect();
        }

        fn replace_row(&mut self, text: &str) {
            assert!(text.len() < self.columns, "`{text}` does not fit");
            self.split();
            self.lines[self.row] = text.to_owned();
            self.is_at_start = false;
        }

        fn erase_below(&mut self) {
            self.split();
            self.lines.truncate(self.row + 1);
            if self.is_at_start {
                self.lines[self.row].clear();
            }
        }

        fn resize(&mut self, columns: usize) {
            let before: usize = self.rows();
            assert_eq!(self.row + 1, before, "the cursor is in the last row");
            self.columns = columns;
            self.row = self.rows() - 1;
        }
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_frame_is_replaced_and_messages_stay_above_it() {
        let size = Size { columns: 20, rows: 24 };
        let (mut frame, mut terminal) = (ProgressFrame::new(), Emulator::new(20));
        terminal.write("started\n");
        terminal.write(&frame.show(&lines(&["one", "two", "three"]), size));
        assert_eq!(terminal.lines, ["started", "one", "two", "three"]);
        terminal.write(&frame.show(&lines(&["1", "2"]), size));
        assert_eq!(terminal.lines, ["started", "1", "2"]);
        terminal.write(&frame.write_above("a message\n", size));
        assert_eq!(terminal.lines, ["started", "a message", "1", "2"]);
        terminal.write(&frame.erase(size));
        assert_eq!(terminal.lines, ["started", "a message", ""]);
        assert_eq!(frame.erase(size), "");
    }

    #[test]
    fn a_frame_stays_clean_when_the_terminal_is_resized() {
        let (mut frame, mut terminal) = (ProgressFrame::new(), Emulator::new(40));
        let long = lines(&["a line of thirty-two characters.", "short", "another line of thirty-nine characters."]);
        terminal.write("started\n");
        terminal.write(&frame.show(&long, Size { columns: 40, rows: 24 }));
        for columns in [15, 10, 60, 33] {
            terminal.resize(columns);
            terminal.write(&frame.show(&long, Size { columns, rows: 24 }));
            let expected = long.iter().map(|line| truncated(line, columns - 1).to_owned());
            let expected: Vec<String> = ["started".to_owned()].into_iter().chain(expected).collect();
            assert_eq!(terminal.lines, expected, "{columns} columns");
        }
    }

    #[test]
    fn a_frame_has_at_most_the_rows_of_the_terminal_and_lines_shorter_than_its_width() {
        let mut frame = ProgressFrame::new();
        frame.show(&lines(&["0123456789", "two", "three"]), Size { columns: 5, rows: 2 });
        assert_eq!(frame.lines, ["0123", "two"]);
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(truncated("文字化け", 5), "文字");
        assert_eq!(truncated("e\u{301}te\u{301}", 2), "e\u{301}t");
        assert_eq!(truncated("abc", 3), "abc");
    }
}
