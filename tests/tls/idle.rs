//! Idle pooled connections: which input they survive, and their use of memory.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use glassloop::futures::join_all;
use glassloop::{EventLoop, Job, run_in_executor, sleep};

use crate::peer::{is_closed, read_head, send};
use crate::secured::Secured;
use crate::site::{HELLO, client, fetch, run, start, url, usual};

/// Reads a request, sends the response, runs `afterwards`, and then sends a message to `sent`.
fn respond(connection: &mut Secured, response: &str, afterwards: impl FnOnce(&mut Secured), sent: &mpsc::Sender<()>) {
    read_head(connection);
    send(connection, response);
    afterwards(connection);
    sent.send(()).expect("the test is waiting");
}

/// Sends a key update (RFC 8446 §4.6.3), which is not application data.
fn update_keys(connection: &mut Secured) {
    connection.conn.refresh_traffic_keys().expect("a TLS 1.3 connection");
    connection.conn.complete_io(&mut connection.sock).expect("the client is connected");
}

#[test]
fn a_connection_is_reused_after_a_key_update() {
    // The key update is processed while the connection is idle, or when the next exchange takes it from the pool.
    for processed_while_idle in [true, false] {
        let (sender, sent) = mpsc::channel();
        let server = start(usual(), move |connection| {
            let mut connection = connection();
            for _ in 0..3 {
                respond(&mut connection, HELLO, update_keys, &sender);
            }
            assert!(is_closed(&mut connection));
        });
        run(async {
            let client = client();
            let mut sent = sent;
            for _ in 0..3 {
                assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
                if processed_while_idle {
                    let receive = Job::new(move || sent.recv().map(|()| sent));
                    sent = run_in_executor(None, receive).await.unwrap().expect("a message");
                    sleep(Duration::from_millis(1)).await; // a turn, in which the reactor polls
                } else {
                    sent.recv().expect("a message"); // blocks the loop
                }
                assert_eq!(client.connections_idle(), 1);
            }
            assert_eq!((client.connections_opened(), client.connections_reused()), (1, 2));
        });
        server.join();
    }
}

const UNSOLICITED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlies";

/// Asserts that a connection is not reused if the server calls `afterwards` on it after the first response.
#[track_caller]
fn assert_not_reused(first_response: String, afterwards: fn(&mut Secured)) {
    let (sender, sent) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let server = start(usual(), move |connection| {
        let mut first = connection();
        read_head(&mut first);
        send(&mut first, first_response);
        gone.recv().expect("a message from the test");
        afterwards(&mut first);
        sender.send(()).expect("the test is waiting");
        let mut second = connection();
        read_head(&mut second);
        send(&mut second, HELLO);
    });
    run(async {
        let client = client();
        assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
        go.send(()).expect("the server is waiting");
        sent.recv().expect("a message"); // blocks the loop
        assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
        assert_eq!(client.connections_opened(), 2);
    });
    server.join();
}

#[test]
fn unsolicited_content_is_not_taken_for_a_response() {
    assert_not_reused(format!("{HELLO}{UNSOLICITED}"), |_| {});
    assert_not_reused(HELLO.to_owned(), |connection| send(connection, UNSOLICITED));
    // After a message without content.
    assert_not_reused(HELLO.to_owned(), |connection| {
        update_keys(connection);
        send(connection, UNSOLICITED);
    });
}

#[test]
fn a_connection_with_an_incomplete_record_is_not_reused() {
    assert_not_reused(HELLO.to_owned(), |connection| {
        connection.sock.write_all(&[23, 3, 3, 1, 0, 42]).expect("the client is connected");
    });
}

#[test]
fn a_connection_is_not_reused_after_close_notify_or_an_alert_or_fin() {
    assert_not_reused(HELLO.to_owned(), |connection| {
        connection.conn.send_close_notify();
        connection.conn.complete_io(&mut connection.sock).expect("the client is connected");
    });
    assert_not_reused(HELLO.to_owned(), |connection| {
        connection.sock.write_all(&[21, 3, 3, 0, 2, 2, 80]).expect("the client is connected");
    });
    assert_not_reused(HELLO.to_owned(), |connection| {
        connection.sock.shutdown(Shutdown::Write).expect("the connection is open");
    });
}

#[test]
fn a_request_on_a_stale_connection_is_retried_on_a_new_one() {
    for close_notify in [true, false] {
        let server = start(usual(), move |connection| {
            let mut first = connection();
            read_head(&mut first);
            send(&mut first, HELLO);
            read_head(&mut first);
            if close_notify {
                first.conn.send_close_notify();
                first.conn.complete_io(&mut first.sock).expect("the client is connected");
            }
            drop(first);
            let mut second = connection();
            read_head(&mut second);
            send(&mut second, HELLO);
        });
        run(async {
            let client = client();
            for _ in 0..2 {
                assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
            }
            assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
        });
        server.join();
    }
}

#[test]
fn a_request_is_retried_on_a_new_connection_after_stray_bytes() {
    let strays: [fn(&mut Secured); 4] = [
        |connection| send(connection, "\r\n"),
        |connection| send(connection, format!("0\r\n\r\n{UNSOLICITED}")),
        // Bytes that are not a TLS record, and a record that cannot be decrypted.
        |connection| connection.sock.write_all(UNSOLICITED.as_bytes()).expect("the client is connected"),
        |connection| {
            connection
                .sock
                .write_all(&[23, 3, 3, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                .expect("the client is connected")
        },
    ];
    for stray in strays {
        let server = start(usual(), move |connection| {
            let mut first = connection();
            read_head(&mut first);
            send(&mut first, HELLO);
            read_head(&mut first);
            stray(&mut first);
            let mut second = connection();
            read_head(&mut second);
            send(&mut second, HELLO);
        });
        run(async {
            let client = client();
            for _ in 0..2 {
                assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
            }
            assert_eq!((client.connections_opened(), client.connections_reused()), (2, 1));
        });
        server.join();
    }
}

#[test]
fn an_idle_connection_is_closed_after_close_notify() {
    let server = start(usual(), |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, HELLO);
        connection.conn.send_close_notify();
        connection.conn.complete_io(&mut connection.sock).expect("the client is connected");
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = client();
        fetch(&client, &url(&server)).await.unwrap();
        while client.connections_idle() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    server.join();
}

#[test]
fn an_idle_connection_uses_less_than_8_kib() {
    const CONNECTIONS: usize = 8;
    let server = start(usual(), |connection| {
        thread::scope(|scope| {
            for _ in 0..=CONNECTIONS {
                let mut connection = connection();
                scope.spawn(move || {
                    while !read_head(&mut connection).is_empty() {
                        send(&mut connection, HELLO);
                    }
                });
            }
        });
    });
    let mut event_loop = EventLoop::new().expect("a loop");
    let client = client();
    let mut open = |number: usize| {
        let memory = allocation_counter::measure(|| {
            let url = url(&server);
            let fetches = (0..number).map(|_| fetch(&client, &url));
            event_loop.block_on(join_all(fetches)).expect("no deadlock");
        });
        assert_eq!(client.connections_idle(), number);
        memory.bytes_current
    };
    // The first connection allocates what all connections share.
    open(1);
    let bytes = open(1 + CONNECTIONS) / CONNECTIONS as i64;
    assert!(bytes < 8 << 10, "{bytes} bytes per connection");
    drop(event_loop);
    server.join();
}
