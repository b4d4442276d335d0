//! A stable hash, the same on all machines and in all versions, for sharding lists and as a short key for names, paths
//! and host names.
//!
//! The standard library does not guarantee a stable hash. This is FNV-1a (Fowler, Noll and Vo, with the 64-bit
//! constants), followed by the finalizer of MurmurHash3 (Austin Appleby). FNV alone distributes similar texts poorly
//! over the high bits; with the finalizer, every bit of the text affects every bit of the hash.

/// Returns a 64-bit hash that depends only on these bytes.
///
/// ```
/// assert_eq!(glassloop::download::stable_hash(b"http://a.test/"), 0xc6a4_f4a6_d546_3ef7);
/// ```
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// One of `of` shards of a list that is split among several machines. `number` is from 1 to `of`.
///
/// ```
/// use glassloop::download::Shard;
///
/// let shard: Shard = "2/4".parse()?;
/// assert_eq!((shard.number(), shard.of()), (2, 4));
/// assert!("5/4".parse::<Shard>().is_err() && "0/4".parse::<Shard>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// Returns the number of the shard, starting at 1.
    pub fn number(self) -> u64 {
        self.number
    }

    /// Returns the number of shards.
    pub fn of(self) -> u64 {
        self.of
    }

    /// Returns whether this text, such as a URL, belongs to the shard. Each text belongs to exactly one shard.
    pub fn holds(self, text: &str) -> bool {
        stable_hash(text.as_bytes()) % self.of == self.number - 1
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((number, of)) if 1 <= number && number <= of => Ok(Shard { number, of }),
            _ => Err("expected K/N with K from 1 to N, such as 1/4".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_is_in_exactly_one_shard_and_the_shards_are_about_equal() {
        let shards: Vec<Shard> = (1..=7).map(|number| Shard { number, of: 7 }).collect();
        let mut sizes = [0; 7];
        for number in 0..7000 {
            let url = format!("http://host.test/files/{number:05}.bin");
            let holding: Vec<usize> = (0..7).filter(|&at| shards[at].holds(&url)).collect();
            assert_eq!(holding.len(), 1, "{url}");
            sizes[holding[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (850..1150).contains(size)), "{sizes:?}");
    }
}
