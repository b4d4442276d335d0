//! Drives the codec like a client or a server, with input that is split into pieces, and records its events. Tests and fuzz
//! targets share this file, and compare the records.

use glassloop::http::proto::{
    ProtocolError, RequestDecoder, RequestEvent, RequestHead, ResponseDecoder, ResponseEvent, ResponseHead,
};
use http::Method;

/// One event, in a form that can be compared. Adjacent pieces of a body are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An interim response with this status.
    Interim(u16),
    /// A head: the status (0 for a request), and its content as text.
    Head(u16, String),
    /// Body bytes.
    Data(Vec<u8>),
    /// Trailer fields, as text.
    Trailers(String),
    /// The end of a message, and whether the connection may be reused, which depends on excess data, too.
    End(bool),
}

/// The events of one exchange or of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The events in order.
    pub records: Vec<Record>,
    /// The error, if there was one.
    pub error: Option<ProtocolError>,
    /// Whether the error was returned for the EOF, and not before.
    pub failed_at_eof: bool,
}

impl Transcript {
    fn new() -> Transcript {
        Transcript { records: Vec::new(), error: None, failed_at_eof: false }
    }

    fn push_data(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "a Data event is never empty");
        match self.records.last_mut() {
            Some(Record::Data(before)) => before.extend_from_slice(bytes),
            _ => self.records.push(Record::Data(bytes.to_vec())),
        }
    }

    /// Returns all body bytes.
    pub fn body(&self) -> Vec<u8> {
        let bodies = self.records.iter().filter_map(|record| match record {
            Record::Data(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        bodies.collect::<Vec<_>>().concat()
    }

    /// Returns the status of the final head.
    pub fn status(&self) -> Option<u16> {
        self.records.iter().find_map(|record| match record {
            Record::Head(status, _) => Some(*status),
            _ => None,
        })
    }

    /// Returns for each complete message whether the connection may be reused after it.
    pub fn ends(&self) -> Vec<bool> {
        let ends = self.records.iter().filter_map(|record| match record {
            Record::End(again) => Some(*again),
            _ => None,
        });
        ends.collect()
    }
}

fn response_head(head: &ResponseHead) -> Record {
    let text = format!("{:?} {:?} {:?}", head.response, head.reason, head.framing);
    Record::Head(head.response.status().as_u16(), text)
}

fn request_head(head: &RequestHead) -> Record {
    let text = format!("{:?} {:?} {} {}", head.request, head.framing, head.keep_alive, head.expect_continue);
    Record::Head(0, text)
}

/// Decodes the response to one request. Each of `pieces` is the result of one read.
pub fn play_response(method: &Method, pieces: &[&[u8]], close_after: bool) -> Transcript {
    let mut decoder = ResponseDecoder::new(method);
    let mut transcript = Transcript::new();
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut used = 0;
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let step = match decoder.decode(rest) {
                Ok(step) => step,
                Err(error) => {
                    assert_eq!(decoder.decode(rest).unwrap_err(), error, "an error is for good");
                    assert_eq!(decoder.on_eof().unwrap_err(), error, "an error is for good");
                    transcript.error = Some(error);
                    return transcript;
                }
            };
            assert!(step.consumed <= rest.len(), "consumed more than was given");
            rest = &rest[step.consumed..];
            used += step.consumed;
            assert_eq!(decoder.position(), used as u64);
            match step.event {
                ResponseEvent::NeedMore => {
                    assert!(rest.is_empty(), "NeedMore leaves nothing over");
                    break;
                }
                ResponseEvent::Interim(status) => transcript.records.push(Record::Interim(status.as_u16())),
                ResponseEvent::Head(head) => transcript.records.push(response_head(&head)),
                ResponseEvent::Data(bytes) => transcript.push_data(bytes),
                ResponseEvent::Trailers(fields) => transcript.records.push(Record::Trailers(format!("{fields:?}"))),
                ResponseEvent::End { reusable } => {
                    assert!(!reusable || rest.is_empty(), "left-over bytes forbid reuse");
                    transcript.records.push(Record::End(reusable && used == total));
                    return transcript;
                }
            }
        }
    }
    if close_after {
        match decoder.on_eof() {
            Ok(ResponseEvent::End { reusable }) => transcript.records.push(Record::End(reusable)),
            Ok(event) => panic!("{event:?} at the end of input"),
            Err(error) => {
                transcript.error = Some(error);
                transcript.failed_at_eof = true;
            }
        }
    }
    transcript
}

/// Decodes the requests of one connection. Each of `pieces` is the result of one read.
pub fn play_requests(pieces: &[&[u8]], close_after: bool) -> Transcript {
    let mut decoder = RequestDecoder::new();
    let mut transcript = Transcript::new();
    let mut used = 0;
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let step = match decoder.decode(rest) {
                Ok(step) => step,
                Err(error) => {
                    assert_eq!(decoder.decode(rest).unwrap_err(), error, "an error is for good");
                    assert_eq!(decoder.on_eof().unwrap_err(), error, "an error is for good");
                    transcript.error = Some(error);
                    return transcript;
                }
            };
            assert!(step.consumed <= rest.len(), "consumed more than was given");
            rest = &rest[step.consumed..];
            used += step.consumed;
            assert_eq!(decoder.position(), used as u64);
            match step.event {
                RequestEvent::NeedMore => {
                    assert!(rest.is_empty(), "NeedMore leaves nothing over");
                    break;
                }
                RequestEvent::Head(head) => transcript.records.push(request_head(&head)),
                RequestEvent::Data(bytes) => transcript.push_data(bytes),
                RequestEvent::Trailers(fields) => transcript.records.push(Record::Trailers(format!("{fields:?}"))),
                RequestEvent::End { keep_alive } => transcript.records.push(Record::End(keep_alive)),
            }
        }
    }
    if close_after {
        match decoder.on_eof() {
            Ok(event) => panic!("{event:?} at the end of input, every End having been fetched"),
            Err(error) => {
                transcript.error = Some(error);
                transcript.failed_at_eof = true;
            }
        }
    }
    transcript
}

/// Splits `bytes` into pieces of these lengths, which are repeated; a length of 0 counts as 1.
pub fn cut<'bytes>(bytes: &'bytes [u8], lengths: &[usize]) -> Vec<&'bytes [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, following) = rest.split_at((*length).clamp(1, rest.len()));
        pieces.push(piece);
        rest = following;
    }
    pieces
}
