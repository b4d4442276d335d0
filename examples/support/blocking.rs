//! HTTP over a blocking socket of the standard library: the same codec as in the loop's client, and nothing else of it.
//!
//! That the codec knows no sockets is what makes this possible in so few lines.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use glassloop::http::proto::{RequestTarget, ResponseDecoder, ResponseEvent, encode_request_head};
use http::{HeaderMap, Method, StatusCode, Uri};

/// A connection to one server. Each call blocks its thread until the answer is there.
pub struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to the server of a URL.
    pub fn open(url: &str) -> io::Result<Connection> {
        let uri: Uri = url.parse().map_err(|_| io::Error::other(format!("`{url}` is no URL")))?;
        let host = uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
        let address = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(address)
            .map_err(|error| io::Error::new(error.kind(), format!("connecting to {host}: {error}")))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Connection { stream, host, buffer: vec![0; 64 << 10] })
    }

    /// The body of a 200.
    pub fn get(&mut self, url: &str) -> io::Result<Vec<u8>> {
        let uri: Uri = url.parse().map_err(|_| io::Error::other(format!("`{url}` is no URL")))?;
        let mut request = Vec::new();
        encode_request_head(
            &mut request,
            &Method::GET,
            RequestTarget::Origin(uri.path()),
            &self.host,
            &HeaderMap::new(),
        )
        .map_err(io::Error::other)?;
        self.stream.write_all(&request)?;

        let (mut decoder, mut body, mut status) = (ResponseDecoder::new(&Method::GET), vec![], StatusCode::OK);
        loop {
            let read = match self.stream.read(&mut self.buffer) {
                // A signal: whoever handles it says what happens next.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                decoder.on_eof().map_err(io::Error::other)?;
            }
            let mut input = &self.buffer[..read];
            loop {
                let step = decoder.decode(input).map_err(io::Error::other)?;
                input = &input[step.consumed..];
                match step.event {
                    ResponseEvent::NeedMore => break,
                    ResponseEvent::Head(head) => status = head.response.status(),
                    ResponseEvent::Data(bytes) => body.extend_from_slice(bytes),
                    ResponseEvent::Interim(_) | ResponseEvent::Trailers(_) => {}
                    ResponseEvent::End { .. } if status == StatusCode::OK => return Ok(body),
                    ResponseEvent::End { .. } => return Err(io::Error::other(format!("HTTP status {status}"))),
                }
            }
        }
    }
}
