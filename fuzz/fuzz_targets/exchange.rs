//! Whole exchanges, as client and as server: the same bytes mean the same, wherever they are cut. The first bytes of the
//! input say how.
#![no_main]

use glassloop_fuzz::codec::{cut, play_requests, play_response};
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, ref lengths @ ..], bytes)) = input.split_first_chunk::<5>() else {
        return;
    };
    let lengths: Vec<usize> = lengths
        .iter()
        .map(|&length| usize::from(length % 64))
        .collect();
    let close_after = kind & 1 != 0;
    let method = match kind >> 1 & 3 {
        0 | 1 => Method::GET,
        2 => Method::HEAD,
        _ => {
            let whole = play_requests(&[bytes], close_after);
            assert_eq!(whole, play_requests(&cut(bytes, &lengths), close_after));
            assert_eq!(whole, play_requests(&cut(bytes, &[1]), close_after));
            return;
        }
    };
    let whole = play_response(&method, &[bytes], close_after);
    assert_eq!(
        whole,
        play_response(&method, &cut(bytes, &lengths), close_after)
    );
    assert_eq!(
        whole,
        play_response(&method, &cut(bytes, &[1]), close_after)
    );
});
