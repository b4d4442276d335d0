//! Every case of the tables, with the codec alone: in one piece, byte by byte, and in random pieces.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/codec.rs"]
#[expect(unreachable_pub, reason = "the fuzz package shares this file, and there they are public")]
mod codec;

use std::collections::BTreeMap;

use cases::{Case, Expected, read};
use codec::{Transcript, cut, play_requests, play_response};
use http::Method;

/// How the input is split. The random pieces come from a fixed seed.
const CUTTINGS: [&str; 3] = ["whole", "byte by byte", "random pieces"];

/// The class of cases that a codec cannot detect: the path is well-formed, and only the file handler knows that it leads
/// out of the root. The codec must return them with the target unchanged.
const JUDGED_BY_THE_FILE_HANDLER: &str = "BadPath";

#[test]
fn every_case_of_the_first_table_has_the_expected_outcome_however_it_is_split() {
    run(include_str!("data/http_cases.json"), 197);
}

#[test]
fn every_case_of_the_second_table_has_the_expected_outcome_however_it_is_split() {
    run(include_str!("data/http_cases_more.json"), 150);
}

fn run(json: &str, at_least: usize) {
    let cases = read(json);
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let mut passed: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut mismatches = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        for cutting in CUTTINGS {
            let transcript = play(case, cutting, number as u64);
            match compare(case, &transcript) {
                Ok(()) => *passed.entry((&case.level, cutting)).or_default() += 1,
                Err(difference) => mismatches.push(format!("{} ({cutting}): {difference}", case.id)),
            }
        }
    }
    println!("{:8} {:>8} {:>14} {:>14} {:>14}", "level", "cases", CUTTINGS[0], CUTTINGS[1], CUTTINGS[2]);
    for level in ["must", "should", "choice"] {
        let count = cases.iter().filter(|case| case.level == level).count();
        let column = |cutting| passed.get(&(level, cutting)).copied().unwrap_or_default();
        println!(
            "{level:8} {count:>8} {:>14} {:>14} {:>14}",
            column(CUTTINGS[0]),
            column(CUTTINGS[1]),
            column(CUTTINGS[2])
        );
    }
    assert!(mismatches.is_empty(), "{} mismatches:\n{}", mismatches.len(), mismatches.join("\n"));
}

fn play(case: &Case, cutting: &str, seed: u64) -> Transcript {
    let lengths = match cutting {
        "whole" => vec![usize::MAX],
        "byte by byte" => vec![1],
        _ => random_lengths(seed),
    };
    let pieces = cut(&case.bytes, &lengths);
    if case.client {
        let method = Method::from_bytes(case.method.as_bytes()).expect("a method");
        play_response(&method, &pieces, case.close_after)
    } else {
        play_requests(&pieces, case.close_after)
    }
}

/// Returns random lengths from 1 to 40 (splitmix64).
fn random_lengths(seed: u64) -> Vec<usize> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % 40 + 1
    };
    std::iter::repeat_with(next).take(97).collect()
}

fn compare(case: &Case, transcript: &Transcript) -> Result<(), String> {
    let check = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(format!("{what}; got {transcript:?}")) }
    };
    match &case.expected {
        Expected::Error { class, .. } if class == JUDGED_BY_THE_FILE_HANDLER => {
            check(transcript.error.is_none(), "refused by the codec")?;
            check(transcript.ends() == [true], "not seen as one request")
        }
        Expected::Error { class, status } => {
            let Some(error) = transcript.error else {
                return check(false, "no error");
            };
            check(format!("{:?}", error.kind) == *class, &format!("expected {class}"))?;
            let response = error.status().map_or(0, |status| status.as_u16());
            check(response == *status, &format!("expected the status {status}"))?;
            check(case.close_after || !transcript.failed_at_eof, "waited for the end of input")
        }
        Expected::Ok { status, body, reuse, requests } => {
            let usual_end = transcript
                .error
                .is_none_or(|error| !case.client && transcript.failed_at_eof && error.status().is_none());
            check(usual_end, "refused")?;
            check(transcript.body() == *body, &format!("expected the body {body:?}"))?;
            if case.client {
                check(transcript.status() == Some(*status), &format!("expected status {status}"))?;
                check(transcript.ends() == [reuse.expect("reuse is said")], &format!("expected reuse {reuse:?}"))
            } else {
                let seen = transcript.ends().len() as u64;
                check(Some(seen) == *requests, &format!("expected {requests:?} requests"))
            }
        }
    }
}
