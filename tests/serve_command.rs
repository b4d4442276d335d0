//! `glassloop serve`, run as a user runs it.
#![cfg(unix)]

#[path = "support/watchdog.rs"]
mod watchdog;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A running server, which is killed when it is dropped.
struct Serving {
    child: Child,
    addresses: Vec<SocketAddr>,
    stderr: BufReader<ChildStderr>,
}

fn command(arguments: &[&str]) -> Command {
    watchdog::watch();
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
    command.arg("serve").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("RUST_LOG");
    command
}

impl Serving {
    /// Starts the server and reads the lines with its addresses.
    fn start(arguments: &[&str], servers: usize) -> Serving {
        let mut child = command(arguments).spawn().expect("the command runs");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let addresses: Vec<SocketAddr> = stdout
            .lines()
            .take(servers)
            .map(|line| {
                let line = line.expect("a line");
                let address = line.strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix('/'));
                address.unwrap_or_else(|| panic!("{line:?}")).parse().expect("an address")
            })
            .collect();
        assert_eq!(addresses.len(), servers);
        Serving { child, addresses, stderr }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32).expect("a process")
    }

    /// Sends a signal. Returns the rest of stderr and the exit status.
    fn end(mut self, signal: Signal) -> (String, ExitStatus) {
        kill_process(self.pid(), signal).expect("it is there");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("text");
        (said, self.child.wait().expect("it ends"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("the option");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn folder_with_a_file() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("file.txt"), "content").expect("a file");
    folder
}

fn name(folder: &Path) -> &str {
    folder.to_str().expect("UTF-8")
}

#[test]
fn a_directory_is_served_until_a_signal_arrives() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = folder_with_a_file();
        let serving = Serving::start(&[name(folder.path()), "-p", "0"], 1);
        let answer = get(serving.addresses[0], "/file.txt");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ncontent"), "{answer}");
        let (said, status) = serving.end(signal);
        assert_eq!((said.as_str(), status.code()), ("", Some(0)));
    }
}

#[test]
fn a_response_in_progress_is_completed_first() {
    let folder = folder_with_a_file();
    let serving = Serving::start(&[name(folder.path()), "-p", "0"], 1);
    let mut stream = TcpStream::connect(serving.addresses[0]).expect("connected");
    stream.write_all(b"GET /file.txt?gl-rate=20 HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("written");
    let mut answer = [0];
    stream.read_exact(&mut answer).expect("the answer has begun");
    let (_, status) = serving.end(Signal::TERM);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the rest");
    assert!(rest.ends_with("content"), "{rest}");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn without_a_folder_there_are_three_servers_of_flags() {
    let serving = Serving::start(&["--ports", "0,0,0", "--delay", "0", "--seed", "1"], 3);
    for address in &serving.addresses {
        let answer = get(*address, "/flags/br/metadata.json");
        assert!(answer.contains("\"Brazil\"") || answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    let statuses = |server: usize| -> Vec<String> {
        let paths = (b'a'..=b'z').map(|letter| format!("/flags/b{}/none", char::from(letter)));
        paths.map(|path| get(serving.addresses[server], &path)[9..12].to_owned()).collect()
    };
    assert!(statuses(0).iter().all(|status| status == "404"));
    let failed = statuses(2).iter().filter(|status| *status == "503").count();
    assert!((1..20).contains(&failed), "{failed}");
    let (said, _) = serving.end(Signal::TERM);
    assert!(said.contains("--seed 1"), "{said}");
}

#[test]
fn each_request_is_a_line_in_which_control_characters_are_escaped() {
    let folder = folder_with_a_file();
    let serving = Serving::start(&[name(folder.path()), "-p", "0", "-v"], 1);
    get(serving.addresses[0], "/file.txt");
    get(serving.addresses[0], "/\x1b[31mred");
    let (said, _) = serving.end(Signal::TERM);
    let lines: Vec<&str> = said.lines().map(|line| line.split_once(' ').expect("an address first").1).collect();
    assert_eq!(lines[0], "GET /file.txt 200 7 bytes");
    assert!(lines[1].starts_with("(malformed request) 400 "), "{said}");
    assert!(!said.contains('\x1b'), "{said}");
}

#[test]
fn no_keepalive_closes_connections_and_index_lists_directories() {
    let folder = folder_with_a_file();
    let serving = Serving::start(&[name(folder.path()), "-p", "0", "--no-keepalive", "--index"], 1);
    let mut stream = TcpStream::connect(serving.addresses[0]).expect("connected");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, and an end");
    assert!(answer.contains("connection: close\r\n") && answer.contains("./file.txt"), "{answer}");
}

#[test]
fn an_error_is_one_line_that_says_what_to_do() {
    let folder = folder_with_a_file();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    for (arguments, exit, says) in [
        (vec!["/not/there"], 2, "cannot serve /not/there: "),
        (vec![name(folder.path()), "-p", &port], 1, "choose another port with -p"),
        (vec![name(folder.path()), "--bind", "192.0.2.1", "-p", "0"], 1, "with --bind"),
    ] {
        let output = command(&arguments).output().expect("the command runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), said.lines().count()), (Some(exit), 1), "{said}");
        assert!(said.starts_with("glassloop: ") && said.contains(says), "{said}");
        assert!(output.stdout.is_empty());
    }
    for wrong in ["--error-rate=2", "--delay=x", "--ports=1,2", "--index", "--rate=0", "-p=1"] {
        let output = command(&[wrong]).output().expect("the command runs");
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

/// I11: without descriptors, the server logs it once and waits. It does not spin, and continues when it can open some again.
#[test]
#[cfg(target_os = "linux")] // `prlimit`
fn i11_a_server_out_of_descriptors_pauses_logs_it_once_and_continues() {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

    let folder = folder_with_a_file();
    let mut serving = Serving::start(&[name(folder.path()), "-p", "0"], 1);
    let before = get(serving.addresses[0], "/file.txt");
    assert!(before.ends_with("content"));
    // As many as are open, and a few more.
    let few = Rlimit { current: Some(24), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Some(serving.pid()), Resource::Nofile, few).expect("the limit of our own child");
    let crowd: Vec<TcpStream> =
        (0..40).map(|_| TcpStream::connect(serving.addresses[0]).expect("in the backlog")).collect();
    let mut said = String::new();
    serving.stderr.read_line(&mut said).expect("a line");
    assert!(said.contains("cannot accept connections on"), "{said}");
    let spent_before = processor_ticks(serving.pid());
    std::thread::sleep(Duration::from_millis(500));
    let spent = processor_ticks(serving.pid()) - spent_before;
    assert!(spent <= 10, "{spent} hundredths of a second of work in half a second of pause");
    drop(crowd);
    assert!(get(serving.addresses[0], "/file.txt").ends_with("content"));
    let (rest, status) = serving.end(Signal::TERM);
    assert_eq!((rest.as_str(), status.code()), ("", Some(0)));
}

/// Returns the processor time that a process has used, in hundredths of a second.
#[cfg(target_os = "linux")]
fn processor_ticks(process: Pid) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid())).expect("its statistics");
    let behind_the_name = stat.rsplit_once(") ").expect("a name in brackets").1;
    let field =
        |number: usize| -> u64 { behind_the_name.split(' ').nth(number).expect("a field").parse().expect("a number") };
    field(11) + field(12)
}
