//! Happy Eyeballs on real sockets. (The order and the times of the attempts have unit tests without sockets.)

#![cfg(target_os = "linux")]

#[path = "support/silent.rs"]
mod silent;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use glassloop::net::{Connect, ConnectError, TcpStream};
use glassloop::observe::{Event, EventKind, Observer};
use glassloop::{EventLoop, sleep};
use silent::Silent;

const LIMIT: Duration = Duration::from_secs(10);

/// The events of a `Connect` future.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    states: Vec<&'static str>,
    /// The number of sockets that are registered and not closed.
    open: usize,
    has_timer_fired: bool,
}

impl Observer for Notes {
    fn event(&mut self, event: &Event<'_>) {
        let mut seen = self.0.borrow_mut();
        match event.kind {
            EventKind::State { type_name: "Connect", to, .. } => seen.states.push(to),
            EventKind::SourceAdd { what: "connection", .. } => seen.open += 1,
            EventKind::SourceDel { .. } => seen.open -= 1,
            EventKind::TimerFire { .. } => seen.has_timer_fired = true,
            _ => {}
        }
    }
}

/// Connects to one of the addresses, on a loop of its own. Also returns the recorded events.
fn connect(addresses: &[SocketAddr], limit: Duration) -> (Result<SocketAddr, ConnectError>, Notes) {
    watchdog::watch();
    let notes = Notes::default();
    let mut event_loop = EventLoop::builder().observer(notes.clone()).build().expect("a loop");
    let connected: Result<TcpStream, _> =
        event_loop.block_on(async { Connect::new(addresses.to_vec(), limit).await }).expect("no deadlock");
    let expected = usize::from(connected.is_ok());
    assert_eq!(notes.0.borrow().open, expected, "who has lost is closed at once");
    (connected.map(|stream| stream.peer_addr().expect("it is connected")), notes)
}

fn live() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("it is bound")
}

/// Returns an address whose port is closed.
fn refusing() -> SocketAddr {
    address(&live())
}

#[test]
fn the_next_address_is_tried_if_one_does_not_respond() {
    let (silent, live) = (Silent::at("127.0.0.1:0"), live());
    let (connected, notes) = connect(&[silent.address(), address(&live)], LIMIT);
    assert_eq!(connected.unwrap(), address(&live));
    assert_eq!(silent.attempts(), 0);
    assert_eq!(notes.0.borrow().states, ["Handshake", "NextAddress", "Handshake", "Done"]);
}

#[test]
fn the_next_address_is_tried_immediately_if_one_refuses() {
    let live = live();
    let (connected, notes) = connect(&[refusing(), refusing(), address(&live)], LIMIT);
    assert_eq!(connected.unwrap(), address(&live));
    assert!(!notes.0.borrow().has_timer_fired);
}

#[test]
fn one_address_is_tried_once() {
    let live = live();
    let (connected, notes) = connect(&[address(&live)], LIMIT);
    assert_eq!(connected.unwrap(), address(&live));
    assert_eq!(notes.0.borrow().states, ["Handshake", "Done"]);
}

#[test]
fn the_timeout_applies_to_all_addresses_together() {
    let (first, second) = (Silent::at("127.0.0.1:0"), Silent::at("127.0.0.1:0"));
    let (connected, _) = connect(&[first.address(), refusing(), second.address()], Duration::from_millis(300));
    let error = connected.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
    let address = second.address();
    let expected = format!("connecting to {address}: timed out after 300.0ms (2 other addresses were tried)");
    assert_eq!(error.to_string(), expected);
    assert_eq!(first.attempts() + second.attempts(), 0);
}

#[test]
fn if_all_addresses_refuse_the_error_is_that_of_the_last() {
    let (first, second) = (refusing(), refusing());
    let (connected, _) = connect(&[first, second], LIMIT);
    let error = connected.unwrap_err().to_string();
    assert!(error.starts_with(&format!("connecting to {second}: Connection refused")), "{error}");
    assert!(error.ends_with(" (1 other address was tried)"), "{error}");
    assert!(matches!(connect(&[], LIMIT).0, Err(ConnectError::NoAddress)));
}

#[test]
fn dropping_the_future_closes_all_sockets() {
    let (first, second) = (Silent::at("127.0.0.1:0"), Silent::at("127.0.0.1:0"));
    let run = async {
        {
            let mut connect = pin!(Connect::new(vec![first.address(), second.address()], LIMIT));
            while second.attempts() == 0 {
                let mut soon = pin!(sleep(Duration::from_millis(10)));
                poll_fn(|cx| {
                    assert!(connect.as_mut().poll(cx).is_pending());
                    soon.as_mut().poll(cx)
                })
                .await;
            }
            assert_eq!((first.attempts(), second.attempts()), (1, 1));
        }
        assert_eq!((first.attempts(), second.attempts()), (0, 0));
    };
    EventLoop::new().unwrap().block_on(run).unwrap();
}
