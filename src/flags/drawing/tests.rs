//! What every drawn flag promises to whoever serves it.

use std::sync::LazyLock;

use super::super::codes::{COUNTRIES, POPULAR};
use super::*;

/// Every flag once, as drawing them all takes a while without optimisation.
static DRAWN: LazyLock<Vec<(CountryCode, Vec<u8>)>> =
    LazyLock::new(|| designs::all().map(|design| (design.code, drawn(design.code))).collect());

fn drawn(code: CountryCode) -> Vec<u8> {
    draw(code).expect("the country has a flag")
}

fn opened(file: &[u8]) -> gif::Decoder<&[u8]> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    options.check_frame_consistency(true);
    options.read_info(file).expect("the file begins as a GIF")
}

/// The colour of the pixel at a place given in percent, as one of the three that light is made
/// of, or white: cloth is too little shaded to make a difference.
fn primary_at(code: &str, across: usize, down: usize) -> &'static str {
    let file = drawn(CountryCode::written(code));
    let mut decoder = opened(&file);
    let frame = decoder.read_next_frame().expect("the file is intact").expect("it has a picture");
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    let pixel = (height * down / 100 * width + width * across / 100) * 4;
    let light = [0, 1, 2].map(|part| frame.buffer[pixel + part] > 140);
    match light {
        [true, true, true] => "white",
        [true, false, false] => "red",
        [false, false, true] => "blue",
        _ => "another",
    }
}

#[test]
fn every_country_has_a_design_in_the_order_of_the_codes() {
    assert!(designs::all().map(|design| design.code).eq(COUNTRIES.iter().map(|country| country.code)));
}

#[test]
fn a_code_that_is_no_country_has_no_flag() {
    assert_eq!(draw(CountryCode::written("XX")), None);
}

#[test]
fn every_flag_is_a_whole_picture_of_its_size() {
    for (design, (code, file)) in designs::all().zip(DRAWN.iter()) {
        let mut decoder = opened(file);
        let frame = decoder.read_next_frame().expect("the file is intact").expect("it has a picture");
        assert_eq!((frame.width, frame.height), (design.width, design.height), "{code}");
    }
}

#[test]
fn stripes_lie_in_their_order_from_the_mast() {
    assert_eq!([20, 50, 80].map(|across| primary_at("FR", across, 50)), ["blue", "white", "red"]);
}

#[test]
fn stripes_lie_in_their_order_from_the_top() {
    assert_eq!([20, 50, 80].map(|down| primary_at("RU", 50, down)), ["white", "blue", "red"]);
}

#[test]
fn a_disc_lies_on_its_field() {
    assert_eq!((primary_at("JP", 50, 50), primary_at("JP", 10, 50)), ("red", "white"));
}

#[test]
fn a_canton_lies_beside_the_mast() {
    assert_eq!((primary_at("TO", 5, 5), primary_at("TO", 20, 25), primary_at("TO", 50, 5)), ("white", "red", "red"));
}

#[test]
fn every_flag_is_one_picture_and_no_more() {
    for (code, file) in DRAWN.iter() {
        let mut decoder = opened(file);
        let mut pictures = 0;
        while decoder.next_frame_info().expect("the file is intact").is_some() {
            pictures += 1;
        }
        assert_eq!(pictures, 1, "{code}");
    }
}

#[test]
fn every_flag_ends_with_the_trailer_of_a_gif() {
    for (code, file) in DRAWN.iter() {
        assert_eq!(file.last(), Some(&0x3B), "{code}");
    }
}

#[test]
fn every_flag_weighs_between_1_and_36_kilobytes() {
    for (code, file) in DRAWN.iter() {
        // So chosen that it holds for a kilobyte of 1000 as for one of 1024 bytes.
        assert!((1024..=36_000).contains(&file.len()), "{code} weighs {} bytes", file.len());
    }
}

#[test]
fn the_popular_flags_weigh_13_kilobytes_on_average() {
    let popular = |code: &CountryCode| POPULAR.contains(&code.as_str());
    let drawn = DRAWN.iter().filter(|(code, _)| popular(code));
    let bytes: usize = drawn.map(|(_, file)| file.len()).sum();
    let average = bytes / POPULAR.len();
    assert!((12_800..=13_500).contains(&average), "they weigh {average} bytes");
}

#[test]
fn a_flag_drawn_again_is_the_same_bytes() {
    for (code, file) in DRAWN.iter().step_by(10) {
        assert_eq!(drawn(*code), *file, "{code}");
    }
}

#[test]
fn no_flag_has_changed() {
    // FNV-1a. If a flag was changed on purpose, or the encoder packs otherwise, write down the
    // new one.
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    for byte in DRAWN.iter().flat_map(|(_, file)| file) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    assert_eq!(hash, 0x8508_B56F_E165_9260, "the hash is {hash:#018x}");
}
