//! Small counters: by verdict, by reason, by name, and when something was seen.

use gatelog_parsers::short::are_same;
use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::table::block_bytes;
use crate::event::reason::Reason;
use crate::event::verdict::Verdict;
use crate::limits::{STORED_COUNT_MAX, WORD_BYTES_MAX};

/// Requests by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct VerdictCounts(
    #[cbor(n(0), decode_with = "decode_verdict_counts")] [u64; Verdict::COUNT],
);

impl VerdictCounts {
    /// Counts one.
    pub fn add(&mut self, verdict: Verdict) {
        if let Some(count) = self.0.get_mut(verdict.index()) {
            *count += 1;
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &VerdictCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// How many had this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.0.get(verdict.index()).copied().unwrap_or(0)
    }

    /// Each verdict and its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> {
        Verdict::ALL.into_iter().zip(self.0)
    }

    fn sum(&self, test: fn(Verdict) -> bool) -> u64 {
        self.iter().filter(|(verdict, _)| test(*verdict)).map(|(_, count)| count).sum()
    }

    /// All of them.
    pub fn requests(&self) -> u64 {
        self.sum(|_| true)
    }

    /// Those over TLS, which ratios are taken of.
    pub fn tls_requests(&self) -> u64 {
        self.sum(|verdict| verdict != Verdict::NotTls)
    }

    /// Rejected, missing and forbidden.
    pub fn denials(&self) -> u64 {
        self.sum(Verdict::is_denial)
    }

    /// Rejected, missing and failed open.
    pub fn failures(&self) -> u64 {
        self.sum(Verdict::is_failure)
    }
}

/// A count that is believed when it was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(super) struct Count(#[cbor(n(0), decode_with = "decode_count")] pub(super) u64);

pub(super) fn decode_count<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<u64, decode::Error> {
    let count = d.u64()?;
    let is_plausible = count <= STORED_COUNT_MAX;
    is_plausible.then_some(count).ok_or_else(|| decode::Error::message("a count beyond all counts"))
}

fn decode_verdict_counts<C>(
    d: &mut Decoder<'_>,
    context: &mut C,
) -> Result<[u64; Verdict::COUNT], decode::Error> {
    let mut counts = [0; Verdict::COUNT];
    if d.array()? != Some(Verdict::COUNT as u64) {
        return Err(decode::Error::message("expected a count of each verdict"));
    }
    for count in &mut counts {
        *count = decode_count(d, context)?;
    }
    Ok(counts)
}

/// Requests by reason; few of them occur, so a short list serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasonCounts(
    #[expect(clippy::box_collection, reason = "one pointer in each certificate, nearly all empty")]
    Option<Box<Vec<(Reason, u64)>>>,
);

impl ReasonCounts {
    /// Adds `count` and returns by how many bytes the list grew.
    pub fn add(&mut self, reason: Reason, count: u64) -> usize {
        let before = self.owned_bytes();
        let counts = self.0.get_or_insert_default();
        match counts.binary_search_by_key(&reason, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, sum)) = counts.get_mut(place) {
                    *sum += count;
                }
                0
            }
            Err(place) => {
                // Most have one; room for more would be as much again for each certificate.
                counts.reserve_exact(1);
                counts.insert(place, (reason, count));
                self.owned_bytes() - before
            }
        }
    }

    /// What it owns, in bytes.
    pub fn owned_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |counts| {
            block_bytes(size_of::<Vec<(Reason, u64)>>())
                + block_bytes(std::mem::size_of_val(counts.as_slice()))
        })
    }

    /// Adds all of `other` and returns by how many bytes the list grew.
    pub fn merge(&mut self, other: &ReasonCounts) -> usize {
        other.iter().map(|(reason, count)| self.add(reason, count)).sum()
    }

    /// Each reason that occurred and its count.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        self.0.iter().flat_map(|counts| counts.iter().copied())
    }

    /// How often this one occurred.
    pub fn of(&self, reason: Reason) -> u64 {
        self.iter().filter(|(known, _)| *known == reason).map(|(_, count)| count).sum()
    }

    /// The most frequent one, the first by name of several.
    pub fn main(&self) -> Option<(Reason, u64)> {
        self.iter().max_by_key(|(reason, count)| (*count, std::cmp::Reverse(reason.as_str())))
    }
}

/// By the names of the reasons: their numbers may change between releases.
impl<C> Encode<C> for ReasonCounts {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.map(self.iter().count() as u64)?;
        for (reason, count) in self.iter() {
            e.str(reason.as_str())?.u64(count)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for ReasonCounts {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let mut counts = ReasonCounts::default();
        for entry in d.map_iter::<&str, Count>()? {
            let (name, Count(count)) = entry?;
            let reason = Reason::from_name(name);
            counts.add(reason.ok_or_else(|| decode::Error::message("unknown reason"))?, count);
        }
        Ok(counts)
    }
}

/// The first and the last time of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Seen {
    /// Milliseconds since 1970.
    #[n(0)]
    pub first: Option<UnixMillis>,
    /// Milliseconds since 1970.
    #[n(1)]
    pub last: Option<UnixMillis>,
}

impl Seen {
    /// Takes a time in.
    #[inline]
    pub fn add(&mut self, time: Option<UnixMillis>) {
        match (time, &mut *self) {
            (None, _) => {}
            (Some(time), Seen { first: Some(first), last: Some(last) }) => {
                *first = time.min(*first);
                *last = time.max(*last);
            }
            _ => self.merge(&Seen { first: time, last: time }),
        }
    }

    /// Takes in both of `other`.
    pub fn merge(&mut self, other: &Seen) {
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
    }
}

/// Something counted by a short name that nginx, not the client, chooses; bounded, and beyond the
/// bound under `other`.
#[derive(Clone, Debug)]
pub struct Named<V> {
    entries: Vec<(Box<[u8]>, V)>,
    /// Where the last one was found; the next is likely to be the same.
    last: usize,
    /// Where those beyond the bound are; [`NONE`] while there is none.
    other: usize,
}

const NONE: usize = usize::MAX;

impl<V> Default for Named<V> {
    fn default() -> Self {
        Named { entries: Vec::new(), last: 0, other: NONE }
    }
}

/// The name of what is beyond a bound.
pub const OTHER_NAME: &[u8] = b"other";

impl<V: Default> Named<V> {
    /// Changes the entry of `name`; returns whether it stands for `other`, because there were `most`
    /// already when the name came first.
    pub fn change(&mut self, name: &[u8], most: usize, change: impl FnOnce(&mut V)) -> bool {
        let name = name.get(..WORD_BYTES_MAX).unwrap_or(name);
        let is_last = self.entries.get(self.last).is_some_and(|(known, _)| are_same(known, name));
        if !is_last {
            self.last = self.place(name, most);
        }
        if let Some((_, value)) = self.entries.get_mut(self.last) {
            change(value);
        }
        self.last == self.other
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn place(&mut self, name: &[u8], most: usize) -> usize {
        if let Some(place) = self.entries.iter().position(|(known, _)| are_same(known, name)) {
            return place;
        }
        if self.entries.len() < most {
            self.entries.push((name.into(), V::default()));
            return self.entries.len() - 1;
        }
        let other = self.entries.iter().position(|(known, _)| **known == *OTHER_NAME);
        self.other = other.unwrap_or_else(|| {
            self.entries.push((OTHER_NAME.into(), V::default()));
            self.entries.len() - 1
        });
        self.other
    }

    /// Every name and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }
}

impl<C, V: Encode<C>> Encode<C> for Named<V> {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(1 + self.entries.len() as u64 * 2)?;
        e.encode((self.other != NONE).then_some(self.other as u64))?;
        for (name, value) in &self.entries {
            e.bytes(name)?.encode_with(value, context)?;
        }
        Ok(())
    }
}

impl<'b, C, V: Decode<'b, C>> Decode<'b, C> for Named<V> {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let count = d.array()?.ok_or_else(|| decode::Error::message("expected a length"))? / 2;
        let other: Option<u64> = d.decode()?;
        let other = other.and_then(|place| usize::try_from(place).ok()).unwrap_or(NONE);
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push((d.bytes()?.into(), d.decode_with(context)?));
        }
        Ok(Named { entries, last: 0, other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_is_bounded() {
        let mut named: Named<u64> = Named::default();
        for (name, full) in [("a", false), ("b", false), ("a", false), ("c", true), ("d", true)] {
            assert_eq!(named.change(name.as_bytes(), 2, |count| *count += 1), full, "{name}");
        }
        let found: Vec<_> = named.iter().map(|(name, count)| (name, *count)).collect();
        assert_eq!(found, [(&b"a"[..], 2), (b"b", 1), (b"other", 2)]);
    }

    #[test]
    fn reasons_stay_sorted_and_tell_the_main_one() {
        let mut reasons = ReasonCounts::default();
        assert!(reasons.add(Reason::CertRevoked, 1) > 0);
        assert!(reasons.add(Reason::CertHasExpired, 1) > 0);
        assert_eq!(reasons.main(), Some((Reason::CertHasExpired, 1)));
        assert_eq!(reasons.add(Reason::CertRevoked, 4), 0);
        assert_eq!(reasons.main(), Some((Reason::CertRevoked, 5)));
        assert_eq!(reasons.of(Reason::NoCertificate), 0);
    }

    #[test]
    fn a_count_beyond_all_counts_is_not_read() {
        for (count, is_read) in [(STORED_COUNT_MAX, true), (STORED_COUNT_MAX + 1, false)] {
            let mut reasons = ReasonCounts::default();
            reasons.add(Reason::CertRevoked, count);
            let bytes = minicbor::to_vec(&reasons).unwrap();
            assert_eq!(minicbor::decode::<ReasonCounts>(&bytes).is_ok(), is_read, "{count}");
            let mut verdicts = VerdictCounts::default();
            *verdicts.0.last_mut().unwrap() = count;
            let bytes = minicbor::to_vec(verdicts).unwrap();
            assert_eq!(minicbor::decode::<VerdictCounts>(&bytes).is_ok(), is_read, "{count}");
            // As many as a table has, of each verdict.
            let sum = STORED_COUNT_MAX.checked_mul(Verdict::COUNT as u64 * 200_000);
            assert!(sum.is_some());
        }
    }

    #[test]
    fn seen() {
        let mut seen = Seen::default();
        seen.add(None);
        assert_eq!(seen, Seen::default());
        seen.add(Some(5));
        seen.add(Some(3));
        seen.add(None);
        assert_eq!(seen, Seen { first: Some(3), last: Some(5) });
    }
}
