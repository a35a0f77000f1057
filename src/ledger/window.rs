//! How often each key occurred in the last hour of the log, minute by minute.

use std::collections::BTreeMap;
use std::hash::Hash;

use foldhash::fast::RandomState;
use gatelog_parsers::time_stamp::UnixMillis;
use hashbrown::HashMap;

use crate::limits::WINDOW_KEYS_PER_MINUTE_MAX;

/// How many minutes are kept.
pub const WINDOW_MINUTES: i64 = 60;

/// Counts by key over the minutes up to the latest event.
#[derive(Clone, Debug)]
pub struct Window<K> {
    minutes: BTreeMap<i64, HashMap<K, u64, RandomState>>,
    /// The minute of the latest event; what is an hour older than it counts no more.
    latest: i64,
    /// The first time after that minute.
    next: UnixMillis,
}

/// Whether an event was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It was, or it is too old to matter.
    Yes,
    /// Its minute has [`WINDOW_KEYS_PER_MINUTE_MAX`] keys already.
    Full,
}

impl<K: Copy + Hash + Eq> Window<K> {
    /// An empty window.
    pub fn new() -> Window<K> {
        Window { minutes: BTreeMap::new(), latest: i64::MIN, next: i64::MIN }
    }

    /// Moves the window to an event's time.
    #[inline]
    pub fn advance(&mut self, time: UnixMillis) {
        if time >= self.next {
            self.advance_minute(time);
        }
    }

    fn advance_minute(&mut self, time: UnixMillis) {
        let minute = time.div_euclid(60_000);
        if minute > self.latest {
            self.latest = minute;
            self.next = minute.saturating_add(1).saturating_mul(60_000);
            self.minutes = self.minutes.split_off(&self.first());
        }
    }

    /// Counts an occurrence.
    pub fn add(&mut self, key: K, time: UnixMillis, count: u64) -> Counted {
        self.advance(time);
        let minute = time.div_euclid(60_000);
        if minute < self.first() {
            return Counted::Yes;
        }
        let keys = self.minutes.entry(minute).or_default();
        if keys.len() >= WINDOW_KEYS_PER_MINUTE_MAX && !keys.contains_key(&key) {
            return Counted::Full;
        }
        *keys.entry(key).or_default() += count;
        Counted::Yes
    }

    /// Adds all of `other`; returns how many keys found no place.
    pub fn merge(&mut self, other: &Window<K>) -> u64 {
        let mut full = 0;
        for (minute, keys) in &other.minutes {
            for (key, count) in keys {
                let counted = self.add(*key, minute.saturating_mul(60_000), *count);
                full += u64::from(counted == Counted::Full);
            }
        }
        self.advance(other.latest.saturating_mul(60_000));
        full
    }

    /// The sums over the hour up to `now` (at least the latest event), most first, at most `most`;
    /// keys of the same count in no order.
    pub fn top(&self, now: UnixMillis, most: usize) -> Vec<(K, u64)> {
        let first = self.first().max(now.div_euclid(60_000).saturating_sub(WINDOW_MINUTES - 1));
        let mut sums: HashMap<K, u64, RandomState> = HashMap::default();
        for (key, count) in self.minutes.range(first..).flat_map(|(_, keys)| keys) {
            *sums.entry(*key).or_default() += count;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sums.truncate(most);
        sums
    }

    /// The minutes kept and what was counted in each, the earliest first.
    pub(super) fn minutes(&self) -> impl Iterator<Item = (i64, &HashMap<K, u64, RandomState>)> {
        self.minutes.iter().map(|(minute, keys)| (*minute, keys))
    }

    /// The minute of the latest event; none before the first.
    pub(super) fn latest_minute(&self) -> Option<i64> {
        Some(self.latest).filter(|latest| *latest > i64::MIN)
    }

    fn first(&self) -> i64 {
        self.latest.saturating_sub(WINDOW_MINUTES - 1)
    }
}

impl<K: Copy + Hash + Eq> Default for Window<K> {
    fn default() -> Self {
        Window::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;

    fn of(events: &[(u8, i64)]) -> Window<u8> {
        let mut window = Window::new();
        for (key, minute) in events {
            window.add(*key, minute * MINUTE, 1);
        }
        window
    }

    fn sorted(window: &Window<u8>, now: i64) -> Vec<(u8, u64)> {
        let mut top = window.top(now * MINUTE, 100);
        top.sort_unstable();
        top
    }

    #[test]
    fn an_hour() {
        let window = of(&[(1, 0), (1, 59), (2, 59)]);
        assert_eq!(sorted(&window, 59), [(1, 2), (2, 1)]);
        assert_eq!(sorted(&window, 60), [(1, 1), (2, 1)]);
        assert_eq!(sorted(&window, 118), [(1, 1), (2, 1)]);
        assert_eq!(sorted(&window, 119), []);
        assert_eq!(sorted(&of(&[(1, 100), (1, 40), (1, 41)]), 0), [(1, 2)]);
        assert_eq!(window.top(59 * MINUTE, 1), [(1, 2)]);
    }

    #[test]
    fn full() {
        let mut window = Window::new();
        for key in 0..WINDOW_KEYS_PER_MINUTE_MAX {
            assert_eq!(window.add(key, 0, 1), Counted::Yes);
        }
        assert_eq!(window.add(usize::MAX, 0, 1), Counted::Full);
        assert_eq!(window.add(0, 0, 1), Counted::Yes);
        assert_eq!(window.add(usize::MAX, MINUTE, 1), Counted::Yes);
    }

    proptest! {
        #[test]
        fn merging_equals_counting_both(
            a in proptest::collection::vec((0u8..5, 0i64..200), 0..40),
            b in proptest::collection::vec((0u8..5, 0i64..200), 0..40),
        ) {
            let whole = of(&[a.clone(), b.clone()].concat());
            let (mut left, right) = (of(&a), of(&b));
            left.merge(&right);
            prop_assert_eq!(sorted(&left, 0), sorted(&whole, 0));
        }
    }
}
