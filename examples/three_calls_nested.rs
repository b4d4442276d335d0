//! From callbacks to futures to coroutines (1): three dependent requests in nested callbacks.
//!
//!     cargo run --release --example three_calls_nested
//!     cargo run --release --example three_calls_nested -- --fail-second
//!
//! A country has an ISO code and a GEC code (a standard of the US government), and one country's GEC code is often the
//! ISO code of another: China's GEC code is CH, which is Switzerland's ISO code. Each request uses the GEC code from
//! the previous response. Related code stays together, and each callback can use the variables of the enclosing ones.
//! But every step adds a level of nesting.
//!
//! Errors: they do not propagate. Each callback has to check for an error and pass it to `done`. If one of the three
//! `Err` arms is left empty, the chain ends without any report.
//!
//! To try next: empty the second `Err` arm and run with `--fail-second`; then read `three_calls_chained`.

mod support;

use std::process::ExitCode;

use glassloop::http::client::Client;
use glassloop::sync::oneshot;

use support::Error;
use support::callbacks::get;
use support::countries::{Country, metadata_url, summary};

/// Requests China's metadata, that of the country whose ISO code is China's GEC code, and so on once more; then calls
/// `done`.
fn three_calls(base_url: String, fail_second: bool, done: impl FnOnce(Result<[Country; 3], Error>) + 'static) {
    let client = Client::new();
    get(&client.clone(), &metadata_url(&base_url, "cn", false), move |result| {
        match result.and_then(|json| Country::from_json(&json)) {
            Err(error) => done(Err(error)), // once
            Ok(first) => {
                get(&client.clone(), &metadata_url(&base_url, &first.gec_code, fail_second), move |result| {
                    match result.and_then(|json| Country::from_json(&json)) {
                        Err(error) => done(Err(error)), // twice
                        Ok(second) => {
                            get(&client, &metadata_url(&base_url, &second.gec_code, false), move |result| {
                                match result.and_then(|json| Country::from_json(&json)) {
                                    Err(error) => done(Err(error)), // three times
                                    Ok(third) => done(Ok([first, second, third])),
                                }
                            });
                        }
                    }
                });
            }
        }
    });
}

fn main() -> ExitCode {
    support::main(include_str!("three_calls_nested.rs"), &["--server URL", "--fail-second"], |arguments| {
        let site = support::site(arguments)?;
        let (base_url, fail_second) = (site.base_url().to_owned(), arguments.has("--fail-second"));
        let countries = support::event_loop()?.block_on(async move {
            let (sender, receiver) = oneshot();
            three_calls(base_url, fail_second, |countries| {
                // The receiver is awaited below, so the send cannot fail.
                let _unsent = sender.send(countries);
            });
            receiver.await
        })???;
        println!("{}", summary(&countries));
        Ok(())
    })
}
