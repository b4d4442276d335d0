//! Many times, in little memory: how many there were, the longest, and how long all but a few of them took.

/// Counts times in buckets that are 1/32 of their size wide, so a percentile is at most that much too long. The idea is
/// Gil Tene's HdrHistogram.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

/// Buckets for each doubling.
const STEPS: u32 = 32;

impl Spread {
    /// One more time, in nanoseconds.
    pub fn add(&mut self, time: u64) {
        let bucket = bucket_of(time);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// The time that so many in a hundred did not exceed. 0 if there were none.
    pub fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return longest_in(bucket).min(self.longest);
            }
        }
        0
    }
}

/// Short times have a bucket each; of longer ones, the five bits after the first decide.
fn bucket_of(time: u64) -> usize {
    let steps = u64::from(STEPS);
    if time < steps {
        return time as usize;
    }
    let doublings = time.ilog2() - STEPS.ilog2();
    (u64::from(doublings) * steps + (time >> doublings)) as usize
}

fn longest_in(bucket: usize) -> u64 {
    let (bucket, steps) = (bucket as u64, u64::from(STEPS));
    if bucket < 2 * steps {
        return bucket;
    }
    let doublings = bucket / steps - 1;
    let first = bucket - doublings * steps;
    (first << doublings) + ((1 << doublings) - 1)
}

#[cfg(test)]
mod tests {
    use super::{Spread, bucket_of, longest_in};

    #[test]
    fn each_time_is_in_a_bucket_that_is_a_32nd_of_it_wide_at_most() {
        for time in (0..5_000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX - 1, u64::MAX]) {
            let longest = longest_in(bucket_of(time));
            assert!(longest >= time && longest - time <= time / 32, "{time} is counted as {longest}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentile(50), 0);
        (1..=20).rev().for_each(|time| spread.add(time));
        assert_eq!((spread.percentile(50), spread.percentile(99), spread.longest()), (10, 20, 20));
    }
}
