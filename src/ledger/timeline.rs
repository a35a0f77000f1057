//! Requests and failures over time, in buckets that widen when there are too many of them.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Encode};

use super::table::block_bytes;

/// Widths in seconds; each divides the next, so that widening moves whole buckets.
const WIDTHS_SECONDS: [i64; 8] = [60, 300, 900, 3600, 21_600, 86_400, 604_800, 2_419_200];

/// The requests of a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Bucket {
    /// Where it starts, seconds since 1970; a multiple of the width.
    #[n(0)]
    pub start_seconds: i64,
    /// All requests of sources that log everything.
    #[n(1)]
    pub requests: u64,
    /// Requests that failed verification, of every source: with denial logs there may be more of them.
    #[n(2)]
    pub failures: u64,
}

/// Buckets in the order of time. Its width is the smallest at which there are few enough of them,
/// so it depends on the requests alone and not on their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Timeline {
    #[n(0)]
    buckets_max: usize,
    #[n(1)]
    width_seconds: i64,
    #[n(2)]
    buckets: Vec<Bucket>,
    /// Where the last request fell; the next is likely to fall there too.
    #[cbor(skip)]
    last: usize,
}

impl Timeline {
    /// A timeline of at most `buckets_max` buckets.
    pub fn new(buckets_max: usize) -> Timeline {
        Timeline { buckets_max, width_seconds: WIDTHS_SECONDS[0], buckets: Vec::new(), last: 0 }
    }

    /// Counts a request and returns by how many bytes that made the timeline grow; widening shrinks it.
    pub fn add(&mut self, time: UnixMillis, failure: bool) -> isize {
        self.count(time, 1, failure.into())
    }

    /// Counts a failure of a source that does not log everything; returns as [`Timeline::add`] does.
    pub fn add_failure(&mut self, time: UnixMillis) -> isize {
        self.count(time, 0, 1)
    }

    fn count(&mut self, time: UnixMillis, requests: u64, failures: u64) -> isize {
        if let Some(bucket) = self.buckets.get_mut(self.last)
            && let into = time.saturating_sub(bucket.start_seconds.saturating_mul(1000))
            && (0..self.width_seconds.saturating_mul(1000)).contains(&into)
        {
            bucket.requests += requests;
            bucket.failures += failures;
            return 0;
        }
        let before = self.owned_bytes();
        let second = time.div_euclid(1000);
        self.put(Bucket { start_seconds: second, requests, failures });
        self.owned_bytes().cast_signed() - before.cast_signed()
    }

    /// What it owns, in bytes.
    pub fn owned_bytes(&self) -> usize {
        block_bytes(std::mem::size_of_val(&*self.buckets))
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Timeline) {
        while self.width_seconds < other.width_seconds {
            self.widen();
        }
        other.buckets.iter().for_each(|bucket| self.put(*bucket));
    }

    /// The buckets that hold something, in the order of time.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// How long a bucket is.
    pub fn width_seconds(&self) -> i64 {
        self.width_seconds
    }

    /// The start of the first bucket that begins after `seconds`, and the requests from there on.
    pub fn after(&self, seconds: i64) -> (Option<i64>, u64) {
        let from = self.buckets.partition_point(|bucket| bucket.start_seconds <= seconds);
        let later = self.buckets.get(from..).unwrap_or_default();
        let requests = later.iter().map(|bucket| bucket.requests).sum();
        (later.first().map(|bucket| bucket.start_seconds), requests)
    }

    fn put(&mut self, mut bucket: Bucket) {
        let seconds = bucket.start_seconds;
        bucket.start_seconds = seconds - seconds.rem_euclid(self.width_seconds);
        let place = self.buckets.binary_search_by_key(&bucket.start_seconds, |b| b.start_seconds);
        match place {
            Ok(index) => {
                if let Some(same) = self.buckets.get_mut(index) {
                    same.requests += bucket.requests;
                    same.failures += bucket.failures;
                }
                self.last = index;
            }
            Err(index) => {
                // Each certificate that was refused has a timeline, of one bucket as a rule.
                self.buckets.reserve_exact(1);
                self.buckets.insert(index, bucket);
                self.last = index;
                while self.buckets.len() > self.buckets_max {
                    self.widen();
                }
            }
        }
    }

    fn widen(&mut self) {
        let wider = WIDTHS_SECONDS.into_iter().find(|width| *width > self.width_seconds);
        self.width_seconds = wider.unwrap_or(self.width_seconds.saturating_mul(2));
        for bucket in std::mem::take(&mut self.buckets) {
            let start = bucket.start_seconds - bucket.start_seconds.rem_euclid(self.width_seconds);
            match self.buckets.last_mut() {
                Some(last) if last.start_seconds == start => {
                    last.requests += bucket.requests;
                    last.failures += bucket.failures;
                }
                _ => self.buckets.push(Bucket { start_seconds: start, ..bucket }),
            }
        }
        self.last = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(times: &[i64]) -> Timeline {
        let mut timeline = Timeline::new(5);
        for time in times {
            timeline.add(*time, time % 2 == 0);
        }
        timeline.last = 0;
        timeline
    }

    #[test]
    fn widens_when_full() {
        let minutes = |n: i64| (0..n).map(|i| i * 60_000).collect::<Vec<_>>();
        assert_eq!(of(&minutes(5)).width_seconds(), 60);
        assert_eq!(of(&minutes(6)).width_seconds(), 300);
        assert_eq!(of(&minutes(6)).buckets().len(), 2);
        let far_apart = of(&[0, 900_000_000, 1_800_000_000_000, i64::MAX / 2, -1_800_000_000_000]);
        assert_eq!(far_apart.buckets().len(), 5);
        assert_eq!(of(&[-1]).buckets()[0].start_seconds, -60);
    }

    #[test]
    fn what_it_owns_is_what_it_said() {
        let mut timeline = Timeline::new(5);
        let said: isize = (0..100).map(|minute| timeline.add(minute * 60_000, true)).sum();
        assert_eq!(timeline.owned_bytes().cast_signed(), said);
        assert!(timeline.width_seconds() > 60);
    }

    #[test]
    fn after_a_time() {
        let timeline = of(&[0, 60_000, 61_000, 120_000]);
        assert_eq!(timeline.after(-1), (Some(0), 4));
        assert_eq!(timeline.after(0), (Some(60), 3));
        assert_eq!(timeline.after(119), (Some(120), 1));
        assert_eq!(timeline.after(120), (None, 0));
    }

    proptest! {
        #[test]
        fn merging_equals_counting_both(
            a in proptest::collection::vec(-10_000_000i64..10_000_000, 0..40),
            b in proptest::collection::vec(-10_000_000i64..10_000_000, 0..40),
        ) {
            let whole = of(&[a.clone(), b.clone()].concat());
            let (mut left, right) = (of(&a), of(&b));
            left.merge(&right);
            left.last = 0;
            prop_assert_eq!(left, whole);
        }
    }
}
