//! Tokens: the numbers that the kernel returns with each event, and the sources that they belong to.
//!
//! A token consists of the index and the generation of a source's id. So an event of a source that has just been removed is
//! not mistaken for one of the next source with that index. mio's documentation warns of this bug, which is common.
//!
//! | `usize` | generation | index |
//! | --- | --- | --- |
//! | 64 bits | 32 bits: all of it | 32 bits |
//! | 32 bits | 12 bits: the lowest ones | 20 bits: a million sources, more than fit into 4 GiB of memory |

use mio::Token;

use crate::observe::SourceId;

/// The token of the operating system's waker, which is not a source.
pub(super) const WAKER_TOKEN: Token = Token(usize::MAX);

const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// The maximum number of sources. It is one less than the number of indices, so that no token equals that of the waker.
pub(super) const MAX_SOURCES: usize = INDEX_MASK;

/// Returns the token of a source.
pub(super) fn token_of(id: SourceId) -> Token {
    Token((id.generation as usize) << INDEX_BITS | id.index as usize)
}

/// Returns the index of the source that a token belongs to.
pub(super) fn index_of(token: Token) -> usize {
    token.0 & INDEX_MASK
}

/// Returns the id of a source that has been removed. On 32-bit platforms, the token contains only part of the generation.
pub(super) fn id_of_removed(token: Token) -> SourceId {
    SourceId { index: index_of(token) as u32, generation: (token.0 >> INDEX_BITS) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_successive_sources_with_one_index_differ() {
        for index in [0, 1, 65_535, 65_536, MAX_SOURCES as u32 - 1] {
            let of = |generation| token_of(SourceId { index, generation });
            for generation in [1, 2, 4_094, 4_095, 65_535, 65_536, u32::MAX - 1] {
                assert_eq!(index_of(of(generation)), index as usize);
                assert_ne!(of(generation), of(generation + 1));
                assert_ne!(of(generation), WAKER_TOKEN);
            }
            assert_eq!(id_of_removed(of(77)), SourceId { index, generation: 77 });
        }
    }
}
