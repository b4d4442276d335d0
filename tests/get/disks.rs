//! File systems without some features, failing disks, and kills between two steps: only complete files get their final
//! names, and the next run resumes or cleans up.

use std::process::Command;

use libc::{
    EDQUOT, EINVAL, EIO, ENOSPC, EOPNOTSUPP, EPERM, O_TMPFILE, RENAME_NOREPLACE, SYS_linkat, SYS_openat, SYS_pwrite64,
    SYS_renameat, SYS_renameat2, SYS_unlinkat,
};

use crate::denied::{Denied, without};
use crate::run::{Run, TestDirectory, content};
use crate::server::{Reply, Request, Server};

const LENGTH: usize = 1 << 20;

/// Starts a server of files with a validator, without one (`/weak…`), and of small files (`/small…`).
fn files(body: &[u8]) -> Server {
    let body = body.to_owned();
    Server::start(move |request: &Request| match request.path.trim_end_matches('2') {
        "/weak" => Reply::ok(&body[..]),
        "/small" => Reply::ok(&body[..5000]),
        _ => Reply::file(request, &body, "\"1\""),
    })
}

#[test]
fn the_next_run_resumes_at_the_end_of_what_a_failed_write_has_left() {
    let body = content(20, LENGTH);
    for errno in [EIO, ENOSPC, EDQUOT] {
        for first_failure in [1, 300_000, 700_000] {
            let server = files(&body);
            let place = TestDirectory::new();
            let run =
                without([Denied::error(SYS_pwrite64, errno).from(3, first_failure)], || place.get([server.url("/x")]));
            run.assert(3, "writing");
            let part = place.read("x.part");
            assert!(!part.is_empty() && body.starts_with(&part), "{} bytes", part.len());
            place.get([server.url("/x")]).assert(0, "1 saved");
            assert!(place.read("x") == body);
            assert!(server.requests()[1].contains(&format!("bytes={}-", part.len())), "{}", server.requests()[1]);
        }
    }
}

#[test]
fn a_partial_write_leaves_a_valid_beginning() {
    let body = content(21, LENGTH);
    let server = files(&body);
    let place = TestDirectory::new();
    let command = format!(
        "ulimit -f 900; exec {} get --progress none --dest {} {}",
        env!("CARGO_BIN_EXE_glassloop"),
        place.folder().display(),
        server.url("/x"),
    );
    let output = Command::new("sh").args(["-c", &command]).env("no_proxy", "*").output().expect("sh runs");
    Run::from(output).assert(3, "`ulimit -f` does not allow a larger file");
    let part = place.read("x.part");
    assert!(part.len() > 400_000 && body.starts_with(&part), "{} bytes", part.len());
    place.get([server.url("/x")]).assert(0, "1 saved");
    assert!(place.read("x") == body);
}

/// The features that a file system lacks.
fn lacking() -> Vec<(&'static str, Vec<Denied>)> {
    let links = || Denied::error(SYS_linkat, EPERM);
    let no_replace = || Denied::error(SYS_renameat2, EINVAL).with_bits(4, u64::from(RENAME_NOREPLACE));
    let unnamed = || Denied::error(SYS_openat, EOPNOTSUPP).with_bits(2, O_TMPFILE as u64);
    vec![
        ("links", vec![links()]),
        ("RENAME_NOREPLACE", vec![no_replace()]),
        ("files without names", vec![unnamed()]),
        ("links and RENAME_NOREPLACE", vec![links(), no_replace()]),
        ("all but links", vec![unnamed(), no_replace()]),
        ("all of it", vec![unnamed(), links(), no_replace()]),
    ]
}

#[test]
fn files_are_saved_and_replaced_without_the_optional_features_of_a_file_system() {
    let body = content(22, LENGTH);
    for (what, denied) in lacking() {
        let server = files(&body);
        let place = TestDirectory::new();
        let names = ["x", "weak", "weak2", "small", "small2"];
        let urls = names.map(|name| server.url(&format!("/{name}")));
        without(denied, || {
            place.get(&urls).assert(0, "5 saved");
            place.write("x", "old");
            place.get(&urls).assert(0, "5 already present");
            assert_eq!(place.text("x"), "old", "{what}");
            place
                .get(["--overwrite", "always"].into_iter().chain(urls.iter().map(|url| &url[..])))
                .assert(0, "5 saved");
        });
        for name in names {
            assert!(body.starts_with(&place.read(name)) && place.read(name).len() >= 5000, "{what}: {name}");
        }
        assert_eq!(place.names().len(), names.len(), "{what}: {:?}", place.names());
    }
}

#[test]
fn leftovers_of_a_kill_between_two_steps_are_removed_by_the_next_run() {
    let body = content(23, LENGTH);
    let links = || Denied::error(SYS_linkat, EPERM);
    // The step before the last one is a link or a rename.
    for (step, more) in
        [(SYS_renameat, vec![]), (SYS_unlinkat, vec![]), (SYS_renameat, vec![links()]), (SYS_renameat2, vec![links()])]
    {
        for path in ["/x", "/weak", "/small"] {
            for is_there in [true, false] {
                let denied = more.iter().map(|_| links()).chain([Denied::kill(step)]);
                let server = files(&body);
                let place = TestDirectory::new();
                if is_there {
                    place.write(&path[1..], "old");
                }
                let get = || place.command(["--overwrite", "always", &server.url(path)]).output().expect("it runs");
                without(denied, get);
                let after = place.names();
                Run::from(get()).assert(0, "1 saved");
                assert!(body.starts_with(&place.read(&path[1..])), "{path}");
                assert_eq!(place.names(), [&path[1..]], "{path}: {step} left {after:?}");
            }
        }
    }
}
