//! Tests of properties that all drawn flags have.

use std::sync::LazyLock;

use super::super::codes::{COUNTRIES, POPULAR};
use super::*;

/// All flags, drawn once for all tests, since that takes long in a debug build.
static DRAWN: LazyLock<Vec<(CountryCode, Vec<u8>)>> =
    LazyLock::new(|| designs::all().map(|design| (design.code, drawn(design.code))).collect());

fn drawn(code: CountryCode) -> Vec<u8> {
    draw(code).expect("the country has a flag")
}

fn decoder(file: &[u8]) -> gif::Decoder<&[u8]> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    options.check_frame_consistency(true);
    options.read_info(file).expect("a GIF header")
}

/// Returns the name of the colour at a position in percent, for the colours that the tests need. Shading is too weak to
/// change the result.
fn colour_at(code: &str, across: usize, down: usize) -> &'static str {
    let file = drawn(CountryCode::literal(code));
    let mut decoder = decoder(&file);
    let frame = decoder.read_next_frame().expect("a valid GIF").expect("an image in the GIF");
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    let pixel = (height * down / 100 * width + width * across / 100) * 4;
    let bright = [0, 1, 2].map(|component| frame.buffer[pixel + component] > 140);
    match bright {
        [true, true, true] => "white",
        [true, false, false] => "red",
        [false, false, true] => "blue",
        _ => "other",
    }
}

#[test]
fn every_country_has_a_design_in_the_order_of_the_codes() {
    assert!(designs::all().map(|design| design.code).eq(COUNTRIES.iter().map(|country| country.code)));
}

#[test]
fn an_unassigned_code_has_no_flag() {
    assert_eq!(draw(CountryCode::literal("XX")), None);
}

#[test]
fn every_flag_has_the_size_of_its_design() {
    for (design, (code, file)) in designs::all().zip(DRAWN.iter()) {
        let mut decoder = decoder(file);
        let frame = decoder.read_next_frame().expect("a valid GIF").expect("an image in the GIF");
        assert_eq!((frame.width, frame.height), (design.width, design.height), "{code}");
    }
}

#[test]
fn vertical_stripes_are_in_order_from_the_mast() {
    assert_eq!([20, 50, 80].map(|across| colour_at("FR", across, 50)), ["blue", "white", "red"]);
}

#[test]
fn horizontal_stripes_are_in_order_from_the_top() {
    assert_eq!([20, 50, 80].map(|down| colour_at("RU", 50, down)), ["white", "blue", "red"]);
}

#[test]
fn a_disc_is_painted_over_its_field() {
    assert_eq!((colour_at("JP", 50, 50), colour_at("JP", 10, 50)), ("red", "white"));
}

#[test]
fn a_canton_is_next_to_the_mast() {
    assert_eq!((colour_at("TO", 5, 5), colour_at("TO", 20, 25), colour_at("TO", 50, 5)), ("white", "red", "red"));
}

#[test]
fn every_flag_is_a_single_image() {
    for (code, file) in DRAWN.iter() {
        let mut decoder = decoder(file);
        let mut images = 0;
        while decoder.next_frame_info().expect("a valid GIF").is_some() {
            images += 1;
        }
        assert_eq!(images, 1, "{code}");
    }
}

#[test]
fn every_flag_ends_with_the_gif_trailer() {
    for (code, file) in DRAWN.iter() {
        assert_eq!(file.last(), Some(&0x3B), "{code}");
    }
}

#[test]
fn every_flag_has_between_1_and_36_kilobytes() {
    for (code, file) in DRAWN.iter() {
        // Within the range for kilobytes of 1000 as well as of 1024 bytes.
        assert!((1024..=36_000).contains(&file.len()), "{code} has {} bytes", file.len());
    }
}

#[test]
fn the_popular_flags_have_13_kilobytes_on_average() {
    let popular = |code: &CountryCode| POPULAR.contains(&code.as_str());
    let drawn = DRAWN.iter().filter(|(code, _)| popular(code));
    let bytes: usize = drawn.map(|(_, file)| file.len()).sum();
    let average = bytes / POPULAR.len();
    assert!((12_800..=13_500).contains(&average), "the average is {average} bytes");
}

#[test]
fn drawing_a_flag_again_gives_the_same_bytes() {
    for (code, file) in DRAWN.iter().step_by(10) {
        assert_eq!(drawn(*code), *file, "{code}");
    }
}

#[test]
fn the_hash_of_all_flags_is_unchanged() {
    // FNV-1a. Update the hash after an intended change of a flag or of the encoder.
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    for byte in DRAWN.iter().flat_map(|(_, file)| file) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    assert_eq!(hash, 0x8508_B56F_E165_9260, "the hash is {hash:#018x}");
}
