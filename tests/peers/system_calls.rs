//! What a flag costs, in system calls.

use std::fs;
use std::process::Command;

use crate::flags_folder::FlagsFolder;
use crate::nginx::Nginx;

const FLAGS: usize = 194;
const CONNECTIONS: usize = 5;

#[test]
#[ignore = "needs strace, nginx and python3"]
fn with_keep_alive_a_flag_is_one_write_and_about_one_read_and_no_registration() {
    let originals = FlagsFolder::make();
    let nginx = Nginx::serve(originals.root());
    let place = tempfile::tempdir().expect("a temporary folder");
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
    let calls = fs::read_to_string(&log).expect("its log");
    // A call that another thread's interrupted is shown in two halves; the first names it.
    let count =
        |what: &dyn Fn(&str) -> bool| calls.lines().filter(|line| !line.contains("resumed>") && what(line)).count();
    let writes = count(&|line| line.contains("sendto(") || line.contains("sendmsg("));
    let reads = count(&|line| line.contains("recvfrom(") && !line.contains("MSG_PEEK"));
    let added = count(&|line| line.contains("EPOLL_CTL_ADD"));
    let modified = count(&|line| line.contains("EPOLL_CTL_MOD"));
    println!("{FLAGS} flags: {writes} writes, {reads} reads, {added} registrations, {modified} changes");
    assert_eq!(writes, FLAGS);
    // A large flag may come in two pieces.
    assert!(reads <= FLAGS + FLAGS / 4, "{reads} reads");
    // The connections, the signals, and the loop's own waker.
    assert!(added <= CONNECTIONS + 3, "{added} registrations");
    assert_eq!(modified, 0);
}
