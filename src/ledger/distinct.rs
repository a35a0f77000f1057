//! How many different values there were: exact to 16, then a HyperLogLog sketch.
//!
//! Holds hashes of the values, never the values. Merging two counts gives the count of both inputs,
//! whatever the order. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality
//! estimation algorithm" (2007); 512 registers give a standard error of 4.6%.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::certificates::CertificateKey;
use super::table::block_bytes;
use crate::limits::DISTINCT_EXACT_MAX;

const REGISTER_BITS: u32 = 9;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// Highest rank: no bit is set behind those that choose the register.
const RANK_MAX: u8 = 64 - 9 + 1;

const _: () = assert!(RANK_MAX as u32 == u64::BITS - REGISTER_BITS + 1);

/// Hashes values for [`Distinct`]; ledgers that are to be merged need the same one. The seed is
/// drawn at random, or a client could choose values that fall together.
#[derive(Clone, Debug)]
pub struct Seed {
    value: u64,
    state: FixedState,
}

impl Seed {
    /// A seed of this value.
    pub fn new(seed: u64) -> Seed {
        Seed { value: seed, state: FixedState::with_seed(seed) }
    }

    /// Its value, to make the same one again.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// The hash of a value.
    pub fn hash(&self, value: &[u8]) -> u64 {
        self.state.hash_one(value)
    }

    /// The hash of a certificate's key.
    pub fn hash_key(&self, key: &CertificateKey) -> u64 {
        self.state.hash_one(key)
    }
}

/// A number of different values. Nearly always there is one, which is kept in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distinct(Values);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Values {
    #[default]
    None,
    One(u64),
    Several(Box<Several>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Several {
    /// The smallest hashes, sorted, at most [`DISTINCT_EXACT_MAX`]: all of them while exact, then a
    /// sample that does not depend on the order.
    smallest: Vec<u64>,
    registers: Option<Box<[u8; REGISTERS]>>,
}

impl Distinct {
    /// Adds a value's hash and returns by how many bytes that made the count grow.
    #[inline]
    pub fn insert(&mut self, hash: u64) -> usize {
        match &mut self.0 {
            Values::One(known) if *known == hash => 0,
            Values::Several(several) => several.insert(hash),
            Values::None => {
                self.0 = Values::One(hash);
                0
            }
            Values::One(known) => {
                let smallest = vec![hash.min(*known), hash.max(*known)];
                self.0 = Values::Several(Box::new(Several { smallest, registers: None }));
                self.owned_bytes()
            }
        }
    }

    /// Adds all of `other`'s values and returns by how many bytes that made the count grow.
    pub fn merge(&mut self, other: &Distinct) -> usize {
        let before = self.owned_bytes();
        other.sample().iter().for_each(|hash| {
            self.insert(*hash);
        });
        if let Values::Several(theirs) = &other.0
            && let Values::Several(mine) = &mut self.0
            && let Some(theirs) = &theirs.registers
        {
            mine.merge_registers(theirs);
        }
        self.owned_bytes() - before
    }

    /// How many different values: exact, or an estimate beyond [`DISTINCT_EXACT_MAX`].
    pub fn count(&self) -> u64 {
        if let Values::Several(several) = &self.0
            && let Some(registers) = &several.registers
        {
            return estimate(registers);
        }
        u64::try_from(self.sample().len()).unwrap_or(u64::MAX)
    }

    /// What it owns, in bytes.
    pub fn owned_bytes(&self) -> usize {
        match &self.0 {
            Values::None | Values::One(_) => 0,
            Values::Several(several) => block_bytes(size_of::<Several>()) + several.owned_bytes(),
        }
    }

    /// The hashes of all values while the count is exact, then of some; at most
    /// [`DISTINCT_EXACT_MAX`], sorted.
    pub fn sample(&self) -> &[u64] {
        match &self.0 {
            Values::None => &[],
            Values::One(hash) => std::slice::from_ref(hash),
            Values::Several(several) => &several.smallest,
        }
    }

    /// Whether it holds this value; none where that cannot be told any more.
    pub fn contains(&self, hash: u64) -> Option<bool> {
        match &self.0 {
            Values::Several(several) if several.registers.is_some() => {
                self.holds(hash).then_some(true)
            }
            _ => Some(self.holds(hash)),
        }
    }

    /// Whether it holds this value, as far as the exact part tells.
    pub fn holds(&self, hash: u64) -> bool {
        self.sample().binary_search(&hash).is_ok()
    }
}

impl Several {
    fn insert(&mut self, hash: u64) -> usize {
        let Err(place) = self.smallest.binary_search(&hash) else { return 0 };
        if let Some(registers) = &mut self.registers {
            raise(registers, hash);
            if place < DISTINCT_EXACT_MAX {
                self.smallest.insert(place, hash);
                self.smallest.truncate(DISTINCT_EXACT_MAX);
            }
            return 0;
        }
        let before = self.owned_bytes();
        self.smallest.reserve_exact(1);
        self.smallest.insert(place, hash);
        if self.smallest.len() > DISTINCT_EXACT_MAX {
            self.begin_registers();
            self.smallest.truncate(DISTINCT_EXACT_MAX);
        }
        self.owned_bytes() - before
    }

    fn begin_registers(&mut self) -> &mut [u8; REGISTERS] {
        let smallest = &self.smallest;
        self.registers.get_or_insert_with(|| {
            let mut registers = Box::new([0; REGISTERS]);
            smallest.iter().for_each(|hash| raise(&mut registers, *hash));
            registers
        })
    }

    fn merge_registers(&mut self, theirs: &[u8; REGISTERS]) {
        for (mine, theirs) in self.begin_registers().iter_mut().zip(theirs) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn owned_bytes(&self) -> usize {
        let registers = self.registers.as_ref().map_or(0, |_| block_bytes(REGISTERS));
        block_bytes(std::mem::size_of_val(&*self.smallest)) + registers
    }
}

impl<C> Encode<C> for Distinct {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let registers = match &self.0 {
            Values::Several(several) => several.registers.as_deref(),
            Values::None | Values::One(_) => None,
        };
        e.array(1 + u64::from(registers.is_some()))?.encode(self.sample())?;
        if let Some(registers) = registers {
            e.bytes(registers)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Distinct {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let has_registers = d.array()?.is_some_and(|parts| parts > 1);
        let mut distinct = Distinct::default();
        for hash in d.array_iter::<u64>()? {
            distinct.insert(hash?);
        }
        if has_registers {
            let registers = d.bytes()?.as_array::<REGISTERS>();
            let registers = registers.filter(|all| all.iter().all(|rank| *rank <= RANK_MAX));
            let registers = registers.ok_or_else(|| decode::Error::message("unknown sketch"))?;
            if let Values::Several(several) = &mut distinct.0 {
                several.merge_registers(registers);
            }
        }
        Ok(distinct)
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
    fn a_sketch_that_no_values_make_is_not_read() {
        let bytes = minicbor::to_vec(of(0..100)).unwrap();
        assert_eq!(minicbor::decode::<Distinct>(&bytes).unwrap(), of(0..100));
        for (rank, is_read) in [(RANK_MAX, true), (RANK_MAX + 1, false), (u8::MAX, false)] {
            let mut damaged = bytes.clone();
            *damaged.last_mut().unwrap() = rank;
            assert_eq!(minicbor::decode::<Distinct>(&damaged).is_ok(), is_read, "{rank}");
        }
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
