//! A map that is bounded in entries and in bytes; the least recently seen entry leaves first.
//!
//! Entries lie in one list and are found by an index of their places; the order in which they were
//! seen is a chain of places beside them, so that to mark one as seen touches no other entry. The list
//! has no holes: the last entry moves to the place of one that leaves, so that a table which held many
//! small entries gives their room back when they make way for a few large ones.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashTable};

/// What an entry costs beside its key and value: two links, its mark, the slot in the index, what the
/// lists have grown ahead.
const ENTRY_OVERHEAD_BYTES: usize = 40;

/// The lists grow by one in so many, and shrink when twice as much of them is unused. Doubling would
/// keep as much memory again as the entries take.
const GROWTH_SHARE: usize = 16;

/// Entries by which a list grows at least.
const GROWTH_MIN: usize = 64;

/// What a block of memory takes of the heap, in bytes: glibc's `malloc` keeps 8 for itself and hands
/// out multiples of 16, at least 32. Tables count by it, for the blocks are small and many.
pub fn block_bytes(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// How large a table may get.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Entries.
    pub entries_max: usize,
    /// Keys, values and what they own, in bytes.
    pub bytes_max: usize,
}

/// An entry's place in its table, for as long as the entry stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    /// No place: the end of the chain.
    pub const NONE: Place = Place(u32::MAX);

    fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

#[derive(Clone, Copy, Debug)]
struct Links {
    /// The one seen next after it.
    newer: Place,
    /// The one seen last before it.
    older: Place,
    /// Whatever its owner wants to remember of it, wherever it moves; 0 at first.
    mark: u64,
}

/// A bounded map. Its keys are what clients send, so its hashing is randomly seeded.
#[derive(Debug)]
pub struct Table<K: Hash + Eq, V> {
    state: RandomState,
    index: HashTable<Place>,
    entries: Vec<(K, V)>,
    /// Of the entries at the same places.
    links: Vec<Links>,
    newest: Place,
    oldest: Place,
    bound: Bound,
    bytes: usize,
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// An empty table.
    pub fn new(bound: Bound) -> Table<K, V> {
        Table {
            state: RandomState::default(),
            index: HashTable::new(),
            entries: Vec::new(),
            links: Vec::new(),
            newest: Place::NONE,
            oldest: Place::NONE,
            bound,
            bytes: 0,
        }
    }

    /// The place of `key`, if it has one.
    pub fn place<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<Place> {
        let is_it = |place: &Place| {
            self.entries.get(place.index()).is_some_and(|(known, _)| key.equivalent(known))
        };
        self.index.find(self.state.hash_one(key), is_it).copied()
    }

    /// Whether the entry of `key` stands at this place.
    pub fn is_at<Q: Equivalent<K> + ?Sized>(&self, place: Place, key: &Q) -> bool {
        self.entries.get(place.index()).is_some_and(|(known, _)| key.equivalent(known))
    }

    /// Changes the entry of `key`, if there is one, and marks it as seen; see [`Table::change_at`].
    pub fn change<Q, R>(&mut self, key: &Q, change: impl FnOnce(&mut V) -> (R, isize)) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.change_at(self.place(key)?, change)
    }

    /// Changes the entry at a place, if there is one, and marks it as seen. `change` returns what the
    /// caller needs and by how many bytes the entry grew, or shrank. It must be told of both: what
    /// leaves is taken off by what it owns then, and a difference would stay for ever.
    #[inline]
    pub fn change_at<R>(
        &mut self,
        place: Place,
        change: impl FnOnce(&mut V) -> (R, isize),
    ) -> Option<R> {
        let (_, value) = self.entries.get_mut(place.index())?;
        let (result, grown) = change(value);
        self.bytes = self.bytes.saturating_add_signed(grown);
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
        Some(result)
    }

    /// Adds an entry whose key and value own `owned_bytes` elsewhere; the key must not be there.
    pub fn add(&mut self, key: K, value: V, owned_bytes: usize) -> Place {
        let place = Place(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        let Table { state, index, entries, links, .. } = self;
        let hash = state.hash_one(&key);
        if entries.len() == entries.capacity() {
            let more = (entries.len() / GROWTH_SHARE).max(GROWTH_MIN);
            entries.reserve_exact(more);
            links.reserve_exact(more);
        }
        entries.push((key, value));
        links.push(Links { newer: Place::NONE, older: Place::NONE, mark: 0 });
        index.insert_unique(hash, place, |place| {
            entries.get(place.index()).map_or(0, |(key, _)| state.hash_one(key))
        });
        self.link(place);
        self.bytes += Self::entry_bytes(owned_bytes);
        place
    }

    /// The mark of the entry at a place. It goes with the entry, and is not part of what is saved.
    pub(super) fn mark_mut(&mut self, place: Place) -> Option<&mut u64> {
        self.links.get_mut(place.index()).map(|links| &mut links.mark)
    }

    /// Takes an entry out; `owned_bytes` tells what it owns.
    pub fn remove(&mut self, key: &K, owned_bytes: impl FnOnce(&V) -> usize) -> Option<V> {
        let (_, value) = self.take(self.place(key)?)?;
        self.bytes = self.bytes.saturating_sub(Self::entry_bytes(owned_bytes(&value)));
        Some(value)
    }

    /// Whether it is over its bound.
    pub fn is_over(&self) -> bool {
        self.index.len() > self.bound.entries_max || self.bytes > self.bound.bytes_max
    }

    /// The least recently seen entry, if the table is over its bound: to be called until `None`.
    pub fn evict(&mut self, owned_bytes: impl FnOnce(&K, &V) -> usize) -> Option<(K, V)> {
        if !self.is_over() || self.index.len() <= 1 {
            return None;
        }
        let (key, value) = self.take(self.oldest)?;
        self.bytes = self.bytes.saturating_sub(Self::entry_bytes(owned_bytes(&key, &value)));
        Some((key, value))
    }

    /// The entry, not marked as seen.
    pub fn peek<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.entries.get(self.place(key)?.index()).map(|(_, value)| value)
    }

    /// Every entry, the most recently seen first.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chain(self.newest, |links| links.older)
    }

    /// Every entry, the least recently seen first.
    pub fn iter_oldest_first(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chain(self.oldest, |links| links.newer)
    }

    fn chain(&self, from: Place, next: fn(&Links) -> Place) -> impl Iterator<Item = (&K, &V)> {
        let places =
            std::iter::successors(Some(from), move |place| self.links.get(place.index()).map(next));
        places.map_while(|place| self.entries.get(place.index()).map(|(key, value)| (key, value)))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, place: Place) -> Option<(K, V)> {
        let last = Place(u32::try_from(self.entries.len().checked_sub(1)?).ok()?);
        let hash = self.state.hash_one(&self.entries.get(place.index())?.0);
        if let Ok(found) = self.index.find_entry(hash, |known| *known == place) {
            found.remove();
        }
        self.unlink(place);
        if place != last {
            self.relink(last, place);
        }
        self.links.swap_remove(place.index());
        let entry = self.entries.swap_remove(place.index());
        let (used, capacity) = (self.entries.len(), self.entries.capacity());
        let ahead = (used / GROWTH_SHARE).max(GROWTH_MIN);
        if capacity > used + 2 * ahead {
            self.entries.shrink_to(used + ahead);
            self.links.shrink_to(used + ahead);
        }
        Some(entry)
    }

    /// Makes index and chain find an entry at another place.
    fn relink(&mut self, from: Place, to: Place) {
        let Table { state, index, entries, .. } = self;
        let hash = entries.get(from.index()).map_or(0, |(key, _)| state.hash_one(key));
        if let Some(known) = index.find_mut(hash, |known| *known == from) {
            *known = to;
        }
        let Some(Links { newer, older, .. }) = self.links.get(from.index()).copied() else {
            return;
        };
        match self.links.get_mut(newer.index()) {
            Some(links) => links.older = to,
            None => self.newest = to,
        }
        match self.links.get_mut(older.index()) {
            Some(links) => links.newer = to,
            None => self.oldest = to,
        }
    }

    #[inline]
    fn unlink(&mut self, place: Place) {
        let Some(Links { newer, older, .. }) = self.links.get(place.index()).copied() else {
            return;
        };
        match self.links.get_mut(newer.index()) {
            Some(links) => links.older = older,
            None => self.newest = older,
        }
        match self.links.get_mut(older.index()) {
            Some(links) => links.newer = newer,
            None => self.oldest = newer,
        }
    }

    #[inline]
    fn link(&mut self, place: Place) {
        match self.links.get_mut(self.newest.index()) {
            Some(links) => links.newer = place,
            None => self.oldest = place,
        }
        if let Some(links) = self.links.get_mut(place.index()) {
            (links.newer, links.older) = (Place::NONE, self.newest);
        }
        self.newest = place;
    }

    fn entry_bytes(owned_bytes: usize) -> usize {
        size_of::<(K, V)>() + ENTRY_OVERHEAD_BYTES + owned_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::ptr_arg, reason = "the table hands its values out as they are")]
    fn owned(_: &u32, value: &Vec<u8>) -> usize {
        value.len()
    }

    #[test]
    fn the_least_recently_seen_leaves_first() {
        let mut table = Table::new(Bound { entries_max: 2, bytes_max: 1 << 20 });
        for key in 0..2u32 {
            table.add(key, vec![0u8; 10], 10);
        }
        assert_eq!(table.evict(owned), None);
        assert_eq!(table.change(&0, |_| ((), 0)), Some(()));
        table.add(2, Vec::new(), 0);
        assert_eq!(table.evict(owned).map(|(key, _)| key), Some(1));
        assert_eq!(table.evict(owned), None);
        assert_eq!(table.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn bytes_are_bounded_and_accounted() {
        let mut table = Table::new(Bound { entries_max: 100, bytes_max: 2000 });
        for key in 0..50u32 {
            table.add(key, vec![0u8; 100], 100);
            while table.evict(owned).is_some() {}
            assert!(table.bytes() <= 2000);
        }
        assert!(table.len() > 5 && table.len() < 20);
        table.change(&49, |value| {
            value.resize(3000, 0);
            ((), 2900)
        });
        while table.evict(owned).is_some() {}
        assert_eq!(table.len(), 1, "the entry just seen stays, however large");
        let bytes = table.bytes();
        table.remove(&49, |value| value.len());
        assert_eq!(bytes - table.bytes(), bytes);
    }

    #[test]
    fn entries_move_to_places_that_are_left() {
        let mut table = Table::new(Bound { entries_max: 3, bytes_max: 1 << 20 });
        let mut expected = Vec::new();
        table.add(0u32, Vec::new(), 0);
        for key in 0..100u32 {
            // Every third comes back once.
            if key > 0 {
                table.add(key, Vec::new(), 0);
                expected.insert(0, key);
            } else {
                expected.push(0);
            }
            if key % 3 == 0 && key > 1 && table.change(&(key - 1), |_| ((), 0)).is_some() {
                expected.retain(|known| *known != key - 1);
                expected.insert(0, key - 1);
            }
            let gone = table.evict(owned).map(|(key, _)| key);
            assert_eq!(gone, (expected.len() > 3).then(|| expected.pop()).flatten());
            assert_eq!(table.iter().map(|(key, _)| *key).collect::<Vec<_>>(), expected);
            let backwards = table.iter_oldest_first().map(|(key, _)| *key);
            assert!(backwards.eq(expected.iter().rev().copied()));
            assert!(expected.iter().all(|key| table.peek(key).is_some()));
        }
        assert!(table.entries.len() <= 4);
        assert!(table.entries.capacity() <= 4 + 2 * GROWTH_MIN);
    }
}
