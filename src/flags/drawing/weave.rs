//! The cloth of a flag: how much darker than its colour each pixel is.
//!
//! Soft folds hang across the flag, and every thread differs a little from the next. A plain
//! drawing packs into a kilobyte, because LZW lives on repetition; each thread that differs
//! takes bits. The coarseness of the cloth therefore sets the size of the file.

use super::angles::{ONE, sine};
use crate::flags::codes::CountryCode;

/// How wide a fold is, in pixels.
const FOLD_WIDTH: usize = 140;

/// What a cloth looks like, pixel by pixel: take the [`shade`](Self::shade) of each in order,
/// row by row.
pub(super) struct Cloth {
    coarseness: u32,
    /// How far in the shadow each column of a fold lies, from 0 to 2^15.
    fold: [u32; FOLD_WIDTH],
    threads: Threads,
}

impl Cloth {
    /// A cloth that is the country's own. Coarseness is in thousandths of a shade: by so much
    /// do its darkest threads differ from its lightest. It is plain below 1000, and palettes
    /// have room up to 10 000.
    pub(super) fn new(code: CountryCode, coarseness: u16) -> Self {
        let fold = std::array::from_fn(|column| {
            let degrees = column * 360 / FOLD_WIDTH;
            (sine(degrees as i32) + ONE) as u32 * 4
        });
        Self { coarseness: u32::from(coarseness), fold, threads: Threads::new(code) }
    }

    /// In how many shades a colour appears on this cloth.
    pub(super) fn shades(&self) -> u8 {
        self.darkness(1 << 16) + 1
    }

    /// How dark the next pixel is: 0 is its colour, and each step after it is a shade darker.
    pub(super) fn shade(&mut self, column: usize, row: usize) -> u8 {
        let fold = self.fold[(column + row / 3) % FOLD_WIDTH];
        let thread = self.threads.next_thickness();
        // The threads count for more than the folds, as it is they that take bits.
        self.darkness((fold + 3 * thread) / 2)
    }

    /// The shade for a shadow from 0 to 2^16.
    fn darkness(&self, shadow: u32) -> u8 {
        (shadow * self.coarseness / (1000 << 16)) as u8
    }
}

/// A colour in one of its shades.
pub(super) fn shaded(colour: [u8; 3], shade: u8) -> [u8; 3] {
    // A shade takes 1/48 of the light: seen as cloth, not as dirt.
    colour.map(|light| light - (u16::from(light) * u16::from(shade) / 48) as u8)
}

/// How thick the threads are: Marsaglia's xorshift ("Xorshift RNGs", 2003), seeded with the
/// country's code.
struct Threads {
    state: u32,
}

impl Threads {
    fn new(code: CountryCode) -> Self {
        let seed = code.as_str().bytes().fold(0, |seed, letter| seed << 8 | u32::from(letter));
        // Spread over all bits by an odd constant (the golden ratio's); never zero, where
        // xorshift would stay.
        Self { state: seed.wrapping_mul(0x9E37_79B9) }
    }

    /// From 0 to 2^15 − 1, each as likely as another.
    fn next_thickness(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state >> 17
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shades of a cloth of 200 by 100 pixels.
    fn woven(code: &'static str, coarseness: u16) -> Vec<u8> {
        let mut cloth = Cloth::new(CountryCode::written(code), coarseness);
        let places = (0..100).flat_map(|row| (0..200).map(move |column| (column, row)));
        places.map(|(column, row)| cloth.shade(column, row)).collect()
    }

    #[test]
    fn cloth_below_a_thousand_is_plain() {
        assert!(woven("FR", 999).iter().all(|&shade| shade == 0));
    }

    #[test]
    fn coarse_cloth_shows_all_its_shades_and_no_other() {
        let cloth = Cloth::new(CountryCode::written("FR"), 3500);
        let woven = woven("FR", 3500);
        let shown: Vec<u8> = (0..=u8::MAX).filter(|shade| woven.contains(shade)).collect();
        assert_eq!(shown, (0..cloth.shades()).collect::<Vec<_>>());
    }

    #[test]
    fn two_countries_have_different_cloth() {
        assert_ne!(woven("FR", 2000), woven("RF", 2000));
    }

    #[test]
    fn a_shade_is_darker_than_the_one_before() {
        let white = [255; 3];
        assert!((0..10).all(|shade| shaded(white, shade + 1) < shaded(white, shade)));
    }
}
