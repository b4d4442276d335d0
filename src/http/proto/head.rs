//! Reads a head, which consists of a start line and a field section and may arrive in fragments.
//!
//! [`HeadReader`] stores only the bytes of an incomplete head. So an idle connection has no buffer, and all connections
//! of a loop can share one read buffer.

use bytes::Bytes;
use http::HeaderMap;

use super::error::{Fault, ProtocolErrorKind};
use super::fields::{FieldScanner, Section, parse_fields};

/// A scanner for the first line of a message.
pub(super) trait StartLine {
    /// Scans `input`, which continues the previous input. Returns the number of bytes that belong to the line, or
    /// `None` if the line does not end in this input.
    fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Fault>;
}

/// The scanner for trailer sections, which have no start line.
#[derive(Debug)]
pub(super) struct NoStartLine;

impl StartLine for NoStartLine {
    fn scan(&mut self, _input: &[u8]) -> Result<Option<usize>, Fault> {
        Ok(Some(0))
    }
}

/// Reads one head.
#[derive(Debug)]
pub(super) struct HeadReader<L> {
    line: L,
    /// The length of the start line, once it is complete.
    line_length: Option<usize>,
    fields: FieldScanner,
    /// The number of bytes that this head may still have.
    budget: usize,
    /// The received bytes of an incomplete head.
    partial: Vec<u8>,
}

/// The bytes of a complete head, and the offset of the fields in them.
pub(super) struct RawHead {
    bytes: Bytes,
    fields_start: usize,
    needs_normalizing: bool,
}

impl<L: StartLine> HeadReader<L> {
    /// Creates a reader for a head. `spent` is the number of bytes that earlier heads have used of the limit.
    pub(super) fn new(line: L, section: Section, spent: usize) -> HeadReader<L> {
        let budget = section.max_bytes().saturating_sub(spent);
        HeadReader { line, line_length: None, fields: FieldScanner::new(section), budget, partial: Vec::new() }
    }

    /// Returns the scanner of the start line.
    pub(super) fn line(&self) -> &L {
        &self.line
    }

    /// Returns the number of field lines, including an incomplete one.
    pub(super) fn fields(&self) -> usize {
        self.fields.fields()
    }

    /// Returns how many bytes of the limit are used, including those of earlier heads.
    pub(super) fn spent(&self) -> usize {
        self.fields.section().max_bytes() - self.budget
    }

    /// Reads `input`. Returns the number of bytes that belong to the head if it is now complete, or `None` if all of
    /// them belong to it and more are needed.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let allowed = &input[..input.len().min(self.budget)];
        let end = self.scan(allowed)?;
        self.budget -= end.unwrap_or(allowed.len());
        if end.is_none() {
            if self.budget == 0 {
                return Err(Fault::new(self.fields.section().too_large(), allowed.len()));
            }
            self.partial.extend_from_slice(allowed);
        }
        Ok(end)
    }

    fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let mut line_bytes = 0;
        if self.line_length.is_none() {
            let Some(end) = self.line.scan(input)? else {
                return Ok(None);
            };
            self.line_length = Some(self.partial.len() + end);
            line_bytes = end;
        }
        match self.fields.scan(&input[line_bytes..]) {
            Ok(end) => Ok(end.map(|field_bytes| line_bytes + field_bytes)),
            Err(fault) => Err(fault.shifted_by(line_bytes)),
        }
    }

    /// Returns the complete head. `last` is its part in the last input.
    pub(super) fn finish(&mut self, last: &[u8]) -> RawHead {
        let bytes = if self.partial.is_empty() {
            Bytes::copy_from_slice(last)
        } else {
            self.partial.extend_from_slice(last);
            Bytes::from(std::mem::take(&mut self.partial))
        };
        RawHead {
            bytes,
            fields_start: self.line_length.unwrap_or_default(),
            needs_normalizing: self.fields.needs_normalizing(),
        }
    }
}

impl RawHead {
    /// Returns the bytes of the start line and of the fields.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Parses the fields.
    pub(super) fn parse_fields(&self) -> Result<HeaderMap, ProtocolErrorKind> {
        parse_fields(self.bytes.slice(self.fields_start..), self.needs_normalizing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &[u8] = b"A: 1\r\n\r\n";

    #[test]
    fn a_head_in_one_piece_is_not_buffered() {
        let mut head = HeadReader::new(NoStartLine, Section::Request, 0);
        assert_eq!(head.read(SECTION), Ok(Some(SECTION.len())));
        assert_eq!(head.partial.capacity(), 0);
        assert_eq!(head.finish(SECTION).parse_fields().unwrap()["a"], "1");
    }

    #[test]
    fn the_buffered_part_of_a_head_is_released_with_it() {
        let mut head = HeadReader::new(NoStartLine, Section::Request, 0);
        assert_eq!(head.read(&SECTION[..3]), Ok(None));
        assert_eq!(head.partial, &SECTION[..3]);
        assert_eq!(head.read(&SECTION[3..]), Ok(Some(SECTION.len() - 3)));
        assert_eq!(head.finish(&SECTION[3..]).parse_fields().unwrap()["a"], "1");
        assert_eq!(head.partial.capacity(), 0);
    }

    #[test]
    fn earlier_heads_count_against_the_limit() {
        let spent = Section::Response.max_bytes() - SECTION.len();
        let mut head = HeadReader::new(NoStartLine, Section::Response, spent);
        assert_eq!(head.read(SECTION), Ok(Some(SECTION.len())));
        assert_eq!(head.spent(), Section::Response.max_bytes());

        let mut head = HeadReader::new(NoStartLine, Section::Response, spent + 1);
        assert_eq!(head.read(SECTION), Err(Fault::new(ProtocolErrorKind::HeadTooLarge, SECTION.len() - 1)));
    }
}
