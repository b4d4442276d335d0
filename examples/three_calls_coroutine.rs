//! From callbacks to futures to coroutines (4): the three requests of `three_calls_nested`, in an `async fn`.
//!
//!     cargo run --release --example three_calls_coroutine
//!     cargo run --release --example three_calls_coroutine -- --fail-second
//!
//! Each call takes one line. The compiler turns the function into a state machine like the `enum` of
//! `three_calls_future`, with a state for each `await` that stores the variables needed after it. The results are local
//! variables again, as in a blocking program.
//!
//! Errors: propagated with `?`, as in any function.
//!
//! To try next: put the calls into a loop over any number of countries, which is harder in the other three styles; set
//! GLASSLOOP_TRACE=calls.html and see which future waits for which.

mod support;

use std::process::ExitCode;

use glassloop::http::client::Client;

use support::Error;
use support::countries::{Country, body_of, metadata_url, summary};

async fn three_calls(client: &Client, base_url: &str, fail_second: bool) -> Result<[Country; 3], Error> {
    let first = country(client, metadata_url(base_url, "cn", false)).await?;
    let second = country(client, metadata_url(base_url, &first.gec_code, fail_second)).await?;
    let third = country(client, metadata_url(base_url, &second.gec_code, false)).await?;
    Ok([first, second, third])
}

async fn country(client: &Client, url: String) -> Result<Country, Error> {
    Country::from_json(&body_of(client.get(&url).await).await?)
}

fn main() -> ExitCode {
    support::main(include_str!("three_calls_coroutine.rs"), &["--server URL", "--fail-second"], |arguments| {
        let (site, client) = (support::site(arguments)?, Client::new());
        let fail_second = arguments.has("--fail-second");
        let countries = support::event_loop()?.block_on(three_calls(&client, site.base_url(), fail_second))??;
        println!("{}", summary(&countries));
        Ok(())
    })
}
