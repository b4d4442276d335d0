//! The tables of cases: bytes that a peer may send, and the expected outcome.
//!
//! `who` is the side under test. For `client`, `bytes_b64` is everything that the server sends for one request; for
//! `server`, everything that the client sends. With `close_after` the peer then closes. `level` says whether an RFC
//! requires the outcome (`must`, `should`), or this project has chosen it where the RFCs permit several.

use serde_json::Value;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name of the case.
    pub(crate) id: String,
    /// Whether the client is under test, and not the server.
    pub(crate) client: bool,
    /// Everything that the peer sends.
    pub(crate) bytes: Vec<u8>,
    /// Whether the peer then closes the connection.
    pub(crate) close_after: bool,
    /// The method of the request.
    pub(crate) method: String,
    /// The expected outcome.
    pub(crate) expected: Expected,
    /// `must`, `should` or `choice`.
    pub(crate) level: String,
}

/// The expected outcome of a case.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The message is accepted.
    Ok {
        /// The status that the client returns, or with which the server responds.
        status: u16,
        /// The body that the client returns.
        body: Vec<u8>,
        /// For a client, whether the connection may be reused.
        reuse: Option<bool>,
        /// For a server, the number of requests.
        requests: Option<u64>,
    },
    /// The message is rejected.
    Error {
        /// The class of the error.
        class: String,
        /// The status with which a server responds; 0 if it does not respond.
        status: u16,
    },
}

/// Reads a table.
pub(crate) fn read(json: &str) -> Vec<Case> {
    let table: Vec<Value> = serde_json::from_str(json).expect("the table is JSON");
    table.iter().map(case).collect()
}

fn case(row: &Value) -> Case {
    let text = |key: &str| row[key].as_str().unwrap_or_else(|| panic!("{key} is text in {row}")).to_owned();
    let status = row["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    let expected = match text("expect").as_str() {
        "ok" => Expected::Ok {
            status,
            body: base64(&text("body_b64")),
            reuse: row["reuse"].as_bool(),
            requests: row["requests"].as_u64(),
        },
        _ => Expected::Error { class: text("error"), status },
    };
    Case {
        id: text("id"),
        client: text("who") == "client",
        bytes: base64(&text("bytes_b64")),
        close_after: row["close_after"].as_bool().expect("close_after is true or false"),
        method: text("method"),
        expected,
        level: text("level"),
    }
}

/// Decodes base64 (RFC 4648 §4).
fn base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for symbol in text.bytes().filter(|&symbol| symbol != b'=') {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("{symbol:?} is not in the base64 alphabet"),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
