//! Character classes of the HTTP grammar, and parsers for numbers, lists and hosts.
//!
//! One table contains the classes of all bytes, so the inner loop of a scanner is a lookup and a branch.

use super::limits::MAX_LENGTH;

/// `tchar` of RFC 9110 §5.6.2: a byte of a method or a field name.
const TOKEN: u8 = 1;
/// A byte of a field value, a reason phrase or a chunk extension: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5).
const TEXT: u8 = 2;
/// A byte that is accepted in a request target: visible ASCII. The scanner of the request line rejects `#` itself, with
/// a more specific error.
const TARGET: u8 = 4;
/// A byte of `absolute-path [ "?" query ]` that is sent without percent-encoding (RFC 3986 §3.3, §3.4).
const PATH_OR_QUERY: u8 = 8;
/// A byte of a host name or an IPv4 address (RFC 3986 §3.2.2). This excludes the comma, which in `Host` indicates two
/// field lines that were combined.
const HOST: u8 = 16;

/// The classes of every byte.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = class_of(byte as u8);
        byte += 1;
    }
    classes
}

const fn class_of(byte: u8) -> u8 {
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let sub_delimiter = matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
    let token_mark = matches!(
        byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    );
    let mut class = 0;
    if byte.is_ascii_alphanumeric() || token_mark {
        class |= TOKEN;
    }
    if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
        class |= TEXT;
    }
    if byte.is_ascii_graphic() {
        class |= TARGET;
    }
    if unreserved || sub_delimiter || matches!(byte, b':' | b'@' | b'/' | b'?') {
        class |= PATH_OR_QUERY;
    }
    if unreserved || (sub_delimiter && byte != b',') || byte == b'%' {
        class |= HOST;
    }
    class
}

/// Returns whether `byte` is valid in a method or a field name.
#[inline]
pub(super) fn is_token(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// Returns whether `byte` is valid in a field value, a reason phrase or a chunk extension.
#[inline]
pub(super) fn is_text(byte: u8) -> bool {
    CLASSES[byte as usize] & TEXT != 0
}

/// Returns whether a client accepts `byte` in a field value or a reason phrase: everything but NUL, CR and LF, since
/// real servers send other control characters there (RFC 9110 §5.5).
#[inline]
pub(super) fn is_lenient_text(byte: u8) -> bool {
    !matches!(byte, b'\0' | b'\r' | b'\n')
}

/// Returns whether `byte` is accepted in a request target.
#[inline]
pub(super) fn is_target(byte: u8) -> bool {
    CLASSES[byte as usize] & TARGET != 0
}

/// Returns whether `byte` can be sent in a request target without percent-encoding.
#[inline]
pub(super) fn is_path_or_query(byte: u8) -> bool {
    CLASSES[byte as usize] & PATH_OR_QUERY != 0
}

/// Returns the number of leading bytes that belong to a class.
#[inline]
pub(super) fn leading(input: &[u8], class: impl Fn(u8) -> bool) -> usize {
    input.iter().position(|&byte| !class(byte)).unwrap_or(input.len())
}

/// Returns the members of a comma-separated list, including empty ones, without the white space around them (RFC 9110
/// §5.6.1).
pub(super) fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

/// Removes optional white space (RFC 9110 §5.6.3: SP and HTAB) from both ends.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Parses `1*DIGIT` up to [`MAX_LENGTH`]. Unlike `str::parse`, this rejects a leading `+`.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit).filter(|&number| number <= MAX_LENGTH)
    })
}

/// Returns whether `value` is `uri-host [ ":" port ]` (RFC 9110 §7.2), without userinfo and with a port up to 65,535.
pub(in crate::http) fn is_host_and_port(value: &[u8]) -> bool {
    let (host_is_good, rest) = match value {
        [b'[', address @ ..] => {
            let length = leading(address, |byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            (length > 0 && address.get(length) == Some(&b']'), address.get(length + 1..).unwrap_or_default())
        }
        _ => {
            let length = leading(value, |byte| CLASSES[byte as usize] & HOST != 0);
            (length > 0, &value[length..])
        }
    };
    let port_is_good = match rest {
        [] | [b':'] => true,
        [b':', port @ ..] => decimal(port).is_some_and(|port| port <= u64::from(u16::MAX)),
        _ => false,
    };
    host_is_good && port_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_only_and_fits_a_file_offset() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"00042"), Some(42));
        assert_eq!(decimal(b"9223372036854775807"), Some(i64::MAX as u64));
        for bad in ["", "+5", "-5", " 5", "5 ", "5.0", "0x5", "5_0", "9223372036854775808", "18446744073709551621"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_host_has_no_path_no_user_and_no_comma() {
        for good in
            ["a.test", "a.test:80", "a.test:", "127.0.0.1:8080", "[::1]", "[::1]:8080", "[::ffff:1.2.3.4]", "a_b"]
        {
            assert!(is_host_and_port(good.as_bytes()), "{good:?}");
        }
        for bad in
            ["", ":80", "a b", "a/b", "u@a", "a,b", "a:b", "a:65536", "a:80:80", "[::1", "[]", "[::1]x", "[g]", "a?b"]
        {
            assert!(!is_host_and_port(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn only_optional_white_space_around_list_members_is_removed() {
        let members: Vec<&[u8]> = list_members(b" a ,\tb\t,, c d ").collect();
        assert_eq!(members, [&b"a"[..], b"b", b"", b"c d"]);
    }
}
