//! A set of routes of one ledger.

use minicbor::{Decode, Encode};

use super::routes::RouteId;
use super::table::block_bytes;

/// A set of routes, a bit each; those of the first 64, all of them for most ledgers, in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RouteSet {
    #[n(0)]
    first: u64,
    #[n(1)]
    #[expect(
        clippy::box_collection,
        reason = "each certificate has two of these, nearly all empty"
    )]
    rest: Option<Box<Vec<u64>>>,
}

impl RouteSet {
    /// Whether the route is in it.
    pub fn has(&self, route: RouteId) -> bool {
        self.has_index(route.index())
    }

    /// Those in it, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = RouteId> {
        let words = self.words().zip((0u32..).step_by(64));
        let bits = |(word, first): (u64, u32)| {
            let rest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
            let left = std::iter::successors(Some(word).filter(|word| *word != 0), rest);
            left.map(move |left| RouteId::new(first + left.trailing_zeros()))
        };
        words.flat_map(bits)
    }

    /// How many are in it.
    pub fn count(&self) -> u64 {
        self.words().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Adds one and returns by how many bytes the set grew.
    #[inline]
    pub(super) fn insert(&mut self, route: RouteId) -> usize {
        let bit = 1 << (route.index() % 64);
        if route.index() < 64 {
            self.first |= bit;
            return 0;
        }
        self.insert_in_rest(route.index() / 64 - 1, bit)
    }

    fn insert_in_rest(&mut self, word: usize, bit: u64) -> usize {
        let before = self.owned_bytes();
        let rest = self.rest.get_or_insert_default();
        if rest.len() <= word {
            rest.reserve_exact(word + 1 - rest.len());
            rest.resize(word + 1, 0);
        }
        if let Some(word) = rest.get_mut(word) {
            *word |= bit;
        }
        self.owned_bytes() - before
    }

    /// Adds all of `other`, of the same ledger.
    pub fn merge(&mut self, other: &RouteSet) {
        self.first |= other.first;
        for (word, bits) in other.rest.iter().flat_map(|rest| rest.iter()).enumerate() {
            self.insert_in_rest(word, *bits);
        }
    }

    /// Adds `other`, whose route number n is `routes[n]` here.
    pub(super) fn merge_as(&mut self, other: &RouteSet, routes: &[RouteId]) {
        for route in other.iter() {
            self.insert(routes.get(route.index()).copied().unwrap_or(route));
        }
    }

    /// What it owns, in bytes.
    pub(super) fn owned_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| {
            block_bytes(size_of::<Vec<u64>>()) + block_bytes(size_of_val(rest.as_slice()))
        })
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.first).chain(self.rest.iter().flat_map(|rest| rest.iter().copied()))
    }

    fn has_index(&self, index: usize) -> bool {
        self.words().nth(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(indexes: &[u32]) -> RouteSet {
        let mut set = RouteSet::default();
        let grown: usize = indexes.iter().map(|index| set.insert(RouteId::new(*index))).sum();
        assert_eq!(grown, set.owned_bytes());
        set
    }

    #[test]
    fn in_place_and_beyond() {
        for indexes in [&[][..], &[0], &[63], &[64], &[0, 63, 64, 127, 128, 500]] {
            let set = of(indexes);
            let found: Vec<_> = set.iter().collect();
            let expected: Vec<_> = indexes.iter().map(|index| RouteId::new(*index)).collect();
            assert_eq!(found, expected);
            assert_eq!(set.count(), indexes.len() as u64);
            assert!((0..600).all(|i| set.has(RouteId::new(i)) == indexes.contains(&i)));
            let mut both = of(&[1, 300]);
            both.merge(&set);
            assert_eq!(both, of(&[indexes, &[1, 300]].concat()));
        }
    }
}
