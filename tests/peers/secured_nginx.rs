//! The command from nginx over TLS: OpenSSL is on the other side.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::date_time_ymd;

use crate::certificates::Authority;
use crate::flags_folder::FlagsFolder;
use crate::nginx::Nginx;
use crate::processes::{glassloop, said};

/// A folder to serve, one to download to, and the certificate of the one who is believed.
struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::new("the authority");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("it is written");
        fs::create_dir(folder.path().join("site")).expect("a folder");
        Place { folder, authority }
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn get(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        let mut command = glassloop();
        command.args(["get", "--progress", "none", "--cacert"]).arg(self.ca()).arg("--dest").arg(self.downloads());
        command.args(arguments).output().expect("the command runs")
    }
}

/// Bytes that are different everywhere.
fn content(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (seed ^ at ^ at >> 8 ^ at >> 16) as u8).collect()
}

fn assert_same(path: &Path, original: &[u8]) {
    assert!(fs::read(path).expect("it is there") == original, "{} is not what it should be", path.display());
}

#[test]
#[ignore = "needs nginx"]
fn many_small_files_and_a_large_one_that_was_interrupted_arrive_whole() {
    let place = Place::new();
    let large = content(0, 20 << 20);
    fs::write(place.site().join("large"), &large).expect("it is written");
    for number in 1..=200 {
        fs::write(place.site().join(format!("small-{number}")), content(number, number * 50)).expect("it is written");
    }
    let identity = place.authority.issue(&["127.0.0.1"], |_| {});
    let nginx = Nginx::serve_secured(&place.site(), "TLSv1.3", &identity);

    // The large one is stopped on its way by its limit on time, and what has come stays.
    let url = format!("{}/large", nginx.url);
    let output = place.get(["--limit-rate", "4m", "--max-time", "2", "--retry", "0", &url]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let part = fs::metadata(place.downloads().join("large.part")).expect("what has come").len();
    assert!(part > 0, "nothing has come");

    let list = place.folder.path().join("list");
    let urls: String = (1..=200).map(|number| format!("{}/small-{number}\n", nginx.url)).collect();
    fs::write(&list, format!("{url}\n{urls}")).expect("it is written");
    let output = place.get(["--json".as_ref(), "-i".as_ref(), list.as_os_str()]);
    assert!(output.status.success(), "{}", said(&output));
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
    // Six connections serve them all.
    let opened = lines.iter().filter(done).filter(|line| line["reused"] == false).count();
    assert!((1..=6).contains(&opened), "{opened} connections");
}

#[test]
#[ignore = "needs nginx"]
fn what_is_wrong_with_a_certificate_is_said() {
    let place = Place::new();
    fs::write(place.site().join("x"), "secret").expect("it is written");
    let other = place.authority.issue(&["b.test"], |_| {});
    let expired = place.authority.issue(&["127.0.0.1"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let stranger = Authority::new("a stranger").issue(&["127.0.0.1"], |_| {});
    for (version, identity, says) in [
        ("TLSv1.2", &other, "the certificate is for b.test and not for 127.0.0.1"),
        ("TLSv1.3", &expired, "the certificate expired "),
        ("TLSv1.3", &stranger, "issued by nobody who is trusted here; give the issuer's certificate with --cacert"),
    ] {
        let nginx = Nginx::serve_secured(&place.site(), version, identity);
        let output = place.get([format!("{}/x", nginx.url)]);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).contains(says), "{says}: {}", said(&output));
        assert!(!place.downloads().join("x").exists());
    }
}

#[test]
#[ignore = "needs nginx and python3"]
fn flags_come_over_tls_from_one_whom_the_system_believes() {
    let originals = FlagsFolder::make();
    let place = Place::new();
    let nginx = Nginx::serve_secured(originals.root(), "TLSv1.2", &place.authority.issue(&["127.0.0.1"], |_| {}));
    let flags = |believed: &Path| {
        let mut command = glassloop();
        command.args(["flags", "BR", "IN", "--base-url"]).arg(format!("{}/flags", nginx.url)).arg("--dest");
        command.arg(place.downloads()).env("SSL_CERT_FILE", believed).env_remove("SSL_CERT_DIR");
        command.output().expect("the command runs")
    };
    let output = flags(&place.ca());
    assert!(output.status.success() && said(&output).contains("2 flags downloaded."), "{}", said(&output));
    assert_same(&place.downloads().join("br.gif"), &fs::read(originals.image("br")).expect("the original"));
    let output = flags(Path::new("/dev/null"));
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("no root certificates are found on this system"), "{}", said(&output));
}
