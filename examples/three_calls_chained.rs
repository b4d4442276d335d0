//! From callbacks to futures to coroutines (2): the same three requests in callbacks with names.
//!
//!     cargo run --release --example three_calls_chained
//!     cargo run --release --example three_calls_chained -- --fail-second
//!
//! The pyramid is flat now, and the stages stand in the order of time. The price is the context: what the nested
//! callbacks saw of each other has to be carried by hand, from stage to stage, in a struct, with an `Option` for each
//! thing that is not there yet.
//!
//! Where the error goes: as before. Each of the three stages has its own `Err` arm that hands it to `done`.
//!
//! To try next: add a fourth call, and count the places that you have to touch (Swaziland's other code, WZ, is no country's
//! ISO code, so that call ends with 404, and the fourth `Err` arm has something to do); then `three_calls_future`.

mod support;

use std::process::ExitCode;

use glassloop::http::client::Client;
use glassloop::sync::oneshot;

use support::Error;
use support::callbacks::get;
use support::countries::{Country, metadata_url, told};

/// All that a later stage may need of an earlier one.
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
    get(&context.client.clone(), &url, |answer| on_first(context, answer));
}

fn on_first(mut context: Context, answer: Result<Vec<u8>, Error>) {
    match answer.and_then(|json| Country::from_json(&json)) {
        Err(error) => (context.done)(Err(error)),
        Ok(first) => {
            let url = metadata_url(&context.base_url, &first.other_code, context.fail_second);
            context.first = Some(first);
            get(&context.client.clone(), &url, |answer| on_second(context, answer));
        }
    }
}

fn on_second(mut context: Context, answer: Result<Vec<u8>, Error>) {
    match answer.and_then(|json| Country::from_json(&json)) {
        Err(error) => (context.done)(Err(error)),
        Ok(second) => {
            let url = metadata_url(&context.base_url, &second.other_code, false);
            context.second = Some(second);
            get(&context.client.clone(), &url, |answer| on_third(context, answer));
        }
    }
}

fn on_third(context: Context, answer: Result<Vec<u8>, Error>) {
    match answer.and_then(|json| Country::from_json(&json)) {
        Err(error) => (context.done)(Err(error)),
        Ok(third) => {
            // The order of the calls says that both are there. The types do not.
            let (Some(first), Some(second)) = (context.first, context.second) else { return };
            (context.done)(Ok([first, second, third]));
        }
    }
}

fn main() -> ExitCode {
    support::main(&["--server URL", "--fail-second"], |arguments| {
        let site = support::site(arguments)?;
        let (base_url, fail_second) = (site.base_url().to_owned(), arguments.has("--fail-second"));
        let countries = support::event_loop()?.block_on(async move {
            let (sender, receiver) = oneshot();
            let done = Box::new(|countries| {
                // Whoever waits for it waits to the end.
                let _nobody_waits = sender.send(countries);
            });
            first_call(Context { client: Client::new(), base_url, fail_second, first: None, second: None, done });
            receiver.await
        })???;
        println!("{}", told(&countries));
        Ok(())
    })
}
