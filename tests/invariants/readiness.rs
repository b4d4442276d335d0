//! I5, I11: cached readiness, and how much one poll may do.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::task::Poll;
use std::time::Duration;

use glassloop::event_loop::{InitialReadiness, PollEvented, SourceMetadata};
use glassloop::net::TcpStream;
use glassloop::observe::{Event, EventKind, IoOutcome, Operation};
use glassloop::{EventLoop, sleep, spawn};

use crate::support::*;

/// A loop, and the outcomes of the reads on it.
pub fn loop_with_reads() -> (EventLoop, Log<IoOutcome>) {
    let reads = Log::new();
    let log = reads.clone();
    let watch = Watch(move |event: &Event<'_>| {
        if let EventKind::Io { operation: Operation::Read, outcome, .. } = event.kind {
            log.push(outcome);
        }
    });
    (build(EventLoop::builder().observer(watch)), reads)
}

async fn read(stream: &mut TcpStream, room: usize) -> usize {
    let mut buffer = vec![0; room];
    poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await.expect("loopback does not fail")
}

/// Reads once, if that can be done without waiting.
pub async fn read_now(stream: &mut TcpStream, room: usize) -> Option<usize> {
    let mut buffer = vec![0; room];
    poll_fn(|cx| match stream.poll_read(cx, &mut buffer) {
        Poll::Ready(result) => Poll::Ready(Some(result.expect("loopback does not fail"))),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Lets the reactor dispatch all that the kernel has to report: it does so before a timer fires.
pub async fn hear_the_kernel() {
    sleep(Duration::from_millis(1)).await;
}

#[test]
fn i05_readiness_cleared_only_by_would_block() {
    let (mut event_loop, reads) = loop_with_reads();
    let run = async {
        let (mut ours, mut theirs) = connection();
        theirs.write_all(b"12345678").expect("the buffer is not full");
        hear_the_kernel().await;
        // Full reads leave the readiness as it is, so there is no wait between them; the third one finds out.
        assert_eq!(read_now(&mut ours, 4).await, Some(4));
        assert_eq!(read_now(&mut ours, 4).await, Some(4));
        assert_eq!(read_now(&mut ours, 4).await, None);
        // From here on the readiness is cleared: there are no system calls.
        assert_eq!(read_now(&mut ours, 4).await, None);
        theirs.write_all(b"9").expect("the buffer is not full");
        assert_eq!(read(&mut ours, 1).await, 1);
    };
    event_loop.block_on(run).expect("it runs");
    use IoOutcome::{Done, WouldBlock};
    assert_eq!(reads.take(), [Done(4), Done(4), WouldBlock, Done(1)]);
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn i05_a_short_read_saves_the_call_that_would_block() {
    let (mut event_loop, reads) = loop_with_reads();
    let run = async {
        let (mut ours, mut theirs) = connection();
        theirs.write_all(b"123").expect("the buffer is not full");
        hear_the_kernel().await;
        assert_eq!(read_now(&mut ours, 8).await, Some(3));
        assert_eq!(read_now(&mut ours, 8).await, None);
        theirs.write_all(b"45").expect("the buffer is not full");
        assert_eq!(read(&mut ours, 8).await, 2);
    };
    event_loop.block_on(run).expect("it runs");
    assert_eq!(reads.take(), [IoOutcome::Done(3), IoOutcome::Done(2)]);
}

#[test]
fn i05_the_end_of_the_stream_is_sticky() {
    let (mut event_loop, reads) = loop_with_reads();
    let run = async {
        let (mut ours, mut theirs) = connection();
        theirs.write_all(b"123").expect("the buffer is not full");
        theirs.shutdown(std::net::Shutdown::Write).expect("it is connected");
        hear_the_kernel().await;
        assert!(ours.is_read_closed());
        assert_eq!(read_now(&mut ours, 8).await, Some(3), "a short read clears the readiness");
        for _ in 0..3 {
            assert_eq!(read_now(&mut ours, 8).await, Some(0), "but not that the stream has ended");
        }
        assert!(ours.is_read_closed());
    };
    event_loop.block_on(run).expect("it runs");
    use IoOutcome::{Done, EndOfFile};
    assert_eq!(reads.take(), [Done(3), EndOfFile, EndOfFile, EndOfFile]);
}

#[test]
#[cfg(target_os = "linux")]
fn i05_urgent_data_ends_a_read_but_the_reader_continues() {
    let (mut event_loop, reads) = loop_with_reads();
    let run = async {
        let (mut ours, mut theirs) = connection();
        theirs.write_all(b"before").expect("the buffer is not full");
        socket2::SockRef::from(&theirs).send_out_of_band(b"!").expect("the buffer is not full");
        theirs.write_all(b"after").expect("the buffer is not full");
        hear_the_kernel().await;
        assert_eq!(read_now(&mut ours, 64).await, Some(6), "a read ends at the mark");
        assert_eq!(read_now(&mut ours, 64).await, Some(5), "and there is more behind it");
        assert_eq!(read_now(&mut ours, 64).await, None);
        theirs.write_all(b"later").expect("the buffer is not full");
        assert_eq!(read(&mut ours, 64).await, 5);
        assert_eq!(read_now(&mut ours, 64).await, None, "from then on each read is a system call");
    };
    event_loop.block_on(run).expect("it runs");
    use IoOutcome::{Done, WouldBlock};
    assert_eq!(reads.take(), [Done(6), Done(5), WouldBlock, Done(5), WouldBlock]);
}

#[test]
fn i05_a_vectored_write_of_more_slices_than_one_call_takes_continues_immediately() {
    run(async {
        let (mut ours, _theirs) = connection();
        let bytes = [7; 3_000];
        let mut written = vec![];
        while written.iter().sum::<usize>() < bytes.len() {
            let pieces: Vec<IoSlice<'_>> = bytes[written.iter().sum()..].chunks(1).map(IoSlice::new).collect();
            let Poll::Ready(sent) = poll_fn(|cx| Poll::Ready(ours.poll_write_vectored(cx, &pieces))).await else {
                panic!("it waits, although the socket is writable: {written:?}");
            };
            written.push(sent.expect("it is connected"));
        }
        assert!(written.len() > 1, "one call took all: {written:?}");
    });
}

/// A source of any kind, and the number of system calls.
pub struct Asked<S: mio::event::Source> {
    pub source: PollEvented<S>,
    pub calls: u32,
}

impl<S: mio::event::Source> Asked<S> {
    pub fn new(io: S) -> Asked<S> {
        let described = SourceMetadata { what: "source", descriptor: None, peer: None };
        Asked { source: PollEvented::new(io, InitialReadiness::NotReady, described).expect("registered"), calls: 0 }
    }

    /// Reads once with a buffer of 64 bytes, if that can be done without waiting.
    pub async fn read_now(&mut self, read: impl FnMut(&mut S, &mut [u8]) -> io::Result<usize>) -> Option<usize> {
        self.try_read_now(read).await.map(|read| read.expect("it works"))
    }

    /// The same for a read that may fail.
    pub async fn try_read_now(
        &mut self,
        mut read: impl FnMut(&mut S, &mut [u8]) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let mut buffer = [0; 64];
        let Asked { source, calls } = self;
        poll_fn(|cx| {
            let polled = source.poll_io(cx, Operation::Read, 64, |io| {
                *calls += 1;
                read(io, &mut buffer)
            });
            Poll::Ready(match polled {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            })
        })
        .await
    }
}

#[test]
fn i05_a_short_read_of_a_user_defined_source_proves_nothing() {
    let (mut event_loop, reads) = loop_with_reads();
    let run = async {
        let theirs = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let ours = mio::net::UdpSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        theirs.connect(ours.local_addr().expect("its address")).expect("connected");
        let mut ours = Asked::new(ours);
        for datagram in [&b"one"[..], b"", b"three"] {
            theirs.send(datagram).expect("loopback takes it");
        }
        hear_the_kernel().await;
        for bytes in [Some(3), Some(0), Some(5), None, None] {
            assert_eq!(ours.read_now(|socket, buffer| socket.recv(buffer)).await, bytes);
        }
        assert_eq!(ours.calls, 4, "the last one knows that there is nothing");
    };
    event_loop.block_on(run).expect("it runs");
    use IoOutcome::{Done, WouldBlock};
    assert_eq!(reads.take(), [Done(3), Done(0), Done(5), WouldBlock], "an empty datagram is no end");
}

#[test]
#[cfg(unix)]
fn i05_a_short_read_of_a_unix_stream_proves_nothing() {
    run(async {
        let (ours, mut theirs) = mio::net::UnixStream::pair().expect("sockets");
        let mut ours = Asked::new(ours);
        theirs.write_all(b"123").expect("the buffer is not full");
        hear_the_kernel().await;
        // A read ends where a descriptor was passed, for example.
        for (bytes, calls) in [(Some(3), 1), (None, 2), (None, 2)] {
            assert_eq!(ours.read_now(|socket, buffer| socket.read(buffer)).await, bytes);
            assert_eq!(ours.calls, calls);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn i05_a_read_that_would_block_clears_the_readiness_even_if_the_source_is_closed() {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let reader = std::fs::File::options().read(true).custom_flags(nonblocking).open(&path).expect("a reader");
    let open_writer = || std::fs::File::options().write(true).open(&path).expect("there is a reader");
    let (mut event_loop, reads) = loop_with_reads();
    let run = async {
        let mut reader = Asked::new(mio::unix::pipe::Receiver::from(std::os::fd::OwnedFd::from(reader)));
        let read = |pipe: &mut mio::unix::pipe::Receiver, buffer: &mut [u8]| pipe.read(buffer);
        let mut writer = open_writer();
        writer.write_all(b"line").expect("the buffer is not full");
        drop(writer);
        hear_the_kernel().await;
        assert_eq!(reader.read_now(read).await, Some(4));
        assert_eq!(reader.read_now(read).await, Some(0), "its last writer has left");
        assert!(reader.source.is_read_closed());
        // A second writer opens it, and writes nothing.
        let mut writer = open_writer();
        for _ in 0..3 {
            assert_eq!(reader.read_now(read).await, None);
            hear_the_kernel().await;
        }
        assert_eq!(reader.calls, 3, "one call, and then the reader waits");
        writer.write_all(b"more!").expect("the buffer is not full");
        hear_the_kernel().await;
        assert_eq!(reader.read_now(read).await, Some(5));
        assert!(reader.source.is_read_closed(), "this stays known (I5)");
    };
    event_loop.block_on(run).expect("it runs");
    use IoOutcome::{Done, EndOfFile, WouldBlock};
    assert_eq!(reads.take(), [Done(4), EndOfFile, WouldBlock, Done(5)]);
}

#[test]
fn i05_a_full_socket_is_waited_for_and_then_written_to() {
    run(async {
        let (mut ours, mut theirs) = connection();
        let piece = vec![7; 64 * 1024];
        let mut sent = 0;
        while let Some(written) = poll_fn(|cx| match ours.poll_write(cx, &piece) {
            Poll::Ready(result) => Poll::Ready(Some(result.expect("it is connected"))),
            Poll::Pending => Poll::Ready(None),
        })
        .await
        {
            sent += written;
            yield_times(1).await; // a new budget: only a full socket says `Pending`
        }
        let drain = std::thread::spawn(move || {
            let mut buffer = vec![0; sent];
            theirs.read_exact(&mut buffer).expect("it was all sent");
            theirs
        });
        poll_fn(|cx| ours.poll_write(cx, b"more")).await.expect("there is room again");
        drain.join().expect("it was all read");
    });
}

/// The most reads, and bytes, between the begin and the end of one poll.
fn most_in_a_poll(room: usize, bytes: usize) -> (usize, usize) {
    let (log, most) = (Log::new(), Log::new());
    let (l, m) = (log, most.clone());
    let watch = Watch(move |event: &Event<'_>| match event.kind {
        EventKind::PollBegin { .. } => drop(l.take()),
        EventKind::Io { operation: Operation::Read, outcome: IoOutcome::Done(moved), .. } => l.push(moved),
        EventKind::PollEnd { .. } => {
            let moved = l.take();
            m.push((moved.len(), moved.iter().sum::<usize>()));
        }
        _ => {}
    });
    let mut event_loop = build(EventLoop::builder().observer(watch));
    let run = async {
        let (mut ours, mut theirs) = connection();
        let sender = std::thread::spawn(move || {
            theirs.write_all(&vec![7; bytes]).expect("it is read");
            theirs
        });
        let mut left = bytes;
        while left > 0 {
            left -= read(&mut ours, room).await;
        }
        sender.join().expect("it was all sent");
    };
    event_loop.block_on(run).expect("it runs");
    let most = most.take();
    (most.iter().map(|(reads, _)| *reads).max().unwrap_or(0), most.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0))
}

#[test]
fn i11_one_poll_makes_at_most_32_reads() {
    assert_eq!(most_in_a_poll(1, 1_000).0, 32);
}

#[test]
fn i11_one_poll_transfers_at_most_256_kib_and_the_rest_of_its_last_call() {
    let piece = 32 * 1024;
    let (_, bytes) = most_in_a_poll(piece, 8 * 1024 * 1024);
    assert!(bytes < 256 * 1024 + piece, "{bytes} bytes in one poll");
}

#[test]
fn i11_a_greedy_reader_does_not_starve_a_timer() {
    run(async {
        let (mut ours, mut theirs) = connection();
        let sender = std::thread::spawn(move || while theirs.write_all(&[7; 64 * 1024]).is_ok() {});
        let reader = spawn(async move {
            loop {
                read(&mut ours, 1).await;
            }
        });
        sleep(Duration::from_millis(5)).await;
        reader.abort();
        assert!(reader.await.is_err_and(|error| error.is_aborted()));
        sender.join().expect("the connection was closed");
    });
}

#[test]
fn i11_a_greedy_child_of_join_all_does_not_starve_a_timer() {
    run(async {
        let (mut ours, mut theirs) = connection();
        let sender = std::thread::spawn(move || while theirs.write_all(&[7; 64 * 1024]).is_ok() {});
        let reader = spawn(async move {
            let greedy = async {
                loop {
                    read(&mut ours, 1).await;
                }
            };
            glassloop::futures::join_all([greedy]).await;
        });
        sleep(Duration::from_millis(5)).await;
        reader.abort();
        assert!(reader.await.is_err());
        sender.join().expect("the connection was closed");
    });
}

#[test]
fn i11_a_child_that_yields_lets_other_tasks_run() {
    run(async {
        let passed = Counter::new();
        let other = passed.clone();
        spawn(async move {
            for _ in 0..5 {
                other.add();
                yield_times(1).await;
            }
        });
        let children = (0..2).map(|_| yield_times(5));
        glassloop::futures::join_all(children).await;
        assert!(passed.get() >= 5, "{} turns in five yields", passed.get());
    });
}
