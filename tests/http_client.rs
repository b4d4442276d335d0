//! The client against servers that do as they are told.

#[path = "support/peer.rs"]
mod peer;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::future::{Future, poll_fn};
use std::io::Write;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use glassloop::http::client::{Client, ClientError, ClientErrorKind, Stage};
use glassloop::http::proto::ProtocolErrorKind;
use glassloop::net::ConnectError;
use glassloop::{EventLoop, Job, LoopError, run_in_executor, sleep, spawn};
use http::{Method, Request, StatusCode};
use peer::{Peer, accept, accept_request, is_closed, read_head, reset, send};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn run<F: Future>(future: F) -> F::Output {
    watchdog::watch();
    EventLoop::new().expect("a loop").block_on(future).expect("no deadlock")
}

/// The same on a loop whose clock jumps to the next deadline when there is nothing else to wait for.
fn run_in_virtual_time<F: Future>(future: F) -> F::Output {
    watchdog::watch();
    EventLoop::builder().virtual_time().build().expect("a loop").block_on(future).expect("no deadlock")
}

/// Gets the whole of a small thing.
async fn fetch(client: &Client, url: &str) -> Result<(StatusCode, Vec<u8>), ClientError> {
    let response = client.get(url).await?;
    let status = response.status();
    Ok((status, response.into_body().collect(1 << 20).await?))
}

fn request(method: Method, url: &str) -> Request<()> {
    Request::builder().method(method).uri(url).body(()).expect("a request")
}

fn protocol_error(error: &ClientError) -> ProtocolErrorKind {
    match error.kind() {
        ClientErrorKind::Protocol(error) => error.kind,
        other => panic!("{other:?} is no protocol error"),
    }
}

/// Waits for a message of another thread without holding up the loop.
async fn hear<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> T {
    run_in_executor(None, Job::new(move || receiver.recv())).await.expect("no panic").expect("a message")
}

// -- Responses -----------------------------------------------------------------------------------------------------

#[test]
fn one_connection_serves_many_requests() {
    let server = Peer::answering(&[HELLO; 5]);
    run(async {
        let client = Client::new();
        for _ in 0..5 {
            assert_eq!(fetch(&client, &server.url("/")).await.unwrap(), (StatusCode::OK, b"hello".to_vec()));
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (1, 4));
    });
    server.join();
}

#[test]
fn localhost_and_the_names_below_it_are_this_machine_and_each_address_is_tried_until_one_answers() {
    for host in ["LOCALHOST", "a.b.localhost"] {
        let server = Peer::answering(&[HELLO]);
        run(async {
            // Nothing listens on ::1, which is tried first.
            let url = format!("http://{host}:{}/", server.address().port());
            assert_eq!(fetch(&Client::new(), &url).await.unwrap().1, b"hello");
        });
        server.join();
    }
}

#[test]
fn a_chunked_body_is_put_together_from_any_pieces() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        for pieces in [1, 7, 1000] {
            read_head(&mut connection);
            let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1;x\r\n,\r\n6\r\n world\r\n0\r\na: b\r\n\r\n";
            answer.chunks(pieces).for_each(|piece| send(&mut connection, piece));
        }
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::new();
        for _ in 0..3 {
            let body = client.get(&server.url("/")).await.unwrap().into_body();
            assert_eq!((body.length(), body.length_known()), (None, true));
            assert_eq!(body.collect(100).await.unwrap(), b"hello, world");
        }
        assert_eq!(client.connections_opened(), 1);
    });
    server.join();
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\n\r\nhello");
    });
    run(async {
        let client = Client::new();
        let body = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!((body.length(), body.length_known()), (None, false));
        assert_eq!(body.collect(100).await.unwrap(), b"hello");
        assert_eq!(client.connections_idle(), 0);
    });
    server.join();
}

#[test]
fn a_response_without_a_body_gives_its_connection_back_before_anybody_asks() {
    let server = Peer::answering(&[
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ]);
    run(async {
        let client = Client::new();
        for method in [Method::HEAD, Method::GET, Method::GET, Method::GET, Method::GET] {
            let response = client.request(request(method, &server.url("/"))).await.unwrap();
            assert!(response.body().is_ended());
            assert_eq!(client.connections_idle(), 1);
        }
        assert_eq!(client.connections_opened(), 1);
    });
    server.join();
}

#[test]
fn the_last_piece_gives_the_connection_back() {
    let server = Peer::answering(&[HELLO]);
    run(async {
        let client = Client::new();
        let mut body = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(client.connections_idle(), 0);
        assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
        assert_eq!((client.connections_idle(), body.is_ended()), (1, true));
        assert_eq!(body.chunk().await.unwrap(), None);
    });
    server.join();
}

#[test]
fn interim_responses_are_passed_over() {
    let server = Peer::answering(&[
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ]);
    run(async {
        assert_eq!(fetch(&Client::new(), &server.url("/")).await.unwrap().1, b"hello");
    });
    server.join();
}

#[test]
fn a_refusal_is_heard_while_the_request_is_still_being_written() {
    let (done, until_done) = mpsc::channel::<()>();
    let server = Peer::start(move |listener| {
        let mut connection = accept(listener);
        // Not a byte is read, so the request cannot have been written.
        send(&mut connection, "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 2\r\n\r\nno");
        until_done.recv().unwrap();
    });
    run(async {
        let client = Client::new();
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("x", "x".repeat(32 << 20).parse().unwrap());
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), 431);
        assert_eq!(response.into_body().collect(10).await.unwrap(), b"no");
        // The rest of the request was never sent: nobody knows what the server would make of another one.
        assert_eq!(client.connections_idle(), 0);
    });
    done.send(()).unwrap();
    server.join();
}

#[test]
fn a_refusal_is_heard_even_if_the_request_cannot_be_written_to_its_end() {
    let server = Peer::start(|listener| {
        let mut connection = accept(listener);
        send(&mut connection, "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 2\r\n\r\nno");
        // It closes with the request unread: the client is told by a reset.
        assert_eq!(connection.peek(&mut [0]).unwrap(), 1);
    });
    run(async {
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("x", "x".repeat(32 << 20).parse().unwrap());
        let response = Client::new().request(request).await.unwrap();
        assert_eq!(response.status(), 431);
    });
    server.join();
}

#[test]
fn a_request_that_cannot_be_written_is_an_error_of_writing() {
    let server = Peer::start(|listener| {
        let connection = accept(listener);
        assert_eq!(connection.peek(&mut [0]).unwrap(), 1);
        reset(connection);
    });
    run(async {
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("x", "x".repeat(32 << 20).parse().unwrap());
        let error = Client::new().request(request).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Write(_)), "{error:?}");
        assert_eq!(error.stage(), Stage::WrittenNoByteRead);
    });
    server.join();
}

#[test]
fn a_body_can_be_taken_in_pieces_of_any_size() {
    let content: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    let answer = content.clone();
    let server = Peer::start(move |listener| {
        let mut connection = accept(listener);
        for _ in 0..2 {
            read_head(&mut connection);
            send(&mut connection, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len()));
            send(&mut connection, &answer);
        }
    });
    run(async {
        let client = Client::new();
        let mut body = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(body.length(), Some(300_000));
        let mut whole = Vec::new();
        while let Some(chunk) = body.chunk().await.unwrap() {
            whole.extend_from_slice(&chunk);
        }
        assert!(whole == content);

        let mut body = client.get(&server.url("/")).await.unwrap().into_body();
        let (mut whole, mut buffer) = (Vec::new(), [0; 1001]);
        loop {
            let read = poll_fn(|cx| body.poll_read(cx, &mut buffer)).await.unwrap();
            if read == 0 {
                break;
            }
            whole.extend_from_slice(&buffer[..read]);
        }
        assert!(whole == content);
    });
    server.join();
}

#[test]
fn more_than_the_caller_wants_is_an_error() {
    let server = Peer::start(|listener| {
        for answer in [HELLO, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
            let mut connection = accept_request(listener);
            send(&mut connection, answer);
            assert!(is_closed(&mut connection));
        }
    });
    run(async {
        let client = Client::new();
        for _ in 0..2 {
            let body = client.get(&server.url("/")).await.unwrap().into_body();
            let error = body.collect(4).await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::TooLarge { limit: 4 }), "{error:?}");
        }
    });
    server.join();
}

#[test]
fn a_new_connection_says_how_long_it_took_and_a_kept_one_took_no_time() {
    let server = Peer::answering(&[HELLO; 2]);
    run(async {
        let client = Client::new();
        let first = client.get(&server.url("/")).await.unwrap().into_body();
        assert!(first.setup_times().is_some_and(|times| times.connect > Duration::ZERO));
        first.collect(100).await.unwrap();
        let second = client.get(&server.url("/")).await.unwrap().into_body();
        assert_eq!((second.setup_times(), second.is_reused()), (None, true));
    });
    server.join();
}

// -- Connections ---------------------------------------------------------------------------------------------------

#[test]
fn a_connection_that_the_server_gives_up_is_not_kept() {
    let server = Peer::start(|listener| {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            // A byte too many: where would the next response begin?
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello!",
        ] {
            let mut connection = accept_request(listener);
            send(&mut connection, answer);
            assert!(is_closed(&mut connection));
        }
    });
    run(async {
        let client = Client::new();
        for _ in 0..3 {
            assert_eq!(fetch(&client, &server.url("/")).await.unwrap().1, b"hello");
            assert_eq!(client.connections_idle(), 0);
        }
    });
    server.join();
}

#[test]
fn a_body_says_from_the_start_whether_its_connection_can_be_kept() {
    for (answer, keeps) in [
        (HELLO, true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello", true),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\n\r\nhello", false),
    ] {
        let server = Peer::start(move |listener| send(&mut accept_request(listener), answer));
        run(async {
            let body = Client::new().get(&server.url("/")).await.unwrap().into_body();
            assert_eq!(body.keeps_connection(), keeps, "{answer}");
            assert_eq!(body.collect(5).await.unwrap(), b"hello");
        });
        server.join();
    }
}

#[test]
fn a_connection_that_the_request_gives_up_is_not_kept() {
    let server = Peer::answering(&[HELLO]);
    run(async {
        let client = Client::new();
        let mut request = request(Method::GET, &server.url("/"));
        request.headers_mut().insert("connection", "close".parse().unwrap());
        let body = client.request(request).await.unwrap().into_body();
        assert!(!body.keeps_connection());
        assert_eq!(body.collect(10).await.unwrap(), b"hello");
        assert_eq!(client.connections_idle(), 0);
    });
    server.join();
}

#[test]
fn a_connection_whose_end_came_with_the_response_is_not_kept() {
    let (asked, until_asked) = mpsc::channel();
    let (answer, until_told) = mpsc::channel::<()>();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        asked.send(()).unwrap();
        until_told.recv().unwrap();
        send(&mut connection, HELLO);
    });
    run(async {
        let client = Client::new();
        let exchange = spawn(client.get(&server.url("/")));
        hear(until_asked).await;
        // The loop stands still until response and end are both there.
        answer.send(()).unwrap();
        server.join();
        let body = exchange.await.unwrap().unwrap().into_body();
        assert_eq!(body.collect(10).await.unwrap(), b"hello");
        assert_eq!(client.connections_idle(), 0);
    });
}

/// A server that answers once, closes the connection when the second request has come, and answers on the next.
fn closing_late() -> Peer {
    Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        read_head(&mut connection);
        drop(connection);
        let mut connection = accept(listener);
        if !read_head(&mut connection).is_empty() {
            send(&mut connection, HELLO);
        }
    })
}

#[test]
fn a_kept_connection_that_turns_out_to_be_dead_costs_one_free_retry() {
    for method in [Method::GET, Method::HEAD] {
        let server = closing_late();
        run(async {
            let client = Client::new();
            fetch(&client, &server.url("/")).await.unwrap();
            assert_eq!(client.request(request(method, &server.url("/"))).await.unwrap().status(), 200);
            assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
        });
        server.join();
    }
}

/// A server that answers the first request, sends this instead of an answer to the second, closes the connection if it is
/// told to, and answers on the next connection.
fn leaving_bytes(stray: &'static [u8], pieces: usize, closes: bool) -> Peer {
    Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        read_head(&mut connection);
        for piece in stray.chunks(pieces) {
            // A client that has seen enough need not take the rest.
            if connection.write_all(piece).is_err() {
                break;
            }
        }
        if closes {
            drop(connection);
        } else {
            assert!(is_closed(&mut connection), "the client goes on");
        }
        let mut connection = accept(listener);
        if !read_head(&mut connection).is_empty() {
            send(&mut connection, HELLO);
        }
    })
}

/// What may be left on a connection after a response, and whether the server then closes it.
const STRAY: [(&[u8], bool); 12] = [
    (b"\r\n", false),
    (b"\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", false),
    (b"0\r\n\r\n", false),
    (b"</html>", false),
    (b"\0", false),
    (b"HTTP/1.1 000", false),
    (b"HTTP/1.1 200 OK\r\nbroken", true),
    (b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", false),
    (b"HTTP/1.1 200 OK\r\nx: \0", false),
    (b"HTTP/1.1 100 Continue\r\n\r\n", true),
    (b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n", true),
    (b"HTTP/1.0 408 Request Time-out\r\n\r\n<html><body><h1>408 Request Time-out</h1></body></html>\n", true),
];

#[test]
fn stray_bytes_on_a_kept_connection_cost_that_connection_and_not_the_next_request() {
    for (number, (stray, closes)) in STRAY.into_iter().enumerate() {
        for (method, pieces) in [(Method::GET, usize::MAX), (Method::HEAD, 1)] {
            let server = leaving_bytes(stray, pieces, closes);
            run(async {
                let client = Client::new();
                fetch(&client, &server.url("/")).await.unwrap();
                let response = client.request(request(method, &server.url("/"))).await;
                assert_eq!(response.unwrap_or_else(|error| panic!("{number}: {error}")).status(), 200);
                assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
            });
            server.join();
        }
    }
}

#[test]
fn stray_bytes_are_reported_for_a_request_that_may_have_changed_something() {
    let server = leaving_bytes(b"0\r\n\r\n", usize::MAX, false);
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        let error = client.request(request(Method::POST, &server.url("/"))).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::BadVersion);
        assert_eq!((error.stage(), error.is_reused()), (Stage::InHead, true));
        assert_eq!(client.connections_opened(), 1);
    });
    drop(std::net::TcpStream::connect(server.address()));
    server.join();
}

#[test]
fn what_is_wrong_with_the_first_response_on_a_connection_is_the_answer() {
    let server = Peer::start(|listener| {
        for answer in ["HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "0\r\n\r\n"] {
            send(&mut accept_request(listener), answer);
        }
    });
    run(async {
        let client = Client::new();
        assert_eq!(client.get(&server.url("/")).await.unwrap().status(), 408);
        let error = client.get(&server.url("/")).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::BadVersion);
        assert_eq!(client.connections_opened(), 2);
    });
    server.join();
}

#[test]
fn what_may_have_changed_something_is_not_sent_twice() {
    let server = closing_late();
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        let error = client.request(request(Method::POST, &server.url("/"))).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::EmptyReply);
        assert_eq!((error.stage(), error.is_reused()), (Stage::WrittenNoByteRead, true));
        assert_eq!(client.connections_opened(), 1);
    });
    drop(std::net::TcpStream::connect(server.address()));
    server.join();
}

#[test]
fn a_new_connection_that_gives_no_answer_is_not_tried_again() {
    let server = Peer::start(|listener| {
        accept_request(listener);
    });
    run(async {
        let client = Client::new();
        let error = client.get(&server.url("/")).await.unwrap_err();
        assert_eq!(protocol_error(&error), ProtocolErrorKind::EmptyReply);
        assert_eq!((error.stage(), error.is_reused()), (Stage::WrittenNoByteRead, false));
        assert_eq!(client.connections_opened(), 1);
    });
    server.join();
}

/// Says something of its own accord after its answer, when it is told to.
fn speaking_unasked() -> (Peer, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (speak, until_told) = mpsc::channel();
    let (has_spoken, until_spoken) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        until_told.recv().unwrap();
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
        has_spoken.send(()).unwrap();
        assert!(is_closed(&mut connection), "the connection was used again");
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
    });
    (server, speak, until_spoken)
}

#[test]
fn a_response_that_nobody_asked_for_closes_the_connection() {
    let (server, speak, until_spoken) = speaking_unasked();
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        speak.send(()).unwrap();
        hear(until_spoken).await;
        assert_eq!(fetch(&client, &server.url("/")).await.unwrap().1, b"hello");
    });
    server.join();
}

#[test]
fn a_response_that_nobody_asked_for_is_noticed_even_if_the_loop_could_not_look() {
    let (server, speak, until_spoken) = speaking_unasked();
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        speak.send(()).unwrap();
        // The whole loop stands still, for longer than the client trusts to what it saw last.
        until_spoken.recv().unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(fetch(&client, &server.url("/")).await.unwrap().1, b"hello");
    });
    server.join();
}

#[test]
fn an_idle_connection_that_ends_is_closed_at_once() {
    for requests in [1, 2] {
        let (close, until_told) = mpsc::channel::<()>();
        let server = Peer::start(move |listener| {
            let mut connection = accept(listener);
            for _ in 0..requests {
                read_head(&mut connection);
                send(&mut connection, HELLO);
            }
            until_told.recv().unwrap();
        });
        run(async {
            let client = Client::new();
            for _ in 0..requests {
                fetch(&client, &server.url("/")).await.unwrap();
                let_the_loop_look().await;
            }
            assert_eq!((client.connections_opened(), client.connections_idle()), (1, 1));
            close.send(()).unwrap();
            server.join();
            let_the_loop_look().await;
            assert_eq!(client.connections_idle(), 0);
        });
    }
}

/// One look at the reactor shows what the kernel knows, and one turn later it has been seen to.
async fn let_the_loop_look() {
    for _ in 0..3 {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_connection_is_kept_for_four_seconds_and_no_longer() {
    let server = Peer::start(|listener| {
        for _ in 0..2 {
            let mut connection = accept_request(listener);
            send(&mut connection, HELLO);
            assert!(is_closed(&mut connection));
        }
    });
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    event_loop
        .block_on(async {
            let client = Client::new();
            for _ in 0..2 {
                fetch(&client, &server.url("/")).await.unwrap();
                sleep(Duration::from_millis(3900)).await;
                assert_eq!(client.connections_idle(), 1);
                sleep(Duration::from_millis(200)).await;
                assert_eq!(client.connections_idle(), 0);
                // Now nobody watches any more: the second connection has a watch of its own.
                sleep(Duration::from_secs(60)).await;
            }
            server.join();
        })
        .unwrap();
    match event_loop.block_on(std::future::pending::<()>()) {
        Err(LoopError::Deadlock(deadlock)) => assert_eq!(deadlock.tasks.len(), 1, "the root alone is left"),
        other => panic!("{other:?} is no deadlock"),
    }
}

#[test]
fn a_connection_is_used_for_ten_minutes_and_no_longer() {
    let server = Peer::start(|listener| {
        for _ in 0..2 {
            let mut connection = accept(listener);
            while !read_head(&mut connection).is_empty() {
                send(&mut connection, HELLO);
            }
        }
    });
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    event_loop
        .block_on(async {
            let client = Client::new();
            for _ in 0..198 {
                fetch(&client, &server.url("/")).await.unwrap();
                sleep(Duration::from_secs(3)).await;
            }
            assert_eq!(client.connections_opened(), 1);
            for _ in 0..4 {
                fetch(&client, &server.url("/")).await.unwrap();
                sleep(Duration::from_secs(3)).await;
            }
            assert_eq!(client.connections_opened(), 2);
        })
        .unwrap();
    drop(event_loop);
    server.join();
}

#[test]
fn a_connection_that_is_used_again_is_waited_for_again() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        read_head(&mut connection);
        // Long enough for virtual time to jump to the limit for the head, if it could.
        std::thread::sleep(Duration::from_millis(20));
        send(&mut connection, HELLO);
    });
    run_in_virtual_time(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        fetch(&client, &server.url("/")).await.unwrap();
        assert_eq!(client.connections_reused(), 1);
    });
    server.join();
}

#[test]
fn an_idle_connection_is_no_reason_to_wait() {
    let server = Peer::answering(&[HELLO]);
    let mut event_loop = EventLoop::new().unwrap();
    let client = Client::new();
    event_loop.block_on(fetch(&client, &server.url("/"))).unwrap().unwrap();
    assert!(event_loop.block_on(std::future::pending::<()>()).is_err(), "that is a deadlock");
    assert_eq!(client.connections_idle(), 1, "the verdict came late: it waited for the connection to grow old");
    drop(event_loop);
    server.join();
}

#[test]
fn no_more_idle_connections_are_kept_than_allowed() {
    let server = Peer::start(|listener| {
        let mut connections = [accept(listener), accept(listener)];
        for connection in &mut connections {
            read_head(connection);
            send(connection, HELLO);
        }
        let closed = connections.each_mut().map(is_closed);
        assert_eq!(closed, [true, true]);
    });
    run(async {
        let client = Client::builder().idle_connections_per_host(1).build();
        let (first, second) = (client.clone(), client.clone());
        let (one, other) = (server.url("/1"), server.url("/2"));
        let tasks =
            [spawn(async move { fetch(&first, &one).await }), spawn(async move { fetch(&second, &other).await })];
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!((client.connections_opened(), client.connections_idle()), (2, 1));
    });
    server.join();
}

#[test]
fn the_oldest_idle_connection_makes_way_for_one_to_another_server() {
    let (servers, closed): (Vec<_>, Vec<_>) = (0..3)
        .map(|_| {
            let (closed, until_closed) = mpsc::channel();
            let server = Peer::start(move |listener| {
                let mut connection = accept(listener);
                while !read_head(&mut connection).is_empty() {
                    send(&mut connection, HELLO);
                }
                let _the_test_may_be_over = closed.send(());
            });
            (server, until_closed)
        })
        .unzip();
    run(async {
        let client = Client::builder().idle_connections(2).build();
        for number in [0, 1, 0, 2] {
            fetch(&client, &servers[number].url("/")).await.unwrap();
        }
        assert_eq!((client.connections_opened(), client.connections_idle()), (3, 2));
        let [first, second, third] = closed.try_into().unwrap();
        hear(second).await;
        for number in [0, 2] {
            fetch(&client, &servers[number].url("/")).await.unwrap();
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (3, 3));
        drop((first, third));
    });
    servers.into_iter().for_each(Peer::join);
}

// -- Faults --------------------------------------------------------------------------------------------------------

#[test]
fn bytes_that_trickle_in_do_not_extend_the_time_for_the_head() {
    let server = Peer::start(|listener| {
        use std::io::Write;
        let mut connection = accept_request(listener);
        let head = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10) + "HTTP/1.1 200 OK\r\nx: " + &"x".repeat(300);
        // It would take 5 s to send all of it; and then it closes, which is another error.
        for byte in head.as_bytes() {
            if connection.write_all(&[*byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    run(async {
        let client = Client::builder().head_timeout(Duration::from_millis(100)).build();
        let error = client.get(&server.url("/")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::HeadTimedOut { .. }), "{error:?}");
        assert!(error.is_timeout());
        let expected = format!("reading the response head from {}: it was not complete after 100ms", server.address());
        assert_eq!(error.to_string(), expected);
    });
    server.join();
}

#[test]
fn a_body_that_falls_silent_is_an_error() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe");
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::builder().idle_timeout(Duration::from_millis(50)).build();
        let error = fetch(&client, &server.url("/")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::BodyIdle { .. }), "{error:?}");
        assert_eq!((error.is_timeout(), error.stage()), (true, Stage::InBody));
    });
    server.join();
}

#[test]
fn every_byte_starts_the_time_for_silence_anew() {
    let (go_on, until_told) = mpsc::channel();
    let (has_sent, sent) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
        while let Ok(()) = until_told.recv() {
            send(&mut connection, "x");
            has_sent.send(()).unwrap();
        }
    });
    run_in_virtual_time(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        for _ in 0..4 {
            let is_waiting = poll_fn(|cx| Poll::Ready(body.poll_chunk(cx, |_| ()).is_pending())).await;
            assert!(is_waiting);
            go_on.send(()).unwrap();
            sent.recv().unwrap();
            let_the_loop_look().await;
            // What has come waits to be read, and virtual time may jump: 80 s in all, with a limit of 30 s.
            sleep(Duration::from_secs(20)).await;
            assert_eq!(body.chunk().await.unwrap().unwrap(), "x");
        }
    });
    drop(go_on);
    server.join();
}

#[test]
fn a_reader_that_takes_its_time_is_no_silence_of_the_server() {
    let (go_on, until_told) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe");
        until_told.recv().unwrap();
        send(&mut connection, "llo");
    });
    run_in_virtual_time(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "he");
        sleep(Duration::from_secs(3600)).await;
        go_on.send(()).unwrap();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "llo");
    });
    server.join();
}

#[test]
fn a_port_where_nobody_listens_is_told_as_such() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(async {
        let error = Client::new().get(&format!("http://me:secret@{address}/x")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Connect(ConnectError::Refused { .. })), "{error:?}");
        assert_eq!((error.stage(), error.is_timeout()), (Stage::NothingWritten, false));
        assert_eq!(error.url(), format!("http://{address}/x"));
    });
}

/// What comes of a first answer, after which the server closes.
fn fault(answer: &'static str) -> ClientError {
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, answer);
    });
    let error = run(async { fetch(&Client::new(), &server.url("/")).await.unwrap_err() });
    server.join();
    error
}

#[test]
fn a_response_that_is_cut_off_is_an_error_that_says_where() {
    for (answer, kind, stage) in [
        ("HTTP/1.1 200 OK\r\ncontent-le", ProtocolErrorKind::TruncatedHead, Stage::InHead),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", ProtocolErrorKind::TruncatedBody, Stage::InBody),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            ProtocolErrorKind::TruncatedBody,
            Stage::InBody,
        ),
    ] {
        let error = fault(answer);
        assert_eq!((protocol_error(&error), error.stage()), (kind, stage), "{answer:?}");
    }
}

#[test]
fn a_reset_is_an_error_even_where_an_end_would_not_be() {
    let (received, until_received) = mpsc::channel::<()>();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\n\r\nhello");
        until_received.recv().unwrap();
        reset(connection);
    });
    run(async {
        let mut body = Client::new().get(&server.url("/")).await.unwrap().into_body();
        assert_eq!(body.chunk().await.unwrap().unwrap(), "hello");
        received.send(()).unwrap();
        let error = body.chunk().await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::Read(_)), "{error:?}");
        assert_eq!(error.stage(), Stage::InBody);
        // It does not pass for an end when asked again.
        assert!(body.chunk().await.is_err());
    });
    server.join();
}

#[test]
fn what_is_not_http_is_refused_before_it_ends() {
    let server = Peer::start(|listener| {
        for answer in ["SSH-2.0-OpenSSH_9.9\r\n".to_owned(), format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(70_000))] {
            let mut connection = accept_request(listener);
            send(&mut connection, answer);
            assert!(is_closed(&mut connection));
        }
    });
    run(async {
        let client = Client::new();
        for kind in [ProtocolErrorKind::BadVersion, ProtocolErrorKind::HeadTooLarge] {
            let error = client.get(&server.url("/")).await.unwrap_err();
            assert_eq!((protocol_error(&error), error.stage()), (kind, Stage::InHead));
        }
    });
    server.join();
}

#[test]
fn what_is_no_url_is_an_error_without_a_connection() {
    run(async {
        let client = Client::new();
        for url in ["", "/x", "a b", "http://", "http://a:99999/"] {
            let error = client.get(url).await.unwrap_err();
            assert!(matches!(error.kind(), ClientErrorKind::InvalidUri(_)), "{url}: {error:?}");
        }
        let error = client.request(request(Method::CONNECT, "http://a.test/")).await.unwrap_err();
        assert!(matches!(error.kind(), ClientErrorKind::UnsupportedMethod), "{error:?}");
    });
}

// -- Giving up -----------------------------------------------------------------------------------------------------

#[test]
fn dropping_an_exchange_closes_its_connection() {
    let (asked, until_asked) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        asked.send(()).unwrap();
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::new();
        let exchange = spawn(client.get(&server.url("/")));
        hear(until_asked).await;
        exchange.abort();
        let _aborted = exchange.await;
        // The loop and the client live on: it is the exchange that closes.
        run_in_executor(None, Job::new(|| server.join())).await.unwrap();
    });
}

#[test]
fn dropping_a_body_before_its_end_closes_its_connection() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhello");
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::new();
        drop(client.get(&server.url("/")).await.unwrap());
        run_in_executor(None, Job::new(|| server.join())).await.unwrap();
        assert_eq!(client.connections_idle(), 0);
    });
}

#[test]
fn dropping_the_client_closes_what_is_idle() {
    let server = Peer::answering(&[HELLO]);
    run(async {
        fetch(&Client::new(), &server.url("/")).await.unwrap();
        run_in_executor(None, Job::new(|| server.join())).await.unwrap();
    });
}

// -- Being watched -------------------------------------------------------------------------------------------------

mod watched {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use glassloop::observe::{Event, HttpStep, Kind, Observer};

    /// Writes down the states of exchanges and bodies, and their steps.
    #[derive(Clone, Default)]
    struct Notes {
        states: Rc<RefCell<Vec<String>>>,
        steps: Rc<RefCell<Vec<HttpStep>>>,
    }

    impl Observer for Notes {
        fn event(&mut self, event: &Event<'_>) {
            match event.kind {
                Kind::State { of: of @ ("Exchange" | "Body"), to, .. } => {
                    self.states.borrow_mut().push(format!("{of} {to}"));
                }
                Kind::Http { step, .. } => self.steps.borrow_mut().push(step),
                _ => {}
            }
        }
    }

    #[test]
    fn an_exchange_shows_every_state_and_every_step() {
        let server = Peer::answering(&[
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        ]);
        let notes = Notes::default();
        let mut event_loop = EventLoop::builder().observer(notes.clone()).build().unwrap();
        event_loop
            .block_on(async {
                let client = Client::new();
                fetch(&client, &server.url("/")).await.unwrap();
                fetch(&client, &server.url("/")).await.unwrap();
            })
            .unwrap();
        server.join();
        let first = ["Resolve", "Connect", "WriteHead", "ReadHead", "Done"].map(|state| format!("Exchange {state}"));
        let second = ["WriteHead", "ReadHead", "Done"].map(|state| format!("Exchange {state}"));
        let end = ["Body Ended".to_owned()];
        assert_eq!(*notes.states.borrow(), [&first[..], &end, &second, &end].concat());
        let steps = [
            HttpStep::Request,
            HttpStep::Head(100),
            HttpStep::Head(200),
            HttpStep::Body(5),
            HttpStep::Done { reusable: true },
            HttpStep::Request,
            HttpStep::Head(200),
            HttpStep::Done { reusable: false },
        ];
        assert_eq!(*notes.steps.borrow(), steps);
    }
}
