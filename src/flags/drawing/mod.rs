//! Draws the flags, for a server without image files.
//!
//! Drawing a flag has five steps:
//!
//! | file | subject |
//! | --- | --- |
//! | `designs` | the table of all flags, with their size, layers and coarseness of cloth |
//! | `layers` | converts stripes, crosses, stars and other shapes to polygons and discs |
//! | `canvas` | rasterizes polygons and discs |
//! | `cloth` | shades the pixels, to simulate cloth |
//! | `image` | encodes the pixels as a GIF |
//!
//! Drawing uses only integer arithmetic, and random numbers that are seeded with the country's code, so a flag has the
//! same bytes on every machine. The cloth makes a drawn flag as large as the real image of it, 1 to 36 KB and 13 KB on
//! average for the popular twenty, so that downloads take the same time. The images are simplified: a coat of arms is
//! drawn as a plain shield.

mod angles;
mod canvas;
mod cloth;
mod designs;
mod image;
mod layers;

use super::codes::CountryCode;

/// Draws the flag with this code and returns it as a GIF, or `None` if the code is not assigned to a country.
///
/// This takes a few milliseconds, most of them for compression, so callers should cache the result.
///
/// ```
/// use glassloop::flags::drawing::draw;
///
/// let japan = draw("JP".parse()?).expect("Japan has a flag");
/// assert!(japan.starts_with(b"GIF89a"));
/// assert!(draw("XX".parse()?).is_none());
/// # Ok::<(), glassloop::flags::codes::CodeError>(())
/// ```
pub fn draw(code: CountryCode) -> Option<Vec<u8>> {
    let design = designs::of(code)?;
    let mut canvas = canvas::Canvas::new(design.width, design.height);
    let frame = canvas.frame();
    layers::paint(&mut canvas, frame, design.layers);
    let cloth = cloth::Cloth::new(code, design.coarseness);
    Some(image::encode(&canvas, cloth))
}

#[cfg(test)]
mod tests;
