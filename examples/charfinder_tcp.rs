//! On top: a service over plain TCP that finds Unicode characters by the words of their names.
//!
//!     cargo run --release --example charfinder_tcp
//!     cargo run --release --example charfinder_tcp -- --serve        then: telnet 127.0.0.1 2323
//!
//! One task accepts, and one more a connection reads a line, looks it up and answers. The index is built on the pool: it
//! takes long. The answer to "ideograph" has a hundred thousand lines, and goes out a page at a time, with a yield
//! behind each: no poll is long, and the client that asks for a cat meanwhile does not wait for it. That is what is
//! shown here, by two clients at once.
//!
//! To try next: `PAGE = 1_000_000`; a client that does not read its answer (where does the server wait?).

mod support;

use std::future::poll_fn;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glassloop::futures::{join_all, yield_now};
use glassloop::net::{Connect, TcpListener, TcpStream};
use glassloop::{run_in_executor, spawn_named};

use support::Error;
use support::characters::Index;

/// Lines that are written between two looks at the other tasks.
const PAGE: usize = 200;

async fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// The next line without its end, or `None` at the end of the stream. What came behind it stays in `read`.
async fn read_line(stream: &mut TcpStream, read: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let line = read.drain(..=end).collect::<Vec<u8>>();
            return Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()));
        }
        match poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await? {
            0 => return Ok(None),
            length if read.len() + length > 1 << 16 => return Err(std::io::Error::other("the line has no end")),
            length => read.extend_from_slice(&buffer[..length]),
        }
    }
}

async fn answer_queries(mut stream: TcpStream, index: Rc<Index>) -> std::io::Result<()> {
    let mut read = Vec::new();
    while let Some(query) = read_line(&mut stream, &mut read).await?.filter(|query| !query.is_empty()) {
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
        // It runs by itself; a client that goes away in the middle of an answer is nobody else's business.
        let _runs_by_itself = spawn_named(&name, answer_queries(stream, index.clone()));
    }
}

/// Asks one question and tells of the answer.
async fn ask(address: std::net::SocketAddr, query: &str, started: Instant) -> Result<String, Error> {
    let mut stream = Connect::new(vec![address], Duration::from_secs(10)).await?;
    write_all(&mut stream, format!("{query}\r\n").as_bytes()).await?;
    let (mut read, mut first) = (Vec::new(), None);
    while let Some(line) = read_line(&mut stream, &mut read).await? {
        if line.starts_with("-----") {
            let took = started.elapsed().as_millis();
            return Ok(format!(
                "{query}: {} after {took} ms, the first {}",
                &line[6..],
                first.unwrap_or("nothing".to_owned())
            ));
        }
        first.get_or_insert(line);
    }
    Err("the server has hung up".into())
}

fn main() -> ExitCode {
    support::main(&["--server HOST:PORT", "--serve"], |arguments| {
        support::event_loop()?.block_on(async {
            let port = if arguments.has("--serve") { 2323 } else { 0 };
            let address = match arguments.value("--server") {
                Some(address) => address.parse().map_err(|_| format!("`{address}` is no address with a port"))?,
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
            for answer in join_all(queries.map(|query| ask(address, query, started))).await {
                println!("{}", answer?);
            }
            Ok(())
        })?
    })
}
