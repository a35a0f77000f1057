//! Marks the bytes of a line at which values end, all of them in one pass.
//!
//! Marked is what stands outside `#` to `~`: blanks, controls, `!`, `"`, DEL and whatever is no
//! ASCII. Nearly every value of nginx's own is free of them, and nearly every literal between values
//! has one. Quotes are marked once more, for values that hold blanks end there.

use wide::u8x16;

/// Whether a byte is marked.
pub(super) fn is_mark(byte: u8) -> bool {
    !(b'#'..=b'~').contains(&byte)
}

/// The marks of one line, kept between lines so that none allocates. Takes a quarter of the longest
/// line.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    blocks: Vec<Block>,
}

/// The marks of 64 bytes, the first in the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    marks: u64,
    quotes: u64,
}

impl Marks {
    /// Marks `line`, and forgets the one before.
    pub(super) fn set(&mut self, line: &[u8]) {
        let (blocks, rest) = line.as_chunks::<64>();
        self.blocks.clear();
        self.blocks.extend(blocks.iter().map(Block::of));
        // The end of the line is marked both ways, so that a search need not ask for it.
        let mut last = [b'"'; 64];
        last.iter_mut().zip(rest).for_each(|(kept, byte)| *kept = *byte);
        self.blocks.push(Block::of(&last));
    }

    /// The first mark at `from` or behind it, bytes from 0; the line's length when there is none,
    /// and more than that for a `from` that is behind it.
    #[inline]
    pub(super) fn next(&self, from: usize) -> usize {
        self.search(from, |block| block.marks)
    }

    /// The first quote, alike.
    #[inline]
    pub(super) fn next_quote(&self, from: usize) -> usize {
        self.search(from, |block| block.quotes)
    }

    #[inline]
    fn search(&self, from: usize, bits: impl Fn(&Block) -> u64) -> usize {
        let mut index = from / 64;
        let Some(block) = self.blocks.get(index) else { return from };
        let word = bits(block) >> (from % 64);
        if word != 0 {
            return from + word.trailing_zeros() as usize;
        }
        loop {
            index += 1;
            match self.blocks.get(index).map(&bits) {
                Some(0) => {}
                Some(word) => return index * 64 + word.trailing_zeros() as usize,
                None => return index * 64,
            }
        }
    }
}

impl Block {
    #[inline]
    fn of(bytes: &[u8; 64]) -> Block {
        const FIRST: u8x16 = u8x16::splat(b'#');
        const OUTSIDE: u8x16 = u8x16::splat(b'~' - b'#' + 1);
        const QUOTE: u8x16 = u8x16::splat(b'"');
        let (sixteens, _) = bytes.as_chunks::<16>();
        let (marks, quotes) = sixteens.iter().rev().fold((0, 0), |(marks, quotes), sixteen| {
            let sixteen = u8x16::from(*sixteen);
            // What is below the first unmarked byte wraps round to the greatest.
            let distance = sixteen - FIRST;
            let is_mark = distance.max(OUTSIDE).simd_eq(distance);
            let is_quote = sixteen.simd_eq(QUOTE);
            let bits = |sixteen: u8x16| u64::from(sixteen.to_bitmask());
            (marks << 16 | bits(is_mark), quotes << 16 | bits(is_quote))
        });
        Block { marks, quotes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &[u8]) {
        let mut marks = Marks::default();
        marks.set(b"\n of the line before");
        marks.set(line);
        for from in 0..line.len() + 130 {
            let expected = |test: fn(u8) -> bool| {
                let found = (from..line.len()).find(|at| test(line[*at]));
                found.unwrap_or(line.len().max(from))
            };
            assert_eq!(marks.next(from), expected(is_mark), "{line:?} from {from}");
            assert_eq!(marks.next_quote(from), expected(|b| b == b'"'), "{line:?} from {from}");
        }
    }

    #[test]
    fn every_byte_at_the_edges_of_blocks() {
        for byte in 0..=u8::MAX {
            for length in [1, 15, 16, 17, 63, 64, 65, 128] {
                let mut line = vec![b'x'; length];
                line[length - 1] = byte;
                check(&line);
            }
        }
        check(b"");
    }

    proptest! {
        #[test]
        fn any_bytes(line: Vec<u8>) {
            check(&line);
        }
    }
}
