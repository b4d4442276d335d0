//! A histogram of durations: percentiles of many values in little memory.

/// Counts durations in buckets whose width is at most 1/32 of their values, so that a percentile is at most that much too
/// long. The idea is Gil Tene's HdrHistogram.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

/// The number of buckets for each power of two.
const BUCKETS_PER_DOUBLING: u32 = 32;

impl Histogram {
    /// Adds a duration in nanoseconds.
    pub fn add(&mut self, duration: u64) {
        let bucket = bucket_of(duration);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(duration);
    }

    /// Returns the number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the longest duration, or 0 if there is none.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Returns the duration that this percentage of all durations does not exceed, or 0 if there is none.
    pub fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return max_of(bucket).min(self.max);
            }
        }
        0
    }
}

/// Returns the bucket of a duration. Durations below 32 ns have a bucket each; of longer ones, the five bits after the
/// highest select the bucket.
fn bucket_of(duration: u64) -> usize {
    let per_doubling = u64::from(BUCKETS_PER_DOUBLING);
    if duration < per_doubling {
        return duration as usize;
    }
    let doublings = duration.ilog2() - BUCKETS_PER_DOUBLING.ilog2();
    (u64::from(doublings) * per_doubling + (duration >> doublings)) as usize
}

/// Returns the longest duration that belongs to a bucket.
fn max_of(bucket: usize) -> u64 {
    let (bucket, per_doubling) = (bucket as u64, u64::from(BUCKETS_PER_DOUBLING));
    if bucket < 2 * per_doubling {
        return bucket;
    }
    let doublings = bucket / per_doubling - 1;
    let first = bucket - doublings * per_doubling;
    (first << doublings) + ((1 << doublings) - 1)
}

#[cfg(test)]
mod tests {
    use super::{Histogram, bucket_of, max_of};

    #[test]
    fn a_bucket_is_at_most_a_32nd_of_its_values_wide() {
        for duration in (0..5_000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX - 1, u64::MAX]) {
            let max = max_of(bucket_of(duration));
            assert!(max >= duration && max - duration <= duration / 32, "{duration} is counted as {max}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_durations() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), 0);
        (1..=20).rev().for_each(|duration| histogram.add(duration));
        assert_eq!((histogram.percentile(50), histogram.percentile(99), histogram.max()), (10, 20, 20));
    }
}
