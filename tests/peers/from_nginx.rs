//! `glassloop flags` and the library's client against nginx.

use glassloop::http::client::Client;
use http::Request;

use crate::flags_directory::FlagsDirectory;
use crate::nginx::Nginx;
use crate::processes::{block_on, flags, stderr_of};

#[test]
#[ignore = "needs nginx"]
fn all_194_flags_are_downloaded_byte_for_byte() {
    let originals = FlagsDirectory::create();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary directory");
    let output = flags(&format!("{}/flags", nginx.url), place.path(), &["-a", "-m", "30"]);
    assert!(output.status.success(), "{}", stderr_of(&output));
    assert!(stderr_of(&output).contains("194 flags downloaded."), "{}", stderr_of(&output));
    originals.assert_all_in(place.path());
}

#[test]
#[ignore = "needs nginx"]
fn flags_that_are_not_found_do_not_fail_the_run() {
    let originals = FlagsDirectory::create();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary directory");
    let output = flags(&format!("{}/flags", nginx.url), place.path(), &["-e", "-m", "30"]);
    assert!(output.status.success(), "{}", stderr_of(&output));
    for line in ["Searching for 676 flags: from AA to ZZ", "194 flags downloaded.", "482 not found."] {
        assert!(stderr_of(&output).contains(line), "{line}: {}", stderr_of(&output));
    }
    originals.assert_all_in(place.path());
}

#[test]
#[ignore = "needs nginx"]
fn names_and_scale_change_the_names_and_sizes_of_the_files() {
    let originals = FlagsDirectory::create();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary directory");
    let output = flags(&format!("{}/flags", nginx.url), place.path(), &["BR", "IN", "--names", "--scale", "3"]);
    assert!(output.status.success(), "{}", stderr_of(&output));
    let saved = std::fs::read(place.path().join("India-IN.gif")).expect("the file");
    assert!(saved == std::fs::read(originals.image("in")).expect("the original").repeat(3));
    assert!(place.path().join("Brazil-BR.gif").exists());
}

#[test]
#[ignore = "needs nginx"]
fn large_bodies_and_ranges_are_received_completely() {
    const MEBIBYTE: usize = 1 << 20;
    let place = tempfile::tempdir().expect("a temporary directory");
    let nginx = Nginx::serve(place.path());
    for size in [MEBIBYTE, 10 * MEBIBYTE] {
        let original: Vec<u8> = (0..size).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect();
        std::fs::write(place.path().join("large"), &original).expect("the original");
        let url = format!("{}/large", nginx.url);
        block_on(async {
            let client = Client::new();
            let full = client.get(&url).await.expect("a response").into_body().collect(size).await.expect("a body");
            assert!(full == original);
            let request = Request::get(&url).header("Range", "bytes=1000-999999").body(()).expect("a request");
            let part = client.request(request).await.expect("a response");
            assert_eq!(part.status(), 206);
            assert!(part.into_body().collect(size).await.expect("a body") == original[1000..1_000_000]);
            assert_eq!(client.connections_opened(), 1);
        });
    }
}
