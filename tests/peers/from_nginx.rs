//! `glassloop flags` from nginx.

use crate::flags_folder::FlagsFolder;
use crate::nginx::Nginx;
use crate::processes::{flags, said};

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
    let output = flags(&format!("{}/flags", nginx.url), place.path(), &["BR", "US", "--names", "--scale", "3"]);
    assert!(output.status.success(), "{}", said(&output));
    let saved = std::fs::read(place.path().join("United_States-US.gif")).expect("the file");
    assert!(saved == std::fs::read(originals.image("us")).expect("the original").repeat(3));
    assert!(place.path().join("Brazil-BR.gif").exists());
}
