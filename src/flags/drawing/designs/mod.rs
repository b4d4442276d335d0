//! The tables of the flags: the size, coarseness of cloth and layers of each.
//!
//! Width and height are those of the images on the site of the book. The coarseness was found by bisection, so that the
//! size of the drawn file differs from that of the real one by at most one percent.

mod from_a_to_k;
mod from_l_to_z;

use super::canvas::Colour::*;
use super::layers::Layer::{self, *};
use crate::flags::codes::CountryCode;

/// The description of one flag.
pub(super) struct Design {
    pub(super) code: CountryCode,
    /// The width in pixels.
    pub(super) width: u16,
    /// The height in pixels.
    pub(super) height: u16,
    /// The coarseness of the cloth in thousandths of a shade; see [`Cloth::new`](super::cloth::Cloth::new).
    pub(super) coarseness: u16,
    /// The layers, from bottom to top.
    pub(super) layers: &'static [Layer],
}

/// Returns all designs, sorted by code.
pub(super) fn all() -> impl Iterator<Item = &'static Design> {
    from_a_to_k::FLAGS.iter().chain(from_l_to_z::FLAGS)
}

/// Returns the design of the flag with this code, or `None` if the code is not assigned to a country.
pub(super) fn of(code: CountryCode) -> Option<&'static Design> {
    all().find(|design| design.code == code)
}

/// Creates a row of a table.
const fn flag(code: &'static str, width: u16, height: u16, coarseness: u16, layers: &'static [Layer]) -> Design {
    Design { code: CountryCode::literal(code), width, height, coarseness, layers }
}

/// The Union Jack, which is also part of other flags.
static UNION_JACK: [Layer; 5] =
    [Field(Navy), Saltire(20, White), Saltire(7, Red), Cross((50, 50), 33, White), Cross((50, 50), 20, Red)];
