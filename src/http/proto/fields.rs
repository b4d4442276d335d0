//! Field sections: where they end, where they go wrong, and their cutting into a map.
//!
//! [`FieldScanner`] walks each byte once, in whatever pieces it comes, and knows at every byte whether the section is
//! over, still good, or wrong; so nothing is ever parsed twice and no fault waits for the end of a head. Only when the
//! end is found does [`cut`] let `httparse` take the section apart, once.
//!
//! ```text
//!                     CR                LF
//!          ┌──────────────▶ EndLineFeed ──▶ section complete
//!          │
//!  ──▶ LineStart ── token ──▶ Name ── ":" ──▶ Value ── CR ──▶ ValueLineFeed
//!        ▲   │                                ▲  │                 │ LF
//!        │   └── SP: a fold (responses only) ─┘  │                 │
//!        ├── LF alone (responses only) ──────────┘                 │
//!        └─────────────────────────────────────────────────────────┘
//! ```

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::{Fault, ProtocolErrorKind};
use super::grammar::{is_text, is_token, leading, list_members};
use super::limits::{MAX_FIELDS, MAX_HEAD_BYTES, MAX_TRAILER_BYTES};

/// Whose fields these are: the three kinds of section differ in what is forgiven and in how a fault is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Of a response head. A line may end in LF alone (RFC 9112 §2.2) and may be folded (§5.2).
    Response,
    /// Of a request head, where what is forgiven becomes a way to smuggle requests.
    Request,
    /// Behind the last chunk, where the line ends are chunk framing and are not forgiven either.
    Trailers,
}

impl Section {
    /// The largest size of such a section, start line included.
    pub(super) fn max_bytes(self) -> usize {
        match self {
            Section::Response | Section::Request => MAX_HEAD_BYTES,
            Section::Trailers => MAX_TRAILER_BYTES,
        }
    }

    /// The class of fault for a section above that size.
    pub(super) fn too_large(self) -> ProtocolErrorKind {
        match self {
            Section::Response | Section::Request => ProtocolErrorKind::HeadTooLarge,
            Section::Trailers => ProtocolErrorKind::TrailersTooLarge,
        }
    }

    fn too_many(self) -> ProtocolErrorKind {
        match self {
            Section::Response | Section::Request => ProtocolErrorKind::TooManyHeaders,
            Section::Trailers => ProtocolErrorKind::TrailersTooLarge,
        }
    }
}

/// What the next byte is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first byte of a field line, or of the empty line that ends the section.
    LineStart,
    /// A field name, of which one byte has been seen.
    Name,
    /// Behind the colon.
    Value,
    /// The LF of a field line.
    ValueLineFeed,
    /// The LF of the empty line.
    EndLineFeed,
}

/// Finds the end of a field section, byte by byte.
#[derive(Debug)]
pub(super) struct FieldScanner {
    section: Section,
    state: State,
    /// Field lines begun.
    fields: usize,
    /// Whether a line was folded, so that [`cut`] must unfold first.
    folded: bool,
}

impl FieldScanner {
    /// A scanner that waits for the first byte of a section.
    pub(super) fn new(section: Section) -> FieldScanner {
        FieldScanner { section, state: State::LineStart, fields: 0, folded: false }
    }

    /// Whose fields these are.
    pub(super) fn section(&self) -> Section {
        self.section
    }

    /// How many field lines have been begun.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// Whether one of them was folded.
    pub(super) fn folded(&self) -> bool {
        self.folded
    }

    /// Looks at `input`, which continues what was given before, up to the end of the section: `Some` of how many bytes
    /// belong to it, or `None` if the end is not there yet.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let forgiving = self.section == Section::Response;
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
                (State::LineStart, b'\n') if forgiving => return Ok(Some(at + 1)),
                (State::LineStart, b' ' | b'\t') if forgiving && self.fields > 0 => {
                    self.folded = true;
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
                (State::Value, b'\n') if forgiving => State::LineStart,
                (State::ValueLineFeed, b'\n') => State::LineStart,
                (State::EndLineFeed, b'\n') => return Ok(Some(at + 1)),
                (_, byte) => return Err(Fault::new(self.fault_at(byte), at)),
            };
            at += 1;
        }
    }

    /// The class of fault for a byte that cannot stand where it stands.
    fn fault_at(&self, byte: u8) -> ProtocolErrorKind {
        match (self.section, self.state, byte) {
            (Section::Trailers, ..) => ProtocolErrorKind::BadTrailer,
            (_, State::LineStart | State::Value, b'\n') => ProtocolErrorKind::BareLf,
            (_, State::LineStart, b' ' | b'\t') if self.fields > 0 => ProtocolErrorKind::ObsFold,
            (_, State::LineStart | State::Name | State::EndLineFeed, _) => ProtocolErrorKind::BadHeaderName,
            (_, State::Value | State::ValueLineFeed, _) => ProtocolErrorKind::BadHeaderValue,
        }
    }
}

/// Takes a complete section apart. The values are slices of `section`, not copies: a value that is kept keeps the bytes
/// of its whole head alive, which are few, and a head costs one allocation for all its values.
pub(super) fn cut(section: Bytes, folded: bool) -> Result<HeaderMap, ProtocolErrorKind> {
    let section = if folded { unfold(&section) } else { section };
    let mut lines = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let lines = match httparse::parse_headers(&section, &mut lines) {
        Ok(httparse::Status::Complete((_, lines))) => lines,
        // The scanner has seen the end and every byte before it; should the two ever disagree, the stricter wins.
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

/// The members of a list field, over all of its lines (RFC 9110 §5.3): `get` would give the first line only.
pub(super) fn members(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = fields.get_all(name).into_iter();
    lines.flat_map(|line| list_members(line.as_bytes()))
}

/// Replaces each line fold, and the white space around it, by one space (RFC 9112 §5.2). This comes before anything
/// reads a value: `Content-Length: 1⏎ 0` must be seen as `1 0`, which is no number.
fn unfold(section: &[u8]) -> Bytes {
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
    unfolded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_in_any_cut() {
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
    fn a_fold_with_all_its_white_space_becomes_one_space() {
        let section = Bytes::from_static(b"A: one \t\r\n \t two\n three\r\nB:\r\n 5\r\nC: \r\n \r\n\r\n");
        let mut scanner = FieldScanner::new(Section::Response);
        assert_eq!(scanner.scan(&section), Ok(Some(section.len())));
        let fields = cut(section, scanner.folded()).unwrap();
        assert_eq!(fields["a"], "one two three");
        assert_eq!(fields["b"], "5");
        assert_eq!(fields["c"], "");
    }

    #[test]
    fn a_repeated_field_keeps_every_line() {
        let fields = cut(Bytes::from_static(b"A: 1\r\na: 2\r\n\r\n"), false).unwrap();
        assert_eq!(fields.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
