//! Applications: a TCP service that finds Unicode characters by the words in their names.
//!
//!     cd examples/charfinder
//!     cargo run --release --bin charfinder_tcp
//!     cargo run --release --bin charfinder_tcp -- --serve        then: telnet 127.0.0.1 2323
//!
//! One task accepts connections, and one task per connection reads queries and writes the results. The index is built
//! on the thread pool, since building it takes long. The result for "ideograph" has a hundred thousand lines. It is
//! sent in pages of 200 lines with a yield after each, so that each poll is short and other clients are served in
//! between: three clients send their queries at the same time, and the time of each response is printed.
//!
//! To try next: `PAGE = 1_000_000`; write a client that does not read its response, and find out where the server
//! waits.

mod characters;
#[path = "../../support/mod.rs"]
mod support;

use std::future::poll_fn;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassloop::futures::{join_all, yield_now};
use glassloop::net::{Connect, TcpListener, TcpStream};
use glassloop::{run_in_executor, spawn_named};

use characters::Index;
use support::Error;

/// The number of lines that are written before the task yields.
const PAGE: usize = 200;

async fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Reads a line and returns it without its line ending, or `None` at the end of the stream. Bytes received after the
/// line stay in `pending`.
async fn read_line(stream: &mut TcpStream, pending: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line = pending.drain(..=end).collect::<Vec<u8>>();
            return Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()));
        }
        match poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await? {
            0 => return Ok(None),
            length if pending.len() + length > 1 << 16 => return Err(std::io::Error::other("line too long")),
            length => pending.extend_from_slice(&buffer[..length]),
        }
    }
}

async fn answer_queries(mut stream: TcpStream, index: Rc<Index>) -> std::io::Result<()> {
    let mut pending = Vec::new();
    while let Some(query) = read_line(&mut stream, &mut pending).await?.filter(|query| !query.is_empty()) {
        let found = index.find(&query);
        for page in found.chunks(PAGE) {
            let lines: String = page.iter().map(|named| format!("{named}\r\n")).collect();
            write_all(&mut stream, lines.as_bytes()).await?;
            yield_now().await;
        }
        write_all(&mut stream, format!("----- {} found\r\n", found.len()).as_bytes()).await?;
    }
    Ok(())
}

async fn serve(mut listener: TcpListener, index: Rc<Index>) -> std::io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        let name = format!("connection from {peer}");
        // The handle is dropped: an error on one connection does not concern the others.
        let _detached = spawn_named(&name, answer_queries(stream, index.clone()));
    }
}

/// Sends one query and returns a summary of the response.
async fn send_query(address: std::net::SocketAddr, query: &str, started: Instant) -> Result<String, Error> {
    let mut stream = Connect::new(vec![address], Duration::from_secs(10)).await?;
    write_all(&mut stream, format!("{query}\r\n").as_bytes()).await?;
    let (mut pending, mut first) = (Vec::new(), None);
    while let Some(line) = read_line(&mut stream, &mut pending).await? {
        if line.starts_with("-----") {
            let elapsed = started.elapsed().as_millis();
            return Ok(format!(
                "{query}: {} after {elapsed} ms; first: {}",
                &line[6..],
                first.unwrap_or("none".to_owned())
            ));
        }
        first.get_or_insert(line);
    }
    Err("the server closed the connection".into())
}

fn main() -> ExitCode {
    support::main(include_str!("tcp.rs"), &["--server HOST:PORT", "--serve"], |arguments| {
        support::event_loop()?.block_on(async {
            let port = if arguments.has("--serve") { 2323 } else { 0 };
            let address = match arguments.value("--server") {
                Some(address) => address.parse().map_err(|_| format!("`{address}` is not an address and port"))?,
                None => {
                    let index = Rc::new(run_in_executor(None, Index::build).await?);
                    let listener = TcpListener::bind(([127, 0, 0, 1], port).into())
                        .map_err(|error| format!("listening on port {port}: {error}"))?;
                    let address = listener.local_addr()?;
                    println!("{} characters have names.", index.len());
                    let serving = spawn_named("server", serve(listener, index));
                    if arguments.has("--serve") {
                        println!("telnet {} {port}", address.ip());
                        serving.await??;
                    }
                    address
                }
            };
            let started = Instant::now();
            let queries = ["ideograph", "smiling cat", "no such character"];
            for summary in join_all(queries.map(|query| send_query(address, query, started))).await {
                println!("{}", summary?);
            }
            Ok(())
        })?
    })
}
