//! Derives a safe file name from untrusted text, such as a URL.

use super::escape::is_terminal_control;
use super::staging::STAGING;
use super::validator_cache;
use crate::http::credentials::percent_decoded;

/// The maximum length of a name in bytes. Temporary names are derived from it, and must fit in the 255 bytes that most
/// file systems allow.
const MAX_BYTES: usize = 200;

/// The file name for a URL that ends in a slash.
const INDEX: &str = "index.html";

/// Returns the file name for a URL's path: its last segment, percent-decoded once.
///
/// The path is split before it is decoded, so that an encoded slash cannot split a segment. Characters that could
/// escape from the directory, hide the file, make it look like an option or be rejected by a file system are replaced
/// with `_`.
///
/// ```
/// use glassloop::download::name_from_path;
///
/// assert_eq!(name_from_path("/flags/br/br.gif"), "br.gif");
/// assert_eq!(name_from_path("/a%20b.txt"), "a b.txt");
/// assert_eq!(name_from_path("/x/..%2F..%2Fetc%2Fpasswd"), "_._.._etc_passwd");
/// assert_eq!(name_from_path("/"), "index.html");
/// ```
pub fn name_from_path(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "" => INDEX.to_owned(),
        last => sanitize_file_name(&decoded(last)),
    }
}

/// Returns the directories for a URL: its host, with the port if it has one, and its path except for the last segment.
pub(super) fn directories_from(host_and_port: &str, path: &str) -> String {
    let mut directories = sanitize_file_name(host_and_port);
    let (between, _last) = path.rsplit_once('/').unwrap_or_default();
    for segment in between.split('/').filter(|segment| !segment.is_empty()) {
        directories.push('/');
        directories.push_str(&sanitize_file_name(&decoded(segment)));
    }
    directories
}

/// Converts any text to a safe file name: a single path component that file systems accept and that has no special
/// meaning.
pub(super) fn sanitize_file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for character in text.trim_matches(' ').chars() {
        let is_refused = matches!(character, '/' | '\\' | '\0' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\u{fffd}');
        let replaced = if is_refused || is_terminal_control(character) { '_' } else { character };
        // Truncate to the maximum length, at a character boundary.
        if name.len() + replaced.len_utf8() > MAX_BYTES {
            break;
        }
        name.push(replaced);
    }
    if name.starts_with(['-', '~', '.']) {
        name.replace_range(..1, "_");
    }
    // A download must not get the name of a partial download or of its state file.
    if name.ends_with(".part") || name.ends_with(".part.json") {
        name.truncate(name.len().min(MAX_BYTES - 1));
        name.push('_');
    }
    if name.is_empty() { "_".to_owned() } else { name }
}

/// Returns whether a name is reserved for this program's own files in the output directory, so no download gets it.
///
/// ```
/// use glassloop::download::is_reserved;
///
/// assert!(is_reserved(".glassloop-validators"));
/// assert!(!is_reserved(".profile"));
/// ```
pub fn is_reserved(name: &str) -> bool {
    name == validator_cache::FILE || name == STAGING
}

/// Decodes percent-encoding. Invalid UTF-8 becomes the replacement character.
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent_decoded(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_directory_are_visible_and_do_not_look_like_options() {
        for (path, name) in [
            ("/..", "_."),
            ("/.", "_"),
            ("/%2e%2e", "_."),
            ("/..%2fx", "_._x"),
            ("/a%5Cb", "a_b"),
            ("/%00", "_"),
            ("/-rf", "_rf"),
            ("/~root", "_root"),
            ("/.bashrc", "_bashrc"),
            ("/a%1b%5b2Jb", "a_[2Jb"),
            ("/a%E2%80%AEb", "a_b"),
            ("/%ff", "_"),
            ("/a%252Fb", "a%2Fb"),
            ("/100%", "100%"),
            ("/%20", "_"),
            ("/x.part", "x.part_"),
            ("/x.part.json", "x.part.json_"),
        ] {
            assert_eq!(name_from_path(path), name, "{path}");
        }
    }

    #[test]
    fn a_long_name_is_truncated_between_characters() {
        let name = name_from_path(&format!("/{}", "ä".repeat(150)));
        assert_eq!(name, "ä".repeat(100));
        assert!(name_from_path(&format!("/{}.part", "x".repeat(195))).len() <= MAX_BYTES);
    }

    #[test]
    fn directories_have_safe_names() {
        assert_eq!(directories_from("a.test:81", "/x/..%2f/%2e%2e/y z/last"), "a.test_81/x/_._/_./y z");
    }
}
