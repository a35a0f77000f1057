//! Requests that two sources carry: the same log followed twice, or a full log beside the denial log
//! of the same server. They count twice, and nothing but `$request_id` tells.
//!
//! nginx draws `$request_id` at random for each request and logs it again for internal redirects and
//! subrequests, so that it may come several times in one source. A table of fixed size holds the
//! latest; when it is full, only those are looked at whose hash falls into a sample, half as large
//! each time. A log of which little is in the sample still shows: twins come in great numbers or not
//! at all.

use std::collections::BTreeMap;

use super::distinct::Seed;
use crate::limits::{REQUEST_IDS_MAX, REQUEST_IDS_SAMPLE_BITS_MAX, TWIN_SOURCES_MAX};

const _: () = assert!(TWIN_SOURCES_MAX <= u64::BITS as usize, "a bit for each");

/// What is known of requests by their `$request_id`.
#[derive(Clone, Debug, Default)]
pub struct Twins {
    /// By the low bits of their hash; none before the first.
    slots: Vec<Slot>,
    /// How many are taken.
    taken: usize,
    /// Hashes whose so many high bits are zero are in the sample.
    sample_bits: u32,
    /// Each has a number, its place; further ones are not looked at.
    sources: Vec<Box<str>>,
    /// The last one seen; the next is likely to be the same.
    last: usize,
    /// Requests by the numbers of two sources, the smaller first.
    pairs: BTreeMap<(usize, usize), u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u64,
    /// The sources that had it, a bit each; none in an empty slot.
    sources: u64,
}

/// Two sources that carry the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The one that was read first.
    pub first: &'a str,
    /// The other.
    pub other: &'a str,
    /// Requests of the sample that were seen in both.
    pub requests: u64,
}

impl Twins {
    /// Takes in a request of a source; returns whether there are too many sources to tell it apart.
    pub fn see(&mut self, request_id: &[u8], source: &str, seed: &Seed) -> bool {
        let Some(number) = self.number(source) else { return true };
        self.put(Slot { hash: seed.hash(request_id), sources: 1 << number });
        false
    }

    /// Adds what `other` has seen, with the same seed.
    pub(super) fn merge(&mut self, other: &Twins) {
        let numbers: Vec<_> = other.sources.iter().map(|source| self.number(source)).collect();
        let number = |theirs: usize| numbers.get(theirs).copied().flatten();
        for ((first, second), requests) in &other.pairs {
            if let (Some(first), Some(second)) = (number(*first), number(*second)) {
                self.add_pair(first, second, *requests);
            }
        }
        while self.sample_bits < other.sample_bits {
            self.halve();
        }
        for theirs in &other.slots {
            let bits = (0..other.sources.len()).filter(|bit| theirs.sources >> bit & 1 == 1);
            let sources = bits.filter_map(number).fold(0, |bits, mine| bits | 1 << mine);
            if sources != 0 {
                self.put(Slot { hash: theirs.hash, sources });
            }
        }
    }

    /// The pairs of sources that carry the same requests, and how many were seen in both.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        self.pairs.iter().filter_map(|((first, other), requests)| {
            let (first, other) = (self.sources.get(*first)?, self.sources.get(*other)?);
            Some(Pair { first, other, requests: *requests })
        })
    }

    fn number(&mut self, source: &str) -> Option<usize> {
        if self.sources.get(self.last).is_none_or(|known| **known != *source) {
            self.last = match self.sources.iter().position(|known| **known == *source) {
                Some(number) => number,
                None if self.sources.len() >= TWIN_SOURCES_MAX => return None,
                None => {
                    self.sources.push(source.into());
                    self.sources.len() - 1
                }
            };
        }
        Some(self.last)
    }

    fn put(&mut self, seen: Slot) {
        if !self.is_in_sample(seen.hash) {
            return;
        }
        if self.slots.is_empty() {
            self.slots.resize(REQUEST_IDS_MAX, Slot::default());
        }
        let index = usize::try_from(seen.hash % REQUEST_IDS_MAX as u64).unwrap_or(0);
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.sources == 0 || slot.hash != seen.hash {
            self.taken += usize::from(slot.sources == 0);
            *slot = seen;
            let is_full = self.taken > REQUEST_IDS_MAX / 4 * 3;
            if is_full && self.sample_bits < REQUEST_IDS_SAMPLE_BITS_MAX {
                self.halve();
            }
            return;
        }
        let new = seen.sources & !slot.sources;
        let first = usize::try_from(slot.sources.trailing_zeros()).unwrap_or(0);
        slot.sources |= new;
        for other in (0..TWIN_SOURCES_MAX).filter(|bit| new >> bit & 1 == 1) {
            self.add_pair(first, other, 1);
        }
    }

    fn add_pair(&mut self, one: usize, other: usize, requests: u64) {
        *self.pairs.entry((one.min(other), one.max(other))).or_default() += requests;
    }

    fn is_in_sample(&self, hash: u64) -> bool {
        hash.leading_zeros() >= self.sample_bits
    }

    /// Makes the sample half as large and forgets what is not in it.
    fn halve(&mut self) {
        self.sample_bits += 1;
        let most = self.sample_bits;
        let left = self.slots.iter_mut().filter(|slot| slot.hash.leading_zeros() < most);
        left.for_each(|slot| *slot = Slot::default());
        self.taken = self.slots.iter().filter(|slot| slot.sources != 0).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(twins: &mut Twins, ids: std::ops::Range<u64>, source: &str) {
        let seed = Seed::new(7);
        for id in ids {
            twins.see(format!("{id:032x}").as_bytes(), source, &seed);
        }
    }

    fn pairs(twins: &Twins) -> Vec<(&str, &str, u64)> {
        twins.pairs().map(|pair| (pair.first, pair.other, pair.requests)).collect()
    }

    #[test]
    fn what_two_sources_carry() {
        let mut twins = Twins::default();
        see(&mut twins, 0..100, "edge");
        // Internal redirects and subrequests.
        see(&mut twins, 0..100, "edge");
        assert_eq!(pairs(&twins), []);
        see(&mut twins, 90..200, "denied");
        see(&mut twins, 90..200, "denied");
        assert_eq!(pairs(&twins), [("edge", "denied", 10)]);
        see(&mut twins, 95..105, "third");
        let third = [("edge", "denied", 10), ("edge", "third", 5), ("denied", "third", 5)];
        assert_eq!(pairs(&twins), third);
    }

    #[test]
    fn merged_parts_tell_what_the_whole_tells() {
        let (mut whole, mut left, mut right) =
            (Twins::default(), Twins::default(), Twins::default());
        for (ids, source) in [(0..50, "a"), (40..70, "b"), (60..90, "c")] {
            see(&mut whole, ids.clone(), source);
            let middle = (ids.start + ids.end) / 2;
            see(&mut right, middle..ids.end, source);
            see(&mut left, ids.start..middle, source);
        }
        left.merge(&right);
        assert_eq!(pairs(&left), pairs(&whole));
        assert_eq!(pairs(&whole), [("a", "b", 10), ("b", "c", 10)]);
    }

    #[test]
    fn two_long_logs_one_after_the_other() {
        let mut twins = Twins::default();
        see(&mut twins, 0..300_000, "a");
        see(&mut twins, 0..300_000, "b");
        assert!(twins.sample_bits > 3 && twins.taken <= REQUEST_IDS_MAX);
        let (_, _, requests) = pairs(&twins)[0];
        assert!((1000..20_000).contains(&requests), "{requests}");

        let mut others = Twins::default();
        see(&mut others, 0..300_000, "a");
        see(&mut others, 300_000..600_000, "b");
        assert_eq!(pairs(&others), []);
    }

    #[test]
    fn sources_beyond_the_bound_are_not_looked_at() {
        let mut twins = Twins::default();
        for number in 0..=TWIN_SOURCES_MAX {
            see(&mut twins, 0..1, &number.to_string());
        }
        assert_eq!(twins.pairs().count(), TWIN_SOURCES_MAX - 1);
    }
}
