//! HTTP/1.1 without a socket: bytes in, events out, and messages back into bytes.
//!
//! A decoder is given whatever has been read and answers each call with one [`Step`]: how many bytes it used up, and one
//! event. It never waits, reads or blocks, so every byte sequence that a peer could send can be played to it in a test,
//! in every cut, at any speed; and the same decoder serves an event loop, a thread or a fuzzer. The manner is that of
//! Python's h11.
//!
//! ```text
//!   bytes ──▶ ResponseDecoder ──▶ Interim* Head Data* Trailers? End
//!   bytes ──▶ RequestDecoder  ──▶ (Head Data* Trailers? End)*
//!                  │
//!                  ├── head: HeadReader<StatusLine | RequestLine>
//!                  │           one byte-driven scan finds the end and every fault, then one cut into a map
//!                  ├── framing: how long is the body, does the connection persist (RFC 9112 §6.3, §9.3)
//!                  └── body: counted, chunked, or until the close
//! ```
//!
//! What holds everywhere:
//!
//! * A step never consumes more than it was given, and after `NeedMore` nothing of the input is left over. What has to be
//!   remembered of a head whose end is missing, the decoder keeps; otherwise it keeps nothing.
//! * The same bytes give the same events and the same error at the same [position](ProtocolError::position), wherever
//!   they are cut.
//! * Bytes that can no longer become a message are an error at once, not when the head is complete.
//! * Whatever comes, memory stays within the [`limits`].
//!
//! | file | subject |
//! | --- | --- |
//! | [`limits`] | the bounds |
//! | `grammar` | classes of bytes, numbers, hosts |
//! | `error` | the classes of fault and their answers |
//! | `status_line`, `request_line`, `fields` | the three scanners of a head |
//! | `head` | a head in pieces |
//! | `framing` | where a body ends |
//! | `chunked`, `body` | taking the framing off |
//! | `response`, `request` | the two decoders |
//! | `encode` | the way back |

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
