//! Field sections: finds their end and errors in them, and parses them into a map.
//!
//! [`FieldScanner`] scans each byte once, in fragments of any size, and detects the end and every error at the byte
//! where it occurs. When the section is complete, [`parse_fields`] parses it once with `httparse`.
//!
//! ```text
//!                     CR                LF
//!          ┌──────────────▶ EndLineFeed ──▶ section complete
//!          │
//!  ──▶ LineStart ── token ──▶ Name ── ":" ──▶ Value ── CR ──▶ ValueLineFeed
//!        ▲   │                                ▲  │                 │ LF
//!        │   └── SP: a fold (responses only) ─┘  │                 │
//!        ├── LF alone (response heads only) ─────┘                 │
//!        └─────────────────────────────────────────────────────────┘
//! ```
//!
//! Folds and control characters, which are accepted only in responses, are removed by [`normalize`] before the values are
//! used.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::{Fault, ProtocolErrorKind};
use super::grammar::{is_lenient_text, is_text, is_token, leading, list_members};
use super::limits::{MAX_FIELDS, MAX_HEAD_BYTES, MAX_TRAILER_BYTES};

/// The place of a field section, which determines what is accepted in it and the kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// In a response head. A line may end in LF alone (RFC 9112 §2.2) and may be folded (§5.2), and a value may contain
    /// control characters (RFC 9110 §5.5).
    Response,
    /// In a request head. None of these is accepted, since leniency in servers enables request smuggling.
    Request,
    /// After the last chunk of a response. The rules of a response head apply, but an LF alone is rejected, since the
    /// line ends are part of the chunk framing.
    ResponseTrailers,
    /// After the last chunk of a request.
    RequestTrailers,
}

impl Section {
    /// Returns the maximum size of the section, including the start line.
    pub(super) fn max_bytes(self) -> usize {
        match self {
            Section::Response | Section::Request => MAX_HEAD_BYTES,
            Section::ResponseTrailers | Section::RequestTrailers => MAX_TRAILER_BYTES,
        }
    }

    /// Returns the error for a section above the maximum size.
    pub(super) fn too_large(self) -> ProtocolErrorKind {
        match self {
            Section::Response | Section::Request => ProtocolErrorKind::HeadTooLarge,
            Section::ResponseTrailers | Section::RequestTrailers => ProtocolErrorKind::TrailersTooLarge,
        }
    }

    fn too_many(self) -> ProtocolErrorKind {
        match self {
            Section::Response | Section::Request => ProtocolErrorKind::TooManyHeaders,
            Section::ResponseTrailers | Section::RequestTrailers => ProtocolErrorKind::TrailersTooLarge,
        }
    }

    /// Returns whether folds and control characters are accepted, as in responses.
    fn is_lenient(self) -> bool {
        matches!(self, Section::Response | Section::ResponseTrailers)
    }
}

/// The part of the section that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first byte of a field line, or of the empty line that ends the section.
    LineStart,
    /// A field name, after its first byte.
    Name,
    /// The value, after the colon.
    Value,
    /// The LF of a field line.
    ValueLineFeed,
    /// The LF of the empty line.
    EndLineFeed,
}

/// A scanner that finds the end of a field section.
#[derive(Debug)]
pub(super) struct FieldScanner {
    section: Section,
    state: State,
    /// The number of field lines, including an incomplete one.
    fields: usize,
    /// Whether there was a fold or a control character, so that [`parse_fields`] must [`normalize`] first.
    needs_normalizing: bool,
}

impl FieldScanner {
    /// Creates a scanner.
    pub(super) fn new(section: Section) -> FieldScanner {
        FieldScanner { section, state: State::LineStart, fields: 0, needs_normalizing: false }
    }

    /// Returns the place of the section.
    pub(super) fn section(&self) -> Section {
        self.section
    }

    /// Returns the number of field lines, including an incomplete one.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// Returns whether there was a fold or a control character.
    pub(super) fn needs_normalizing(&self) -> bool {
        self.needs_normalizing
    }

    /// Scans `input`, which continues the previous input. Returns the number of bytes that belong to the section, or
    /// `None` if it does not end in this input.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let is_lenient = self.section.is_lenient();
        let takes_bare_lf = self.section == Section::Response;
        let mut at = 0;
        loop {
            at += match self.state {
                State::Name => leading(&input[at..], is_token),
                State::Value => leading(&input[at..], is_text),
                _ => 0,
            };
            let Some(&byte) = input.get(at) else {
                return Ok(None);
            };
            self.state = match (self.state, byte) {
                (State::LineStart, b'\r') => State::EndLineFeed,
                (State::LineStart, b'\n') if takes_bare_lf => return Ok(Some(at + 1)),
                (State::LineStart, b' ' | b'\t') if is_lenient && self.fields > 0 => {
                    self.needs_normalizing = true;
                    State::Value
                }
                (State::LineStart, byte) if is_token(byte) => {
                    if self.fields == MAX_FIELDS {
                        return Err(Fault::new(self.section.too_many(), at));
                    }
                    self.fields += 1;
                    State::Name
                }
                (State::Name, b':') => State::Value,
                (State::Value, b'\r') => State::ValueLineFeed,
                (State::Value, b'\n') if takes_bare_lf => State::LineStart,
                (State::Value, byte) if is_lenient && is_lenient_text(byte) => {
                    self.needs_normalizing = true;
                    State::Value
                }
                (State::ValueLineFeed, b'\n') => State::LineStart,
                (State::EndLineFeed, b'\n') => return Ok(Some(at + 1)),
                (_, byte) => return Err(Fault::new(self.fault_at(byte), at)),
            };
            at += 1;
        }
    }

    /// Returns the kind of error for an invalid byte.
    fn fault_at(&self, byte: u8) -> ProtocolErrorKind {
        match (self.section, self.state, byte) {
            (Section::ResponseTrailers | Section::RequestTrailers, ..) => ProtocolErrorKind::BadTrailer,
            (_, State::LineStart | State::Value, b'\n') => ProtocolErrorKind::BareLf,
            (_, State::LineStart, b' ' | b'\t') if self.fields > 0 => ProtocolErrorKind::ObsFold,
            (_, State::LineStart | State::Name | State::EndLineFeed, _) => ProtocolErrorKind::BadHeaderName,
            (_, State::Value | State::ValueLineFeed, _) => ProtocolErrorKind::BadHeaderValue,
        }
    }
}

/// Parses a complete section. The values are slices of `section`, so a head needs a single allocation, and a value
/// keeps the memory of the whole head alive.
pub(super) fn parse_fields(section: Bytes, needs_normalizing: bool) -> Result<HeaderMap, ProtocolErrorKind> {
    let section = if needs_normalizing { normalize(&section)? } else { section };
    let mut lines = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let lines = match httparse::parse_headers(&section, &mut lines) {
        Ok(httparse::Status::Complete((_, lines))) => lines,
        // The scanner has accepted the section. If `httparse` is stricter in some case, it takes precedence.
        Ok(httparse::Status::Partial) | Err(_) => return Err(ProtocolErrorKind::BadHeaderValue),
    };
    let mut fields = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| ProtocolErrorKind::BadHeaderName)?;
        let value = HeaderValue::from_maybe_shared(section.slice_ref(line.value))
            .map_err(|_| ProtocolErrorKind::BadHeaderValue)?;
        fields.append(name, value);
    }
    Ok(fields)
}

/// Returns the members of a list field in all of its lines (RFC 9110 §5.3). `get` would return only the first line.
pub(super) fn members(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = fields.get_all(name).into_iter();
    lines.flat_map(|line| list_members(line.as_bytes()))
}

/// Fields in which control characters are rejected. The framing, the persistence of the connection, the range and the
/// target of a redirect must not depend on how a recipient interprets such a character.
static REJECTED_WITH_CONTROLS: [HeaderName; 5] =
    [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_RANGE, LOCATION];

/// Fields that are ignored if they contain a control character. If it were replaced by a space, two different
/// validators could become equal, and parts of two versions of a file could be combined.
static IGNORED_WITH_CONTROLS: [HeaderName; 2] = [ETAG, LAST_MODIFIED];

/// Removes folds, and replaces each control character in a value by a space, since a [`HeaderValue`] cannot contain it.
fn normalize(section: &[u8]) -> Result<Bytes, ProtocolErrorKind> {
    let section = unfold(section);
    let is_control = |byte: u8| is_lenient_text(byte) && !is_text(byte);
    let mut normalized = Vec::with_capacity(section.len());
    for line in section.split_inclusive(|&byte| byte == b'\n') {
        let name = &line[..leading(line, is_token)];
        let is_one_of = |names: &[HeaderName]| names.iter().any(|other| name.eq_ignore_ascii_case(other.as_ref()));
        match line.iter().any(|&byte| is_control(byte)) {
            true if is_one_of(&REJECTED_WITH_CONTROLS) => return Err(ProtocolErrorKind::BadHeaderValue),
            true if is_one_of(&IGNORED_WITH_CONTROLS) => {}
            _ => normalized.extend(line.iter().map(|&byte| if is_control(byte) { b' ' } else { byte })),
        }
    }
    Ok(normalized.into())
}

/// Replaces each line fold, and the white space around it, by one space (RFC 9112 §5.2), before the values are used:
/// the value of `Content-Length: 1⏎ 0` is `1 0`, which is not a number.
fn unfold(section: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::with_capacity(section.len());
    let mut rest = section.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\n' || !matches!(rest.peek(), Some(b' ' | b'\t')) {
            unfolded.push(byte);
            continue;
        }
        while let Some(b'\r' | b' ' | b'\t') = unfolded.last() {
            unfolded.pop();
        }
        while rest.next_if(|byte| matches!(byte, b' ' | b'\t')).is_some() {}
        unfolded.push(b' ');
    }
    unfolded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_input_is_split() {
        let section = b"A: 1\r\nB:\t2 \r\n\r\nrest";
        for cut in 0..section.len() - 4 {
            let mut scanner = FieldScanner::new(Section::Request);
            let (before, behind) = section.split_at(cut);
            assert_eq!(scanner.scan(before), Ok(None));
            assert_eq!(scanner.scan(behind), Ok(Some(section.len() - 4 - cut)));
            assert_eq!(scanner.fields(), 2);
        }
    }

    #[test]
    fn a_fold_and_its_white_space_become_one_space() {
        let section = Bytes::from_static(b"A: one \t\r\n \t two\n three\r\nB:\r\n 5\r\nC: \r\n \r\n\r\n");
        let mut scanner = FieldScanner::new(Section::Response);
        assert_eq!(scanner.scan(&section), Ok(Some(section.len())));
        let fields = parse_fields(section, scanner.needs_normalizing()).unwrap();
        assert_eq!(fields["a"], "one two three");
        assert_eq!(fields["b"], "5");
        assert_eq!(fields["c"], "");
    }

    /// Scans a whole section of a response head and cuts it.
    fn cut_response(section: &'static [u8]) -> Result<HeaderMap, ProtocolErrorKind> {
        let mut scanner = FieldScanner::new(Section::Response);
        assert_eq!(scanner.scan(section), Ok(Some(section.len())));
        parse_fields(Bytes::from_static(section), scanner.needs_normalizing())
    }

    #[test]
    fn control_characters_in_values_become_spaces_except_in_fields_with_a_meaning_for_the_client() {
        let fields =
            cut_response(b"A: \x01b\x7fc\x1f\r\nB: \x08\n \x0b\r\nETag: \"a\x02\"\r\nLast-Modified: \x02\r\n\r\n");
        let fields = fields.unwrap();
        assert_eq!(fields["a"], "b c");
        assert_eq!(fields["b"], "");
        assert!(!fields.contains_key(ETAG) && !fields.contains_key(LAST_MODIFIED), "{fields:?}");
        for section in [
            &b"Content-Length: 5\x01\r\n\r\n"[..],
            b"transfer-encoding: chunked\x0b\r\n\r\n",
            b"Connection: x,\r\n \x7fclose\r\n\r\n",
            b"Content-Range: bytes 0-4/\x015\r\n\r\n",
            b"LOCATION: /\x1b\r\n\r\n",
        ] {
            assert_eq!(cut_response(section), Err(ProtocolErrorKind::BadHeaderValue), "{}", section.escape_ascii());
        }
        assert!(cut_response(b"X-Location: /\x1b\r\nContent-Length: 5\r\n\r\n").is_ok());
    }

    #[test]
    fn every_control_character_but_nul_cr_and_lf_is_accepted_in_a_response_and_none_in_a_request() {
        for byte in (0..=0x1f_u8).chain([0x7f]).filter(|byte| *byte != b'\t') {
            let section = [b"A: b", &[byte][..], b"c\r\n\r\n"].concat();
            for (section_kind, is_accepted) in [
                (Section::Response, !matches!(byte, b'\0' | b'\r' | b'\n')),
                (Section::ResponseTrailers, !matches!(byte, b'\0' | b'\r' | b'\n')),
                (Section::Request, false),
                (Section::RequestTrailers, false),
            ] {
                let scanned = FieldScanner::new(section_kind).scan(&section);
                // An LF alone ends the line in a response head: what follows it is then no field line.
                assert_eq!(scanned.is_ok(), is_accepted, "{section_kind:?} {byte:#x}");
            }
        }
    }

    #[test]
    fn folded_lines_are_accepted_in_responses_and_rejected_in_requests() {
        for (section, is_accepted) in [
            (Section::Response, true),
            (Section::ResponseTrailers, true),
            (Section::Request, false),
            (Section::RequestTrailers, false),
        ] {
            let mut scanner = FieldScanner::new(section);
            assert_eq!(scanner.scan(b"A: 1\r\n\t2\r\n\r\n").is_ok(), is_accepted, "{section:?}");
        }
        assert!(FieldScanner::new(Section::ResponseTrailers).scan(b"A: 1\n").is_err(), "LF alone");
    }

    #[test]
    fn every_line_of_a_repeated_field_is_kept() {
        let fields = parse_fields(Bytes::from_static(b"A: 1\r\na: 2\r\n\r\n"), false).unwrap();
        assert_eq!(fields.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
