//! Dropping exchanges, bodies and clients before they complete.

use std::sync::mpsc;

use glassloop::http::client::Client;
use glassloop::{Job, run_in_executor, spawn};

use crate::peer::{Peer, accept_request, is_closed, send};
use crate::run::{HELLO, fetch, receive, run};

#[test]
fn dropping_an_exchange_closes_its_connection() {
    let (requested, until_requested) = mpsc::channel();
    let server = Peer::start(move |listener| {
        let mut connection = accept_request(listener);
        requested.send(()).unwrap();
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::new();
        let exchange = spawn(client.get(&server.url("/")));
        receive(until_requested).await;
        exchange.abort();
        let _aborted = exchange.await;
        // The loop and the client still exist: the exchange closes the connection.
        run_in_executor(None, Job::new(|| server.join())).await.unwrap();
    });
}

#[test]
fn dropping_a_body_before_its_end_closes_its_connection() {
    let server = Peer::start(|listener| {
        let mut connection = accept_request(listener);
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhello");
        assert!(is_closed(&mut connection));
    });
    run(async {
        let client = Client::new();
        drop(client.get(&server.url("/")).await.unwrap());
        run_in_executor(None, Job::new(|| server.join())).await.unwrap();
        assert_eq!(client.connections_idle(), 0);
    });
}

#[test]
fn dropping_the_client_closes_idle_connections() {
    let server = Peer::responding(&[HELLO]);
    run(async {
        fetch(&Client::new(), &server.url("/")).await.unwrap();
        run_in_executor(None, Job::new(|| server.join())).await.unwrap();
    });
}
