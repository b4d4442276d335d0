//! On top: hyper, the HTTP library of the Rust world, over this loop's streams, timers and `spawn`.
//!
//!     cargo run --release --manifest-path examples/hyper_on_glassloop/Cargo.toml
//!
//! hyper brings no runtime: it asks for a stream that it can poll, for something that runs futures, and for timers. What
//! that takes is `stream.rs` and `timer.rs`. Here a server and a client of hyper's talk to each other on one loop and one
//! thread; then somebody connects and says nothing, and a timer of ours makes hyper hang up.
//!
//! What to look at: `serve_connection` and `handshake` give futures that do nothing by themselves. `spawn` is the whole
//! of the glue.
//!
//! To try next: leave `.timer(…)` away, and read what hyper says to `header_read_timeout`; ask it from outside with curl
//! (print the address and sleep).

mod stream;
mod timer;

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use glassloop::net::{Connect, TcpListener};
use glassloop::spawn_named;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};

use stream::Stream;
use timer::LoopTimer;

type Error = Box<dyn std::error::Error>;

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(format!("hyper heard you ask for {}", request.uri().path()))))
}

/// Accepts, and gives each connection to a task of hyper's.
async fn serve(mut listener: TcpListener, timer: LoopTimer) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(timer.clone())
            .header_read_timeout(Duration::from_millis(200))
            .serve_connection(Stream::new(stream), service_fn(greet));
        let _runs_by_itself = spawn_named("hyper's server", async {
            if let Err(error) = connection.await {
                println!("hyper's server: {error}");
            }
        });
    }
}

/// Asks for several paths over one connection.
async fn ask(address: std::net::SocketAddr) -> Result<(), Error> {
    let stream = Connect::new(vec![address], Duration::from_secs(10)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(Stream::new(stream)).await?;
    let connection = spawn_named("hyper's client", connection);
    for path in ["/", "/tea", "/tea/green"] {
        let request = Request::get(path).header("host", address.to_string()).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("{status}: {}", String::from_utf8_lossy(&body));
    }
    drop(sender); // the connection's future ends when nobody can send any more
    connection.await??;
    Ok(())
}

fn run() -> Result<(), Error> {
    // Recorded if GLASSLOOP_TRACE names a file.
    glassloop::trace::builder()?.build()?.block_on(async {
        let listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        let address = listener.local_addr()?;
        let _runs_by_itself = spawn_named("accept", serve(listener, LoopTimer::start()));
        ask(address).await?;

        let started = Instant::now();
        let mut silent = Connect::new(vec![address], Duration::from_secs(10)).await?;
        // Nothing is sent. Hyper hangs up when its timer, which is ours, has fired.
        let read = std::future::poll_fn(|cx| silent.poll_read(cx, &mut [0; 512])).await?;
        println!("who said nothing was answered with {read} bytes after {:.1} s", started.elapsed().as_secs_f64());
        Ok(())
    })?
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
