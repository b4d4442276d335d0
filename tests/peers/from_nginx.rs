//! `glassloop flags` and the library's client from nginx.

use glassloop::http::client::Client;
use http::Request;

use crate::flags_folder::FlagsFolder;
use crate::nginx::Nginx;
use crate::processes::{block_on, flags, said};

#[test]
#[ignore = "needs nginx and python3"]
fn all_194_flags_come_from_nginx_byte_for_byte() {
    let originals = FlagsFolder::make();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary folder");
    let output = flags(&format!("{}/flags", nginx.url), place.path(), &["-a", "-m", "30"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("194 flags downloaded."), "{}", said(&output));
    originals.assert_all_in(place.path());
}

#[test]
#[ignore = "needs nginx and python3"]
fn every_code_is_found_or_not_found_and_both_are_well() {
    let originals = FlagsFolder::make();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary folder");
    let output = flags(&format!("{}/flags", nginx.url), place.path(), &["-e", "-m", "30"]);
    assert!(output.status.success(), "{}", said(&output));
    for line in ["Searching for 676 flags: from AA to ZZ", "194 flags downloaded.", "482 not found."] {
        assert!(said(&output).contains(line), "{line}: {}", said(&output));
    }
    originals.assert_all_in(place.path());
}

#[test]
#[ignore = "needs nginx and python3"]
fn names_and_scale_make_other_files_of_the_same_images() {
    let originals = FlagsFolder::make();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary folder");
    let output = flags(&format!("{}/flags", nginx.url), place.path(), &["BR", "IN", "--names", "--scale", "3"]);
    assert!(output.status.success(), "{}", said(&output));
    let saved = std::fs::read(place.path().join("India-IN.gif")).expect("the file");
    assert!(saved == std::fs::read(originals.image("in")).expect("the original").repeat(3));
    assert!(place.path().join("Brazil-BR.gif").exists());
}

#[test]
#[ignore = "needs nginx"]
fn large_bodies_and_their_ranges_arrive_whole() {
    const MEBIBYTE: usize = 1 << 20;
    let place = tempfile::tempdir().expect("a temporary folder");
    let nginx = Nginx::serve(place.path());
    for size in [MEBIBYTE, 10 * MEBIBYTE] {
        let original: Vec<u8> = (0..size).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect();
        std::fs::write(place.path().join("large"), &original).expect("the original");
        let url = format!("{}/large", nginx.url);
        block_on(async {
            let client = Client::new();
            let whole = client.get(&url).await.expect("an answer").into_body().collect(size).await.expect("a body");
            assert!(whole == original);
            let request = Request::get(&url).header("Range", "bytes=1000-999999").body(()).expect("a request");
            let part = client.request(request).await.expect("an answer");
            assert_eq!(part.status(), 206);
            assert!(part.into_body().collect(size).await.expect("a body") == original[1000..1_000_000]);
            assert_eq!(client.connections_opened(), 1);
        });
    }
}
