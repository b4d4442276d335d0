//! The cloth of a flag: how much darker than its colour each pixel is drawn.
//!
//! The shading has soft folds across the flag, and random noise that stands for the threads. Its purpose is the size of
//! the file: LZW compresses a flat drawing to a kilobyte, and noise cannot be compressed, so the coarseness of the
//! cloth determines the size.

use super::angles::{ONE, sine};
use crate::flags::codes::CountryCode;

/// The width of a fold in pixels.
const FOLD_WIDTH: usize = 140;

/// Generates the shades of the pixels. [`shade`](Self::shade) must be called for each pixel in order, row by row.
pub(super) struct Cloth {
    coarseness: u32,
    /// The depth of the shadow in each column of a fold, from 0 to 2^15.
    fold: [u32; FOLD_WIDTH],
    noise: Noise,
}

impl Cloth {
    /// Creates the cloth of a country's flag. `coarseness` is the difference between the darkest and the lightest
    /// pixel, in thousandths of a shade. Below 1000 the flag has no shading; up to 10 000, 16 colours fit into a
    /// palette.
    pub(super) fn new(code: CountryCode, coarseness: u16) -> Self {
        let fold = std::array::from_fn(|column| {
            let degrees = column * 360 / FOLD_WIDTH;
            (sine(degrees as i32) + ONE) as u32 * 4
        });
        Self { coarseness: u32::from(coarseness), fold, noise: Noise::new(code) }
    }

    /// Returns the number of shades of each colour.
    pub(super) fn shades(&self) -> u8 {
        self.darkness(1 << 16) + 1
    }

    /// Returns the shade of the next pixel: 0 is the colour itself, 1 is one shade darker, and so on.
    pub(super) fn shade(&mut self, column: usize, row: usize) -> u8 {
        let fold = self.fold[(column + row / 3) % FOLD_WIDTH];
        let noise = self.noise.next();
        // The noise has more weight than the folds, since it determines the size of the file.
        self.darkness((fold + 3 * noise) / 2)
    }

    /// Converts a depth of shadow, from 0 to 2^16, to a shade.
    fn darkness(&self, shadow: u32) -> u8 {
        (shadow * self.coarseness / (1000 << 16)) as u8
    }
}

/// Returns a colour darkened to the given shade.
pub(super) fn shaded(colour: [u8; 3], shade: u8) -> [u8; 3] {
    // Each shade is darker by 1/48 of the colour, little enough to look like cloth.
    colour.map(|light| light - (u16::from(light) * u16::from(shade) / 48) as u8)
}

/// A random number generator (Marsaglia, "Xorshift RNGs", 2003), seeded with the country's code.
struct Noise {
    state: u32,
}

impl Noise {
    fn new(code: CountryCode) -> Self {
        let seed = code.as_str().bytes().fold(0, |seed, letter| seed << 8 | u32::from(letter));
        // Fibonacci hashing spreads the seed over all bits. The result is never zero, from which xorshift would never
        // leave, because the seed is not zero and the factor is odd.
        Self { state: seed.wrapping_mul(0x9E37_79B9) }
    }

    /// Returns a uniformly distributed number from 0 to 2^15 − 1.
    fn next(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state >> 17
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the shades of 200 by 100 pixels.
    fn shades(code: &'static str, coarseness: u16) -> Vec<u8> {
        let mut cloth = Cloth::new(CountryCode::literal(code), coarseness);
        let pixels = (0..100).flat_map(|row| (0..200).map(move |column| (column, row)));
        pixels.map(|(column, row)| cloth.shade(column, row)).collect()
    }

    #[test]
    fn a_coarseness_below_1000_gives_no_shading() {
        assert!(shades("FR", 999).iter().all(|&shade| shade == 0));
    }

    #[test]
    fn coarse_cloth_uses_exactly_the_shades_that_it_reports() {
        let cloth = Cloth::new(CountryCode::literal("FR"), 3500);
        let shades = shades("FR", 3500);
        let used: Vec<u8> = (0..=u8::MAX).filter(|shade| shades.contains(shade)).collect();
        assert_eq!(used, (0..cloth.shades()).collect::<Vec<_>>());
    }

    #[test]
    fn different_countries_have_different_cloth() {
        assert_ne!(shades("FR", 2000), shades("RF", 2000));
    }

    #[test]
    fn each_shade_is_darker_than_the_one_before() {
        let white = [255; 3];
        assert!((0..10).all(|shade| shaded(white, shade + 1) < shaded(white, shade)));
    }
}
