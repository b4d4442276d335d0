//! The bounds that a peer cannot talk us past.
//!
//! Nothing that a decoder keeps is larger than one of these, so the memory of a connection is known before its first
//! byte arrives. They are what common servers and clients allow, not what the RFC demands: it sets no limits but asks
//! for at least 8,000 bytes of request line (RFC 9112 §3).

/// Bytes of heads in one exchange: the final response's and those of all interim responses before it, or one request's.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Field lines in one head, or in one trailer section.
pub const MAX_FIELDS: usize = 100;

/// Interim (1xx) responses before the final one.
pub const MAX_INTERIM_RESPONSES: usize = 16;

/// Bytes in one trailer section, with its closing empty line.
pub const MAX_TRAILER_BYTES: usize = 16 * 1024;

/// Bytes of chunk extensions in one body, with the padding around them.
pub const MAX_CHUNK_EXTENSION_BYTES: usize = 16 * 1024;

/// Bytes of a request target; a longer one is answered with 414.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// The largest length of a body or of a chunk, in bytes: what a signed file offset can name.
pub const MAX_LENGTH: u64 = i64::MAX as u64;
