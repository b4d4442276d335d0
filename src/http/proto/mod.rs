//! An HTTP/1.1 codec, sans-I/O: it decodes bytes into events and encodes messages into bytes.
//!
//! A decoder takes the bytes that have been read. Each call returns one [`Step`]: the number of bytes consumed, and one
//! event. A decoder never reads or blocks, so tests can pass it any sequence of bytes, split at any position, and the
//! same decoder works with an event loop, a thread or a fuzzer. The design follows Python's h11.
//!
//! ```text
//!   bytes ──▶ ResponseDecoder ──▶ Interim* Head Data* Trailers? End
//!   bytes ──▶ RequestDecoder  ──▶ (Head Data* Trailers? End)*
//!                  │
//!                  ├── head: HeadReader<StatusLine | RequestLine>
//!                  │           one scan finds the end and every error, then the fields are parsed into a map
//!                  ├── framing: body length and connection persistence (RFC 9112 §6.3, §9.3)
//!                  └── body: by length, chunked, or delimited by close
//! ```
//!
//! Properties of all decoders:
//!
//! * After `NeedMore` all of the input is consumed. A decoder stores only the bytes of an incomplete head.
//! * The same bytes give the same events and the same error at the same [position](ProtocolError::position), wherever
//!   the input is split.
//! * An error is returned as soon as the bytes can no longer become a valid message, not when the head is complete.
//! * The use of memory is bounded by the [`limits`].
//!
//! | file | subject |
//! | --- | --- |
//! | [`limits`] | limits |
//! | `grammar` | character classes, numbers, hosts |
//! | `error` | errors, and the status codes that a server responds with |
//! | `status_line`, `request_line`, `fields` | the three scanners of a head |
//! | `head` | reads a head that arrives in fragments |
//! | `framing` | determines the length of a body |
//! | `chunked`, `body` | decodes a body |
//! | `response`, `request` | the two decoders |
//! | `encode` | the encoder |

mod body;
mod chunked;
mod encode;
mod error;
mod fields;
mod framing;
mod grammar;
mod head;
pub mod limits;
mod request;
mod request_line;
mod response;
mod status_line;
mod step;

pub use encode::{
    EncodeError, RequestTarget, encode_chunk, encode_last_chunk, encode_request_head, encode_response_head,
    encode_target,
};
pub use error::{ProtocolError, ProtocolErrorKind};
pub use framing::BodyFraming;
pub(super) use grammar::is_host_and_port;
pub use request::{RequestDecoder, RequestEvent, RequestHead};
pub use response::{ResponseDecoder, ResponseEvent, ResponseHead};
pub use step::Step;
