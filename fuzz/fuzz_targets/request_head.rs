//! Request heads: whatever we accept, `httparse` accepts too, with the same end, method, target and number of fields. It
//! knows no minor version above 1, so it gets 1.1 instead.
#![no_main]

use glassloop::http::proto::{RequestDecoder, RequestEvent};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(step) = RequestDecoder::new().decode(input) else {
        return;
    };
    let RequestEvent::Head(ours) = step.event else {
        return;
    };
    let head = &input[..step.consumed];
    assert!(
        head.iter()
            .zip(&head[1..])
            .all(|(before, byte)| *byte != b'\n' || *before == b'\r'),
        "bare LF"
    );

    let mut head = head.to_vec();
    // Empty lines may come first.
    let line_end = head
        .windows(3)
        .position(|window| window[0].is_ascii_digit() && &window[1..] == b"\r\n");
    let minor = &mut head[line_end.expect("a request line ends in a digit")];
    *minor = (*minor).min(b'1');

    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Request::new(&mut lines);
    assert_eq!(
        theirs.parse(&head),
        Ok(httparse::Status::Complete(head.len()))
    );
    assert_eq!(theirs.method, Some(ours.request.method().as_str()));
    assert_eq!(theirs.headers.len(), ours.request.headers().len());
    if theirs.path.is_some_and(|target| target.starts_with('/')) {
        assert_eq!(
            theirs.path,
            ours.request
                .uri()
                .path_and_query()
                .map(|target| target.as_str())
        );
    }
});
