//! A map that is bounded in entries and in bytes; the least recently seen entry leaves first.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::fast::RandomState;
use lru::LruCache;

/// What an entry costs beside its key and value: two links, the slot in the map, the allocation.
const ENTRY_OVERHEAD_BYTES: usize = 48;

/// How large a table may get.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Entries.
    pub entries_max: usize,
    /// Keys, values and what they own, in bytes.
    pub bytes_max: usize,
}

/// A bounded map. Its keys are what clients send, so its hashing is randomly seeded.
#[derive(Debug)]
pub struct Table<K: Hash + Eq, V> {
    entries: LruCache<K, V, RandomState>,
    bound: Bound,
    bytes: usize,
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// An empty table.
    pub fn new(bound: Bound) -> Table<K, V> {
        let entries = LruCache::unbounded_with_hasher(RandomState::default());
        Table { entries, bound, bytes: 0 }
    }

    /// Changes the entry of `key`, if there is one, and marks it as seen. `change` returns what the
    /// caller needs and by how many bytes the entry grew, or shrank. It must be told of both: what
    /// leaves is taken off by what it owns then, and a difference would stay for ever.
    pub fn change<Q, R>(&mut self, key: &Q, change: impl FnOnce(&mut V) -> (R, isize)) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (result, grown) = change(self.entries.get_mut(key)?);
        self.bytes = self.bytes.saturating_add_signed(grown);
        Some(result)
    }

    /// Adds an entry whose key and value own `owned_bytes` elsewhere.
    pub fn add(&mut self, key: K, value: V, owned_bytes: usize) {
        self.entries.put(key, value);
        self.bytes += Self::entry_bytes(owned_bytes);
    }

    /// Takes an entry out; `owned_bytes` tells what it owns.
    pub fn remove(&mut self, key: &K, owned_bytes: impl FnOnce(&V) -> usize) -> Option<V> {
        let value = self.entries.pop(key)?;
        self.bytes = self.bytes.saturating_sub(Self::entry_bytes(owned_bytes(&value)));
        Some(value)
    }

    /// The least recently seen entry, if the table is over its bound: to be called until `None`.
    pub fn evict(&mut self, owned_bytes: impl FnOnce(&K, &V) -> usize) -> Option<(K, V)> {
        let over = self.entries.len() > self.bound.entries_max || self.bytes > self.bound.bytes_max;
        if !over || self.entries.len() <= 1 {
            return None;
        }
        let (key, value) = self.entries.pop_lru()?;
        self.bytes = self.bytes.saturating_sub(Self::entry_bytes(owned_bytes(&key, &value)));
        Some((key, value))
    }

    /// The entry, not marked as seen.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.peek(key)
    }

    /// Every entry, the most recently seen first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn entry_bytes(owned_bytes: usize) -> usize {
        size_of::<K>() + size_of::<V>() + ENTRY_OVERHEAD_BYTES + owned_bytes
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
}
