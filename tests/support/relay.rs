//! A proxy that supports CONNECT.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A proxy on 127.0.0.1. Its threads end with the process.
pub struct Relay {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// Starts a proxy that connects to every requested server.
    pub fn start() -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let relay = Relay { address: listener.local_addr().expect("its address"), heads: Arc::default() };
        let heads = relay.heads.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heads = heads.clone();
                thread::spawn(move || serve(stream, &heads));
            }
        });
        relay
    }

    /// Returns its URL, with credentials.
    pub fn url(&self) -> String {
        format!("http://proxyuser:pr0xypass@{}", self.address)
    }

    /// Returns the heads of the requests received so far.
    pub fn requests(&self) -> Vec<String> {
        self.heads.lock().expect("no test thread panics with it").clone()
    }
}

fn serve(mut client: TcpStream, heads: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    heads.lock().ok()?.push(head.clone());
    let mut server = TcpStream::connect(head.strip_prefix("CONNECT ")?.split(' ').next()?).ok()?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut from_client, mut to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || {
        let _gone = std::io::copy(&mut from_client, &mut to_server);
        let _gone = to_server.shutdown(Shutdown::Write);
    });
    let _gone = std::io::copy(&mut server, &mut client);
    let _gone = client.shutdown(Shutdown::Write);
    Some(())
}
