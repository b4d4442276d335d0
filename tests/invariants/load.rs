//! A loop with many tasks, timers and connections, and a loop with none.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::time::Duration;

use glassloop::net::{Connect, TcpListener, TcpStream};
use glassloop::{JoinSet, sleep, spawn};

use crate::support::*;

async fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, bytes)).await.expect("it is connected");
        bytes = &bytes[written..];
    }
}

async fn read_exact(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    while filled < buffer.len() {
        let read = poll_fn(|cx| stream.poll_read(cx, &mut buffer[filled..])).await.expect("it is connected");
        assert!(read > 0, "the stream ended early");
        filled += read;
    }
}

#[cfg(not(unix))]
fn allow_descriptors() {}

/// 1,000 connections have 2,000 ends.
#[cfg(unix)]
fn allow_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < 4096) {
        let maximum = limit.maximum;
        let current = Some(maximum.unwrap_or(4096).min(4096));
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("up to the hard limit");
    }
}

#[test]
fn ten_thousand_tasks_timers_and_a_thousand_connections_in_one_loop() {
    allow_descriptors();
    run(async {
        let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let server = spawn(async move {
            let mut echoes = JoinSet::new();
            for _ in 0..1_000 {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                echoes.spawn(async move {
                    let mut buffer = [0; 64];
                    read_exact(&mut stream, &mut buffer).await;
                    write_all(&mut stream, &buffer).await;
                });
            }
            while let Some(echo) = echoes.join_next().await {
                echo.expect("no panic");
            }
        });
        let mut set = JoinSet::new();
        for number in 0..10_000u64 {
            set.spawn(async move { sleep(Duration::from_micros(number * 7 % 50_000)).await });
        }
        for number in 0..1_000u32 {
            set.spawn(async move {
                let mut stream = Connect::new(vec![address], Duration::from_secs(60)).await.expect("connected");
                let message = [number as u8; 64];
                write_all(&mut stream, &message).await;
                let mut answer = [0; 64];
                read_exact(&mut stream, &mut answer).await;
                assert_eq!(answer, message);
            });
        }
        let mut done = 0;
        while let Some(result) = set.join_next().await {
            result.expect("no panic");
            done += 1;
        }
        assert_eq!(done, 11_000);
        server.await.expect("no panic");
    });
}

#[test]
fn a_loop_with_nothing_to_do_makes_no_turns() {
    let mut event_loop = event_loop();
    event_loop
        .block_on(async {
            let waker = own_waker().await;
            let thread = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                waker.wake();
            });
            let mut is_first = true;
            poll_fn(|_| match std::mem::take(&mut is_first) {
                true => std::task::Poll::Pending,
                false => std::task::Poll::Ready(()),
            })
            .await;
            thread.join().expect("a wake never panics");
        })
        .expect("it runs");
    assert!(event_loop.turns() <= 2, "{} turns", event_loop.turns());
}

#[test]
fn a_loop_that_waits_for_a_socket_and_a_far_timer_makes_no_turns() {
    let mut event_loop = event_loop();
    event_loop
        .block_on(async {
            let (mut ours, mut theirs) = connection();
            spawn(sleep(Duration::from_secs(40)));
            let thread = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                theirs.write_all(b"!").expect("the buffer is not full");
                assert_eq!(theirs.read(&mut [0; 1]).expect("it is closed"), 0);
            });
            poll_fn(|cx| ours.poll_read(cx, &mut [0; 1])).await.expect("it is connected");
            drop(ours);
            thread.join().expect("no panic");
        })
        .expect("it runs");
    // One for the first poll, one for the first event of the new socket, one for the data.
    assert!(event_loop.turns() <= 4, "{} turns", event_loop.turns());
}
