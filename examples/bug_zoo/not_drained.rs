//! An edge-triggered source is not read until WouldBlock.
//!
//! The loop registers its sockets edge-triggered (`EPOLLET`): the kernel reports an event when new data arrives, but
//! not while old data is still unread. After an event, a task has to read until WouldBlock, or read again later without
//! waiting for another event. This task reads one message, returns Pending and expects an event for the second message.
//! But both messages arrived together, with a single event.

use std::future::poll_fn;
use std::io::Write;
use std::task::Poll;
use std::time::Duration;

use glassloop::net::{TcpListener, TcpStream};
use glassloop::observe::set_wait_reason;
use glassloop::{sleep, spawn_named};

use super::support::{self, Error};

const MESSAGE: &[u8] = b"message!";

async fn read_two(mut stream: TcpStream, is_fixed: bool) -> std::io::Result<u32> {
    let mut messages = 0;
    poll_fn(|cx| {
        let mut buffer = [0; MESSAGE.len()];
        while messages < 2 {
            match stream.poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) => messages += 1,
            }
            println!("read message {messages}");
            if !is_fixed && messages == 1 {
                set_wait_reason("the next message");
                return Poll::Pending; // the bug: no event will come for data that is already there
            }
        }
        Poll::Ready(Ok(messages))
    })
    .await
}

pub fn run(is_fixed: bool) -> Result<(), Error> {
    support::event_loop()?.block_on(async {
        let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        let mut sender = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (stream, _) = listener.accept().await?;
        let reader = spawn_named("reader", read_two(stream, is_fixed));
        sleep(Duration::from_millis(20)).await;

        sender.write_all(&MESSAGE.repeat(2))?;
        sleep(Duration::from_millis(50)).await;
        if !reader.is_finished() {
            println!("the second message has arrived, but the task waits for an event; giving up");
        }
        Ok(())
    })?
}
