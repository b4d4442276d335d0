//! The command against nginx over TLS, which uses OpenSSL.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::date_time_ymd;

use crate::certificates::Authority;
use crate::flags_directory::FlagsDirectory;
use crate::nginx::Nginx;
use crate::processes::{glassloop, stderr_of};

/// A temporary directory with the served files, the downloads and the certificate of a trusted authority.
struct Place {
    directory: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let authority = Authority::new("the authority");
        fs::write(directory.path().join("ca.pem"), authority.pem()).expect("a written file");
        fs::create_dir(directory.path().join("site")).expect("a directory");
        Place { directory, authority }
    }

    fn site(&self) -> PathBuf {
        self.directory.path().join("site")
    }

    fn downloads(&self) -> PathBuf {
        self.directory.path().join("downloads")
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn get(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        let mut command = glassloop();
        command.args(["get", "--progress", "none", "--cacert"]).arg(self.ca()).arg("--dest").arg(self.downloads());
        command.args(arguments).output().expect("the command runs")
    }
}

/// Returns test content, which depends on the seed and does not repeat with a short period.
fn content(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (seed ^ at ^ at >> 8 ^ at >> 16) as u8).collect()
}

fn assert_same(path: &Path, original: &[u8]) {
    assert!(fs::read(path).expect("a readable file") == original, "{} differs", path.display());
}

#[test]
#[ignore = "needs nginx"]
fn many_small_files_and_an_interrupted_large_file_are_downloaded_completely() {
    let place = Place::new();
    let large = content(0, 20 << 20);
    fs::write(place.site().join("large"), &large).expect("a written file");
    for number in 1..=200 {
        fs::write(place.site().join(format!("small-{number}")), content(number, number * 50)).expect("a written file");
    }
    let identity = place.authority.issue(&["127.0.0.1"], |_| {});
    let nginx = Nginx::serve_secured(&place.site(), "TLSv1.3", &identity);

    // The transfer of the large file is interrupted by `--max-time`, and the part stays.
    let url = format!("{}/large", nginx.url);
    let output = place.get(["--limit-rate", "4m", "--max-time", "2", "--retry", "0", &url]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr_of(&output));
    let part = fs::metadata(place.downloads().join("large.part")).expect("a partial file").len();
    assert!(part > 0, "the partial file is empty");

    let list = place.directory.path().join("list");
    let urls: String = (1..=200).map(|number| format!("{}/small-{number}\n", nginx.url)).collect();
    fs::write(&list, format!("{url}\n{urls}")).expect("a written file");
    let output = place.get(["--json".as_ref(), "-i".as_ref(), list.as_os_str()]);
    assert!(output.status.success(), "{}", stderr_of(&output));
    assert_same(&place.downloads().join("large"), &large);
    for number in 1..=200 {
        assert_same(&place.downloads().join(format!("small-{number}")), &content(number, number * 50));
    }
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let done = |line: &&serde_json::Value| line["event"] == "done";
    assert_eq!(lines.iter().filter(done).filter_map(|line| line["resumed_from"].as_u64()).max(), Some(part));
    // At most six connections are used.
    let opened = lines.iter().filter(done).filter(|line| line["reused"] == false).count();
    assert!((1..=6).contains(&opened), "{opened} connections");
}

#[test]
#[ignore = "needs nginx"]
fn the_message_says_why_a_certificate_is_rejected() {
    let place = Place::new();
    fs::write(place.site().join("x"), "secret").expect("a written file");
    let other = place.authority.issue(&["b.test"], |_| {});
    let expired = place.authority.issue(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let unknown = Authority::new("unknown").issue(&["127.0.0.1"], |_| {});
    for (version, identity, message) in [
        ("TLSv1.2", &other, "the certificate is valid for b.test, not for 127.0.0.1"),
        ("TLSv1.3", &expired, "the certificate expired "),
        ("TLSv1.3", &unknown, "not issued by a trusted authority; give the issuer's certificate with --cacert"),
    ] {
        let nginx = Nginx::serve_secured(&place.site(), version, identity);
        let output = place.get([format!("{}/x", nginx.url)]);
        assert_eq!(output.status.code(), Some(4), "{}", stderr_of(&output));
        assert!(stderr_of(&output).contains(message), "{message}: {}", stderr_of(&output));
        assert!(!place.downloads().join("x").exists());
    }
}

#[test]
#[ignore = "needs nginx"]
fn flags_verifies_the_server_with_the_system_s_root_certificates() {
    let originals = FlagsDirectory::create();
    let place = Place::new();
    let nginx = Nginx::serve_secured(originals.root(), "TLSv1.2", &place.authority.issue(&["127.0.0.1"], |_| {}));
    let flags = |root_certificates: &Path| {
        let mut command = glassloop();
        command.args(["flags", "BR", "IN", "--base-url"]).arg(format!("{}/flags", nginx.url)).arg("--dest");
        command.arg(place.downloads()).env("SSL_CERT_FILE", root_certificates).env_remove("SSL_CERT_DIR");
        command.output().expect("the command runs")
    };
    let output = flags(&place.ca());
    assert!(output.status.success() && stderr_of(&output).contains("2 flags downloaded."), "{}", stderr_of(&output));
    assert_same(&place.downloads().join("br.gif"), &fs::read(originals.image("br")).expect("the original"));
    let output = flags(Path::new("/dev/null"));
    assert_eq!(output.status.code(), Some(1), "{}", stderr_of(&output));
    assert!(stderr_of(&output).contains("no root certificates found on this system"), "{}", stderr_of(&output));
}
