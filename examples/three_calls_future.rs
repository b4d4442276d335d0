//! From callbacks to futures to coroutines (3): the three requests of `three_calls_nested`, as a hand-written future.
//!
//!     cargo run --release --example three_calls_future
//!     cargo run --release --example three_calls_future -- --fail-second
//!
//! Each state contains the results that are known by then: the first country is a field of `Second` and of `Third`, so
//! no `Option` is needed, and the third call cannot be in progress without it.
//!
//! Errors: `poll` returns a result to its caller, so one `?` per call propagates them.
//!
//! To try next: print `size_of::<ThreeCalls>()`, and the size of the future of `three_calls` in
//! `three_calls_coroutine`.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll, ready};

use glassloop::http::client::{Client, Collect, Exchange};
use glassloop::observe::polled_after_ready;

use support::Error;
use support::countries::{Country, metadata_url, summary};

/// The states, named for the call being awaited, with the results known by then.
enum ThreeCalls {
    First { call: Get },
    Second { first: Country, call: Get },
    Third { first: Country, second: Country, call: Get },
    Done,
}

struct Chain {
    state: ThreeCalls,
    client: Client,
    base_url: String,
    fail_second: bool,
}

impl Future for Chain {
    type Output = Result<[Country; 3], Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let get = |code: &str, fails| Get::Head(this.client.get(&metadata_url(&this.base_url, code, fails)));
        loop {
            this.state = match std::mem::replace(&mut this.state, ThreeCalls::Done) {
                ThreeCalls::First { mut call } => match call.poll(cx)? {
                    Poll::Ready(first) => ThreeCalls::Second { call: get(&first.gec_code, this.fail_second), first },
                    Poll::Pending => {
                        this.state = ThreeCalls::First { call };
                        return Poll::Pending;
                    }
                },
                ThreeCalls::Second { first, mut call } => match call.poll(cx)? {
                    Poll::Ready(second) => ThreeCalls::Third { first, call: get(&second.gec_code, false), second },
                    Poll::Pending => {
                        this.state = ThreeCalls::Second { first, call };
                        return Poll::Pending;
                    }
                },
                ThreeCalls::Third { first, second, mut call } => match call.poll(cx)? {
                    Poll::Ready(third) => return Poll::Ready(Ok([first, second, third])),
                    Poll::Pending => {
                        this.state = ThreeCalls::Third { first, second, call };
                        return Poll::Pending;
                    }
                },
                ThreeCalls::Done => polled_after_ready("Chain"),
            }
        }
    }
}

/// One call: awaits the response head, then the body.
enum Get {
    Head(Exchange),
    Body(Collect),
}

impl Get {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Country, Error>> {
        loop {
            match self {
                Get::Head(exchange) => {
                    let response = ready!(Pin::new(exchange).poll(cx))?;
                    if response.status() != 200 {
                        return Poll::Ready(Err(format!("HTTP status {}", response.status()).into()));
                    }
                    *self = Get::Body(response.into_body().collect(64 << 20));
                }
                Get::Body(collect) => return Poll::Ready(Country::from_json(&ready!(Pin::new(collect).poll(cx))?)),
            }
        }
    }
}

fn main() -> ExitCode {
    support::main(include_str!("three_calls_future.rs"), &["--server URL", "--fail-second"], |arguments| {
        let (site, client) = (support::site(arguments)?, Client::new());
        let (base_url, fail_second) = (site.base_url().to_owned(), arguments.has("--fail-second"));
        let countries = support::event_loop()?.block_on(async move {
            let call = Get::Head(client.get(&metadata_url(&base_url, "cn", false)));
            Chain { state: ThreeCalls::First { call }, client, base_url, fail_second }.await
        })??;
        println!("{}", summary(&countries));
        Ok(())
    })
}
