//! From the path of a request to a name below the root.
//!
//! The path is cut at its slashes first, and each piece is decoded once. So an encoded slash can never become one, and
//! what has been encoded twice stays a name that nobody has (RFC 3986 §2.4).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A place below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SitePath {
    /// Relative, made of plain names only; empty for the root itself.
    pub(super) name: PathBuf,
    /// It ended in a slash: a folder is meant.
    pub(super) is_folder: bool,
}

impl SitePath {
    /// `None` for a path that can name nothing: it leads upwards, begins with a dot somewhere, or holds what no file
    /// name may hold.
    pub(super) fn parse(path: &str) -> Option<SitePath> {
        let path = path.strip_prefix('/')?;
        let mut name = PathBuf::new();
        if path.is_empty() {
            return Some(SitePath { name, is_folder: true });
        }
        let (names, is_folder) = match path.strip_suffix('/') {
            Some(names) => (names, true),
            None => (path, false),
        };
        for segment in names.split('/') {
            name.push(decode(segment)?);
        }
        Some(SitePath { name, is_folder })
    }
}

/// One segment as a file name.
fn decode(segment: &str) -> Option<OsString> {
    let mut name = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        let byte = match byte {
            b'%' => {
                let (digits, behind) = behind.split_at_checked(2)?;
                rest = behind;
                hexadecimal(digits[0])? << 4 | hexadecimal(digits[1])?
            }
            byte => *byte,
        };
        if matches!(byte, b'/' | b'\\' | 0) {
            return None;
        }
        name.push(byte);
    }
    // An empty name, `.`, `..`, and hidden files.
    if matches!(name[..], [] | [b'.', ..]) { None } else { Some(OsString::from_vec(name)) }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    // Below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> Option<(String, bool)> {
        SitePath::parse(path).map(|path| (path.name.to_str().unwrap().to_owned(), path.is_folder))
    }

    #[test]
    fn names_are_decoded_once_and_below_the_root() {
        for (path, name, is_folder) in [
            ("/", "", true),
            ("/a", "a", false),
            ("/a/", "a", true),
            ("/a/b%20c/d.gif", "a/b c/d.gif", false),
            ("/%C3%A9", "é", false),
            ("/%2561", "%61", false),
            ("/a..b/c.", "a..b/c.", false),
            ("/%252e%252e/x", "%2e%2e/x", false),
        ] {
            assert_eq!(parsed(path), Some((name.to_owned(), is_folder)), "{path}");
        }
    }

    #[test]
    fn whatever_could_lead_elsewhere_names_nothing() {
        for path in [
            "*",
            "",
            "a",
            "//",
            "//etc/passwd",
            "/a//b",
            "/..",
            "/../x",
            "/a/../../x",
            "/a/.",
            "/.",
            "/.hidden",
            "/a/.git/config",
            "/%2e%2e/x",
            "/%2E/x",
            "/.%2e/x",
            "/a%2fb",
            "/a%2F..%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/%",
            "/%2",
            "/%zz",
            "/a%",
        ] {
            assert_eq!(parsed(path), None, "{path}");
        }
    }
}
