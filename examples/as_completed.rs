//! Coordination: results in completion order, with the state of all futures after each result.
//!
//!     cargo run --release --example as_completed
//!
//! Five requests run concurrently inside one task. The server delays the responses by different times, so the requests
//! complete in a different order from the one in which they were started. `as_completed` returns each result as soon as
//! it is available, together with the index of its future. (asyncio's `as_completed` does not tell which future a
//! result belongs to.)
//!
//! To try next: use `join_all` instead, which waits for all of them; drop `results` after the second result, and use
//! GLASSLOOP_TRACE to see what happens to the other connections.

mod support;

use std::process::ExitCode;

use glassloop::futures::as_completed;
use glassloop::http::client::Client;

use support::countries::body_of;

const REQUESTS: [(&str, u32); 5] = [("br", 120), ("cn", 40), ("in", 200), ("ng", 80), ("us", 160)];

fn main() -> ExitCode {
    support::main(include_str!("as_completed.rs"), &["--server URL"], |arguments| {
        let (site, client) = (support::site(arguments)?, Client::new());
        support::event_loop()?.block_on(async {
            let mut results = as_completed(REQUESTS.map(|(code, delay)| {
                let exchange = client.get(&format!("{}/{code}/{code}.gif?gl-delay={delay}", site.base_url()));
                async { body_of(exchange.await).await }
            }));
            let states = |is_done: &dyn Fn(usize) -> bool| {
                let states = REQUESTS.iter().enumerate();
                states
                    .map(|(n, (code, _))| format!("{code} {} ", if is_done(n) { "done   " } else { "pending" }))
                    .collect()
            };
            let before: String = states(&|n| results.is_done(n));
            println!("{before}   no future has been polled yet");
            while let Some((index, image)) = results.next().await {
                let after: String = states(&|n| results.is_done(n));
                println!("{after}   {} completed: {} bytes", REQUESTS[index].0, image?.len());
            }
            Ok(())
        })?
    })
}
