//! How many different values there were: exact to 16, then a HyperLogLog sketch.
//!
//! Holds hashes of the values, never the values. Merging two counts gives the count of both inputs,
//! whatever the order. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality
//! estimation algorithm" (2007); 512 registers give a standard error of 4.6%.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use crate::limits::DISTINCT_EXACT_MAX;

const REGISTER_BITS: u32 = 9;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// Hashes values for [`Distinct`]; ledgers that are to be merged need the same one. The seed is
/// drawn at random, or a client could choose values that fall together.
#[derive(Clone, Debug)]
pub struct Seed(FixedState);

impl Seed {
    /// A seed of this value.
    pub fn new(seed: u64) -> Seed {
        Seed(FixedState::with_seed(seed))
    }

    /// The hash of a value.
    pub fn hash(&self, value: &[u8]) -> u64 {
        self.0.hash_one(value)
    }
}

/// A number of different values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distinct {
    /// The smallest hashes, sorted, at most [`DISTINCT_EXACT_MAX`]: all of them while exact, then a
    /// sample that does not depend on the order.
    smallest: Vec<u64>,
    registers: Option<Box<[u8; REGISTERS]>>,
}

impl Distinct {
    /// Adds a value's hash and returns by how many bytes that made the count grow.
    pub fn insert(&mut self, hash: u64) -> usize {
        let Err(place) = self.smallest.binary_search(&hash) else { return 0 };
        if let Some(registers) = &mut self.registers {
            raise(registers, hash);
            if place < DISTINCT_EXACT_MAX {
                self.smallest.insert(place, hash);
                self.smallest.truncate(DISTINCT_EXACT_MAX);
            }
            return 0;
        }
        self.smallest.insert(place, hash);
        if self.smallest.len() <= DISTINCT_EXACT_MAX {
            return size_of::<u64>();
        }
        let mut registers = Box::new([0; REGISTERS]);
        self.smallest.iter().for_each(|hash| raise(&mut registers, *hash));
        self.registers = Some(registers);
        self.smallest.truncate(DISTINCT_EXACT_MAX);
        REGISTERS
    }

    /// Adds all of `other`'s values and returns by how many bytes that made the count grow.
    pub fn merge(&mut self, other: &Distinct) -> usize {
        let mut grown = other.smallest.iter().map(|hash| self.insert(*hash)).sum();
        if let Some(theirs) = &other.registers {
            if self.registers.is_none() {
                let mut registers = Box::new([0; REGISTERS]);
                self.smallest.iter().for_each(|hash| raise(&mut registers, *hash));
                self.registers = Some(registers);
                grown += REGISTERS;
            }
            for (mine, theirs) in
                self.registers.iter_mut().flat_map(|r| r.iter_mut()).zip(theirs.iter())
            {
                *mine = (*mine).max(*theirs);
            }
        }
        grown
    }

    /// How many different values: exact, or an estimate beyond [`DISTINCT_EXACT_MAX`].
    pub fn count(&self) -> u64 {
        match &self.registers {
            None => u64::try_from(self.smallest.len()).unwrap_or(u64::MAX),
            Some(registers) => estimate(registers),
        }
    }

    /// What it owns, in bytes.
    pub fn owned_bytes(&self) -> usize {
        std::mem::size_of_val(&*self.smallest)
            + if self.registers.is_some() { REGISTERS } else { 0 }
    }

    /// The hashes of all values while the count is exact, then of some; at most
    /// [`DISTINCT_EXACT_MAX`].
    pub fn sample(&self) -> &[u64] {
        &self.smallest
    }

    /// Whether it holds this value, as far as the exact part tells.
    pub fn holds(&self, hash: u64) -> bool {
        self.smallest.binary_search(&hash).is_ok()
    }
}

fn raise(registers: &mut [u8; REGISTERS], hash: u64) {
    let (index, rest) = (hash >> (u64::BITS - REGISTER_BITS), hash << REGISTER_BITS);
    let rank = (rest.leading_zeros() + 1).min(u64::BITS - REGISTER_BITS + 1);
    let register = usize::try_from(index).ok().and_then(|index| registers.get_mut(index));
    if let Some(register) = register {
        *register = (*register).max(u8::try_from(rank).unwrap_or(u8::MAX));
    }
}

fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let zeros = registers.iter().filter(|rank| **rank == 0).count();
    let sum: f64 = registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
    let size = f64::from(1u32 << REGISTER_BITS);
    let raw = 0.7213 / (1.0 + 1.079 / size) * size * size / sum;
    let estimate = match u32::try_from(zeros) {
        Ok(zeros @ 1..) if raw <= 2.5 * size => size * (size / f64::from(zeros)).ln(),
        _ => raw,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate lies between 0 and about 2^60: ranks are at most 56"
    )]
    let rounded = estimate.round() as u64;
    // Beyond the exact part there is at least one more.
    rounded.max(u64::try_from(DISTINCT_EXACT_MAX).unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Distinct {
        let seed = Seed::new(7);
        let mut distinct = Distinct::default();
        for value in values {
            distinct.insert(seed.hash(&value.to_le_bytes()));
        }
        distinct
    }

    #[test]
    fn exact_to_the_limit_then_close() {
        for n in [0, 1, 15, 16] {
            assert_eq!(of(0..n).count(), n);
            assert_eq!(of((0..n).chain(0..n)).count(), n);
        }
        for n in [17u32, 30, 100, 1000, 10_000, 100_000] {
            let count = u32::try_from(of(0..u64::from(n)).count()).unwrap();
            let off = (f64::from(count) - f64::from(n)).abs() / f64::from(n);
            assert!(off < 0.15, "{n} counted as {count}");
        }
    }

    proptest! {
        #[test]
        fn merging_equals_counting_both(
            a in proptest::collection::vec(0u64..60, 0..60),
            b in proptest::collection::vec(0u64..60, 0..60),
        ) {
            let whole = of(a.iter().chain(&b).copied());
            let (mut left, right) = (of(a.iter().copied()), of(b.iter().copied()));
            left.merge(&right);
            prop_assert_eq!(&left, &whole);
        }
    }
}
