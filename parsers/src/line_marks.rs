//! Marks the bytes of a line at which values end, all of them in one pass.
//!
//! Marked is what stands outside `#` to `~`: blanks, controls, `!`, `"`, DEL and whatever is no
//! ASCII. One comparison tells them, sixteen bytes at a time; nearly every value of nginx's own is
//! free of them, and nearly every literal between values has one.

use wide::u8x16;

/// Whether a byte is marked.
pub(super) fn is_mark(byte: u8) -> bool {
    !(b'#'..=b'~').contains(&byte)
}

/// The marks of one line, a bit for each byte; kept between lines so that none allocates. Takes an
/// eighth of the longest line.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// Marks `line`, and forgets the one before.
    pub(super) fn set(&mut self, line: &[u8]) {
        let (blocks, rest) = line.as_chunks::<64>();
        self.words.clear();
        self.words.extend(blocks.iter().map(marks_of));
        // Behind the line nothing is marked.
        let mut last = [b'#'; 64];
        last.iter_mut().zip(rest).for_each(|(kept, byte)| *kept = *byte);
        self.words.push(marks_of(&last));
    }

    /// The first mark at `from` or behind it, bytes from 0.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let mut index = from / 64;
        let word = *self.words.get(index)? >> (from % 64);
        if word != 0 {
            return Some(from + word.trailing_zeros() as usize);
        }
        loop {
            index += 1;
            let word = *self.words.get(index)?;
            if word != 0 {
                return Some(index * 64 + word.trailing_zeros() as usize);
            }
        }
    }
}

/// The marks of 64 bytes, the first in the lowest bit.
fn marks_of(bytes: &[u8; 64]) -> u64 {
    const FIRST: u8x16 = u8x16::splat(b'#');
    const OUTSIDE: u8x16 = u8x16::splat(b'~' - b'#' + 1);
    let (sixteens, _) = bytes.as_chunks::<16>();
    sixteens.iter().rev().fold(0, |marks, sixteen| {
        // What is below the first unmarked byte wraps round to the greatest.
        let distance = u8x16::from(*sixteen) - FIRST;
        marks << 16 | u64::from(distance.max(OUTSIDE).simd_eq(distance).to_bitmask())
    })
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
            let expected = (from..line.len()).find(|at| is_mark(line[*at]));
            assert_eq!(marks.next(from), expected, "{line:?} from {from}");
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
