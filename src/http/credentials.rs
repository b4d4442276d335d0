//! Credentials: percent-decoding of the userinfo in a URL, and the value of an `Authorization` field.

use http::HeaderValue;

/// Returns the field value for Basic authentication (RFC 7617 §2).
pub(crate) fn basic(user: &[u8], password: &[u8]) -> HeaderValue {
    let value = format!("Basic {}", base64(&[user, b":", password].concat()));
    let mut value = HeaderValue::from_str(&value).expect("base64 is printable ASCII");
    value.set_sensitive(true);
    value
}

/// Encodes bytes as base64 (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Decodes percent-encoding once. A `%` without two hexadecimal digits is left unchanged.
pub(crate) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, following @ ..] = rest {
        let encoded = match (first, following) {
            (b'%', [high, low, ..]) => {
                let hex = |digit: u8| char::from(digit).to_digit(16);
                hex(*high).zip(hex(*low)).map(|(high, low)| (high * 16 + low) as u8)
            }
            _ => None,
        };
        bytes.push(encoded.unwrap_or(*first));
        rest = if encoded.is_some() { &following[2..] } else { following };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        assert_eq!([b"".as_slice(), b"f", b"fo", b"foo"].map(base64), ["", "Zg==", "Zm8=", "Zm9v"]);
    }

    #[test]
    fn invalid_percent_encoding_is_left_unchanged() {
        for (text, decoded) in [("a%40b", "a@b"), ("%2e%2E", ".."), ("100%", "100%"), ("%4", "%4"), ("%zz", "%zz")] {
            assert_eq!(percent_decoded(text), decoded.as_bytes(), "{text}");
        }
    }
}
