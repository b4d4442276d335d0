//! Coordination: results as they come, and what each future is before and after.
//!
//!     cargo run --release --example as_completed
//!
//! Five requests are under way at once inside one task. The server lets each wait for another time, so they end in
//! another order than they began in. `as_completed` gives each result as soon as it is there, and with it the number of
//! its future: in Python one has to find out by oneself whose result it is.
//!
//! To try next: `join_all` in its place, which waits for the last; drop `results` after the second one, and see with
//! GLASSLOOP_TRACE what becomes of the other connections.

mod support;

use std::process::ExitCode;

use glassloop::futures::as_completed;
use glassloop::http::client::Client;

use support::countries::body_of;

const REQUESTS: [(&str, u32); 5] = [("br", 120), ("cn", 40), ("in", 200), ("ng", 80), ("us", 160)];

fn main() -> ExitCode {
    support::main(&["--server URL"], |arguments| {
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
            println!("{before}   nothing has been polled");
            while let Some((number, image)) = results.next().await {
                let after: String = states(&|n| results.is_done(n));
                println!("{after}   {} has come: {} bytes", REQUESTS[number].0, image?.len());
            }
            Ok(())
        })?
    })
}
