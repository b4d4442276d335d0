//! Progress on a pseudoterminal: what is on the screen, at several sizes and after a resize.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::glassloop;
use crate::server::{Reply, Server};

/// A command on a terminal, and the screen of the terminal.
pub struct Terminal {
    pub child: Child,
    master: File,
    screen: Arc<Mutex<Screen>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts a command. Its standard error, and its standard input, are the terminal.
    pub fn start(directory: &Path, arguments: &[&str], columns: u16, rows: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudoterminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("UTF-8");
        set_size(&master, columns, rows);
        // Otherwise it could become the controlling terminal of the test.
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let slave = || Stdio::from(open(&*name, flags, Mode::empty()).expect("it opens"));
        let mut command = glassloop(directory, arguments);
        let child = command.stdin(slave()).stderr(slave()).stdout(Stdio::null()).spawn().expect("it starts");
        drop(command);
        let screen = Arc::new(Mutex::new(Screen::new(columns.into(), rows.into())));
        let master = File::from(master);
        let (mut reader, shared) = (master.try_clone().expect("a descriptor"), screen.clone());
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux reports an error when the terminal has been closed.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                shared.lock().expect("no panic").write(&buffer[..length]);
            }
        });
        Terminal { child, master, screen, reader: Some(reader) }
    }

    /// Types a text.
    pub fn type_text(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("typed");
    }

    /// Changes the size. The lines on the screen are wrapped again, as most terminals do. The command is stopped
    /// meanwhile, after a frame, so that no other one that was made for the old size is on its way.
    fn resize(&self, columns: u16, rows: u16) {
        let signal = |which| kill_process(Pid::from_child(&self.child), which).expect("it runs");
        let status = format!("/proc/{}/status", self.child.id());
        let is_stopped = || std::fs::read_to_string(&status).is_ok_and(|status| status.contains("State:\tT"));
        loop {
            signal(Signal::STOP);
            wait_for(is_stopped);
            // What has been written is received: nothing has come for a while.
            let mut received = None;
            wait_for(|| {
                std::thread::sleep(Duration::from_millis(5));
                let now = Some(self.screen.lock().expect("no panic").received);
                std::mem::replace(&mut received, now) == now && ioctl_fionread(&self.master).expect("a number") == 0
            });
            let mut screen = self.screen.lock().expect("no panic");
            if screen.is_frame_complete {
                screen.resize(columns.into(), rows.into());
                set_size(&self.master, columns, rows);
                signal(Signal::CONT);
                return;
            }
            drop(screen);
            signal(Signal::CONT);
            std::thread::yield_now();
        }
    }

    /// Waits until the screen satisfies a condition, and returns it.
    pub fn wait_until(&self, condition: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let rows = self.screen.lock().expect("no panic").rows();
            if condition(&rows) {
                return rows;
            }
            assert!(Instant::now() < deadline, "the screen stays like this: {rows:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the command has ended, and returns its exit code and the screen.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        let status = self.child.wait().expect("it ends");
        // It ends when it has read everything, because no process has the terminal open any more.
        self.reader.take().expect("it runs").join().expect("no panic");
        let rows = self.screen.lock().expect("no panic").rows();
        (status.code(), rows)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

fn set_size(master: impl std::os::fd::AsFd, columns: u16, rows: u16) {
    tcsetwinsize(master, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).expect("set");
}

/// A terminal's screen with everything that has scrolled out of it.
struct Screen {
    /// Logical lines. A line that is longer than the screen is wide occupies several rows.
    lines: Vec<String>,
    columns: usize,
    height: usize,
    /// The cursor: a row, counted from the first row of the first line, and a column.
    row: usize,
    column: usize,
    /// A sequence or a character whose end is missing.
    pending: Vec<u8>,
    /// The number of bytes that were received.
    received: usize,
    /// Whether they end with the end of a frame.
    is_frame_complete: bool,
}

impl Screen {
    fn new(columns: usize, height: usize) -> Screen {
        Screen {
            lines: vec![String::new()],
            columns,
            height,
            row: 0,
            column: 0,
            pending: Vec::new(),
            received: 0,
            is_frame_complete: false,
        }
    }

    /// Returns all rows.
    fn rows(&self) -> Vec<String> {
        let wrap = |line: &String| -> Vec<String> {
            let rows = line.as_bytes().chunks(self.columns).map(|row| String::from_utf8_lossy(row).into_owned());
            if line.is_empty() { vec![String::new()] } else { rows.collect() }
        };
        self.lines.iter().flat_map(wrap).collect()
    }

    /// Makes each row a line of its own, so that it can be changed.
    fn split(&mut self) {
        self.lines = self.rows();
        while self.lines.len() <= self.row {
            self.lines.push(String::new());
        }
    }

    fn resize(&mut self, columns: usize, height: usize) {
        // The cursor is in the last line, behind its end.
        let last = self.lines.last().map_or(0, String::len);
        (self.columns, self.height) = (columns, height);
        self.row = self.rows().len() - 1;
        self.column = if last == 0 { 0 } else { (last - 1) % columns + 1 };
    }

    fn write(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        self.is_frame_complete = bytes.ends_with(b"\x1b[J");
        self.pending.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.pending);
        let mut rest = &bytes[..];
        while let Some((&byte, after)) = rest.split_first() {
            match byte {
                b'\r' => self.column = 0,
                b'\n' => {
                    self.row += 1;
                    self.split();
                }
                0x1b => {
                    let Some(end) = after.iter().skip(1).position(u8::is_ascii_alphabetic) else {
                        self.pending = rest.to_vec();
                        return;
                    };
                    self.control(&after[1..=end], after[end + 1]);
                    rest = &after[end + 2..];
                    continue;
                }
                _ => self.put(byte),
            }
            rest = after;
        }
    }

    fn put(&mut self, byte: u8) {
        assert!(byte.is_ascii(), "this screen has only ASCII characters");
        if self.column == self.columns {
            (self.row, self.column) = (self.row + 1, 0);
        }
        self.split();
        let row = &mut self.lines[self.row];
        while row.len() <= self.column {
            row.push(' ');
        }
        row.replace_range(self.column..=self.column, &char::from(byte).to_string());
        self.column += 1;
    }

    fn control(&mut self, parameter: &[u8], last: u8) {
        let number = std::str::from_utf8(parameter).expect("ASCII").parse().unwrap_or(1);
        match last {
            // The cursor cannot leave the screen.
            b'A' => self.row = self.row.saturating_sub(number).max(self.rows().len().saturating_sub(self.height)),
            b'K' => {
                self.split();
                self.lines[self.row].truncate(self.column);
            }
            b'J' => {
                self.split();
                self.lines.truncate(self.row + 1);
                self.lines[self.row].truncate(self.column);
            }
            b'm' => {}
            other => panic!("unknown sequence {}", char::from(other)),
        }
    }
}

/// A server that sends 40 files of 10 KB slowly, so that they are all running for some seconds.
fn slow_server() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/fast" => Reply::ok("x"),
        _ => Reply::ok(vec![b'x'; 10_000]).rate(1),
    })
}

fn urls(server: &Server, count: usize) -> Vec<String> {
    (0..count).map(|number| server.url(&format!("/file{number:02}"))).collect()
}

/// Returns the columns at which the words of the rows for transfers are.
fn positions(rows: &[String], word: &str) -> Vec<usize> {
    rows.iter().filter(|row| row.contains("file")).filter_map(|row| row.find(word)).collect()
}

#[test]
fn all_running_transfers_are_shown_in_aligned_columns() {
    let server = slow_server();
    for (columns, rows, files, shown) in [(80, 24, 10, 10), (80, 24, 40, 22), (200, 50, 40, 40), (40, 10, 5, 5)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let urls = urls(&server, files);
        let arguments =
            [&["get", "-j", "40", "--per-host", "40"], &urls.iter().map(String::as_str).collect::<Vec<_>>()[..]]
                .concat();
        let terminal = Terminal::start(directory.path(), &arguments, columns, rows);
        let is_complete = |screen: &[String]| {
            let transfers = screen.iter().filter(|row| row.contains("  file"));
            let is_rated = columns < 74 || screen.iter().filter(|row| row.contains("/s  eta ")).count() > shown;
            transfers.count() == shown && screen.iter().any(|row| row.contains(&format!("0 of {files}"))) && is_rated
        };
        let screen = terminal.wait_until(is_complete);
        assert!(screen.len() <= usize::from(rows), "{screen:#?}");
        assert!(screen.iter().all(|row| row.len() < usize::from(columns)), "{screen:#?}");
        assert!(screen.iter().filter(|row| row.contains("  file")).all(|row| row.contains('%')), "{screen:#?}");
        for word in ["  file", "/s", "eta "] {
            let mut positions = positions(&screen, word);
            positions.dedup();
            assert!(positions.len() <= 1, "`{word}` is at {positions:?} in {screen:#?}");
        }
    }
}

#[test]
fn the_screen_stays_clean_after_resizes_and_messages() {
    let server = slow_server();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut urls = urls(&server, 6);
    urls.push(server.url("/fast"));
    urls.push("ftp://a.test/message".to_owned());
    let arguments = [&["get", "--per-host", "40"], &urls.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat();
    let terminal = Terminal::start(directory.path(), &arguments, 100, 24);
    let is_clean = |screen: &[String]| {
        let messages = screen.iter().filter(|row| row.starts_with("glassloop: ")).count();
        let overall = screen.iter().filter(|row| row.contains(" of 7 files")).count();
        let transfers = screen.iter().filter(|row| row.contains("  file0")).count();
        (messages, overall, transfers) == (1, 1, 6)
    };
    terminal.wait_until(is_clean);
    for (columns, rows) in [(60, 24), (79, 30), (200, 50), (90, 12), (120, 24)] {
        terminal.resize(columns, rows);
        // A frame for the new size has been drawn: no row is as wide as the screen, and it is clean.
        let width = usize::from(columns);
        terminal.wait_until(|screen| {
            is_clean(screen) && screen.iter().filter(|row| row.contains("file")).all(|row| row.len() < width)
        });
    }
}

#[test]
fn flags_show_the_same_columns_and_leave_their_last_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let terminal = Terminal::start(directory.path(), &["flags", "-s", "DELAY", "-m", "10"], 80, 24);
    let progress = |screen: &[String]| screen.iter().filter(|row| row.contains(" of 20 flags")).count();
    terminal.wait_until(|screen| progress(screen) == 1);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:#?}");
    let row = screen.iter().find(|row| row.starts_with("100%  20 of 20 flags")).expect("the last state");
    assert!(row.contains("/s") && row.ends_with("==]"), "{row}");
    assert!(screen.contains(&"20 flags downloaded.".to_owned()), "{screen:#?}");
    assert_eq!(progress(&screen), 1, "{screen:#?}");
}
