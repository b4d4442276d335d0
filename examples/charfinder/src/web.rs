//! Applications: the character search of `charfinder_tcp` as a web page, with paginated results.
//!
//!     cd examples/charfinder
//!     cargo run --release --bin charfinder_web
//!     cargo run --release --bin charfinder_web -- --serve        then open http://127.0.0.1:8888/
//!
//! The library's HTTP server runs with a closure as its service. A query such as "ideograph" finds a hundred thousand
//! characters; a page shows a hundred of them and has a link to the next page, so every response is small and is built
//! in one short poll.
//!
//! To try next: `PAGE = 1_000_000`, and look at the longest poll in the recording; then build the page on the thread
//! pool (`Answer::Later` with `run_in_executor`), and compare.

mod characters;
#[path = "../../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;

use glassloop::http::client::Client;
use glassloop::http::proto::encode_target;
use glassloop::http::server::{Response, Server, text};
use glassloop::{run_in_executor, spawn_named};
use http::{HeaderValue, StatusCode, header};

use characters::Index;
use support::countries::body_of;

/// The number of results on one page.
const PAGE: usize = 100;

/// Builds the response for a request target such as `/?q=smiling+cat&page=2`.
fn page(index: &Index, target: &http::Uri) -> Response {
    if target.path() != "/" {
        return text(StatusCode::NOT_FOUND, "not found: the only page is /\n");
    }
    let field = |name: &str| {
        let fields = target.query().unwrap_or_default().split('&');
        fields.filter_map(|field| field.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
    };
    let (query, number) = (field("q").unwrap_or_default(), field("page").and_then(|n| n.parse().ok()).unwrap_or(1));
    let found = index.find(&query);
    let shown = found.iter().skip(PAGE * (usize::max(number, 1) - 1).min(found.len())).take(PAGE);
    let rows: String = shown.map(|named| format!("<tr><td>{}\n", named.to_string().replace('\t', "<td>"))).collect();
    let shown_query = query.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let next = if found.len() > PAGE * number {
        let query = shown_query.replace(' ', "+");
        format!("<p><a href=\"?q={query}&amp;page={next}\">page {next}</a>", next = number + 1)
    } else {
        String::new()
    };
    let mut response = text(
        StatusCode::OK,
        format!(
            "<!doctype html><meta charset=utf-8><title>Charfinder</title>\
             <form><input name=q value=\"{shown_query}\" autofocus> <button>Find</button></form>\
             <p>{} found<table>\n{rows}</table>{next}\n",
            found.len()
        ),
    );
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// Decodes a form value (application/x-www-form-urlencoded): `+` is a space, `%41` an A.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [byte, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (*byte, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(encoded)) => {
                bytes.push(encoded);
                rest = &tail[2..];
            }
            (byte, _) => {
                bytes.push(if byte == b'+' { b' ' } else { byte });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn main() -> ExitCode {
    support::main(include_str!("web.rs"), &["--server URL", "--serve"], |arguments| {
        support::event_loop()?.block_on(async {
            let base_url = match arguments.value("--server") {
                Some(url) => url.trim_end_matches('/').to_owned(),
                None => {
                    let index = Arc::new(run_in_executor(None, Index::build).await?);
                    println!("{} characters have names.", index.len());
                    let port = if arguments.has("--serve") { 8888 } else { 0 };
                    let service = move |request: &http::Request<()>| page(&index, request.uri());
                    let server = Server::bind(([127, 0, 0, 1], port).into(), service)
                        .map_err(|error| format!("listening on port {port}: {error}"))?;
                    let base_url = format!("http://{}", server.local_addr());
                    let serving = spawn_named("server", server);
                    if arguments.has("--serve") {
                        println!("{base_url}/");
                        serving.await?;
                    }
                    base_url
                }
            };
            let client = Client::new();
            for query in ["smiling+cat", "ideograph", "ideograph&page=3", "<no%20such>"] {
                let mut target = Vec::new();
                encode_target(&mut target, &format!("/?q={query}"));
                let url = format!("{base_url}{}", String::from_utf8_lossy(&target));
                let page = String::from_utf8(body_of(client.get(&url).await).await?)?;
                let found = page.split("<p>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("?");
                let first = page.split("<tr><td>").nth(1).and_then(|row| row.lines().next()).unwrap_or("none");
                println!("{query}: {found}, page of {} bytes; first: {}", page.len(), first.replace("<td>", " "));
            }
            Ok(())
        })?
    })
}
