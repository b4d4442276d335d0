//! The arguments of `glassloop get` about https servers: who is believed.

use clap::Args;

use crate::http::client::Builder;
use crate::net::tls::{Roots, Trust};

/// Who is believed, as it is typed.
#[derive(Args, Debug)]
pub(super) struct TrustArguments {
    /// The certificates, in PEM form, of those who may vouch for https servers, instead of the system's
    #[arg(long, value_name = "FILE", value_parser = read_roots)]
    cacert: Option<Roots>,
    /// Believe any https server, whoever has issued its certificate, and to whom
    #[arg(short = 'k', long, conflicts_with = "cacert")]
    insecure: bool,
}

impl TrustArguments {
    /// What it means for a client.
    pub(super) fn apply(&self, client: Builder) -> Builder {
        client.trust(match &self.cacert {
            Some(roots) => Trust::Roots(roots.clone()),
            None if self.insecure => Trust::DangerAcceptInvalidCerts,
            None => Trust::System,
        })
    }
}

/// Reads the file at once: what is wrong with it is said before anything is asked for.
fn read_roots(path: &str) -> Result<Roots, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    Roots::from_pem(&pem).map_err(|error| error.to_string())
}
