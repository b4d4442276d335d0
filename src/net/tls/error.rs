//! Why a connection is not secure.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error, InvalidMessage};

/// Why there is no secured connection, or why it broke.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// There are no certificates of authorities to go by, and why.
    Roots(String),
    /// The host is neither a name nor an address that a certificate could be for.
    InvalidHost,
    /// The certificate is for other names than the one that was asked for.
    WrongHost {
        /// Whom the certificate should be for.
        expected: String,
        /// Whom it is for.
        presented: Vec<String>,
    },
    /// The certificate is no longer valid.
    Expired {
        /// For how long it has not been, if that is known.
        since: Option<Duration>,
    },
    /// The certificate is not yet valid.
    NotYetValid {
        /// How long it still takes, if that is known.
        until: Option<Duration>,
    },
    /// Nobody who is trusted has issued the certificate.
    UnknownIssuer,
    /// Something else is wrong with the certificate.
    BadCertificate(String),
    /// What the server says is not TLS.
    NotTls,
    /// The server has refused.
    Alert {
        /// What it has against it, by the name that the RFC gives it.
        name: String,
        /// The alert's number (RFC 8446 §6).
        number: u8,
    },
    /// The two sides have no way of TLS in common, or one of them does not keep to it.
    Protocol(String),
    /// The server ended the connection in the middle of the handshake.
    Closed,
    /// The connection broke.
    Connection(io::Error),
    /// The handshake took longer than the whole connection may.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
}

impl TlsError {
    /// Whether the certificate is to blame: another attempt, or another network, will not change it.
    pub fn is_certificate(&self) -> bool {
        matches!(
            self,
            TlsError::WrongHost { .. }
                | TlsError::Expired { .. }
                | TlsError::NotYetValid { .. }
                | TlsError::UnknownIssuer
                | TlsError::BadCertificate(_)
        )
    }

    /// Whether the connection broke before there was anything to agree on, as any connection may.
    pub fn is_disconnect(&self) -> bool {
        matches!(self, TlsError::Closed | TlsError::Connection(_))
    }

    /// Whether it took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self, TlsError::TimedOut { .. })
    }

    /// What rustls says, in our words.
    pub(super) fn of(error: Error) -> TlsError {
        match error {
            // The first byte of a record is its type, of which there are five. `H` and `S`, of HTTP and SSH, are none.
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsError::NotTls,
            Error::AlertReceived(alert) => TlsError::Alert { name: format!("{alert:?}"), number: alert.into() },
            Error::InvalidCertificate(error) => TlsError::of_certificate(error),
            error => TlsError::Protocol(error.to_string()),
        }
    }

    fn of_certificate(error: CertificateError) -> TlsError {
        let between = |earlier: UnixTime, later: UnixTime| {
            Some(Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs())))
        };
        match error {
            CertificateError::NotValidForNameContext { expected, presented } => {
                let presented = presented.iter().map(|name| bare_name(name)).collect();
                TlsError::WrongHost { expected: expected.to_str().into_owned(), presented }
            }
            CertificateError::ExpiredContext { time, not_after } => {
                TlsError::Expired { since: between(not_after, time) }
            }
            CertificateError::Expired => TlsError::Expired { since: None },
            CertificateError::NotValidYetContext { time, not_before } => {
                TlsError::NotYetValid { until: between(time, not_before) }
            }
            CertificateError::NotValidYet => TlsError::NotYetValid { until: None },
            // A bad signature is that of a namesake of somebody who is trusted.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsError::UnknownIssuer,
            error => match error.to_string() {
                // Only its text tells this one from others. It is what `openssl req -x509` makes by itself.
                text if text.contains("CaUsedAsEndEntity") => TlsError::BadCertificate(
                    "it is an authority's own (CA:TRUE), and not one for a server (CA:FALSE)".to_owned(),
                ),
                text => TlsError::BadCertificate(text),
            },
        }
    }
}

/// The name in `DnsName("b.test")` or `IpAddress(127.0.0.1)`. A certificate may hold any bytes for one.
fn bare_name(presented: &str) -> String {
    let inside = presented.split_once('(').map_or(presented, |(_, inside)| inside.trim_end_matches(')'));
    inside.trim_matches('"').escape_default().to_string()
}

/// How many of a certificate's names are told: some are for hundreds.
const NAMES_TOLD: usize = 5;

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Roots(why) => f.write_str(why),
            TlsError::InvalidHost => f.write_str("no certificate can be for a host of this name"),
            TlsError::WrongHost { expected, presented } => {
                let told = presented.iter().take(NAMES_TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = presented.len().saturating_sub(NAMES_TOLD);
                match (told.as_str(), more) {
                    ("", _) => write!(f, "the certificate is for no host, and so not for {expected}"),
                    (told, 0) => write!(f, "the certificate is for {told} and not for {expected}"),
                    (told, more) => write!(f, "the certificate is for {told} and {more} more, and not for {expected}"),
                }
            }
            TlsError::Expired { since: Some(since) } => write!(f, "the certificate expired {} ago", Rough(*since)),
            TlsError::Expired { since: None } => f.write_str("the certificate has expired"),
            TlsError::NotYetValid { until: Some(until) } => {
                write!(f, "the certificate is not valid before {} from now; is the clock right?", Rough(*until))
            }
            TlsError::NotYetValid { until: None } => {
                f.write_str("the certificate is not yet valid; is the clock right?")
            }
            TlsError::UnknownIssuer => f.write_str("the certificate was issued by nobody who is trusted here"),
            TlsError::BadCertificate(why) => write!(f, "the certificate cannot be used: {why}"),
            TlsError::NotTls => f.write_str("the server does not speak TLS on this port"),
            TlsError::Alert { name, number } => write!(f, "the server refuses: {name} (alert {number})"),
            TlsError::Protocol(why) => f.write_str(why),
            TlsError::Closed => f.write_str("the server closed the connection; it may not speak TLS on this port"),
            TlsError::Connection(error) => error.fmt(f),
            TlsError::TimedOut { limit } => write!(f, "it was not complete after {limit:?}"),
        }
    }
}

/// A time in the unit that fits it.
struct Rough(Duration);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (number, unit) = match seconds {
            0..120 => (seconds, "second"),
            120..7_200 => (seconds / 60, "minute"),
            7_200..172_800 => (seconds / 3_600, "hour"),
            _ => (seconds / 86_400, "day"),
        };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsError::Connection(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TlsError> for io::Error {
    /// What broke the connection, or an error of invalid data with what was wrong with it inside.
    fn from(error: TlsError) -> io::Error {
        match error {
            TlsError::Connection(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_certificate_are_told_up_to_a_number() {
        let wrong = |names: usize| {
            let presented = (0..names).map(|number| format!("{number}.test")).collect();
            TlsError::WrongHost { expected: "a.test".to_owned(), presented }.to_string()
        };
        assert_eq!(wrong(0), "the certificate is for no host, and so not for a.test");
        assert_eq!(wrong(2), "the certificate is for 0.test, 1.test and not for a.test");
        assert_eq!(
            wrong(9),
            "the certificate is for 0.test, 1.test, 2.test, 3.test, 4.test and 4 more, and not for a.test"
        );
    }

    #[test]
    fn times_are_told_in_the_unit_that_fits_them() {
        for (seconds, told) in [(1, "1 second"), (119, "119 seconds"), (7_199, "119 minutes"), (90_000, "25 hours")] {
            assert_eq!(Rough(Duration::from_secs(seconds)).to_string(), told);
        }
        assert_eq!(Rough(Duration::from_secs(63 * 86_400)).to_string(), "63 days");
    }

    #[test]
    fn names_are_told_bare() {
        assert_eq!(bare_name("DnsName(\"b.test\")"), "b.test");
        assert_eq!(bare_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(bare_name("DnsName(\"\u{1b}[2J\")"), "\\u{1b}[2J");
    }
}
