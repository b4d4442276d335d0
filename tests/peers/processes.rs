//! The command, run as a user runs it, and other programs, ended when the test is.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A program that runs beside the test and is ended with it.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The `glassloop` command. Whatever leads out of here: the servers of the tests are here.
pub fn glassloop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
    command.env("no_proxy", "*");
    command
}

/// Runs `glassloop flags` into a folder.
pub fn flags(base_url: &str, folder: &Path, arguments: &[&str]) -> Output {
    glassloop()
        .args(["flags", "--base-url", base_url, "--dest"])
        .arg(folder)
        .args(arguments)
        .output()
        .expect("the command runs")
}

/// Starts `glassloop serve DIR` on a free port and gives its address.
pub fn serve(folder: &Path) -> (Running, String) {
    let mut child = glassloop()
        .arg("serve")
        .arg(folder)
        .args(["-p", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output is piped");
    let running = Running(child);
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let url = line.trim().strip_prefix("listening on ").expect("the line says where it listens");
    (running, url.trim_end_matches('/').to_owned())
}

/// What a run has said, for the message of a failed assertion.
pub fn said(output: &Output) -> String {
    format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Runs a future of the test's own on a loop of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    glassloop::EventLoop::new().expect("a loop").block_on(future).expect("no deadlock")
}
