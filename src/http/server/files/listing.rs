//! Directory listings in HTML.

use std::fmt::Write;
use std::io;

use super::path::SitePath;
use crate::platform::{Dir, FileType, OwnedFd};

/// The maximum number of entries in a listing. Further entries of the directory are omitted, in the order in which the
/// system returns them.
const MAX_ENTRIES: usize = 10_000;

/// Returns the listing of a directory, sorted by name, with a slash after the names of directories.
///
/// # Errors
/// If the directory cannot be read.
pub(super) fn page(directory: OwnedFd, path: &SitePath) -> io::Result<String> {
    let mut entries = Vec::new();
    for entry in Dir::new(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !name.starts_with(b".") && entries.len() < MAX_ENTRIES {
            entries.push((name.to_vec(), entry.file_type() == FileType::Directory));
        }
    }
    entries.sort_unstable();
    let title = format!("/{}", path.name.to_string_lossy());
    let mut page = String::new();
    page.push_str("<!doctype html>\n<meta charset=\"utf-8\">\n<title>");
    push_escaped(&mut page, &title);
    page.push_str("</title>\n<h1>");
    push_escaped(&mut page, &title);
    page.push_str("</h1>\n<ul>\n");
    if !path.name.as_os_str().is_empty() {
        page.push_str("<li><a href=\"../\">../</a>\n");
    }
    for (name, is_directory) in entries {
        let slash = if is_directory { "/" } else { "" };
        page.push_str("<li><a href=\"./");
        push_encoded(&mut page, &name);
        page.push_str(slash);
        page.push_str("\">");
        push_escaped(&mut page, &String::from_utf8_lossy(&name));
        page.push_str(slash);
        page.push_str("</a>\n");
    }
    page.push_str("</ul>\n");
    Ok(page)
}

/// Appends text, escaped for HTML.
fn push_escaped(page: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            character if character.is_control() => page.push('\u{fffd}'),
            character => page.push(character),
        }
    }
}

/// Appends a file name, percent-encoded as one path segment (RFC 3986 §2.3).
fn push_encoded(page: &mut String, name: &[u8]) {
    for byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => page.push(char::from(*byte)),
            byte => write!(page, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{CWD, Mode, OFlags, openat};
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn names_are_escaped_in_text_and_encoded_in_links() {
        let place = tempfile::tempdir().unwrap();
        for name in ["<script>\"'&", "a b?c#d", "z", ".hidden"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        fs::create_dir(place.path().join("folder")).unwrap();
        let path = SitePath { name: PathBuf::from("x<y"), is_directory: true };
        let directory = openat(CWD, place.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let page = page(directory, &path).unwrap();
        assert!(page.contains("<h1>/x&lt;y</h1>"), "{page}");
        let links: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("<li>")).collect();
        assert_eq!(
            links,
            [
                "<a href=\"../\">../</a>",
                "<a href=\"./%3Cscript%3E%22%27%26\">&lt;script&gt;&quot;&#39;&amp;</a>",
                "<a href=\"./a%20b%3Fc%23d\">a b?c#d</a>",
                "<a href=\"./folder/\">folder/</a>",
                "<a href=\"./z\">z</a>",
            ]
        );
    }
}
