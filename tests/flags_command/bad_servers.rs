//! Servers that close, cut off, or answer rubbish: it costs the flag that asked, and no other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use crate::run::{assert_whole_images, flags, names_in};

const IMAGE: &[u8] = b"GIF89a\x3b";

/// A server on 127.0.0.1 that answers well, except that `bad` decides what is sent for `br`. Its threads end with the
/// process.
fn server(bad: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let bad = std::sync::Arc::new(bad);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bad = bad.clone();
            thread::spawn(move || answer(stream, &*bad));
        }
    });
    format!("http://{address}/flags")
}

fn answer(mut stream: TcpStream, bad: &dyn Fn(&mut TcpStream)) {
    while let Some(request) = read_head(&mut stream) {
        if request.starts_with("GET /flags/br/") {
            bad(&mut stream);
            let _gone = stream.shutdown(Shutdown::Both);
            return;
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", IMAGE.len());
        if stream.write_all(&[head.as_bytes(), IMAGE].concat()).is_err() {
            return;
        }
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn assert_only_br_fails(bad: impl Fn(&mut TcpStream) + Send + Sync + 'static, says: &str) {
    let place = tempfile::tempdir().expect("a temporary folder");
    let run = flags(place.path(), &format!("BR US IN CN -v --base-url {}", server(bad)));
    assert_eq!(run.code, Some(1), "{}", run.said);
    assert_eq!(run.counts(), [3, 0, 1, 0], "{}", run.said);
    let line = run.said.lines().find(|line| line.starts_with("*** Error for BR: ")).expect("a line for BR");
    assert!(line.contains(says), "{line}");
    assert_eq!(names_in(place.path()), ["cn.gif", "in.gif", "us.gif"]);
    assert_whole_images(place.path());
}

#[test]
fn a_server_that_closes_without_an_answer() {
    assert_only_br_fails(|_| {}, "closed");
}

#[test]
fn a_server_that_cuts_the_head_off() {
    assert_only_br_fails(|stream| send(stream, "HTTP/1.1 200 OK\r\nContent-Le"), "head");
}

#[test]
fn a_server_that_cuts_the_body_off() {
    assert_only_br_fails(|stream| send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nGIF89a"), "body");
}

#[test]
fn a_server_that_answers_rubbish() {
    assert_only_br_fails(|stream| send(stream, "rubbish, and not HTTP at all\r\n\r\n"), "version");
}

#[test]
fn a_server_that_answers_with_another_status() {
    assert_only_br_fails(|stream| send(stream, "HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n"), "418");
}

fn send(stream: &mut TcpStream, text: &str) {
    let _gone = stream.write_all(text.as_bytes());
}
