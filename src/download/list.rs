//! Parses a list of URLs. Each line contains a URL, optionally followed by a tab and a file name, and by a tab and
//! `sha256:HEX`.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use super::download_url::{DownloadUrl, UrlError};
use super::file_name::sanitize_file_name;

/// The maximum length of a line. A longer line is rejected: it cannot be a usable URL, and it might never end.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// The byte order mark, which some editors write at the start of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The parsed content of one line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// The URL to fetch.
    pub url: DownloadUrl,
    /// The file name, if the line specifies one.
    pub name: Option<String>,
    /// The expected SHA-256 of the content, if the line specifies one.
    pub sha256: Option<Sha256>,
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

impl std::str::FromStr for Sha256 {
    type Err = LineError;

    /// Parses `sha256:` followed by 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Sha256, LineError> {
        let digits = text.strip_prefix("sha256:").ok_or(LineError::Checksum)?.as_bytes();
        let mut digest = [0; 32];
        if digits.len() != 64 {
            return Err(LineError::Checksum);
        }
        for (byte, pair) in digest.iter_mut().zip(digits.chunks(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(LineError::Checksum);
            *byte = (digit(0)? * 16 + digit(1)?) as u8;
        }
        Ok(Sha256(digest))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl ListEntry {
    /// Parses a line. Returns `None` if it is empty or a comment.
    ///
    /// ```
    /// use glassloop::download::ListEntry;
    ///
    /// let entry = ListEntry::from_line("http://a.test/x\tbetter.txt")?.expect("not a comment");
    /// assert_eq!(entry.name.as_deref(), Some("better.txt"));
    /// assert_eq!(ListEntry::from_line("# nothing")?, None);
    /// # Ok::<(), glassloop::download::LineError>(())
    /// ```
    ///
    /// # Errors
    /// If the URL, the name or the checksum is invalid.
    pub fn from_line(line: &str) -> Result<Option<ListEntry>, LineError> {
        let line = line.trim_end_matches(['\r', '\n']);
        let mut parts = line.split('\t');
        let url = parts.next().unwrap_or_default().trim_matches(' ');
        if url.is_empty() && line.trim().is_empty() || url.starts_with('#') {
            return Ok(None);
        }
        let url = DownloadUrl::parse(url).map_err(LineError::DownloadUrl)?;
        let (mut name, mut sha256) = (None, None);
        for (at, part) in parts.map(|part| part.trim_matches(' ')).enumerate().filter(|(_, part)| !part.is_empty()) {
            if part.starts_with("sha256:") && sha256.is_none() {
                sha256 = Some(part.parse()?);
            } else if at == 0 {
                name = Some(checked_name(part)?);
            } else {
                return Err(LineError::ExtraFields);
            }
        }
        Ok(Some(ListEntry { url, name, sha256 }))
    }
}

/// Checks a name that the list specifies. It is used as it is or rejected, never modified.
fn checked_name(name: &str) -> Result<String, LineError> {
    if sanitize_file_name(name) == name { Ok(name.to_owned()) } else { Err(LineError::Name) }
}

/// The reason why a line is invalid. The message does not contain the line, which may include a password.
#[derive(Debug, PartialEq)]
pub enum LineError {
    /// The URL is invalid.
    DownloadUrl(UrlError),
    /// The file name is not a single, safe path component.
    Name,
    /// The checksum is invalid.
    Checksum,
    /// The line has too many fields.
    ExtraFields,
    /// The line is longer than 64 KiB.
    TooLong,
    /// The line is not UTF-8.
    NotText,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::DownloadUrl(error) => error.fmt(f),
            LineError::Name => f.write_str("invalid file name"),
            LineError::Checksum => f.write_str("invalid checksum; expected `sha256:` and 64 hexadecimal digits"),
            LineError::ExtraFields => f.write_str("too many fields; expected a URL, a name and a checksum"),
            LineError::TooLong => f.write_str("the line is longer than 64 KiB"),
            LineError::NotText => f.write_str("the line is not UTF-8"),
        }
    }
}

impl std::error::Error for LineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LineError::DownloadUrl(error) => Some(error),
            _ => None,
        }
    }
}

/// Reads a list line by line, with bounded memory: a read buffer and one line, at most 64 KiB each.
pub(super) struct Lines {
    source: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Lines {
        Lines { source: BufReader::with_capacity(MAX_LINE_BYTES, source), line: Vec::new(), number: 0 }
    }

    /// Returns whether a complete line is buffered, so that the next read does not block.
    pub(super) fn has_line(&self) -> bool {
        self.source.buffer().contains(&b'\n')
    }

    /// Returns the number of the line that was read last, starting at 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next line, valid or not, that is neither empty nor a comment; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<ListEntry, LineError>>> {
        loop {
            let Some(line) = self.read_line()? else { return Ok(None) };
            match line.and_then(ListEntry::from_line) {
                Ok(None) => {}
                Ok(Some(entry)) => return Ok(Some(Ok(entry))),
                Err(error) => return Ok(Some(Err(error))),
            }
        }
    }

    fn read_line(&mut self) -> io::Result<Option<Result<&str, LineError>>> {
        self.line.clear();
        let mut is_too_long = false;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = available.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
            let used = end.unwrap_or(available.len());
            let is_last = used == 0;
            if is_last && self.line.is_empty() && !is_too_long {
                return Ok(None);
            }
            is_too_long |= self.line.len() + used > MAX_LINE_BYTES;
            if !is_too_long {
                self.line.extend_from_slice(&available[..used]);
            }
            self.source.consume(used);
            if is_last || end.is_some() {
                break;
            }
        }
        self.number += 1;
        if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        if is_too_long {
            return Ok(Some(Err(LineError::TooLong)));
        }
        Ok(Some(std::str::from_utf8(&self.line).map_err(|_| LineError::NotText)))
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, Result<ListEntry, LineError>)> {
        crate::watchdog::watch();
        let mut lines = Lines::new(Box::new(io::Cursor::new(text.to_vec())));
        let mut all = vec![];
        while let Some(line) = lines.next().expect("memory can be read") {
            all.push((lines.number(), line));
        }
        all
    }

    #[test]
    fn invalid_lines_are_reported_with_their_numbers_and_the_others_are_read() {
        let long = format!("http://a.test/{}\n", "x".repeat(MAX_LINE_BYTES));
        let text = [b"# a list\n\nhttp://a.test/1\r\nnonsense\n\xff\n".as_slice(), long.as_bytes(), b"http://a.test/2"]
            .concat();
        let lines = all(&text);
        let numbers: Vec<u64> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 4, 5, 6, 7]);
        let is_good: Vec<bool> = lines.iter().map(|(_, line)| line.is_ok()).collect();
        assert_eq!(is_good, [true, false, false, false, true]);
    }

    #[test]
    fn a_list_may_begin_with_a_byte_order_mark() {
        let lines = all("\u{feff}http://a.test/1\r\n\u{feff}http://a.test/2\r\n".as_bytes());
        let is_good: Vec<bool> = lines.iter().map(|(_, line)| line.is_ok()).collect();
        assert_eq!(is_good, [true, false], "in its first line only");
    }

    #[test]
    fn a_line_may_have_a_name_and_a_checksum() {
        let digest = "ab".repeat(32);
        for (line, name, has_checksum) in [
            (format!("http://a.test/x\tn.txt\tsha256:{digest}"), Some("n.txt"), true),
            (format!("http://a.test/x\t\tsha256:{digest}"), None, true),
            (format!("http://a.test/x\tsha256:{}", digest.to_uppercase()), None, true),
            ("http://a.test/x\tn.txt".to_owned(), Some("n.txt"), false),
        ] {
            let entry = ListEntry::from_line(&line).expect("a good line").expect("not a comment");
            assert_eq!((entry.name.as_deref(), entry.sha256.is_some()), (name, has_checksum), "{line}");
        }
    }

    #[test]
    fn names_that_are_not_a_safe_path_component_are_rejected() {
        for line in ["http://a.test/\t../x", "http://a.test/\ta/b", "http://a.test/\t.x", "http://a.test/\tx\ty"] {
            ListEntry::from_line(line).expect_err(line);
        }
    }
}
