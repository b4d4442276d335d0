//! From callbacks to futures to coroutines (4): the same three requests as a coroutine.
//!
//!     cargo run --release --example three_calls_coroutine
//!     cargo run --release --example three_calls_coroutine -- --fail-second
//!
//! Three lines for three calls. The compiler makes of them the `enum` of `three_calls_future`: at each `await` a state,
//! and in it the variables that are still needed behind it. `first` is a local variable again.
//!
//! Where the error goes: where errors go in any function.
//!
//! To try next: put the three calls into a loop over any number of countries, which none of the other three can do as
//! easily; set GLASSLOOP_TRACE=calls.html and see what waits for what.

mod support;

use std::process::ExitCode;

use glassloop::http::client::Client;

use support::Error;
use support::countries::{Country, body_of, metadata_url, told};

async fn three_calls(client: &Client, base_url: &str, fail_second: bool) -> Result<[Country; 3], Error> {
    let first = country(client, metadata_url(base_url, "cn", false)).await?;
    let second = country(client, metadata_url(base_url, &first.other_code, fail_second)).await?;
    let third = country(client, metadata_url(base_url, &second.other_code, false)).await?;
    Ok([first, second, third])
}

async fn country(client: &Client, url: String) -> Result<Country, Error> {
    Country::from_json(&body_of(client.get(&url).await).await?)
}

fn main() -> ExitCode {
    support::main(&["--server URL", "--fail-second"], |arguments| {
        let (site, client) = (support::site(arguments)?, Client::new());
        let fail_second = arguments.has("--fail-second");
        let countries = support::event_loop()?.block_on(three_calls(&client, site.base_url(), fail_second))??;
        println!("{}", told(&countries));
        Ok(())
    })
}
