//! The proxy of the environment: asked for servers elsewhere, and never for the one in the same process.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::run::{Run, command, names_in};

#[test]
fn a_server_elsewhere_is_asked_through_the_proxy_of_the_environment() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = listener.local_addr().expect("its address").to_string();
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client comes");
        let mut head = [0; 4096];
        let read = stream.read(&mut head).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nGIF89a\x3b").expect("the client listens");
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let place = tempfile::tempdir().expect("a temporary folder");
    let mut command = command(place.path(), "BR --base-url http://flags.test/flags");
    let run: Run = command.env_remove("no_proxy").env("http_proxy", &proxy).output().expect("it runs").into();
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert_eq!(names_in(place.path()), ["br.gif"]);
    let asked = asked.join().expect("it was asked");
    assert!(asked.starts_with("GET http://flags.test/flags/br/br.gif HTTP/1.1\r\n"), "{asked}");
}

#[test]
fn the_embedded_server_is_asked_without_a_proxy() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let mut command = command(place.path(), "BR");
    let run: Run = command.env_remove("no_proxy").env("http_proxy", "socks5://x").output().expect("it runs").into();
    assert_eq!(run.code, Some(0), "{}", run.said);
}
