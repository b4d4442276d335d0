//! What is said about a flag beside its picture: the text of `flags/cc/metadata.json`, and the
//! file name that a downloader makes from the country's name in it.

use std::fmt::Write;

use super::codes::{Country, CountryCode};

/// No common file system takes a name of more bytes.
const LONGEST_FILE_NAME_BYTES: usize = 255;

/// The text of a country's `metadata.json`: one line of JSON in pure ASCII, without a newline.
///
/// ```
/// use glassloop::flags::{codes::CountryCode, metadata::metadata_json};
///
/// let andorra = "AD".parse::<CountryCode>()?.country().expect("Andorra is a country");
/// assert_eq!(
///     metadata_json(andorra),
///     r#"{"tld_cc": ".ad", "iso_cc": "AD", "country": "Andorra", "gec_cc": "AN"}"#
/// );
/// # Ok::<(), glassloop::flags::codes::CodeError>(())
/// ```
pub fn metadata_json(country: &Country) -> String {
    format!(
        r#"{{"tld_cc": {}, "iso_cc": {}, "country": {}, "gec_cc": {}}}"#,
        json_string(country.top_level_domain),
        json_string(country.code.as_str()),
        json_string(country.name),
        json_string(country.gec_code),
    )
}

/// A JSON string (RFC 8259 §7) in which everything but printable ASCII is escaped, as UTF-16
/// code units.
fn json_string(text: &str) -> String {
    let mut json = String::from('"');
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b'"' | b'\\')) => json.extend(['\\', char::from(byte)]),
            Ok(byte @ b' '..=b'~') => json.push(char::from(byte)),
            _ => write!(json, "\\u{unit:04x}").expect("writing to a string does not fail"),
        }
    }
    json.push('"');
    json
}

/// The file name of a flag that is saved under its country's name: `Country_Name-CC.gif`.
///
/// The name comes from a server and is not to be trusted: of it are kept letters and digits of
/// any script, and the marks `- _ , ' . ( )` that country names use, but not in front, where a
/// dot would hide the file and a dash would make it look like an option. A space becomes `_`. A
/// name of which nothing is left gives `CC.gif`.
///
/// ```
/// use glassloop::flags::{codes::CountryCode, metadata::file_name};
///
/// assert_eq!(file_name("Côte d'Ivoire", "CI".parse()?), "Côte_d'Ivoire-CI.gif");
/// assert_eq!(file_name("../../etc/passwd", "XX".parse()?), "etcpasswd-XX.gif");
/// # Ok::<(), glassloop::flags::codes::CodeError>(())
/// ```
pub fn file_name(country_name: &str, code: CountryCode) -> String {
    let kept = country_name
        .trim()
        .chars()
        .map(|character| if character.is_whitespace() { '_' } else { character })
        .filter(|&character| character.is_alphanumeric() || "-_,'.()".contains(character));
    let mut name = String::new();
    for character in kept.skip_while(|character| !character.is_alphanumeric()) {
        if name.len() + character.len_utf8() + "-CC.gif".len() > LONGEST_FILE_NAME_BYTES {
            break;
        }
        name.push(character);
    }
    if !name.is_empty() {
        name.push('-');
    }
    name + code.as_str() + ".gif"
}

#[cfg(test)]
mod tests {
    use super::super::codes::COUNTRIES;
    use super::*;

    #[test]
    fn metadata_is_json_that_reads_back_as_the_country() {
        for country in &COUNTRIES {
            let json: serde_json::Value = serde_json::from_str(&metadata_json(country)).expect("this is JSON");
            assert_eq!(
                json,
                serde_json::json!({
                    "tld_cc": country.top_level_domain,
                    "iso_cc": country.code.as_str(),
                    "country": country.name,
                    "gec_cc": country.gec_code,
                })
            );
        }
    }

    #[test]
    fn metadata_escapes_what_is_not_ascii() {
        let ivory_coast = CountryCode::written("CI").country().expect("a country");
        assert!(metadata_json(ivory_coast).contains(r#""country": "C\u00f4te d'Ivoire""#));
    }

    #[test]
    fn quotes_backslashes_and_wide_characters_are_escaped() {
        assert_eq!(json_string("\"\\\n😀"), r#""\"\\\u000a\ud83d\ude00""#);
    }

    #[test]
    #[ignore = "set GLASSLOOP_REAL_FLAGS to a folder of cc/metadata.json to compare with real ones"]
    fn metadata_equals_that_of_real_flags() {
        let folder = std::env::var_os("GLASSLOOP_REAL_FLAGS").expect("GLASSLOOP_REAL_FLAGS names no folder");
        for country in &COUNTRIES {
            let path = std::path::Path::new(&folder).join(country.code.lower()).join("metadata.json");
            let real = std::fs::read_to_string(&path).expect("the folder holds this file");
            assert_eq!(metadata_json(country), real);
        }
    }

    #[test]
    fn every_country_keeps_its_whole_name_in_the_file_name() {
        for country in &COUNTRIES {
            let expected = format!("{}-{}.gif", country.name.replace(' ', "_"), country.code);
            assert_eq!(file_name(country.name, country.code), expected);
        }
    }

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for name in ["../Brazil", "/Brazil", r"..\Brazil", "C:Brazil", "Bra\0zil", ".Brazil", "-Brazil"] {
            let saved = file_name(name, CountryCode::written("BR"));
            assert!(matches!(saved.as_str(), "Brazil-BR.gif" | "CBrazil-BR.gif"), "{name:?} gave {saved:?}");
        }
    }

    #[test]
    fn a_name_without_a_letter_leaves_the_code() {
        assert_eq!(file_name("../..", CountryCode::written("BR")), "BR.gif");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let saved = file_name(&"ô".repeat(200), CountryCode::written("BR"));
        assert_eq!(saved, "ô".repeat(124) + "-BR.gif");
    }
}
