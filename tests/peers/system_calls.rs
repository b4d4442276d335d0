//! Counts the system calls per flag.

use std::fs;
use std::process::Command;

use crate::flags_directory::FlagsDirectory;
use crate::nginx::Nginx;

const FLAGS: usize = 194;
const CONNECTIONS: usize = 5;

#[test]
#[ignore = "needs strace and nginx"]
fn a_flag_takes_one_write_about_one_read_and_no_registration() {
    let originals = FlagsDirectory::create();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary directory");
    let log = place.path().join("calls");
    let status = Command::new("strace")
        .env("no_proxy", "*")
        .args(["-f", "-e", "trace=sendto,sendmsg,recvfrom,epoll_ctl", "-o"])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_glassloop"))
        .args(["flags", "-a", "-m", "5", "--base-url", &format!("{}/flags", nginx.url), "--dest"])
        .arg(place.path().join("flags"))
        .status()
        .expect("strace runs");
    assert!(status.success());
    let calls = fs::read_to_string(&log).expect("the log of strace");
    // strace splits a call that is interrupted by one of another thread into two lines; only the first is counted.
    let count =
        |what: &dyn Fn(&str) -> bool| calls.lines().filter(|line| !line.contains("resumed>") && what(line)).count();
    let writes = count(&|line| line.contains("sendto(") || line.contains("sendmsg("));
    let reads = count(&|line| line.contains("recvfrom(") && !line.contains("MSG_PEEK"));
    let added = count(&|line| line.contains("EPOLL_CTL_ADD"));
    let modified = count(&|line| line.contains("EPOLL_CTL_MOD"));
    println!("{FLAGS} flags: {writes} writes, {reads} reads, {added} registrations, {modified} changes");
    assert_eq!(writes, FLAGS);
    // A large flag may need two reads.
    assert!(reads <= FLAGS + FLAGS / 4, "{reads} reads");
    // Besides the connections, the signals and the loop's waker are registered.
    assert!(added <= CONNECTIONS + 3, "{added} registrations");
    assert_eq!(modified, 0);
}
