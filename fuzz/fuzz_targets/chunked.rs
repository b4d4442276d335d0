//! Chunked bodies: whatever we accept, a second decoder, written line by line and without a state, reads
//! the same from.
#![no_main]

use glassloop_fuzz::codec::play_response;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let transcript = play_response(&http::Method::GET, &[head, input], true);
    let body = (!transcript.ends().is_empty()).then(|| transcript.body());
    if let Some(body) = body {
        assert_eq!(Some(body), plainly(input));
    }
});

/// The body in `input`, read the plain way.
fn plainly(mut input: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let digits = input.iter().position(|byte| !byte.is_ascii_hexdigit())?;
        let line_end = input.windows(2).position(|pair| pair == b"\r\n")?;
        let digits = std::str::from_utf8(&input[..digits]).ok()?;
        let size = u64::from_str_radix(digits, 16).ok()?;
        input = &input[line_end + 2..];
        if size == 0 {
            return Some(body);
        }
        let size = usize::try_from(size).ok()?;
        body.extend_from_slice(input.get(..size)?);
        input = input[size..].strip_prefix(b"\r\n")?;
    }
}
