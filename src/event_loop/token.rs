//! Tokens: the number that the kernel hands back with each event, and which source it belongs to.
//!
//! A token holds the source's place in the table and its generation, so that an event for a source that has just gone is not taken
//! for one of its successor in that place (mio warns of this, and every reactor has had the bug once).
//!
//! | `usize` | generation | index |
//! | --- | --- | --- |
//! | 64 bits | 32 bits: all of it | 32 bits |
//! | 32 bits | 12 bits: the lowest ones | 20 bits: a million sources, more than 4 GiB of memory have room for |

use mio::Token;

use crate::observe::SourceId;

/// The token of the operating system's waker, which is no source.
pub(super) const WAKER_TOKEN: Token = Token(usize::MAX);

const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// How many sources there can be. One index less than fits, or the last token could be that of the waker.
pub(super) const MAX_SOURCES: usize = INDEX_MASK;

/// Returns the token of a source.
pub(super) fn token_of(id: SourceId) -> Token {
    Token((id.generation as usize) << INDEX_BITS | id.index as usize)
}

/// Returns the place in the table of the source that the token is of.
pub(super) fn index_of(token: Token) -> usize {
    token.0 & INDEX_MASK
}

/// Returns the source that the token is of, if it is not in its place any more: of its generation, what the token holds.
pub(super) fn gone(token: Token) -> SourceId {
    SourceId { index: index_of(token) as u32, generation: (token.0 >> INDEX_BITS) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_a_source_from_those_before_and_after_it_in_its_place() {
        for index in [0, 1, 65_535, 65_536, MAX_SOURCES as u32 - 1] {
            let of = |generation| token_of(SourceId { index, generation });
            for generation in [1, 2, 4_094, 4_095, 65_535, 65_536, u32::MAX - 1] {
                assert_eq!(index_of(of(generation)), index as usize);
                assert_ne!(of(generation), of(generation + 1));
                assert_ne!(of(generation), WAKER_TOKEN);
            }
            assert_eq!(gone(of(77)), SourceId { index, generation: 77 });
        }
    }
}
