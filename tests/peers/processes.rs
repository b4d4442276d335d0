//! Runs the command and other programs, and stops them at the end of the test.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A child process that is killed when this is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Returns the `glassloop` command, without proxies, since the servers of the tests are local.
pub fn glassloop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
    command.env("no_proxy", "*");
    command
}

/// Runs `glassloop flags` with this destination directory.
pub fn flags(base_url: &str, directory: &Path, arguments: &[&str]) -> Output {
    glassloop()
        .args(["flags", "--base-url", base_url, "--dest"])
        .arg(directory)
        .args(arguments)
        .output()
        .expect("the command runs")
}

/// Starts `glassloop serve DIR` on a free port and returns its URL.
pub fn serve(directory: &Path) -> (Running, String) {
    let mut child = glassloop()
        .arg("serve")
        .arg(directory)
        .args(["-p", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a piped stdout");
    let running = Running(child);
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let url = line.trim().strip_prefix("listening on ").expect("a line with the URL");
    (running, url.trim_end_matches('/').to_owned())
}

/// Returns the exit status and stderr of a run.
pub fn stderr_of(output: &Output) -> String {
    format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Runs a future on a new loop.
pub fn block_on<F: Future>(future: F) -> F::Output {
    glassloop::EventLoop::new().expect("a loop").block_on(future).expect("no deadlock")
}
