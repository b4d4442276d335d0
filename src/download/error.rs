//! Why a file is not there, and which kind of trouble that is.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::platform::Errno;
use http::StatusCode;

use super::address::AddressError;
use super::list::Sha256;
use super::retry::is_cut_off;
use super::save::SaveError;
use crate::event_loop::JobError;
#[cfg(feature = "tls")]
use crate::http::client::TunnelError;
use crate::http::client::{ClientError, ClientErrorKind};
use crate::net::ConnectError;
#[cfg(feature = "tls")]
use crate::net::tls::TlsError;

/// The kinds of trouble, the least bad first. A run is as bad as the worst of its transfers, whichever ended last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The server answered with a status of 400 or more.
    Status,
    /// What was asked for cannot be asked.
    Usage,
    /// The network, or a limit on time.
    Network,
    /// A violation of the protocol; a redirect that is not followed; a body that is too large.
    Protocol,
    /// The content is not what it should be.
    Checksum,
    /// A file, a folder, a disk.
    File,
}

impl Class {
    /// The exit code of a run in which this was the worst.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Status => 1,
            Class::Usage => 2,
            Class::File => 3,
            Class::Network => 4,
            Class::Protocol => 5,
            Class::Checksum => 6,
        }
    }

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Class::Status => "status",
            Class::Usage => "usage",
            Class::File => "file",
            Class::Network => "network",
            Class::Protocol => "protocol",
            Class::Checksum => "checksum",
        }
    }
}

/// Why a transfer has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL cannot be asked.
    Address(AddressError),
    /// The exchange failed.
    Http(ClientError),
    /// The server answered with an error.
    Status(StatusCode),
    /// The server asks to wait longer than is allowed.
    WaitTooLong {
        /// What it answered.
        status: StatusCode,
        /// How long it asks to wait.
        asked: Duration,
        /// How long is allowed.
        limit: Duration,
    },
    /// The host has refused everything for too long.
    HostGivenUp {
        /// How long is allowed.
        limit: Duration,
    },
    /// The whole transfer took too long.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// A redirect that is not followed, and why.
    Redirect {
        /// Why not.
        why: &'static str,
        /// Where to, as far as that could be read.
        to: String,
    },
    /// An answer that does not fit the request.
    Unexpected {
        /// The answer.
        status: StatusCode,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The body is larger than is wanted.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The content is not what it should be.
    Checksum {
        /// What it should be.
        expected: Sha256,
        /// What it is.
        found: Sha256,
    },
    /// What was written to standard output cannot be taken back, and the rest of it cannot be had.
    CannotStartOver,
    /// No process reads the pipe that the body should go to.
    NoReader,
    /// The file could not be written.
    Save(SaveError),
    /// The thread that was to write it has failed.
    Job(JobError),
}

impl FetchError {
    /// Which kind of trouble it is.
    pub fn class(&self) -> Class {
        match self {
            FetchError::Address(_) => Class::Usage,
            FetchError::Http(error) => match error.kind() {
                ClientErrorKind::InvalidUri(_)
                | ClientErrorKind::UnusableProxy(_)
                | ClientErrorKind::UnsupportedScheme
                | ClientErrorKind::UnsupportedMethod
                | ClientErrorKind::ForbiddenField(_) => Class::Usage,
                ClientErrorKind::Protocol(error) if !is_cut_off(error.kind) => Class::Protocol,
                ClientErrorKind::TooLarge { .. } => Class::Protocol,
                _ => Class::Network,
            },
            FetchError::Status(_) | FetchError::WaitTooLong { .. } | FetchError::HostGivenUp { .. } => Class::Status,
            FetchError::TimedOut { .. } | FetchError::CannotStartOver => Class::Network,
            FetchError::Redirect { .. } | FetchError::Unexpected { .. } | FetchError::TooLarge { .. } => {
                Class::Protocol
            }
            FetchError::Checksum { .. } => Class::Checksum,
            FetchError::NoReader | FetchError::Save(_) | FetchError::Job(_) => Class::File,
        }
    }

    /// Whether the process, or the system, has no file descriptor left for the connection or the file.
    pub(super) fn is_for_want_of_descriptors(&self) -> bool {
        let error = match self {
            FetchError::Save(error) => &error.source,
            FetchError::Http(error) => match error.kind() {
                ClientErrorKind::Connect(ConnectError::Refused { error, .. }) => error,
                _ => return false,
            },
            _ => return false,
        };
        matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
    }

    /// A short name for programs to look at: it does not change when the message does.
    pub fn code(&self) -> String {
        let code = match self {
            FetchError::Address(_) => "url",
            FetchError::Http(error) => match error.kind() {
                ClientErrorKind::Resolve(_) => "dns",
                #[cfg(feature = "tls")]
                ClientErrorKind::Tunnel(_) if !error.is_timeout() => "proxy",
                #[cfg(feature = "tls")]
                ClientErrorKind::Tls(error) if error.is_certificate() => "certificate",
                #[cfg(feature = "tls")]
                ClientErrorKind::Tls(error) if !error.is_timeout() => "tls",
                ClientErrorKind::Connect(_) if !error.is_timeout() => "connect",
                _ if error.is_timeout() => "timeout",
                // Without the farewell of TLS.
                ClientErrorKind::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => "cut-off",
                ClientErrorKind::Read(_) | ClientErrorKind::Write(_) => "connection",
                ClientErrorKind::Protocol(error) if is_cut_off(error.kind) => "cut-off",
                ClientErrorKind::Protocol(_) => "http",
                ClientErrorKind::TooLarge { .. } => "too-large",
                ClientErrorKind::UnsupportedScheme => "scheme",
                ClientErrorKind::UnusableProxy(_) => "proxy",
                _ => "request",
            },
            FetchError::Status(status) | FetchError::WaitTooLong { status, .. } => {
                return format!("http-{}", status.as_u16());
            }
            FetchError::HostGivenUp { .. } => "host-paused",
            FetchError::TimedOut { .. } => "max-time",
            FetchError::Redirect { .. } => "redirect",
            FetchError::Unexpected { .. } => "unexpected",
            FetchError::TooLarge { .. } => "too-large",
            FetchError::Checksum { .. } => "checksum",
            FetchError::CannotStartOver => "stdout",
            FetchError::NoReader => "no-reader",
            FetchError::Save(error) if error.is_disk_full() => "disk-full",
            FetchError::Save(_) => "file",
            FetchError::Job(_) => "job",
        };
        code.to_owned()
    }
}

/// What to do about a 407.
const PROXY_CREDENTIALS: &str = "; give them in its URL: --proxy http://USER:PASSWORD@HOST:PORT";

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Address(error) => error.fmt(f),
            FetchError::Http(error) => {
                error.fmt(f)?;
                match error.kind() {
                    #[cfg(feature = "tls")]
                    ClientErrorKind::Tunnel(TunnelError::Refused(StatusCode::PROXY_AUTHENTICATION_REQUIRED)) => {
                        f.write_str(PROXY_CREDENTIALS)
                    }
                    #[cfg(feature = "tls")]
                    ClientErrorKind::Tls(TlsError::UnknownIssuer) => {
                        f.write_str("; give the issuer's certificate with --cacert, or believe anyone with --insecure")
                    }
                    _ => Ok(()),
                }
            }
            FetchError::Status(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                f.write_str("the proxy wants a user name and a password (407)")?;
                f.write_str(PROXY_CREDENTIALS)
            }
            FetchError::Status(status) => write!(f, "the server answered {status}"),
            FetchError::WaitTooLong { status, asked, limit } => write!(
                f,
                "the server answered {status} and asks to wait {} s; --retry-max-wait allows {} s",
                asked.as_secs(),
                limit.as_secs()
            ),
            FetchError::HostGivenUp { limit } => write!(
                f,
                "the host has refused every request for as long as --retry-max-wait allows ({} s); try again later",
                limit.as_secs()
            ),
            FetchError::TimedOut { limit } => write!(f, "it took longer than --max-time ({} s)", limit.as_secs_f64()),
            FetchError::Redirect { why, to } => write!(f, "the redirect to {to} is not followed: {why}"),
            FetchError::Unexpected { status, why } => write!(f, "the server answered {status}: {why}"),
            FetchError::TooLarge { limit } => write!(f, "it is larger than --max-filesize ({limit} bytes)"),
            FetchError::Checksum { expected, found } => {
                write!(f, "the content has the SHA-256 {found} and should have {expected}; it is kept as .part")
            }
            FetchError::CannotStartOver => {
                f.write_str("the rest of the file cannot be had, and what is on standard output cannot be taken back")
            }
            FetchError::NoReader => f.write_str("no process reads the pipe; start its reader first"),
            FetchError::Save(error) => error.fmt(f),
            FetchError::Job(error) => write!(f, "saving: {error}"),
        }
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FetchError::Address(error) => Some(error),
            FetchError::Http(error) => Some(error),
            FetchError::Save(error) => Some(error),
            FetchError::Job(error) => Some(error),
            _ => None,
        }
    }
}

impl From<AddressError> for FetchError {
    fn from(error: AddressError) -> FetchError {
        FetchError::Address(error)
    }
}

impl From<ClientError> for FetchError {
    fn from(error: ClientError) -> FetchError {
        FetchError::Http(error)
    }
}

impl From<SaveError> for FetchError {
    fn from(error: SaveError) -> FetchError {
        FetchError::Save(error)
    }
}

impl From<JobError> for FetchError {
    fn from(error: JobError) -> FetchError {
        FetchError::Job(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_want_of_descriptors_is_told_from_other_errors() {
        for (errno, is_want) in [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::NOSPC, false)] {
            let error = SaveError::new("saving", "x".into(), errno.into());
            assert_eq!(FetchError::Save(error).is_for_want_of_descriptors(), is_want, "{errno:?}");
        }
        assert!(!FetchError::CannotStartOver.is_for_want_of_descriptors());
    }

    #[test]
    fn the_worst_is_a_file_then_a_checksum_the_protocol_the_network_usage_and_a_status() {
        let mut classes = [Class::Usage, Class::File, Class::Status, Class::Checksum, Class::Network, Class::Protocol];
        classes.sort();
        assert_eq!(classes.map(Class::exit_code), [1, 2, 4, 5, 6, 3]);
    }
}
