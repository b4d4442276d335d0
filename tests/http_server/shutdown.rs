//! Graceful shutdown.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use glassloop::flags::site::EmbeddedServer;
use glassloop::http::client::Client as HttpClient;
use glassloop::http::server::{Answer, Faults, Limits, Server, text};
use glassloop::sync::OnceEvent;
use glassloop::{EventLoop, Job, run_in_executor, spawn};
use http::{Request, StatusCode, header};

use crate::raw::{Client, start};

#[test]
fn a_shutdown_completes_responses_in_progress_and_closes_idle_connections() {
    crate::watchdog::watch();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    // The response to `/late` is in progress until the test releases it.
    let respond = move |request: &Request<()>| -> Answer {
        let path = request.uri().path().to_owned();
        if path != "/late" {
            return text(StatusCode::OK, path).into();
        }
        let released = released.clone();
        Answer::Later(Box::pin(async move {
            let wait = Job::new(move || released.lock().expect("a receiver").recv());
            run_in_executor(None, wait).await.expect("no panic").expect("released");
            text(StatusCode::OK, path)
        }))
    };
    let server = EmbeddedServer::serve(Limits::default(), Faults::default(), || Ok(respond)).expect("a server");
    let mut idle = Client::connect(&server);
    assert_eq!(idle.get("/a").status, 200);
    let mut silent = Client::connect(&server);
    let mut busy = Client::connect(&server);
    // A response on a later connection shows that `silent` has been accepted.
    assert_eq!(busy.get("/a").status, 200);
    busy.send_get("/late");
    // Requests are read in the order in which they arrive: after this response, `/late` is in progress.
    assert_eq!(idle.get("/a").status, 200);
    let address = server.address();
    let shutdown = thread::spawn(move || drop(server));
    idle.assert_ended();
    silent.assert_ended();
    release.send(()).expect("the server waits");
    let reply = busy.reply();
    assert_eq!((reply.status, reply.text(), reply.field("connection")), (200, "/late", Some("close")));
    busy.assert_ended();
    shutdown.join().expect("no panic");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_shutdown_during_a_delayed_response_is_announced_in_its_head() {
    crate::watchdog::watch();
    let run = async {
        let called = OnceEvent::new();
        let service = {
            let called = called.clone();
            move |_: &Request<()>| {
                called.set();
                text(StatusCode::OK, "hello")
            }
        };
        let server = Server::bind("127.0.0.1:0".parse().expect("an address"), service).expect("a server");
        let (url, stopper) = (format!("http://{}/?gl-delay=50", server.local_addr()), server.stopper());
        let serving = spawn(server);
        let client = HttpClient::new();
        let response = spawn(client.get(&url));
        // The delay begins when the service has been called. Whatever the time, the server is polled before its end,
        // since `stop` schedules the server's task before the loop looks at its timers again.
        called.wait().await;
        stopper.stop();
        let response = response.await.expect("no panic").expect("a response");
        assert_eq!(response.headers().get(header::CONNECTION).expect("the field"), "close");
        assert_eq!(response.into_body().collect(1024).await.expect("a body"), b"hello");
        serving.await.expect("no panic");
    };
    EventLoop::new().expect("a loop").block_on(run).expect("no deadlock");
}

#[test]
fn a_shutdown_does_not_wait_longer_than_its_timeout() {
    let limits = Limits { stop: Duration::from_millis(50), ..Limits::default() };
    let server = start(limits);
    let mut stalled = Client::connect(&server);
    stalled.send_get("/a?gl-stall=1");
    assert_eq!((stalled.head().status, stalled.bytes(1)), (200, b"/".to_vec()));
    let mut delayed = Client::connect(&server);
    delayed.send_get("/b?gl-delay=3600000");
    let mut unread = Client::connect(&server);
    unread.send_get("/large");
    assert_eq!(unread.head().status, 200);
    drop(server);
    stalled.assert_ended();
    assert!(delayed.rest().is_ok_and(|rest| rest.is_empty()));
}
