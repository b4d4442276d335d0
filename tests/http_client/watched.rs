//! The events of an exchange that an observer receives.

use std::cell::RefCell;
use std::rc::Rc;

use glassloop::EventLoop;
use glassloop::http::client::Client;
use glassloop::observe::{Event, EventKind, HttpStep, Observer};

use crate::peer::Peer;
use crate::run::fetch;

/// Records the states of exchanges and bodies, and their steps.
#[derive(Clone, Default)]
struct Notes {
    states: Rc<RefCell<Vec<String>>>,
    steps: Rc<RefCell<Vec<HttpStep>>>,
}

impl Observer for Notes {
    fn event(&mut self, event: &Event<'_>) {
        match event.kind {
            EventKind::State { type_name: of @ ("Exchange" | "Body"), to, .. } => {
                self.states.borrow_mut().push(format!("{of} {to}"));
            }
            EventKind::Http { step, .. } => self.steps.borrow_mut().push(step),
            _ => {}
        }
    }
}

#[test]
fn every_state_and_step_of_an_exchange_is_emitted() {
    let server = Peer::responding(&[
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
