//! The tables of the flags: for each its size, the coarseness of its cloth, and the layers that it
//! is made of.
//!
//! Width and height are those of the pictures on the chapter's site. The coarseness was found by
//! bisection, so that the drawn file weighs what that picture weighs, give or take one percent.

mod from_a_to_k;
mod from_l_to_z;

use super::canvas::Colour::*;
use super::layers::Layer::{self, *};
use crate::flags::codes::CountryCode;

/// How one flag is drawn.
pub(super) struct Design {
    pub(super) code: CountryCode,
    /// In pixels.
    pub(super) width: u16,
    /// In pixels.
    pub(super) height: u16,
    /// How much the threads of the cloth differ, in thousandths of a shade.
    pub(super) coarseness: u16,
    /// What is painted, the undermost first.
    pub(super) layers: &'static [Layer],
}

/// Every design, in the order of the codes.
pub(super) fn all() -> impl Iterator<Item = &'static Design> {
    from_a_to_k::FLAGS.iter().chain(from_l_to_z::FLAGS)
}

/// The design of the flag with this code, if it is a country's.
pub(super) fn of(code: CountryCode) -> Option<&'static Design> {
    all().find(|design| design.code == code)
}

/// One row of a table.
const fn flag(code: &'static str, width: u16, height: u16, coarseness: u16, layers: &'static [Layer]) -> Design {
    Design { code: CountryCode::written(code), width, height, coarseness, layers }
}

/// The Union Jack, alone on one flag and in the corner of several.
static UNION_JACK: [Layer; 5] =
    [Field(Navy), Saltire(20, White), Saltire(7, Red), Cross((50, 50), 33, White), Cross((50, 50), 20, Red)];
