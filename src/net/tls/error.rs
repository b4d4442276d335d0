//! Errors of TLS connections.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error, InvalidMessage};

/// An error of a handshake or of an established TLS connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// There are no usable root certificates, for this reason.
    Roots(String),
    /// The host is not a valid DNS name or IP address, so no certificate can be valid for it.
    InvalidHost,
    /// The certificate is not valid for the host.
    WrongHost {
        /// The host.
        expected: String,
        /// The names that the certificate is valid for.
        presented: Vec<String>,
    },
    /// The certificate has expired.
    Expired {
        /// The time since it expired, if known.
        since: Option<Duration>,
    },
    /// The certificate is not valid yet.
    NotYetValid {
        /// The time until it becomes valid, if known.
        until: Option<Duration>,
    },
    /// The certificate was not issued by a trusted authority.
    UnknownIssuer,
    /// The certificate is invalid for another reason.
    BadCertificate(String),
    /// The server's first bytes are not a TLS record.
    NotTls,
    /// The server sent a fatal alert.
    Alert {
        /// The name of the alert, as in the RFC.
        name: String,
        /// The number of the alert (RFC 8446 §6).
        number: u8,
    },
    /// The client and the server have no protocol version or cipher suite in common, or the server violates the
    /// protocol.
    Protocol(String),
    /// The server closed the connection during the handshake.
    Closed,
    /// The TCP connection failed.
    Connection(io::Error),
    /// The timeout for establishing the connection elapsed.
    TimedOut {
        /// The timeout.
        limit: Duration,
    },
}

impl TlsError {
    /// Returns whether the server's certificate was rejected. A retry will not help.
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

    /// Returns whether the connection was lost during the handshake. A retry may help.
    pub fn is_disconnect(&self) -> bool {
        matches!(self, TlsError::Closed | TlsError::Connection(_))
    }

    /// Returns whether this is a timeout.
    pub fn is_timeout(&self) -> bool {
        matches!(self, TlsError::TimedOut { .. })
    }

    /// Converts an error of rustls.
    pub(super) fn from_rustls(error: Error) -> TlsError {
        match error {
            // The first byte of a record is its type. `H` and `S`, the first bytes of HTTP and SSH, are not valid
            // types.
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsError::NotTls,
            Error::AlertReceived(alert) => TlsError::Alert { name: format!("{alert:?}"), number: alert.into() },
            Error::InvalidCertificate(error) => TlsError::from_certificate_error(error),
            error => TlsError::Protocol(error.to_string()),
        }
    }

    fn from_certificate_error(error: CertificateError) -> TlsError {
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
            // The signature is bad if an untrusted authority has the same name as a trusted one.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsError::UnknownIssuer,
            error => match error.to_string() {
                // rustls has no variant for this error. Certificates of `openssl req -x509` have CA:TRUE by default.
                text if text.contains("CaUsedAsEndEntity") => TlsError::BadCertificate(
                    "it is a CA certificate (CA:TRUE), not a server certificate (CA:FALSE)".to_owned(),
                ),
                text => TlsError::BadCertificate(text),
            },
        }
    }
}

/// Returns the name in `DnsName("b.test")` or `IpAddress(127.0.0.1)`, escaped, since a certificate may contain any
/// bytes.
fn bare_name(presented: &str) -> String {
    let inside = presented.split_once('(').map_or(presented, |(_, inside)| inside.trim_end_matches(')'));
    inside.trim_matches('"').escape_default().to_string()
}

/// The number of a certificate's names that a message lists. Some certificates have hundreds.
const MAX_NAMES_SHOWN: usize = 5;

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Roots(reason) => f.write_str(reason),
            TlsError::InvalidHost => f.write_str("the host is not a valid DNS name or IP address"),
            TlsError::WrongHost { expected, presented } => {
                let shown = presented.iter().take(MAX_NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = presented.len().saturating_sub(MAX_NAMES_SHOWN);
                match (shown.as_str(), more) {
                    ("", _) => write!(f, "the certificate is not valid for {expected}: it names no host"),
                    (shown, 0) => write!(f, "the certificate is valid for {shown}, not for {expected}"),
                    (shown, more) => {
                        write!(f, "the certificate is valid for {shown} and {more} more names, not for {expected}")
                    }
                }
            }
            TlsError::Expired { since: Some(since) } => write!(f, "the certificate expired {} ago", Rough(*since)),
            TlsError::Expired { since: None } => f.write_str("the certificate has expired"),
            TlsError::NotYetValid { until: Some(until) } => {
                write!(f, "the certificate is not valid until {} from now; check the system clock", Rough(*until))
            }
            TlsError::NotYetValid { until: None } => {
                f.write_str("the certificate is not valid yet; check the system clock")
            }
            TlsError::UnknownIssuer => f.write_str("the certificate was not issued by a trusted authority"),
            TlsError::BadCertificate(reason) => write!(f, "invalid certificate: {reason}"),
            TlsError::NotTls => f.write_str("the server does not speak TLS on this port"),
            TlsError::Alert { name, number } => write!(f, "the server sent a fatal alert: {name} ({number})"),
            TlsError::Protocol(reason) => f.write_str(reason),
            TlsError::Closed => f.write_str("the server closed the connection; it may not speak TLS on this port"),
            TlsError::Connection(error) => error.fmt(f),
            TlsError::TimedOut { limit } => write!(f, "timed out after {limit:?}"),
        }
    }
}

/// Displays a duration as a whole number of seconds, minutes, hours or days.
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
    /// Returns the error of the TCP connection, or an `InvalidData` error that contains this one.
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
    fn a_message_lists_at_most_five_names_of_a_certificate() {
        let wrong = |names: usize| {
            let presented = (0..names).map(|number| format!("{number}.test")).collect();
            TlsError::WrongHost { expected: "a.test".to_owned(), presented }.to_string()
        };
        assert_eq!(wrong(0), "the certificate is not valid for a.test: it names no host");
        assert_eq!(wrong(2), "the certificate is valid for 0.test, 1.test, not for a.test");
        assert_eq!(
            wrong(9),
            "the certificate is valid for 0.test, 1.test, 2.test, 3.test, 4.test and 4 more names, not for a.test"
        );
    }

    #[test]
    fn durations_are_displayed_in_a_unit_that_suits_them() {
        for (seconds, shown) in [(1, "1 second"), (119, "119 seconds"), (7_199, "119 minutes"), (90_000, "25 hours")] {
            assert_eq!(Rough(Duration::from_secs(seconds)).to_string(), shown);
        }
        assert_eq!(Rough(Duration::from_secs(63 * 86_400)).to_string(), "63 days");
    }

    #[test]
    fn names_are_displayed_without_their_type_and_escaped() {
        assert_eq!(bare_name("DnsName(\"b.test\")"), "b.test");
        assert_eq!(bare_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(bare_name("DnsName(\"\u{1b}[2J\")"), "\\u{1b}[2J");
    }
}
