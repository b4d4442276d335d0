//! One read an event, though the kernel tells of changes only.
//!
//! The loop registers its sockets edge-triggered: the kernel speaks up when something new has come, and not because
//! something old is still there. So whoever is told has to read until there is nothing left, or has to remember that there
//! is. This task reads one message, says "more will be announced" and returns Pending. Both messages came together; the
//! second one was announced with the first.

use std::future::poll_fn;
use std::io::Write;
use std::task::Poll;
use std::time::Duration;

use glassloop::net::{TcpListener, TcpStream};
use glassloop::observe::note_waiting;
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
            println!("message {messages} is read");
            if !is_fixed && messages == 1 {
                note_waiting("the next message");
                return Poll::Pending; // "we shall be woken for it"
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
            println!("the second message is there, and nobody reads it; we give up");
        }
        Ok(())
    })?
}
