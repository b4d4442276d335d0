//! From callbacks to futures to coroutines (2): the three requests of `three_calls_nested`, in named callbacks.
//!
//!     cargo run --release --example three_calls_chained
//!     cargo run --release --example three_calls_chained -- --fail-second
//!
//! The callbacks are no longer nested, and are written in the order in which they run. The price is that the values
//! that nested closures would capture have to be passed from callback to callback in a struct, with an `Option` for
//! each value that is not known yet.
//!
//! Errors: as in `three_calls_nested`, each of the three callbacks has its own `Err` arm that calls `done`.
//!
//! To try next: add a fourth call and count the places that change (Swaziland's GEC code, WZ, is not an ISO code, so
//! that call gets a 404, which the fourth `Err` arm has to handle); then read `three_calls_future`.

mod support;

use std::process::ExitCode;

use glassloop::http::client::Client;
use glassloop::sync::oneshot;

use support::Error;
use support::callbacks::get;
use support::countries::{Country, metadata_url, summary};

/// What a later step may need from an earlier one.
struct Context {
    client: Client,
    base_url: String,
    fail_second: bool,
    first: Option<Country>,
    second: Option<Country>,
    done: Box<dyn FnOnce(Result<[Country; 3], Error>)>,
}

fn first_call(context: Context) {
    let url = metadata_url(&context.base_url, "cn", false);
    get(&context.client.clone(), &url, |result| on_first(context, result));
}

fn on_first(mut context: Context, result: Result<Vec<u8>, Error>) {
    match result.and_then(|json| Country::from_json(&json)) {
        Err(error) => (context.done)(Err(error)),
        Ok(first) => {
            let url = metadata_url(&context.base_url, &first.gec_code, context.fail_second);
            context.first = Some(first);
            get(&context.client.clone(), &url, |result| on_second(context, result));
        }
    }
}

fn on_second(mut context: Context, result: Result<Vec<u8>, Error>) {
    match result.and_then(|json| Country::from_json(&json)) {
        Err(error) => (context.done)(Err(error)),
        Ok(second) => {
            let url = metadata_url(&context.base_url, &second.gec_code, false);
            context.second = Some(second);
            get(&context.client.clone(), &url, |result| on_third(context, result));
        }
    }
}

fn on_third(context: Context, result: Result<Vec<u8>, Error>) {
    match result.and_then(|json| Country::from_json(&json)) {
        Err(error) => (context.done)(Err(error)),
        Ok(third) => {
            // Both are `Some` because of the order of the calls, which the types do not express.
            let (Some(first), Some(second)) = (context.first, context.second) else { return };
            (context.done)(Ok([first, second, third]));
        }
    }
}

fn main() -> ExitCode {
    support::main(include_str!("three_calls_chained.rs"), &["--server URL", "--fail-second"], |arguments| {
        let site = support::site(arguments)?;
        let (base_url, fail_second) = (site.base_url().to_owned(), arguments.has("--fail-second"));
        let countries = support::event_loop()?.block_on(async move {
            let (sender, receiver) = oneshot();
            let done = Box::new(|countries| {
                // The receiver is awaited below, so the send cannot fail.
                let _unsent = sender.send(countries);
            });
            first_call(Context { client: Client::new(), base_url, fail_second, first: None, second: None, done });
            receiver.await
        })???;
        println!("{}", summary(&countries));
        Ok(())
    })
}
