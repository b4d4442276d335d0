//! Idle connections: unexpected input, expiry, and the limits of the pool.

use std::sync::mpsc;
use std::time::Duration;

use glassloop::http::client::Client;
use glassloop::{EventLoop, LoopError, sleep, spawn};

use crate::peer::{Peer, accept, accept_request, is_closed, read_head, send};
use crate::run::{HELLO, fetch, poll_the_reactor, receive, run, run_in_virtual_time};

/// Starts a server that sends an unsolicited response after its first one, when the test releases it.
fn start_unsolicited() -> (Peer, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (release, until_released) = mpsc::channel();
    let (has_spoken, until_sent) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        until_released.recv().unwrap();
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil");
        has_spoken.send(()).unwrap();
        assert!(is_closed(&mut connection), "the connection was used again");
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
    });
    (server, release, until_sent)
}

#[test]
fn an_unsolicited_response_closes_an_idle_connection() {
    let (server, release, until_sent) = start_unsolicited();
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        release.send(()).unwrap();
        receive(until_sent).await;
        assert_eq!(fetch(&client, &server.url("/")).await.unwrap().1, b"hello");
    });
    server.join();
}

#[test]
fn an_unsolicited_response_is_detected_at_checkout_even_if_the_loop_has_not_polled() {
    let (server, release, until_sent) = start_unsolicited();
    run(async {
        let client = Client::new();
        fetch(&client, &server.url("/")).await.unwrap();
        release.send(()).unwrap();
        // The loop is blocked, so only the check of the socket at checkout can detect the response.
        until_sent.recv().unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(fetch(&client, &server.url("/")).await.unwrap().1, b"hello");
    });
    server.join();
}

#[test]
fn an_idle_connection_is_closed_immediately_after_eof() {
    for requests in [1, 2] {
        let (close, until_released) = mpsc::channel::<()>();
        let server = Peer::start(move |listener| {
            let mut connection = accept(listener);
            for _ in 0..requests {
                read_head(&mut connection);
                send(&mut connection, HELLO);
            }
            until_released.recv().unwrap();
        });
        run(async {
            let client = Client::new();
            for _ in 0..requests {
                fetch(&client, &server.url("/")).await.unwrap();
                poll_the_reactor().await;
            }
            assert_eq!((client.connections_opened(), client.connections_idle()), (1, 1));
            close.send(()).unwrap();
            server.join();
            poll_the_reactor().await;
            assert_eq!(client.connections_idle(), 0);
        });
    }
}

#[test]
fn an_idle_connection_expires_after_four_seconds() {
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
                // The idle reaper has completed: the second connection starts a new one.
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
fn a_connection_is_reused_for_at_most_ten_minutes() {
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
fn a_reused_connection_counts_for_virtual_time_again() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, HELLO);
        read_head(&mut connection);
        // Long enough for virtual time to jump to the head timeout, if it could.
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
fn an_idle_connection_does_not_prevent_deadlock_detection() {
    let server = Peer::responding(&[HELLO]);
    let mut event_loop = EventLoop::new().unwrap();
    let client = Client::new();
    event_loop.block_on(fetch(&client, &server.url("/"))).unwrap().unwrap();
    assert!(event_loop.block_on(std::future::pending::<()>()).is_err(), "that is a deadlock");
    assert_eq!(client.connections_idle(), 1, "the verdict came late: it waited for the connection to grow old");
    drop(event_loop);
    server.join();
}

#[test]
fn the_pool_keeps_at_most_its_limits_of_idle_connections() {
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
        let client = Client::builder().pool_max_idle_per_host(1).build();
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
fn the_oldest_idle_connection_is_evicted_for_one_to_another_server() {
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
        let client = Client::builder().pool_max_idle(2).build();
        for number in [0, 1, 0, 2] {
            fetch(&client, &servers[number].url("/")).await.unwrap();
        }
        assert_eq!((client.connections_opened(), client.connections_idle()), (3, 2));
        let [first, second, third] = closed.try_into().unwrap();
        receive(second).await;
        for number in [0, 2] {
            fetch(&client, &servers[number].url("/")).await.unwrap();
        }
        assert_eq!((client.connections_opened(), client.connections_reused()), (3, 3));
        drop((first, third));
    });
    servers.into_iter().for_each(Peer::join);
}
