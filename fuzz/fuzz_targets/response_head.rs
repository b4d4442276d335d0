//! Response heads: whatever we accept, `httparse` accepts too, with the same end, status and number of fields.
#![no_main]

use glassloop::http::proto::{ResponseDecoder, ResponseEvent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut decoder = ResponseDecoder::new(&http::Method::GET);
    let mut rest = input;
    while let Ok(step) = decoder.decode(rest) {
        let (head, behind) = rest.split_at(step.consumed);
        rest = behind;
        match step.event {
            ResponseEvent::Interim(_) => {}
            ResponseEvent::Head(ours) => {
                let mut lines = [httparse::EMPTY_HEADER; 100];
                let mut theirs = httparse::Response::new(&mut lines);
                let parsed = httparse::ParserConfig::default()
                    .allow_obsolete_multiline_headers_in_responses(true)
                    .parse_response(&mut theirs, head);
                assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())));
                assert_eq!(theirs.code, Some(ours.response.status().as_u16()));
                assert_eq!(theirs.headers.len(), ours.response.headers().len());
                return;
            }
            _ => return,
        }
    }
});
