//! An HTTP client on a blocking `std::net::TcpStream`. It shares only the codec with the loop's client.
//!
//! The codec (`http::proto`) is sans-I/O: it takes bytes and returns events, so it works with any kind of socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use glassloop::http::proto::{RequestTarget, ResponseDecoder, ResponseEvent, encode_request_head};
use http::{HeaderMap, Method, StatusCode, Uri};

/// A connection to one server. Each call blocks the calling thread until the response is complete.
pub struct Connection {
    stream: TcpStream,
    host: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to the server named in the URL.
    pub fn open(url: &str) -> io::Result<Connection> {
        let uri: Uri = url.parse().map_err(|_| io::Error::other(format!("`{url}` is not a URL")))?;
        let host = uri.authority().map(|authority| authority.to_string()).unwrap_or_default();
        let address = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(address)
            .map_err(|error| io::Error::new(error.kind(), format!("connecting to {host}: {error}")))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Connection { stream, host, buffer: vec![0; 64 << 10] })
    }

    /// Requests the URL and returns the response body. Any status but 200 is an error.
    pub fn get(&mut self, url: &str) -> io::Result<Vec<u8>> {
        let uri: Uri = url.parse().map_err(|_| io::Error::other(format!("`{url}` is not a URL")))?;
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
                // Interrupted by a signal, which its handler deals with: try again.
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
