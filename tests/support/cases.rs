//! The table of cases: bytes that a peer may send, and what has to come of them.
//!
//! `who` is the side under test. For `client`, `bytes_b64` is everything that the server answers to one request; for
//! `server`, everything that the client sends. With `close_after` the peer then closes. `level` says whether an RFC
//! demands the outcome (`must`, `should`) or this project chose it where the RFCs leave a choice.

use serde_json::Value;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name of the case.
    pub(crate) id: String,
    /// Whether a client is under test, or a server.
    pub(crate) client: bool,
    /// Everything that the peer sends.
    pub(crate) bytes: Vec<u8>,
    /// Whether the peer closes behind it.
    pub(crate) close_after: bool,
    /// The method of the request.
    pub(crate) method: String,
    /// What has to come of it.
    pub(crate) expected: Expected,
    /// `must`, `should` or `choice`.
    pub(crate) level: String,
}

/// What has to come of a case.
#[derive(Debug)]
pub(crate) enum Expected {
    /// It is understood.
    Ok {
        /// The status that the client delivers, or that the server answers.
        status: u16,
        /// The body that is delivered.
        body: Vec<u8>,
        /// For a client, whether the connection may be used again.
        reuse: Option<bool>,
        /// For a server, how many requests it has seen.
        requests: Option<u64>,
    },
    /// It is refused.
    Error {
        /// The class of fault.
        class: String,
        /// What a server answers; 0 for nothing.
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
