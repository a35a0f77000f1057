//! A short text of the log, kept in place where it fits: a heap block for each address would cost
//! more than the address.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use gatelog_parsers::short::are_same;
use hashbrown::Equivalent;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::table::block_bytes;

/// Bytes kept in place: every IPv4 address, and as much as a pointer to the rest leaves room for.
const IN_PLACE_BYTES_MAX: usize = 22;

/// A text that does not change.
#[derive(Clone, Debug)]
pub struct Word(Kept);

#[derive(Clone, Debug)]
enum Kept {
    InPlace(u8, [u8; IN_PLACE_BYTES_MAX]),
    Elsewhere(Box<[u8]>),
}

impl Word {
    /// What it owns, in bytes.
    pub fn owned_bytes(&self) -> usize {
        match &self.0 {
            Kept::InPlace(..) => 0,
            Kept::Elsewhere(text) => block_bytes(text.len()),
        }
    }
}

impl From<&[u8]> for Word {
    fn from(text: &[u8]) -> Word {
        let mut bytes = [0; IN_PLACE_BYTES_MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text);
                Word(Kept::InPlace(length, bytes))
            }
            _ => Word(Kept::Elsewhere(text.into())),
        }
    }
}

impl<C> Encode<C> for Word {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(self)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Word {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Word::from(d.bytes()?))
    }
}

impl Deref for Word {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kept::InPlace(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Kept::Elsewhere(text) => text,
        }
    }
}

impl Borrow<[u8]> for Word {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Word) -> bool {
        are_same(self, other)
    }
}

impl Eq for Word {}

impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        WordRef(self).hash(state);
    }
}

/// The same, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct WordRef<'a>(pub &'a [u8]);

impl Hash for WordRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

impl Equivalent<Word> for WordRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Word) -> bool {
        are_same(self.0, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length() {
        assert_eq!(size_of::<Word>(), 24);
        for length in 0..40 {
            let text: Vec<u8> = (0..length).collect();
            let word = Word::from(&text[..]);
            assert_eq!(*word, text);
            assert_eq!(word, word.clone());
            assert!(WordRef(&text).equivalent(&word));
            let is_in_place = text.len() <= IN_PLACE_BYTES_MAX;
            let elsewhere = if is_in_place { 0 } else { block_bytes(text.len()) };
            assert_eq!(word.owned_bytes(), elsewhere);
        }
    }
}
