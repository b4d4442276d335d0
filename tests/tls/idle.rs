//! Connections between two exchanges: what may happen on them, and what may not.

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

/// Answers, and tells when all that belongs to it has been sent.
fn answer(connection: &mut Secured, answer: &str, afterwards: impl FnOnce(&mut Secured), sent: &mpsc::Sender<()>) {
    read_head(connection);
    send(connection, answer);
    afterwards(connection);
    sent.send(()).expect("the test listens");
}

/// The session changes its keys: a message that says nothing to anybody but the session.
fn change_keys(connection: &mut Secured) {
    connection.conn.refresh_traffic_keys().expect("TLS 1.3 can");
    connection.conn.complete_io(&mut connection.sock).expect("the client listens");
}

#[test]
fn new_keys_that_come_behind_the_response_leave_the_connection_as_good_as_it_was() {
    // The loop may have seen them come, or the next exchange be the first to look.
    for is_seen_by_the_watch in [true, false] {
        let (sender, sent) = mpsc::channel();
        let server = start(usual(), move |connection| {
            let mut connection = connection();
            for _ in 0..3 {
                answer(&mut connection, HELLO, change_keys, &sender);
            }
            assert!(is_closed(&mut connection));
        });
        run(async {
            let client = client();
            let mut sent = sent;
            for _ in 0..3 {
                assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
                if is_seen_by_the_watch {
                    let hear = Job::new(move || sent.recv().map(|()| sent));
                    sent = run_in_executor(None, hear).await.unwrap().expect("a message");
                    sleep(Duration::from_millis(1)).await; // a turn, in which the reactor looks
                } else {
                    sent.recv().expect("a message"); // and the loop does not turn
                }
                assert_eq!(client.connections_idle(), 1);
            }
            assert_eq!((client.connections_opened(), client.connections_reused()), (1, 2));
        });
        server.join();
    }
}

const LIES: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlies";

/// Asks twice, when the server has done something with the first connection after its answer. The second answer has to
/// come over another one.
#[track_caller]
fn is_not_used_again(first_answer: String, afterwards: fn(&mut Secured)) {
    let (sender, sent) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let server = start(usual(), move |connection| {
        let mut first = connection();
        read_head(&mut first);
        send(&mut first, first_answer);
        gone.recv().expect("the test goes on");
        afterwards(&mut first);
        sender.send(()).expect("the test listens");
        let mut second = connection();
        read_head(&mut second);
        send(&mut second, HELLO);
    });
    run(async {
        let client = client();
        assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
        go.send(()).expect("the server listens");
        sent.recv().expect("a message"); // and the loop does not turn
        assert_eq!(fetch(&client, &url(&server)).await.unwrap(), b"hello");
        assert_eq!(client.connections_opened(), 2);
    });
    server.join();
}

#[test]
fn content_that_nobody_asked_for_is_never_taken_for_an_answer() {
    is_not_used_again(format!("{HELLO}{LIES}"), |_| {});
    is_not_used_again(HELLO.to_owned(), |connection| send(connection, LIES));
    // Behind a message that says nothing.
    is_not_used_again(HELLO.to_owned(), |connection| {
        change_keys(connection);
        send(connection, LIES);
    });
}

#[test]
fn the_beginning_of_a_record_is_nothing_to_build_on() {
    is_not_used_again(HELLO.to_owned(), |connection| {
        connection.sock.write_all(&[23, 3, 3, 1, 0, 42]).expect("the client listens");
    });
}

#[test]
fn a_farewell_an_alert_and_an_end_give_the_connection_up() {
    is_not_used_again(HELLO.to_owned(), |connection| {
        connection.conn.send_close_notify();
        connection.conn.complete_io(&mut connection.sock).expect("the client listens");
    });
    is_not_used_again(HELLO.to_owned(), |connection| {
        connection.sock.write_all(&[21, 3, 3, 0, 2, 2, 80]).expect("the client listens");
    });
    is_not_used_again(HELLO.to_owned(), |connection| {
        connection.sock.shutdown(Shutdown::Write).expect("it is connected");
    });
}

#[test]
fn a_kept_connection_that_turns_out_to_be_dead_costs_one_more_try_and_no_error() {
    for farewell in [true, false] {
        let server = start(usual(), move |connection| {
            let mut first = connection();
            read_head(&mut first);
            send(&mut first, HELLO);
            read_head(&mut first);
            if farewell {
                first.conn.send_close_notify();
                first.conn.complete_io(&mut first.sock).expect("the client listens");
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
fn stray_bytes_on_a_kept_connection_cost_that_connection_and_not_the_next_request() {
    let strays: [fn(&mut Secured); 4] = [
        |connection| send(connection, "\r\n"),
        |connection| send(connection, format!("0\r\n\r\n{LIES}")),
        // No record of TLS; and one that nobody has encrypted.
        |connection| connection.sock.write_all(LIES.as_bytes()).expect("the client listens"),
        |connection| {
            connection
                .sock
                .write_all(&[23, 3, 3, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                .expect("the client listens")
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
fn the_watch_closes_what_says_goodbye() {
    let server = start(usual(), |connection| {
        let mut connection = connection();
        read_head(&mut connection);
        send(&mut connection, HELLO);
        connection.conn.send_close_notify();
        connection.conn.complete_io(&mut connection.sock).expect("the client listens");
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
fn an_idle_connection_holds_its_session_and_little_else() {
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
    // What connections share is there with the first.
    open(1);
    let held = open(1 + CONNECTIONS) / CONNECTIONS as i64;
    assert!(held < 8 << 10, "{held} bytes a connection");
    drop(event_loop);
    server.join();
}
