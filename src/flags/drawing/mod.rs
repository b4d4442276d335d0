//! Draws the flags, for a server that was given no real pictures of them.
//!
//! A flag passes through five hands, one file each:
//!
//! | file | what it does |
//! | --- | --- |
//! | `designs` | knows of every flag its size, its layers, and how coarse its cloth is |
//! | `layers` | makes polygons and discs of stripes, crosses, stars and the like |
//! | `canvas` | makes pixels of polygons and discs |
//! | `weave` | shades the pixels, as if the flag were cloth |
//! | `picture` | packs the pixels into a GIF |
//!
//! All of it is integer arithmetic and its chance is seeded with the country's code: a flag is
//! the same bytes whenever and wherever it is drawn. The weave is what makes a drawn flag as
//! heavy to send as the photograph-like pictures that stand on the real site, and so a fair
//! stand-in for them: 1 to 36 KB, 13 KB on average for the popular twenty. The pictures are
//! recognisable, not heraldry: a coat of arms becomes a plain shield.

mod angles;
mod canvas;
mod designs;
mod layers;
mod picture;
mod weave;

use super::codes::CountryCode;

/// Draws the flag with this code as a GIF; `None` if it is no country's.
///
/// Takes a few milliseconds, most of them for the compression: draw each flag once and keep it.
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
    let whole = canvas.frame();
    layers::paint(&mut canvas, whole, design.layers);
    let cloth = weave::Cloth::new(code, design.coarseness);
    Some(picture::encode(&canvas, cloth))
}

#[cfg(test)]
mod tests;
