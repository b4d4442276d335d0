//! The arguments of `glassloop get` that decide which certificates of https servers are trusted.

use clap::Args;

use crate::http::client::Builder;
use crate::net::tls::{Roots, Trust};

/// The TLS options of `glassloop get`.
#[derive(Args, Debug)]
#[command(next_help_heading = "TLS")]
pub(super) struct TrustArguments {
    /// CA certificates (PEM) to use instead of the system's
    #[arg(long, value_name = "FILE", value_parser = read_roots, hide_short_help = true)]
    cacert: Option<Roots>,
    /// Skip certificate verification
    #[arg(short = 'k', long, conflicts_with = "cacert", hide_short_help = true)]
    insecure: bool,
}

impl TrustArguments {
    /// Configures a client.
    pub(super) fn apply(&self, client: Builder) -> Builder {
        client.trust(match &self.cacert {
            Some(roots) => Trust::Roots(roots.clone()),
            None if self.insecure => Trust::DangerAcceptInvalidCerts,
            None => Trust::System,
        })
    }
}

/// Reads the file during parsing, so that an error is reported before any request is sent.
fn read_roots(path: &str) -> Result<Roots, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    Roots::from_pem(&pem).map_err(|error| error.to_string())
}
