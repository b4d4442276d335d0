//! Limits on what a peer may send.
//!
//! Everything that a decoder stores is bounded by one of these, so the maximum memory of a connection is known in
//! advance. The values are similar to those of common servers and clients. The RFC sets no limits, but recommends
//! support for request lines of at least 8,000 bytes (RFC 9112 §3).

/// The maximum size of a request head, or of a response head together with all interim responses before it.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The maximum number of field lines in a head or in a trailer section.
pub const MAX_FIELDS: usize = 100;

/// The maximum number of interim (1xx) responses before the final one.
pub const MAX_INTERIM_RESPONSES: usize = 16;

/// The maximum size of a trailer section, including the empty line at its end.
pub const MAX_TRAILER_BYTES: usize = 16 * 1024;

/// The maximum size of all chunk extensions in a body, including the white space around them.
pub const MAX_CHUNK_EXTENSION_BYTES: usize = 16 * 1024;

/// The maximum size of a request target; a longer one causes a 414.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// The maximum length of a body or of a chunk: the largest signed file offset.
pub const MAX_LENGTH: u64 = i64::MAX as u64;
