//! What a flag's `metadata.json` says.

use glassloop::http::client::{Body, ClientError};
use http::Response;

use super::Error;

/// A country as its `metadata.json` has it.
#[derive(Clone, Debug)]
pub struct Country {
    /// Its name.
    pub name: String,
    /// Its code in another system, the United States' GEC, which likes to be some other country's ISO code.
    pub other_code: String,
}

impl Country {
    /// Reads a `metadata.json`.
    pub fn from_json(json: &[u8]) -> Result<Country, Error> {
        let metadata: serde_json::Value = serde_json::from_slice(json)?;
        let text = |key: &str| metadata[key].as_str().map(str::to_owned).ok_or(format!("there is no `{key}` in it"));
        Ok(Country { name: text("country")?, other_code: text("gec_cc")?.to_lowercase() })
    }
}

/// The URL of a country's metadata. With `fails` the server is asked to answer with 503 instead.
pub fn metadata_url(base_url: &str, code: &str, fails: bool) -> String {
    format!("{base_url}/{code}/metadata.json{}", if fails { "?gl-status=503" } else { "" })
}

/// The body of a 200.
pub async fn body_of(response: Result<Response<Body>, ClientError>) -> Result<Vec<u8>, Error> {
    let response = response?;
    if response.status() != 200 {
        return Err(format!("HTTP status {}", response.status()).into());
    }
    Ok(response.into_body().collect(64 << 20).await?)
}

/// What the three calls have found out.
pub fn told([first, second, third]: &[Country; 3]) -> String {
    let (one, two) = (first.other_code.to_uppercase(), second.other_code.to_uppercase());
    format!(
        "The other code of {} is {one}, which is {}; whose other code is {two}, which is {}.",
        first.name, second.name, third.name
    )
}
