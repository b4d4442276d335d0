//! Applications: the HTTP library hyper on this loop's streams, timers and `spawn`.
//!
//!     cargo run --release --manifest-path examples/hyper_on_glassloop/Cargo.toml
//!
//! hyper has no runtime of its own: it needs a stream that it can poll, an executor and timers. `stream.rs` and
//! `timer.rs` implement its traits. A hyper server and a hyper client run on one loop and exchange requests; then a
//! client connects without sending anything, and hyper closes the connection when a timer of this loop fires.
//!
//! What to look at: `serve_connection` and `handshake` return futures that have to be polled; `spawn` does that.
//!
//! To try next: remove `.timer(…)`, and read hyper's message about `header_read_timeout`; send requests with curl
//! (print the address, and sleep at the end).

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
    Ok(Response::new(Full::from(format!("response of hyper for {}", request.uri().path()))))
}

/// Accepts connections, and serves each with hyper in a task of its own.
async fn serve(mut listener: TcpListener, timer: LoopTimer) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(timer.clone())
            .header_read_timeout(Duration::from_millis(200))
            .serve_connection(Stream::new(stream), service_fn(greet));
        let _detached = spawn_named("hyper's server", async {
            if let Err(error) = connection.await {
                println!("hyper's server: {error}");
            }
        });
    }
}

/// Sends several requests over one connection.
async fn send_requests(address: std::net::SocketAddr) -> Result<(), Error> {
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
    drop(sender); // the connection's future completes when the last sender is dropped
    connection.await??;
    Ok(())
}

fn run() -> Result<(), Error> {
    // Recorded if GLASSLOOP_TRACE names a file.
    glassloop::trace::builder()?.build()?.block_on(async {
        let listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        let address = listener.local_addr()?;
        let _detached = spawn_named("accept", serve(listener, LoopTimer::start()));
        send_requests(address).await?;

        let started = Instant::now();
        let mut silent = Connect::new(vec![address], Duration::from_secs(10)).await?;
        // Nothing is sent: hyper closes the connection after `header_read_timeout`.
        let read = std::future::poll_fn(|cx| silent.poll_read(cx, &mut [0; 512])).await?;
        println!("silent connection: {read} bytes received, closed after {:.1} s", started.elapsed().as_secs_f64());
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
