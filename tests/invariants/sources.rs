//! I5, I6: what sources of all kinds report when they are closed, broken, empty, dropped or registered twice.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::task::Poll;

use glassloop::event_loop::Direction;
use glassloop::net::TcpStream;
use glassloop::observe::{IoOutcome, Operation};

use crate::readiness::{Asked, hear_the_kernel, loop_with_reads, read_now};
use crate::support::*;

/// Polls once.
async fn now<T>(mut poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<T>) -> Poll<T> {
    poll_fn(|cx| Poll::Ready(poll(cx))).await
}

fn kind_of<T>(polled: Poll<io::Result<T>>) -> Option<ErrorKind> {
    match polled {
        Poll::Ready(Err(error)) => Some(error.kind()),
        _ => None,
    }
}

#[test]
fn i05_an_end_that_no_event_has_reported_yet_stays_readable() {
    run(async {
        let (mut ours, theirs) = connection();
        drop(theirs);
        assert!(!ours.is_read_closed(), "the kernel has not been asked yet");
        for _ in 0..3 {
            assert_eq!(read_now(&mut ours, 8).await, Some(0));
        }
    });
}

#[test]
fn a_stream_is_readable_while_there_is_input_or_its_end() {
    run(async {
        let (mut ours, mut theirs) = connection();
        assert_eq!(read_now(&mut ours, 8).await, None);
        assert!(ours.has_no_input());
        assert!(now(|cx| ours.poll_readable(cx)).await.is_pending());
        theirs.write_all(b"12").expect("the buffer is not full");
        poll_fn(|cx| ours.poll_readable(cx)).await;
        assert!(!ours.has_no_input());
        assert!(now(|cx| ours.poll_readable(cx)).await.is_ready(), "nothing has been read");
        assert_eq!(read_now(&mut ours, 8).await, Some(2));
        assert_eq!(read_now(&mut ours, 8).await, None);
        assert!(now(|cx| ours.poll_readable(cx)).await.is_pending());
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        poll_fn(|cx| ours.poll_readable(cx)).await;
        assert!(!ours.has_no_input(), "the end is something to read");
    });
}

#[test]
fn a_half_closed_connection_continues_in_the_other_direction() {
    run(async {
        let (mut ours, mut theirs) = connection();
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        hear_the_kernel().await;
        assert_eq!(read_now(&mut ours, 8).await, Some(0));
        assert!(matches!(now(|cx| ours.poll_write(cx, b"123")).await, Poll::Ready(Ok(3))));
        let mut bytes = [0; 3];
        theirs.read_exact(&mut bytes).expect("it was sent");
        ours.shutdown(Shutdown::Write).expect("it is connected");
        hear_the_kernel().await;
        assert_eq!(kind_of(now(|cx| ours.poll_write(cx, b"4")).await), Some(ErrorKind::BrokenPipe));
        assert_eq!(theirs.read(&mut bytes).expect("it was closed"), 0);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_reset_is_one_error_and_then_the_end_without_waiting() {
    run(async {
        let (mut ours, theirs) = connection();
        socket2::SockRef::from(&theirs).set_linger(Some(std::time::Duration::ZERO)).expect("an option");
        drop(theirs);
        hear_the_kernel().await;
        assert!(ours.is_read_closed());
        let mut buffer = [0; 8];
        assert_eq!(kind_of(now(|cx| ours.poll_read(cx, &mut buffer)).await), Some(ErrorKind::ConnectionReset));
        assert_eq!(read_now(&mut ours, 8).await, Some(0));
        assert_eq!(kind_of(now(|cx| ours.poll_write(cx, b"1")).await), Some(ErrorKind::BrokenPipe));
    });
}

#[test]
fn reads_and_writes_of_nothing_are_no_end_and_clear_nothing() {
    let (mut event_loop, reads) = loop_with_reads();
    let run = async {
        let (mut ours, mut theirs) = connection();
        theirs.write_all(b"12").expect("the buffer is not full");
        hear_the_kernel().await;
        assert_eq!(read_now(&mut ours, 0).await, Some(0));
        assert_eq!(read_now(&mut ours, 1).await, Some(1));
        assert!(matches!(now(|cx| ours.poll_write(cx, b"")).await, Poll::Ready(Ok(0))));
        assert!(matches!(now(|cx| ours.poll_write(cx, b"3")).await, Poll::Ready(Ok(1))));
        assert_eq!(read_now(&mut ours, 1).await, Some(1));
    };
    event_loop.block_on(run).expect("it runs");
    assert_eq!(reads.take(), [IoOutcome::Done(0), IoOutcome::Done(1), IoOutcome::Done(1)]);
}

#[test]
#[cfg(target_os = "linux")]
fn an_error_of_a_datagram_socket_is_reported_once_and_then_waited_for() {
    run(async {
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = closed.local_addr().expect("its address");
        drop(closed);
        let socket = mio::net::UdpSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        socket.connect(address).expect("connected");
        let mut socket = Asked::new(socket);
        socket.source.io().send(b"1").expect("it is sent");
        hear_the_kernel().await;
        // Port unreachable (ICMP): an event with an error and nothing to read.
        let error = socket.try_read_now(|socket, buffer| socket.recv(buffer)).await.expect("it does not wait");
        assert_eq!(error.expect_err("nobody is there").kind(), ErrorKind::ConnectionRefused);
        for _ in 0..3 {
            assert!(socket.try_read_now(|socket, buffer| socket.recv(buffer)).await.is_none());
        }
        assert_eq!(socket.calls, 2, "the error and what would block");
        assert!(now(|cx| socket.source.poll_ready(cx, Direction::Write)).await.is_ready());
    });
}

#[test]
#[cfg(unix)]
fn a_pipe_whose_other_end_is_closed_is_ready_in_its_only_direction() {
    run(async {
        let (sender, receiver) = mio::unix::pipe::new().expect("a pipe");
        let mut receiver = Asked::new(receiver);
        hear_the_kernel().await;
        assert_eq!(receiver.read_now(|pipe, buffer| pipe.read(buffer)).await, None);
        drop(sender);
        hear_the_kernel().await;
        assert_eq!(receiver.read_now(|pipe, buffer| pipe.read(buffer)).await, Some(0), "closed, and nothing to read");

        let (sender, receiver) = mio::unix::pipe::new().expect("a pipe");
        let mut sender = Asked::new(sender);
        drop(receiver);
        hear_the_kernel().await;
        let write = |pipe: &mut mio::unix::pipe::Sender| pipe.write(b"1");
        let written = now(|cx| sender.source.poll_io(cx, Operation::Write, 1, write)).await;
        assert_eq!(kind_of(written), Some(ErrorKind::BrokenPipe));
    });
}

#[test]
#[cfg(unix)]
fn an_interrupted_call_is_made_again_and_an_error_is_passed_on() {
    run(async {
        let (ours, mut theirs) = mio::net::UnixStream::pair().expect("sockets");
        let mut ours = Asked::new(ours);
        theirs.write_all(b"123").expect("the buffer is not full");
        hear_the_kernel().await;
        let mut results = vec![Ok(7), Err(ErrorKind::PermissionDenied), Err(ErrorKind::Interrupted)];
        let mut next =
            |_: &mut mio::net::UnixStream, _: &mut [u8]| results.pop().expect("three calls").map_err(Into::into);
        let failed = ours.try_read_now(&mut next).await.expect("it does not wait");
        assert_eq!((failed.expect_err("denied").kind(), ours.calls), (ErrorKind::PermissionDenied, 2));
        assert_eq!(ours.read_now(&mut next).await, Some(7), "an error says nothing about readiness");
        ours.source.clear_ready(Direction::Read);
        assert!(now(|cx| ours.source.poll_ready(cx, Direction::Read)).await.is_pending());
        assert!(now(|cx| ours.source.poll_ready(cx, Direction::Write)).await.is_ready(), "this is another direction");
    });
}

#[test]
fn a_reader_and_a_writer_of_one_source_are_woken_each_for_its_own() {
    /// More than the socket takes at once.
    const BYTES: usize = 4 * 1024 * 1024;
    run(async {
        let (ours, mut theirs) = connection();
        let ours = std::rc::Rc::new(std::cell::RefCell::new(ours));
        let (reader, writer) = (ours.clone(), ours.clone());
        let reader = glassloop::spawn(async move {
            let mut buffer = [0; 8];
            poll_fn(|cx| reader.borrow_mut().poll_read(cx, &mut buffer)).await.expect("it is connected")
        });
        let writer = glassloop::spawn(async move {
            let bytes = vec![7; BYTES];
            let mut sent = 0;
            while sent < BYTES {
                sent +=
                    poll_fn(|cx| writer.borrow_mut().poll_write(cx, &bytes[sent..])).await.expect("it is connected");
            }
        });
        let other = std::thread::spawn(move || {
            theirs.read_exact(&mut vec![0; BYTES]).expect("it is connected");
            theirs.write_all(b"done").expect("it is connected");
            theirs
        });
        writer.await.expect("no panic");
        assert_eq!(reader.await.expect("no panic"), 4);
        other.join().expect("no panic");
    });
}

/// Reads a stream that others may drop, and counts the polls. 0 when it has gone.
async fn read_shared(stream: Shared, polls: Counter) -> usize {
    let mut buffer = [0; 8];
    poll_fn(|cx| {
        polls.add();
        match &mut *stream.borrow_mut() {
            Some(stream) => stream.poll_read(cx, &mut buffer),
            None => Poll::Ready(Ok(0)),
        }
    })
    .await
    .expect("it is connected")
}

type Shared = std::rc::Rc<std::cell::RefCell<Option<TcpStream>>>;

#[test]
fn tasks_that_wait_for_a_source_that_is_dropped_are_woken() {
    run(async {
        let polls = Counter::new();
        let (ours, _theirs) = connection();
        let shared = Shared::new(Some(ours).into());
        let reader = glassloop::spawn(read_shared(shared.clone(), polls.clone()));
        yield_times(2).await;
        shared.take();
        assert_eq!(reader.await.expect("no panic"), 0);
        assert_eq!(polls.get(), 2);

        // Two futures of one task.
        let (ours, _theirs) = connection();
        let shared = Shared::new(Some(ours).into());
        let (reader, dropper) = (read_shared(shared.clone(), polls.clone()), async move {
            yield_times(2).await;
            shared.take();
            0
        });
        let both: [std::pin::Pin<Box<dyn Future<Output = usize>>>; 2] = [Box::pin(reader), Box::pin(dropper)];
        assert_eq!(glassloop::futures::join_all(both).await, [0, 0]);
    });
}

#[test]
fn a_task_that_drops_the_source_that_it_waits_for_is_not_woken() {
    run(async {
        let polls = Counter::new();
        let (ours, _theirs) = connection();
        let counted = polls.clone();
        let task = glassloop::spawn(async move {
            let shared = Shared::new(Some(ours).into());
            let mut reader = Box::pin(read_shared(shared.clone(), counted.clone()));
            assert!(now(|cx| reader.as_mut().poll(cx)).await.is_pending());
            shared.take();
            count_polls(&counted).await;
        });
        yield_times(5).await;
        assert_eq!(polls.get(), 2, "one of the reader, and one of what is pending for ever");
        task.abort();
        assert!(task.await.is_err());
    });
}

#[test]
fn a_socket_can_be_registered_again_and_twice_by_two_descriptors() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let mut theirs =
            std::net::TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        let (ours, _) = listener.accept().expect("the other end");
        let register = || TcpStream::from_std(ours.try_clone().expect("a descriptor")).expect("registered");
        drop(register());
        let (mut one, mut other) = (register(), register());
        assert_ne!(one.id(), other.id());
        for stream in [&mut one, &mut other] {
            assert_eq!(read_now(stream, 8).await, None);
        }
        theirs.write_all(b"12").expect("the buffer is not full");
        hear_the_kernel().await;
        // Both are told, and share what there is.
        assert_eq!(read_now(&mut one, 1).await, Some(1));
        assert_eq!(read_now(&mut other, 1).await, Some(1));
        assert_eq!(read_now(&mut one, 1).await, None);
        drop(one);
        theirs.write_all(b"3").expect("the buffer is not full");
        hear_the_kernel().await;
        assert_eq!(read_now(&mut other, 8).await, Some(1), "the end of one does not end the other");
    });
}
