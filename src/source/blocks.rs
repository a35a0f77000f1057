//! A file in blocks of bytes, so that several threads can read it side by side.
//!
//! A line belongs to the block in which it starts, wherever it ends: each line is handed out by one
//! block, whole, with the place that it has in the file, and all blocks together hand out what
//! reading the file from its start would. Who reads which block is left to others.

use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;

use super::lines::{Line, LineBuffer, LinePosition};

/// Bytes read at once behind a block's end, where its last line goes on.
const OVERHANG_BYTES: usize = 16 * 1024;

/// How a file is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    size_bytes: u64,
    block_bytes: NonZeroU64,
}

/// The bytes from `start` on, before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    start: u64,
    /// `None` for the last block: what is written meanwhile belongs to it.
    end: Option<u64>,
}

impl Blocks {
    /// Cuts a file of this size into blocks of this many bytes, the last one of what is left.
    pub fn new(size_bytes: u64, block_bytes: NonZeroU64) -> Blocks {
        Blocks { size_bytes, block_bytes }
    }

    /// The size of the file when it was cut.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many there are, at least one.
    pub fn count(&self) -> u64 {
        self.size_bytes.div_ceil(self.block_bytes.get()).max(1)
    }

    /// Every `shares`-th block from the one of this index on. All shares together are all blocks, and
    /// who reads which one does not depend on who is faster.
    pub fn share(self, index: usize, shares: usize) -> impl Iterator<Item = Block> {
        let blocks = (index as u64..self.count()).step_by(shares.max(1));
        blocks.map(move |block| self.block(block))
    }

    fn block(&self, index: u64) -> Block {
        let start = index.saturating_mul(self.block_bytes.get());
        let end = start.saturating_add(self.block_bytes.get());
        Block { start, end: Some(end).filter(|end| *end < self.size_bytes) }
    }
}

impl Block {
    /// Calls `line` for each line that starts in this block; its number counts from the block's first.
    /// Returns how many bytes of the block there were, fewer than it should have in a file that has
    /// shrunk.
    ///
    /// # Errors
    /// Those of the file; lines handed out before stay valid.
    pub fn read(
        &self,
        file: &(impl FileExt + ?Sized),
        buffer: &mut LineBuffer,
        line: &mut impl FnMut(Line<'_>),
    ) -> io::Result<u64> {
        let Block { start, end } = *self;
        let is_mine = |place: u64| end.is_none_or(|end| place < end);
        let mut mine = |one: Line<'_>| {
            if is_mine(one.byte_offset) {
                line(one);
            }
        };
        // The byte before the block tells whether a line starts with it.
        let position = match start.checked_sub(1) {
            None => LinePosition::START,
            Some(before) => LinePosition { byte_offset: before, line_number: 0, discarding: true },
        };
        buffer.resume(position);
        let mut reader = ReadAt { file, offset: position.byte_offset, end };
        // A place in the rest of a line that was handed out is behind all of its block's lines once
        // it is behind the block.
        while is_mine(buffer.position().byte_offset) {
            if buffer.read_from(&mut reader, &mut mine)? == 0 {
                buffer.finish(&mut mine);
                break;
            }
        }
        let read_to = end.map_or(reader.offset, |end| end.min(reader.offset));
        Ok(read_to.saturating_sub(start))
    }
}

/// Reads a file from a place on, without the file's own position.
struct ReadAt<'a, F: ?Sized> {
    file: &'a F,
    offset: u64,
    /// Where the block ends: no read goes over it, and those behind it are short.
    end: Option<u64>,
}

impl<F: FileExt + ?Sized> Read for ReadAt<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room_bytes = match self.end.map(|end| end.saturating_sub(self.offset)) {
            None => usize::MAX,
            Some(0) => OVERHANG_BYTES,
            Some(left) => usize::try_from(left).unwrap_or(usize::MAX),
        };
        let room_bytes = room_bytes.min(buffer.len());
        let count =
            self.file.read_at(buffer.get_mut(..room_bytes).unwrap_or_default(), self.offset)?;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{CHUNK_BYTES, LINE_BYTES_MAX};

    /// Bytes that are read like a file.
    struct Memory {
        bytes: Vec<u8>,
        /// Reading this byte fails.
        bad: Option<usize>,
        /// Bytes given at once, at most.
        piece: usize,
    }

    impl FileExt for Memory {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let from = usize::try_from(offset).unwrap().min(self.bytes.len());
            let count = buffer.len().min(self.bytes.len() - from).min(self.piece);
            if self.bad.is_some_and(|bad| (from..from + count).contains(&bad)) {
                return Err(io::Error::other("broken"));
            }
            buffer[..count].copy_from_slice(&self.bytes[from..from + count]);
            Ok(count)
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn memory(bytes: Vec<u8>) -> Memory {
        Memory { bytes, bad: None, piece: usize::MAX }
    }

    fn blocks(size: usize, block: u64) -> Blocks {
        Blocks::new(size as u64, NonZeroU64::new(block).unwrap())
    }

    /// What identifies a line, whoever reads it.
    type Owned = (Vec<u8>, bool, u64);

    fn owned(line: Line<'_>) -> Owned {
        (line.bytes.to_vec(), line.cut, line.byte_offset)
    }

    /// Reads all blocks, and the bytes that there were.
    fn by_blocks(file: &Memory, blocks: Blocks) -> (Vec<Owned>, u64) {
        let (mut buffer, mut lines) = (LineBuffer::new(), Vec::new());
        let mut read_bytes = 0;
        for block in blocks.share(0, 1) {
            let mut keep = |line: Line<'_>| lines.push(owned(line));
            read_bytes += block.read(file, &mut buffer, &mut keep).unwrap();
        }
        (lines, read_bytes)
    }

    fn from_the_start(mut bytes: &[u8]) -> Vec<Owned> {
        let (mut buffer, mut lines) = (LineBuffer::new(), Vec::new());
        let mut keep = |line: Line<'_>| lines.push(owned(line));
        while buffer.read_from(&mut bytes, &mut keep).unwrap() > 0 {}
        buffer.finish(&mut keep);
        lines
    }

    #[test]
    fn cut_into_blocks() {
        let check = |size, block, expected: &[(u64, Option<u64>)]| {
            let blocks = blocks(size, block);
            let expected: Vec<_> =
                expected.iter().map(|&(start, end)| Block { start, end }).collect();
            assert_eq!(blocks.share(0, 1).collect::<Vec<_>>(), expected, "{size} {block}");
            assert_eq!(blocks.count(), expected.len() as u64, "{size} {block}");
        };
        check(0, 4, &[(0, None)]);
        check(1, 4, &[(0, None)]);
        check(4, 4, &[(0, None)]);
        check(5, 4, &[(0, Some(4)), (4, None)]);
        check(8, 4, &[(0, Some(4)), (4, None)]);
        check(9, 4, &[(0, Some(4)), (4, Some(8)), (8, None)]);
    }

    #[test]
    fn shares_are_all_blocks_once() {
        let whole: Vec<Block> = blocks(1000, 7).share(0, 1).collect();
        for shares in [1, 2, 3, 7, 500] {
            let mut all: Vec<Block> =
                (0..shares).flat_map(|index| blocks(1000, 7).share(index, shares)).collect();
            all.sort_by_key(|block| block.start);
            assert_eq!(all, whole, "{shares}");
        }
        assert_eq!(blocks(1000, 7).share(500, 501).count(), 0);
    }

    /// Each way to cut gives the lines that reading from the start gives.
    #[test]
    fn lines_across_cuts() {
        let check = |input: &[u8], block_sizes: std::ops::RangeInclusive<u64>| {
            let (file, expected) = (memory(input.to_vec()), from_the_start(input));
            for block in block_sizes {
                let (lines, read_bytes) = by_blocks(&file, blocks(input.len(), block));
                assert_eq!(lines, expected, "{block} {}", input.escape_ascii());
                assert_eq!(read_bytes, input.len() as u64, "{block}");
            }
        };
        check(b"", 1..=3);
        check(b"\n", 1..=3);
        check(b"\n\n\n", 1..=4);
        check(b"a", 1..=3);
        check(b"a\nbb\r\n\r\nccc\r\r\nd\0d\n\xff\xfe\n\ne", 1..=30);
        check(b"a\nbb\nccc\n", 1..=12);
        check(b"a\nbb\nccc\r", 1..=12);
    }

    #[test]
    fn overlong_lines_at_a_cut() {
        let cut = 2 * LINE_BYTES_MAX;
        for length in [LINE_BYTES_MAX - 1, LINE_BYTES_MAX, LINE_BYTES_MAX + 1, 3 * CHUNK_BYTES] {
            for before in
                [0, cut - length.min(cut), cut - 1, cut, cut + 1, cut - LINE_BYTES_MAX - 2]
            {
                for end in [&b"\n"[..], b"\r\n", b"\r\nnext\n", b""] {
                    let lines = [&vec![b'x'; before][..], b"\n", &vec![b'y'; length], end].concat();
                    let file = memory(lines);
                    let (found, read_bytes) =
                        by_blocks(&file, blocks(file.bytes.len(), cut as u64));
                    assert!(found == from_the_start(&file.bytes), "{length} {before} {end:?}");
                    assert_eq!(read_bytes, file.bytes.len() as u64);
                }
            }
        }
    }

    #[test]
    fn what_has_grown_belongs_to_the_last_block() {
        let file = memory(b"a\nb\nc\nd\n".to_vec());
        let (lines, read_bytes) = by_blocks(&file, blocks(5, 2));
        assert_eq!((lines, read_bytes), (from_the_start(&file.bytes), 8));
    }

    #[test]
    fn what_has_shrunk_is_missed() {
        let input = b"aa\nbbbb\ncc\ndd\nee";
        for left in 0..input.len() {
            let file = memory(input[..left].to_vec());
            for block in 1..20 {
                let (lines, read_bytes) = by_blocks(&file, blocks(input.len(), block));
                assert_eq!(lines, from_the_start(&file.bytes), "{left} {block}");
                assert_eq!(read_bytes, left as u64, "{left} {block}");
            }
        }
    }

    #[test]
    fn an_error_is_handed_on() {
        let file = Memory { bad: Some(9), ..memory(b"a\nb\nc\nd\ne\nf\n".to_vec()) };
        let (mut buffer, mut lines) = (LineBuffer::new(), Vec::new());
        let mut keep = |line: Line<'_>| lines.push(line.bytes.to_vec());
        let mut results = Vec::new();
        for block in blocks(file.bytes.len(), 4).share(0, 1) {
            results.push(block.read(&file, &mut buffer, &mut keep).map_err(|e| e.to_string()));
        }
        assert_eq!(results, [Ok(4), Ok(4), Err("broken".to_owned())]);
        assert_eq!(lines, [b"a", b"b", b"c", b"d"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn cutting_does_not_change_the_lines(
            lines in prop::collection::vec(
                prop_oneof![
                    16 => prop::collection::vec(any::<u8>(), 0..40),
                    1 => (LINE_BYTES_MAX - 3..LINE_BYTES_MAX + 4).prop_map(|n| vec![b'x'; n]),
                    1 => (CHUNK_BYTES - 3..CHUNK_BYTES + 4).prop_map(|n| vec![b'y'; n]),
                ],
                0..40,
            ),
            block in prop_oneof![30..100_u64, 1000..3000_u64, 100_000..300_000_u64],
            piece in prop_oneof![Just(usize::MAX), 1000..200_000_usize],
        ) {
            let file = Memory { piece, ..memory(lines.join(&b'\n')) };
            let (found, read_bytes) = by_blocks(&file, blocks(file.bytes.len(), block));
            prop_assert!(found == from_the_start(&file.bytes));
            prop_assert_eq!(read_bytes, file.bytes.len() as u64);
        }
    }
}
