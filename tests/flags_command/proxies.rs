//! The proxy of the environment is used for remote servers, but not for the embedded server.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::run::{Run, command, names_in};

#[test]
fn requests_to_a_remote_server_go_through_the_proxy_of_the_environment() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = listener.local_addr().expect("its address").to_string();
    let request = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = [0; 4096];
        let read = stream.read(&mut head).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nGIF89a\x3b").expect("the client is connected");
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut command = command(place.path(), "BR --base-url http://flags.test/flags");
    let run: Run = command.env_remove("no_proxy").env("http_proxy", &proxy).output().expect("the command runs").into();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(names_in(place.path()), ["br.gif"]);
    let request = request.join().expect("a request");
    assert!(request.starts_with("GET http://flags.test/flags/br/br.gif HTTP/1.1\r\n"), "{request}");
}

#[test]
fn requests_to_the_embedded_server_use_no_proxy() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut command = command(place.path(), "BR");
    let run: Run =
        command.env_remove("no_proxy").env("http_proxy", "socks5://x").output().expect("the command runs").into();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
