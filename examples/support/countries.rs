//! Reads the `metadata.json` that the server has for each flag.

use glassloop::http::client::{Body, ClientError};
use http::Response;

use super::Error;

/// The part of a `metadata.json` that the examples use.
#[derive(Clone, Debug)]
pub struct Country {
    /// The country's name.
    pub name: String,
    /// The country's GEC code, a US government standard. It is often the ISO code of another country: China's is CH.
    pub gec_code: String,
}

impl Country {
    /// Parses a `metadata.json`.
    pub fn from_json(json: &[u8]) -> Result<Country, Error> {
        let metadata: serde_json::Value = serde_json::from_slice(json)?;
        let text = |key: &str| metadata[key].as_str().map(str::to_owned).ok_or(format!("metadata.json has no `{key}`"));
        Ok(Country { name: text("country")?, gec_code: text("gec_cc")?.to_lowercase() })
    }
}

/// Returns the URL of a country's metadata. With `fails`, the URL makes the server respond with 503 instead.
pub fn metadata_url(base_url: &str, code: &str, fails: bool) -> String {
    format!("{base_url}/{code}/metadata.json{}", if fails { "?gl-status=503" } else { "" })
}

/// Reads the response body. Any status but 200 is an error.
pub async fn body_of(response: Result<Response<Body>, ClientError>) -> Result<Vec<u8>, Error> {
    let response = response?;
    if response.status() != 200 {
        return Err(format!("HTTP status {}", response.status()).into());
    }
    Ok(response.into_body().collect(64 << 20).await?)
}

/// Formats the result of the three calls.
pub fn summary([first, second, third]: &[Country; 3]) -> String {
    let (one, two) = (first.gec_code.to_uppercase(), second.gec_code.to_uppercase());
    format!(
        "The GEC code of {} is {one}, the ISO code of {}, whose GEC code is {two}, the ISO code of {}.",
        first.name, second.name, third.name
    )
}
