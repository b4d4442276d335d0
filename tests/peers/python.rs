//! Runs Python programs. `GLASSLOOP_PYTHON` selects the interpreter, which needs the packages httpbin, waitress and
//! h11.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use crate::processes::Running;

/// Returns the command of the interpreter.
pub fn python() -> Command {
    Command::new(std::env::var_os("GLASSLOOP_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Runs a program, asserts that it succeeds, and returns its stdout.
pub fn run_python(program: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        python().arg("-c").arg(program).args(arguments).output().expect("python runs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("UTF-8")
}

/// Starts httpbin on a free port, with the WSGI server waitress, and returns its URL.
pub fn httpbin() -> (Running, String) {
    let program = "
import socket, sys, httpbin, waitress
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
waitress.serve(httpbin.app, sockets=[listener], threads=8, _quiet=True)
";
    let mut child = python()
        .args(["-c", program])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python runs (with httpbin and waitress)");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a piped stdout");
    let running = Running(child);
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    (running, format!("http://127.0.0.1:{}", line.trim()))
}
