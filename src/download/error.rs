//! Download errors, and the classes that determine the exit code.

use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;

use super::descriptors::{ADVICE, is_out_of_descriptors};
use super::download_url::UrlError;
use super::list::Sha256;
use super::retry::is_truncated_message;
use super::save_error::SaveError;
use crate::event_loop::JobError;
#[cfg(feature = "tls")]
use crate::http::client::TunnelError;
use crate::http::client::{ClientError, ClientErrorKind};
use crate::net::ConnectError;
#[cfg(feature = "tls")]
use crate::net::tls::TlsError;

/// Error classes in increasing order of severity. The exit code of a run is that of the most severe error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The server responded with a status of 400 or more.
    Status,
    /// An invalid URL or request.
    Usage,
    /// A network error or a timeout.
    Network,
    /// A protocol violation, a redirect that was not followed, or a body that was too large.
    Protocol,
    /// A checksum mismatch.
    Checksum,
    /// A file system error.
    File,
}

impl ErrorClass {
    /// Returns the exit code of a run in which this was the most severe class.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorClass::Status => 1,
            ErrorClass::Usage => 2,
            ErrorClass::File => 3,
            ErrorClass::Network => 4,
            ErrorClass::Protocol => 5,
            ErrorClass::Checksum => 6,
        }
    }

    /// Returns the name of the class as it appears in reports.
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::Status => "status",
            ErrorClass::Usage => "usage",
            ErrorClass::File => "file",
            ErrorClass::Network => "network",
            ErrorClass::Protocol => "protocol",
            ErrorClass::Checksum => "checksum",
        }
    }
}

/// The error of a failed transfer.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL is invalid.
    DownloadUrl(UrlError),
    /// The HTTP exchange failed.
    Http(ClientError),
    /// The server responded with an error status.
    Status(StatusCode),
    /// `Retry-After` exceeds the limit.
    RetryAfterTooLong {
        /// The status of the response.
        status: StatusCode,
        /// The duration of `Retry-After`.
        requested: Duration,
        /// The maximum that is allowed.
        limit: Duration,
    },
    /// The host was paused for too long, since it rejected all requests.
    HostPausedTooLong {
        /// The maximum duration of a pause.
        limit: Duration,
    },
    /// The transfer exceeded its time limit.
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// A redirect was not followed.
    Redirect {
        /// The reason.
        reason: &'static str,
        /// The redirect target, or a description of it if it is missing or invalid.
        to: String,
    },
    /// The response does not match the request.
    Unexpected {
        /// The status of the response.
        status: StatusCode,
        /// A description of the mismatch.
        reason: &'static str,
    },
    /// The body exceeds the size limit.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The content does not match the checksum.
    Checksum {
        /// The expected SHA-256.
        expected: Sha256,
        /// The SHA-256 of the content.
        found: Sha256,
        /// Whether the content was kept as `NAME.part`. It is never kept if the output is a stream.
        is_kept: bool,
    },
    /// The transfer can neither resume nor restart: part of the file has already been written to a stream such as
    /// standard output.
    CannotRestart,
    /// No process opened the pipe for reading.
    NoReader,
    /// A file system operation failed: the file could not be opened, read, written or published.
    Save(SaveError),
    /// A blocking job of the transfer ended without a result, for example because it panicked.
    Job(JobError),
}

impl FetchError {
    /// Returns the class of the error.
    pub fn class(&self) -> ErrorClass {
        match self {
            FetchError::DownloadUrl(_) => ErrorClass::Usage,
            FetchError::Http(error) => match error.kind() {
                ClientErrorKind::InvalidUri(_)
                | ClientErrorKind::UnusableProxy(_)
                | ClientErrorKind::UnsupportedScheme
                | ClientErrorKind::UnsupportedMethod
                | ClientErrorKind::InvalidHeader(_) => ErrorClass::Usage,
                ClientErrorKind::Protocol(error) if !is_truncated_message(error.kind) => ErrorClass::Protocol,
                ClientErrorKind::TooLarge { .. } => ErrorClass::Protocol,
                _ => ErrorClass::Network,
            },
            FetchError::Status(_) | FetchError::RetryAfterTooLong { .. } | FetchError::HostPausedTooLong { .. } => {
                ErrorClass::Status
            }
            FetchError::TimedOut { .. } | FetchError::CannotRestart => ErrorClass::Network,
            FetchError::Redirect { .. } | FetchError::Unexpected { .. } | FetchError::TooLarge { .. } => {
                ErrorClass::Protocol
            }
            FetchError::Checksum { .. } => ErrorClass::Checksum,
            FetchError::NoReader | FetchError::Save(_) | FetchError::Job(_) => ErrorClass::File,
        }
    }

    /// Returns whether the process or the system has run out of file descriptors for the connection or the file.
    pub(super) fn is_out_of_descriptors(&self) -> bool {
        let error = match self {
            FetchError::Save(error) => return error.is_out_of_descriptors(),
            FetchError::Http(error) => match error.kind() {
                ClientErrorKind::Connect(ConnectError::Failed { error, .. }) => error,
                _ => return false,
            },
            _ => return false,
        };
        is_out_of_descriptors(error)
    }

    /// Returns a short, stable code for programs, which does not change when the message does.
    pub fn code(&self) -> String {
        let code = match self {
            FetchError::DownloadUrl(_) => "url",
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
                // EOF without a TLS close_notify alert.
                ClientErrorKind::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => "cut-off",
                ClientErrorKind::Read(_) | ClientErrorKind::Write(_) => "connection",
                ClientErrorKind::Protocol(error) if is_truncated_message(error.kind) => "cut-off",
                ClientErrorKind::Protocol(_) => "http",
                ClientErrorKind::TooLarge { .. } => "too-large",
                ClientErrorKind::UnsupportedScheme => "scheme",
                ClientErrorKind::UnusableProxy(_) => "proxy",
                _ => "request",
            },
            FetchError::Status(status) | FetchError::RetryAfterTooLong { status, .. } => {
                return format!("http-{}", status.as_u16());
            }
            FetchError::HostPausedTooLong { .. } => "host-paused",
            FetchError::TimedOut { .. } => "max-time",
            FetchError::Redirect { .. } => "redirect",
            FetchError::Unexpected { .. } => "unexpected",
            FetchError::TooLarge { .. } => "too-large",
            FetchError::Checksum { .. } => "checksum",
            FetchError::CannotRestart => "stdout",
            FetchError::NoReader => "no-reader",
            FetchError::Save(error) if error.is_disk_full() => "disk-full",
            FetchError::Save(_) => "file",
            FetchError::Job(_) => "job",
        };
        code.to_owned()
    }
}

/// Advice for a 407 response.
const PROXY_CREDENTIALS: &str = "; give them in its URL: --proxy http://USER:PASSWORD@HOST:PORT";

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::DownloadUrl(error) => error.fmt(f),
            FetchError::Http(error) => {
                error.fmt(f)?;
                match error.kind() {
                    _ if self.is_out_of_descriptors() => f.write_str(ADVICE),
                    #[cfg(feature = "tls")]
                    ClientErrorKind::Tunnel(TunnelError::Rejected(StatusCode::PROXY_AUTHENTICATION_REQUIRED)) => {
                        f.write_str(PROXY_CREDENTIALS)
                    }
                    #[cfg(feature = "tls")]
                    ClientErrorKind::Tls(TlsError::UnknownIssuer) => f.write_str(
                        "; give the issuer's certificate with --cacert, or skip verification with --insecure",
                    ),
                    _ => Ok(()),
                }
            }
            FetchError::Status(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                f.write_str("proxy authentication required (407)")?;
                f.write_str(PROXY_CREDENTIALS)
            }
            FetchError::Status(status) => write!(f, "the server responded with {status}"),
            FetchError::RetryAfterTooLong { status, requested, limit } => write!(
                f,
                "the server responded with {status} and Retry-After: {} s, which exceeds --retry-max-wait ({} s)",
                requested.as_secs(),
                limit.as_secs()
            ),
            FetchError::HostPausedTooLong { limit } => write!(
                f,
                "the host has rejected all requests for longer than --retry-max-wait ({} s); try again later",
                limit.as_secs()
            ),
            FetchError::TimedOut { limit } => write!(f, "exceeded --max-time ({} s)", limit.as_secs_f64()),
            FetchError::Redirect { reason, to } => write!(f, "redirect to {to} not followed: {reason}"),
            FetchError::Unexpected { status, reason } => {
                write!(f, "unexpected response with status {status}: {reason}")
            }
            FetchError::TooLarge { limit } => write!(f, "larger than --max-filesize ({limit} bytes)"),
            FetchError::Checksum { expected, found, is_kept } => {
                write!(f, "checksum mismatch: expected {expected}, got {found}")?;
                if *is_kept { f.write_str("; kept as NAME.part") } else { Ok(()) }
            }
            FetchError::CannotRestart => f.write_str(
                "cannot resume, and cannot restart: part of the file has already been written to the output",
            ),
            FetchError::NoReader => f.write_str("no process reads the pipe; start its reader first"),
            FetchError::Save(error) => error.fmt(f),
            FetchError::Job(error) => write!(f, "saving: {error}"),
        }
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FetchError::DownloadUrl(error) => Some(error),
            FetchError::Http(error) => Some(error),
            FetchError::Save(error) => Some(error),
            FetchError::Job(error) => Some(error),
            _ => None,
        }
    }
}

impl From<UrlError> for FetchError {
    fn from(error: UrlError) -> FetchError {
        FetchError::DownloadUrl(error)
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
    use crate::platform::Errno;

    #[test]
    fn emfile_and_enfile_are_recognized() {
        for (errno, is_want) in [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::NOSPC, false)] {
            let error = SaveError::new("saving", "x".into(), errno.into());
            assert_eq!(FetchError::Save(error).is_out_of_descriptors(), is_want, "{errno:?}");
        }
        assert!(!FetchError::CannotRestart.is_out_of_descriptors());
    }

    #[test]
    fn error_classes_are_ordered_by_severity() {
        let mut classes = [
            ErrorClass::Usage,
            ErrorClass::File,
            ErrorClass::Status,
            ErrorClass::Checksum,
            ErrorClass::Network,
            ErrorClass::Protocol,
        ];
        classes.sort();
        assert_eq!(classes.map(ErrorClass::exit_code), [1, 2, 4, 5, 6, 3]);
    }
}
