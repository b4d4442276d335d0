//! From callbacks to futures to coroutines (1): three requests, each made from the answer before, in nested callbacks.
//!
//!     cargo run --release --example three_calls_nested
//!     cargo run --release --example three_calls_nested -- --fail-second
//!
//! A country has two codes, and the one is often the other of some other country: from China over CH to the next, and on.
//! What belongs together stands together, and each callback sees the variables of those round it; but the code walks off
//! to the right, and what comes first in time is outside and on top, what comes last deep inside.
//!
//! Where the error goes: nowhere by itself. Each stage has to look for it and to hand it to `done`. Leave one of the
//! three `Err` arms empty, and nobody ever hears why the chain broke.
//!
//! To try next: do just that to the second, and read what `--fail-second` says then; after it, `three_calls_chained`.

mod support;

use std::process::ExitCode;

use glassloop::http::client::Client;
use glassloop::sync::oneshot;

use support::Error;
use support::callbacks::get;
use support::countries::{Country, metadata_url, told};

/// Asks for China, for the country of China's other code, and for the country of that one's, and calls `done`.
fn three_calls(base_url: String, fail_second: bool, done: impl FnOnce(Result<[Country; 3], Error>) + 'static) {
    let client = Client::new();
    get(&client.clone(), &metadata_url(&base_url, "cn", false), move |answer| {
        match answer.and_then(|json| Country::from_json(&json)) {
            Err(error) => done(Err(error)), // once
            Ok(first) => {
                get(&client.clone(), &metadata_url(&base_url, &first.other_code, fail_second), move |answer| {
                    match answer.and_then(|json| Country::from_json(&json)) {
                        Err(error) => done(Err(error)), // twice
                        Ok(second) => {
                            get(&client, &metadata_url(&base_url, &second.other_code, false), move |answer| {
                                match answer.and_then(|json| Country::from_json(&json)) {
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
    support::main(&["--server URL", "--fail-second"], |arguments| {
        let site = support::site(arguments)?;
        let (base_url, fail_second) = (site.base_url().to_owned(), arguments.has("--fail-second"));
        let countries = support::event_loop()?.block_on(async move {
            let (sender, receiver) = oneshot();
            three_calls(base_url, fail_second, |countries| {
                // Whoever waits for it waits to the end.
                let _nobody_waits = sender.send(countries);
            });
            receiver.await
        })???;
        println!("{}", told(&countries));
        Ok(())
    })
}
