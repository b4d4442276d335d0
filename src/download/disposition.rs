//! Extracts the file name from a `Content-Disposition` header (RFC 6266, RFC 8187), in the way browsers do.
//!
//! Servers send many values that the grammar does not allow, and browsers mostly agree on how to interpret them: a
//! malformed parameter does not affect the others, the first valid one of several parameters with the same name is
//! used, a quoted string may lack its closing quote, and bytes above ASCII are UTF-8 or else Latin-1. Neither
//! percent-encoding nor RFC 2047 encoded words are decoded in `filename` (RFC 6266 Appendix C.1, D): browsers disagree
//! about them, and a name that contains a `%` is legal.

use super::file_name::sanitize_file_name;
use crate::http::credentials::percent_decoded;

/// Returns the file name in the header's value. `filename*` takes precedence over `filename` (RFC 6266 §4.3).
pub(super) fn name_from_disposition(value: &[u8]) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    for parameter in split_outside_quotes(value) {
        let Some(equals) = parameter.iter().position(|&byte| byte == b'=') else { continue };
        let (name, value) = (parameter[..equals].trim_ascii(), parameter[equals + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"filename*") {
            extended = extended.or_else(|| last_segment(&extended_value(value)?));
        } else if name.eq_ignore_ascii_case(b"filename") {
            plain = plain.or_else(|| last_segment(&text_of(&unquoted(value))));
        }
    }
    extended.or(plain)
}

/// Splits at the semicolons that are not in a quoted string. A quoted string can start only at the start of a parameter
/// or of its value.
fn split_outside_quotes(value: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut may_quote = true;
    while at < value.len() {
        match value[at] {
            b';' => {
                parts.push(&value[start..at]);
                (start, may_quote) = (at + 1, true);
            }
            b'=' => may_quote = true,
            b' ' | b'\t' => {}
            b'"' if may_quote => at += quoted_length(&value[at..]) - 1,
            _ => may_quote = false,
        }
        at += 1;
    }
    parts.push(&value[start..]);
    parts
}

/// Returns the length of the quoted string at the start of the text; the whole length if the closing quote is missing.
fn quoted_length(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Returns the content of a quoted string, without anything that follows it. Returns other text unchanged.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(content) = text.strip_prefix(b"\"") else { return text.to_vec() };
    let mut plain = Vec::new();
    let mut bytes = content.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => plain.extend(bytes.next()),
            byte => plain.push(byte),
        }
    }
    plain
}

/// Decodes `charset'language'value` (RFC 8187 §3.2). Returns `None`, so that `filename` is used, if it is malformed or
/// if its charset is neither UTF-8 nor ISO-8859-1, which RFC 5987, the predecessor of RFC 8187, also required.
fn extended_value(value: &[u8]) -> Option<String> {
    // The grammar does not allow quotes here, but servers send them.
    let value = String::from_utf8(unquoted(value)).ok()?;
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let has_whole_escapes = encoded
        .split('%')
        .skip(1)
        .all(|escape| escape.len() >= 2 && escape.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    if !has_whole_escapes {
        return None;
    }
    let bytes = percent_decoded(encoded);
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(latin1(&bytes)),
        _ => None,
    }
}

/// Decodes bytes of a header as UTF-8, or else as Latin-1.
fn text_of(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

/// Decodes ISO-8859-1 as windows-1252, which has printable characters in place of the controls 0x80 to 0x9F. (The
/// Encoding Standard treats the two labels as equivalent.)
fn latin1(bytes: &[u8]) -> String {
    const FROM_0X80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', //
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let decode = |&byte: &u8| match byte {
        0x80..=0x9f => FROM_0X80[usize::from(byte - 0x80)],
        byte => char::from(byte),
    };
    bytes.iter().map(decode).collect()
}

/// Returns the last segment of a path as a safe file name. Returns `None` if that segment is empty.
fn last_segment(given: &str) -> Option<String> {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default().trim_matches(' ');
    (!last.is_empty()).then(|| sanitize_file_name(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_names(cases: &[(&[u8], Option<&str>)]) {
        crate::watchdog::watch();
        for (value, name) in cases {
            let found = name_from_disposition(value);
            assert_eq!(found.as_deref(), *name, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_token_and_a_quoted_string_are_names() {
        assert_names(&[
            (b"attachment; filename=a.txt", Some("a.txt")),
            (b"attachment;FileName = a.txt ;x=y", Some("a.txt")),
            (b"inline; filename=\"a b.txt\"", Some("a b.txt")),
            (b"attachment; filename=\"a; \\\"b\\\".txt\"; x=y", Some("a; _b_.txt")),
            (b"attachment; filename=\"a\\b.txt\"", Some("ab.txt")),
            (b"attachment; x=\"; filename=no; \\\"\"; filename=yes", Some("yes")),
            (b"attachment; filename='a.txt'", Some("'a.txt'")),
            (b"attachment; filename=\"a%20b.txt\"", Some("a%20b.txt")),
            (b"attachment", None),
            (b"attachment; filename=\"\"", None),
            (b"attachment; xfilename=a.txt", None),
        ]);
    }

    #[test]
    fn malformed_parameters_do_not_affect_the_others() {
        assert_names(&[
            (b"filename=a.txt", Some("a.txt")),
            (b"; filename=a.txt", Some("a.txt")),
            (b"attachment; ; inline; filename=a.txt; attachment", Some("a.txt")),
            (b"attachment; filename=a b.txt", Some("a b.txt")),
            (b"attachment; filename=a[1](2),b.txt", Some("a[1](2),b.txt")),
            (b"attachment; filename=a\"b.txt; x=\"c\"", Some("a_b.txt")),
            (b"attachment; filename=\"a.txt", Some("a.txt")),
            (b"attachment; filename=\"a.txt\".exe; x=y", Some("a.txt")),
            (b"attachment; filename=\"a.txt\\", Some("a.txt")),
            (b"attachment; filename*=UTF-8''b.txt; filename=\"a.txt", Some("b.txt")),
            (b"attachment; filename=\"a\xff.txt\"; filename*=UTF-8''b.txt", Some("b.txt")),
        ]);
    }

    #[test]
    fn an_extended_value_comes_first_wherever_it_is_unless_it_is_malformed() {
        assert_names(&[
            (b"attachment; filename=plain; filename*=UTF-8''F%C3%BC%C3%9Fe", Some("Füße")),
            (b"attachment; filename*= utf-8'en'F%C3%BC%C3%9Fe; filename=plain", Some("Füße")),
            (b"attachment; filename*=iso-8859-1''F%FC%DFe%80", Some("Füße€")),
            (b"attachment; filename*=\"UTF-8''b.txt\"", Some("b.txt")),
            (b"attachment; filename*=UTF-8''A-%2541", Some("A-%41")),
            (b"attachment; filename*=UTF-8''%2e%2e%2fb.txt", Some("b.txt")),
            (b"attachment; filename*=UTF-8''%E4; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8''100%; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8'b; filename=plain", Some("plain")),
            (b"attachment; filename*=b; filename=plain", Some("plain")),
            (b"attachment; filename*=''b; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-16''b; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8''; filename=plain", Some("plain")),
            (b"attachment; filename *=UTF-8''b; filename=plain", Some("plain")),
            (b"attachment; filename*0=b; filename*1=c", None),
        ]);
    }

    #[test]
    fn the_first_of_two_usable_parameters_counts() {
        assert_names(&[
            (b"attachment; filename=a; filename=b", Some("a")),
            (b"attachment; filename=\"\"; filename=b", Some("b")),
            (b"attachment; filename*=UTF-8''a; filename*=UTF-8''b", Some("a")),
            (b"attachment; filename*=UTF-8''%ff; filename*=UTF-8''b", Some("b")),
        ]);
    }

    #[test]
    fn bytes_above_ascii_are_utf_8_or_else_latin_1() {
        assert_names(&[
            ("attachment; filename=\"naïve.txt\"".as_bytes(), Some("naïve.txt")),
            (b"attachment; filename=\"na\xefve.txt\"", Some("naïve.txt")),
            (b"attachment; filename=na\xefve\x96.txt; x=\"\xc3\xa4\"", Some("naïve–.txt")),
        ]);
    }

    #[test]
    fn only_the_last_segment_of_a_path_is_a_name() {
        assert_names(&[
            (b"attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            (b"attachment; filename=\"C:\\\\temp\\\\a.txt\"", Some("a.txt")),
            (b"attachment; filename=\"a/\"", None),
            (b"attachment; filename=\"a/\"; filename*=UTF-8''b%2F", None),
            (b"attachment; filename=\"..\"", Some("_.")),
            (b"attachment; filename=\" \"", None),
        ]);
    }
}
