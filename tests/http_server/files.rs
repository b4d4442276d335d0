//! Static files: paths, range requests, conditional requests, and changes of files.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use glassloop::flags::site::EmbeddedServer;
use glassloop::http::server::{Faults, Limits, StaticFiles};

use crate::raw::{Client, Reply};

/// A directory, and a server for it.
struct Site {
    place: tempfile::TempDir,
    server: EmbeddedServer,
}

impl Site {
    fn new(has_listings: bool) -> Site {
        let place = tempfile::tempdir().expect("a temporary directory");
        let root = place.path().join("root");
        fs::create_dir(&root).expect("a directory");
        let open = move || {
            if has_listings { StaticFiles::open_with_listings(&root) } else { StaticFiles::open(&root) }
        };
        let server = EmbeddedServer::serve(Limits::default(), Faults::default(), open).expect("a server");
        Site { place, server }
    }

    fn root(&self) -> std::path::PathBuf {
        self.place.path().join("root")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write_long_ago(&self.root().join(name), content.as_ref());
    }

    fn get(&self, path: &str, fields: &str) -> Reply {
        Client::connect(&self.server).get_with(path, fields)
    }
}

/// Writes a file with a modification date of an hour ago, which makes it a strong validator.
fn write_long_ago(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, content).expect("a file");
    let file = File::options().write(true).open(path).expect("the file");
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("a new date");
}

/// Returns test content that does not repeat with a short period.
fn bytes(number: usize) -> Vec<u8> {
    (0..number as u64).map(|position| (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// A size that is cached, and one that is not.
const SIZES: [usize; 2] = [10_000, 300_000];

#[test]
fn files_are_sent_completely_with_their_media_type() {
    let site = Site::new(false);
    for size in SIZES {
        let name = format!("{size}.gif");
        site.write(&name, bytes(size));
        let reply = site.get(&format!("/{name}"), "");
        assert_eq!((reply.status, reply.field("content-type")), (200, Some("image/gif")));
        assert!(reply.body == bytes(size), "{size}");
    }
    site.write("a b.txt", "");
    assert_eq!(site.get("/a%20b.txt", "").field("content-length"), Some("0"));
    assert_eq!(site.get("/a%20b.txt?query", "").field("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn a_range_request_gets_a_206_with_that_range() {
    let site = Site::new(false);
    for size in SIZES {
        let (name, content) = (format!("/{size}"), bytes(size));
        site.write(&name[1..], &content);
        for (range, part) in [
            ("0-0".to_owned(), 0..1),
            (format!("5000-{size}"), 5000..size),
            ("9000-".to_owned(), 9000..size),
            ("-7".to_owned(), size - 7..size),
            (format!("-{}", size + 1), 0..size),
        ] {
            let reply = site.get(&name, &format!("Range: bytes={range}\r\n"));
            let content_range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            assert_eq!((reply.status, reply.field("content-range")), (206, Some(&*content_range)), "{range}");
            assert!(reply.body == content[part], "{range}");
        }
        let reply = site.get(&name, &format!("Range: bytes={size}-\r\n"));
        let unsatisfied = format!("bytes */{size}");
        assert_eq!((reply.status, reply.field("content-range")), (416, Some(&*unsatisfied)));
        for ignored in ["bytes=0-1,5-6", "bytes=5-4", "pages=1-2"] {
            assert_eq!(site.get(&name, &format!("Range: {ignored}\r\n")).status, 200, "{ignored}");
        }
    }
}

#[test]
fn if_range_with_another_validator_gets_the_full_content() {
    let site = Site::new(false);
    site.write("file", "0123456789");
    let known = site.get("/file", "");
    let (tag, modified) = (known.field("etag").expect("a tag"), known.field("last-modified").expect("a date"));
    let with = |validator: &str| site.get("/file", &format!("Range: bytes=5-\r\nIf-Range: {validator}\r\n"));
    for same in [tag, modified] {
        assert_eq!((with(same).status, with(same).text()), (206, "56789"), "{same}");
    }
    for other in ["\"other\"", &format!("W/{tag}"), "Sun, 06 Nov 1994 08:49:37 GMT"] {
        assert_eq!((with(other).status, with(other).text()), (200, "0123456789"), "{other}");
    }
}

#[test]
fn a_conditional_request_with_a_current_validator_gets_a_304() {
    let site = Site::new(false);
    site.write("file", "0123456789");
    let known = site.get("/file", "");
    let (tag, modified) = (known.field("etag").expect("a tag"), known.field("last-modified").expect("a date"));
    for condition in [
        format!("If-None-Match: {tag}\r\n"),
        format!("If-None-Match: \"a\", W/{tag}\r\n"),
        format!("If-Modified-Since: {modified}\r\n"),
    ] {
        let reply = site.get("/file", &condition);
        assert_eq!((reply.status, reply.field("etag"), reply.text()), (304, Some(tag), ""), "{condition}");
    }
    // The entity tag takes precedence over the date.
    let both = format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {modified}\r\n");
    assert_eq!(site.get("/file", &both).status, 200);
    assert_eq!(site.get("/file", "If-Match: \"other\"\r\n").status, 412);
}

#[test]
fn a_304_has_no_body_and_keeps_the_connection_alive() {
    let site = Site::new(false);
    site.write("file", "0123456789");
    let mut client = Client::connect(&site.server);
    let tag = client.get("/file").field("etag").expect("a tag").to_owned();
    assert_eq!(client.get_with("/file", &format!("If-None-Match: {tag}\r\n")).status, 304);
    assert_eq!(client.get("/file").text(), "0123456789");
}

#[test]
fn head_ignores_ranges_and_returns_the_full_length() {
    let site = Site::new(false);
    site.write("file", bytes(SIZES[1]));
    let mut client = Client::connect(&site.server);
    client.send("HEAD /file HTTP/1.1\r\nHost: a.test\r\nRange: bytes=0-1\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("content-length")), (200, Some("300000")));
    assert_eq!(client.get("/none").status, 404);
}

#[test]
fn responses_to_other_methods_list_the_allowed_methods() {
    let site = Site::new(false);
    site.write("file", "x");
    let mut client = Client::connect(&site.server);
    for (method, target, status) in [("DELETE", "/file", 405), ("OPTIONS", "/file", 200), ("OPTIONS", "*", 200)] {
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let reply = client.reply();
        assert_eq!((reply.status, reply.field("allow")), (status, Some("GET, HEAD, OPTIONS")), "{method}");
    }
}

#[test]
fn hidden_files_and_files_outside_the_directory_are_not_found() {
    let site = Site::new(false);
    let (place, root) = (site.place.path(), site.root());
    fs::write(place.join("secret"), "secret").expect("a file");
    site.write("file", "found");
    site.write("folder/file", "found");
    site.write(".hidden/file", "secret");
    site.write(".env", "secret");
    symlink("../secret", root.join("link")).expect("a link");
    symlink(place, root.join("folder/out")).expect("a link");
    symlink("folder/file", root.join("inside")).expect("a link");
    #[cfg(not(target_vendor = "apple"))] // It has no `mknodat`.
    rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("a fifo");
    let mut client = Client::connect(&site.server);
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/folder/../../secret",
        "/folder/%2E%2E/%2e./secret",
        "/..%2fsecret",
        "/folder%2ffile",
        "/%5c..%5csecret",
        "//secret",
        "//a.test/secret",
        "/link",
        "/folder/out/secret",
        "/fifo",
        "/.env",
        "/.hidden/file",
        "/folder/.",
        "/folder/..",
        "/file%00",
        "/file/",
        "/file/x",
        "/FILE",
        "/%",
        "/folder/",
        "/%252e%252e/secret",
    ] {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.text()), (404, "not found\n"), "{path}");
    }
    for path in ["/file", "/folder/file", "/inside", "/%66ile", "http://b.test/file"] {
        assert_eq!(client.get(path).text(), "found", "{path}");
    }
}

#[test]
fn a_directory_is_served_as_its_index_or_a_listing() {
    let (plain, listing) = (Site::new(false), Site::new(true));
    for site in [&plain, &listing] {
        site.write("with/index.html", "<p>index");
        site.write("without/a&b.txt", "");
        let reply = site.get("/with?x=1", "");
        assert_eq!((reply.status, reply.field("location")), (301, Some("/with/?x=1")));
        let reply = site.get("/with/", "");
        assert_eq!((reply.text(), reply.field("content-type")), ("<p>index", Some("text/html; charset=utf-8")));
    }
    assert_eq!(plain.get("/without/", "").status, 404);
    let page = listing.get("/without/", "");
    assert!(page.text().contains("<a href=\"./a%26b.txt\">a&amp;b.txt</a>"), "{}", page.text());
}

#[test]
fn a_changed_file_is_sent_with_a_new_etag() {
    let site = Site::new(false);
    site.write("file", "before");
    let mut client = Client::connect(&site.server);
    let before = client.get("/file");
    assert_eq!(before.text(), "before");
    site.write("file", "behind");
    // The cached version may be sent for another second.
    let after = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(20));
        Client::connect(&site.server).get("/file")
    })
    .take(500)
    .find(|reply| reply.text() == "behind")
    .expect("the new content");
    assert_ne!(after.field("etag"), before.field("etag"));
    fs::remove_file(site.root().join("file")).expect("a removed file");
    let statuses = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(20));
        Client::connect(&site.server).get("/file").status
    });
    assert_eq!(statuses.take(500).find(|status| *status == 404), Some(404));
}
