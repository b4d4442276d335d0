//! curl downloads from `glassloop serve`.

use std::process::Command;

use glassloop::flags::codes::COUNTRIES;

use crate::flags_directory::FlagsDirectory;
use crate::processes::serve;

#[test]
#[ignore = "needs curl"]
fn curl_fetches_all_194_flags_over_one_connection() {
    let originals = FlagsDirectory::create();
    let (_server, url) = serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut curl = Command::new("curl");
    // `num_connects` is 1 for a transfer that opened a connection, 0 for one that reused a connection.
    curl.args(["-sS", "--fail", "-w", "%{num_connects}\\n", "--output-dir"]).arg(place.path());
    for country in &COUNTRIES {
        let code = country.code.lower();
        curl.arg("-O").arg(format!("{url}/flags/{code}/{code}.gif"));
    }
    let output = curl.output().expect("curl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let connections: usize =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line.parse::<usize>().expect("a number")).sum();
    assert_eq!(connections, 1);
    originals.assert_all_in(place.path());
}
