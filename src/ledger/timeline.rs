//! Requests and failures over time, in buckets that widen when there are too many of them.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Decoder, Encode, decode};

use super::counts::decode_count;
use super::table::block_bytes;
use crate::limits::TIMELINE_BUCKETS_MAX;

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
    #[cbor(n(1), decode_with = "decode_count")]
    pub requests: u64,
    /// Requests that failed verification, of every source: with denial logs there may be more of them.
    #[cbor(n(2), decode_with = "decode_count")]
    pub failures: u64,
}

/// Buckets in the order of time. Its width is the smallest at which there are few enough of them,
/// so it depends on the requests alone and not on their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
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

/// [`Timeline`] as it is stored: the same fields with the same numbers.
#[derive(Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    buckets_max: usize,
    #[n(1)]
    width_seconds: i64,
    #[n(2)]
    buckets: Vec<Bucket>,
}

/// Fewest buckets that there may be: those before 1970 and those after it never become one.
const BUCKETS_MAX_MIN: usize = 2;

/// Longest width and farthest start that are believed: a bucket can then be put into wider ones.
const SECONDS_MAX: i64 = i64::MAX / 4;

impl Stored {
    /// Whether a timeline can have come to this.
    fn is_plausible(&self) -> bool {
        let Stored { buckets_max, width_seconds, buckets } = self;
        let starts = -SECONDS_MAX..=SECONDS_MAX;
        (BUCKETS_MAX_MIN..=TIMELINE_BUCKETS_MAX).contains(buckets_max)
            && (WIDTHS_SECONDS[0]..=SECONDS_MAX).contains(width_seconds)
            && buckets.len() <= *buckets_max
            && buckets.iter().all(|bucket| starts.contains(&bucket.start_seconds))
            && buckets.is_sorted_by(|one, next| one.start_seconds < next.start_seconds)
    }
}

impl<'b, C> Decode<'b, C> for Timeline {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let stored: Stored = d.decode_with(context)?;
        if !stored.is_plausible() {
            return Err(decode::Error::message("no timeline is like that"));
        }
        let Stored { buckets_max, width_seconds, buckets } = stored;
        Ok(Timeline { buckets_max, width_seconds, buckets, last: 0 })
    }
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
    use crate::limits::STORED_COUNT_MAX;
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
    fn what_no_timeline_is_like_is_not_read() {
        let bucket = |start_seconds, requests| Bucket { start_seconds, requests, failures: 0 };
        let most = STORED_COUNT_MAX;
        for (case, buckets_max, width_seconds, buckets, is_read) in [
            ("few buckets", 2, 60, vec![bucket(-60, 1), bucket(60, most)], true),
            ("wide ones", 2, SECONDS_MAX, vec![bucket(-SECONDS_MAX, 1), bucket(0, 1)], true),
            ("no width", 2, 0, vec![], false),
            ("a width below zero", 2, -60, vec![], false),
            ("a width beyond all time", 2, SECONDS_MAX + 1, vec![], false),
            ("no bucket ever", 0, 60, vec![], false),
            ("one bucket ever, never", 1, 60, vec![], false),
            ("buckets without end", usize::MAX, 60, vec![], false),
            ("more than there may be", 2, 60, (0..3).map(|n| bucket(n * 60, 1)).collect(), false),
            ("in no order", 2, 60, vec![bucket(60, 1), bucket(0, 1)], false),
            ("twice the same", 2, 60, vec![bucket(60, 1), bucket(60, 1)], false),
            ("before all time", 2, 60, vec![bucket(-SECONDS_MAX - 1, 1)], false),
            ("a count beyond all counts", 2, 60, vec![bucket(60, most + 1)], false),
        ] {
            let timeline = Timeline { buckets_max, width_seconds, buckets, last: 0 };
            let bytes = minicbor::to_vec(&timeline).unwrap();
            let read = minicbor::decode::<Timeline>(&bytes);
            assert_eq!(read.is_ok(), is_read, "{case}");
            if let Ok(mut read) = read {
                assert_eq!(read, timeline, "{case}");
                for millis in [i64::MIN, 0, 1, i64::MAX] {
                    read.add(millis, true);
                }
                read.merge(&timeline);
                assert!(read.buckets().len() <= 2, "{case}");
            }
        }
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
