//! Response heads: whatever we accept, `httparse` accepts too, with the same end, status and number of fields. Where we
//! accept more (control characters, minor versions above 1, tabs around the status code), it gets the regular form.
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
                let regular = regular(head);
                let mut lines = [httparse::EMPTY_HEADER; 100];
                let mut theirs = httparse::Response::new(&mut lines);
                let parsed = httparse::ParserConfig::default()
                    .allow_obsolete_multiline_headers_in_responses(true)
                    .allow_multiple_spaces_in_response_status_delimiters(true)
                    .parse_response(&mut theirs, &regular);
                assert_eq!(parsed, Ok(httparse::Status::Complete(head.len())));
                assert_eq!(theirs.code, Some(ours.response.status().as_u16()));
                // A validator with a control character in it is left out.
                let may_lack_some = head.iter().any(is_control);
                let (theirs, ours) = (theirs.headers.len(), ours.response.headers().len());
                assert!(theirs == ours || (may_lack_some && theirs > ours));
                return;
            }
            _ => return,
        }
    }
});

fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
}

/// The same head without what only we accept.
fn regular(head: &[u8]) -> Vec<u8> {
    let mut regular = head.to_vec();
    regular[7] = regular[7].min(b'1');
    let spaces = regular[8..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let behind_code = 8 + spaces + 3;
    let around_code = regular[8..=behind_code].iter_mut().filter(|byte| **byte == b'\t');
    around_code.for_each(|byte| *byte = b' ');
    let controls = regular.iter_mut().filter(|byte| is_control(byte));
    controls.for_each(|byte| *byte = b'.');
    regular
}
