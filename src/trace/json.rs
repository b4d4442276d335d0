//! Writes JSON: numbers, strings, names of fields, and the fields of a record.

use super::field::FieldWriter;

/// Writes the fields of a record as JSON, each with a comma before it.
pub(super) struct JsonFields<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl FieldWriter for JsonFields<'_> {
    fn number(&mut self, name: &'static str, number: u64) {
        put_name(name, self.out);
        put_number(number, self.out);
    }

    fn signed(&mut self, name: &'static str, number: i64) {
        put_name(name, self.out);
        self.out.extend_from_slice(number.to_string().as_bytes());
    }

    fn text(&mut self, name: &'static str, text: &str) {
        put_name(name, self.out);
        put_string(text, self.out);
    }

    fn flag(&mut self, name: &'static str, is_set: bool) {
        if is_set {
            put_name(name, self.out);
            self.out.extend_from_slice(b"true");
        }
    }

    fn numbers(&mut self, name: &'static str, numbers: &[u64]) {
        put_name(name, self.out);
        self.out.push(b'[');
        for (index, number) in numbers.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            put_number(*number, self.out);
        }
        self.out.push(b']');
    }

    /// Writes `{"source":3}`, or `{"self":true}` without a number.
    fn reference(&mut self, name: &'static str, word: &'static str, number: Option<u32>) {
        put_name(name, self.out);
        self.out.push(b'{');
        put_string(word, self.out);
        self.out.push(b':');
        match number {
            Some(number) => put_number(number.into(), self.out),
            None => self.out.extend_from_slice(b"true"),
        }
        self.out.push(b'}');
    }

    fn absent(&mut self, _name: &'static str) {}
}

/// Writes `,"name":`.
pub(super) fn put_name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// The two digits of each number from 00 to 99.
const PAIRS: &[u8; 200] =
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
      5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Writes a number in decimal, two digits at a time, because half of a recording consists of numbers.
pub(super) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    while number >= 100 {
        let pair = (number % 100) as usize * 2;
        number /= 100;
        first -= 2;
        digits[first..first + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if number >= 10 {
        let pair = number as usize * 2;
        first -= 2;
        digits[first..first + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        first -= 1;
        digits[first] = b'0' + number as u8;
    }
    out.extend_from_slice(&digits[first..]);
}

/// Writes a string. Control characters other than newline and tab are removed: they carry no information, and Perfetto
/// rejects some of them.
pub(super) fn put_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
    } else {
        put_escaped(text, out);
    }
    out.push(b'"');
}

fn put_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || c.is_control()) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            _ => {}
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{put_number, put_string};

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            let mut out = vec![];
            put_number(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn strings_keep_all_but_control_characters() {
        let mut out = vec![];
        put_string("a\"b\\c\nd\te\u{1b}[31mf\u{7f}g\u{85}héß", &mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), r#""a\"b\\c\nd\te[31mfghéß""#);
    }
}
