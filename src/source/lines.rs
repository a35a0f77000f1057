//! Chunks of bytes in, whole lines out, borrowed from the buffer that was read into.
//!
//! Owns the line's end, its greatest length and its place in the stream. A line is any bytes up to
//! `\n`, as nginx writes them; one `\r` before it is dropped; NUL and invalid UTF-8 are bytes like
//! others. Where the bytes come from, and what they mean, is left to others.

use std::io::{self, Read};

use gatelog_parsers::error_log::is_error_line;
use memchr::memchr_iter;
use minicbor::{Decode, Encode};

use crate::limits::{CHUNK_BYTES, LINE_BYTES_MAX};

/// One line, without its line end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line; at most [`LINE_BYTES_MAX`] bytes.
    pub bytes: &'a [u8],
    /// The line was longer: these are its first [`LINE_BYTES_MAX`] bytes, the rest was discarded.
    pub cut: bool,
    /// Where the line starts in the (uncompressed) stream, in bytes from 0.
    pub byte_offset: u64,
    /// The line's number, from 1 where reading began.
    pub line_number: u64,
    /// A container wrote it to its standard error.
    pub is_stderr: bool,
}

impl Line<'_> {
    /// Whether the line, if it does not fit the format of the access log, is one of nginx's error log: it
    /// begins like one, or stands where nginx's image writes that log, which may be told over several lines.
    pub fn is_error_log(&self) -> bool {
        self.is_stderr || is_error_line(self.bytes)
    }
}

/// A place between two lines, or within the discarded rest of an overlong one. Reading can be taken
/// up again from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LinePosition {
    /// Bytes from 0; everything before it was handed out or discarded.
    #[n(0)]
    pub byte_offset: u64,
    /// Number of the line at this place, from 1.
    #[n(1)]
    pub line_number: u64,
    /// The bytes up to the next newline belong to a line that was handed out cut.
    #[n(2)]
    pub discarding: bool,
}

impl LinePosition {
    /// The start of a stream.
    pub const START: Self = Self { byte_offset: 0, line_number: 1, discarding: false };
}

/// The read buffer that is the line buffer as well. Its memory is taken once and never grows.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Box<[u8]>,
    /// First byte that was not handed out; what stands before it is done.
    start: usize,
    /// `bytes[start..searched]` holds no newline.
    searched: usize,
    /// End of the bytes read. After each read at most `LINE_BYTES_MAX + 1` bytes lie from `start`
    /// on.
    end: usize,
    /// Place of `bytes[start]` in the stream.
    position: LinePosition,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl LineBuffer {
    /// An empty buffer of [`CHUNK_BYTES`] at the start of a stream.
    pub fn new() -> Self {
        Self {
            bytes: vec![0; CHUNK_BYTES].into_boxed_slice(),
            start: 0,
            searched: 0,
            end: 0,
            position: LinePosition::START,
        }
    }

    /// Forgets what was read and goes on at `position`, of the same stream or another one.
    pub fn resume(&mut self, position: LinePosition) {
        self.start = 0;
        self.searched = 0;
        self.end = 0;
        self.position = position;
    }

    /// The place of the first byte that was not handed out.
    pub fn position(&self) -> LinePosition {
        self.position
    }

    /// Bytes read of a line whose end has not come yet.
    pub fn unfinished_bytes(&self) -> usize {
        self.end - self.start
    }

    /// The bytes before [`Self::position`] that are still in the buffer, at least those of the
    /// lines that the last read handed out.
    pub fn handed_out(&self) -> &[u8] {
        self.bytes.get(..self.start).unwrap_or_default()
    }

    /// Bytes of memory held; always [`CHUNK_BYTES`].
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Reads once from `reader` and calls `line` for each line that is now whole. Returns the bytes
    /// read, 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of `reader`; an interrupted read is repeated. Lines handed out before stay valid, and
    /// reading may go on.
    pub fn read_from(
        &mut self,
        reader: &mut impl Read,
        line: &mut impl FnMut(Line<'_>),
    ) -> io::Result<usize> {
        self.move_tail_to_front();
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let read_bytes = loop {
            match reader.read(room) {
                // A reader that claims more than it was given room for is not believed.
                Ok(count) => break count.min(room.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.end += read_bytes;
        self.hand_out(line);
        Ok(read_bytes)
    }

    /// Hands out a last line that no newline ends. Only for a stream that is known to be over.
    pub fn finish(&mut self, line: &mut impl FnMut(Line<'_>)) {
        let rest = self.bytes.get(self.start..self.end).unwrap_or_default();
        let mut position = self.position;
        if !position.discarding && !rest.is_empty() {
            line(bounded(rest, position));
        }
        if position.discarding || !rest.is_empty() {
            position.advance(rest.len());
            position.next_line();
        }
        self.resume(position);
    }

    fn move_tail_to_front(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
    }

    fn hand_out(&mut self, line: &mut impl FnMut(Line<'_>)) {
        let unread = self.bytes.get(self.start..self.end).unwrap_or_default();
        let searched = self.searched - self.start;
        let mut position = self.position;
        let mut line_start = 0;
        for found in memchr_iter(b'\n', unread.get(searched..).unwrap_or_default()) {
            let newline = searched + found;
            if !position.discarding {
                line(bounded(unread.get(line_start..newline).unwrap_or_default(), position));
            }
            position.advance(newline + 1 - line_start);
            position.next_line();
            line_start = newline + 1;
        }
        // Of these bytes only `\r\n` could still follow a line of the greatest length.
        let rest = unread.get(line_start..).unwrap_or_default();
        if rest.len() > LINE_BYTES_MAX + 1 && !position.discarding {
            line(bounded(rest, position));
            position.discarding = true;
        }
        if position.discarding {
            position.advance(rest.len());
            line_start += rest.len();
        }
        self.start += line_start;
        self.searched = self.end;
        self.position = position;
    }
}

impl LinePosition {
    fn advance(&mut self, bytes: usize) {
        self.byte_offset = self.byte_offset.saturating_add(bytes as u64);
    }

    fn next_line(&mut self) {
        self.line_number += 1;
        self.discarding = false;
    }
}

/// The line whose bytes up to the newline, or as many as are known, are `content`.
fn bounded(content: &[u8], position: LinePosition) -> Line<'_> {
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    let kept = content.get(..LINE_BYTES_MAX);
    Line {
        bytes: kept.unwrap_or(content),
        cut: content.len() > LINE_BYTES_MAX,
        byte_offset: position.byte_offset,
        line_number: position.line_number,
        is_stderr: false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hands out its bytes in pieces of the given sizes, then the rest.
    struct Pieces<'a> {
        bytes: &'a [u8],
        sizes: std::slice::Iter<'a, usize>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let wanted = self.sizes.next().copied().unwrap_or(usize::MAX).max(1);
            let count = wanted.min(buffer.len()).min(self.bytes.len());
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Ok(count)
        }
    }

    type Owned = (Vec<u8>, bool, u64, u64);

    fn owned(line: Line<'_>) -> Owned {
        (line.bytes.to_vec(), line.cut, line.byte_offset, line.line_number)
    }

    fn split(bytes: &[u8], sizes: &[usize], finish: bool) -> (Vec<Owned>, LineBuffer) {
        let mut reader = Pieces { bytes, sizes: sizes.iter() };
        let mut buffer = LineBuffer::new();
        let mut lines = Vec::new();
        while buffer.read_from(&mut reader, &mut |line| lines.push(owned(line))).unwrap() > 0 {}
        if finish {
            buffer.finish(&mut |line| lines.push(owned(line)));
        }
        (lines, buffer)
    }

    /// What the lines must be, by the plainest means.
    fn model(bytes: &[u8], finish: bool) -> Vec<Owned> {
        let mut lines = Vec::new();
        let mut offset = 0;
        let mut pieces: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let last = pieces.pop().unwrap();
        let ended = pieces.len();
        if !last.is_empty() && (finish || last.len() > LINE_BYTES_MAX + 1) {
            pieces.push(last);
        }
        assert!(pieces.len() - ended <= 1);
        for (index, piece) in pieces.into_iter().enumerate() {
            let content = piece.strip_suffix(b"\r").unwrap_or(piece);
            let kept = &content[..content.len().min(LINE_BYTES_MAX)];
            let cut = content.len() > LINE_BYTES_MAX;
            lines.push((kept.to_vec(), cut, offset as u64, index as u64 + 1));
            offset += piece.len() + 1;
        }
        lines
    }

    #[test]
    fn lines_end_with_newline_and_nothing_else() {
        let check = |input: &[u8], expected: &[&[u8]]| {
            let (lines, buffer) = split(input, &[], false);
            let bytes: Vec<&[u8]> = lines.iter().map(|line| line.0.as_slice()).collect();
            assert_eq!(bytes, expected, "{input:?}");
            assert_eq!(lines, model(input, false));
            let position = buffer.position().byte_offset + buffer.unfinished_bytes() as u64;
            assert_eq!(position, input.len() as u64);
        };
        check(b"", &[]);
        check(b"\n", &[b""]);
        check(b"\n\n", &[b"", b""]);
        check(b"a", &[]);
        check(b"a\n", &[b"a"]);
        check(b"a\nb", &[b"a"]);
        check(b"a\r\nb\n", &[b"a", b"b"]);
        check(b"a\r\r\n", &[b"a\r"]);
        check(b"\r\n", &[b""]);
        check(b"a\rb\n", &[b"a\rb"]);
        check(b"\0\n\xff\xfe\n\xe2\x82\n", &[b"\0", b"\xff\xfe", b"\xe2\x82"]);
        check("\u{2028}\u{85}\n".as_bytes(), &["\u{2028}\u{85}".as_bytes()]);
    }

    #[test]
    fn the_greatest_length_counts_the_line_without_its_end() {
        let check = |length: usize, end: &[u8], cut: bool| {
            let mut input = vec![b'x'; length];
            input.extend_from_slice(end);
            input.extend_from_slice(b"next\n");
            for sizes in [&[][..], &[LINE_BYTES_MAX + 1, 1, 1, 1][..], &[7; 60_000][..]] {
                let (lines, _) = split(&input, sizes, false);
                assert_eq!(lines.len(), 2, "{length} {end:?}");
                assert_eq!(lines[0].0.len(), length.min(LINE_BYTES_MAX));
                assert_eq!(lines[0].1, cut, "{length} {end:?}");
                let offset = (length + end.len()) as u64;
                assert_eq!(lines[1], (b"next".to_vec(), false, offset, 2));
            }
        };
        check(LINE_BYTES_MAX - 1, b"\n", false);
        check(LINE_BYTES_MAX, b"\n", false);
        check(LINE_BYTES_MAX, b"\r\n", false);
        check(LINE_BYTES_MAX + 1, b"\n", true);
        check(LINE_BYTES_MAX + 1, b"\r\n", true);
        check(LINE_BYTES_MAX + 2, b"\n", true);
        check(CHUNK_BYTES - 1, b"\n", true);
        check(CHUNK_BYTES, b"\n", true);
        check(CHUNK_BYTES + 1, b"\n", true);
        check(3 * CHUNK_BYTES + 17, b"\r\n", true);
    }

    #[test]
    fn a_last_line_without_newline_waits_for_finish() {
        let check = |input: &[u8], expected: &[&[u8]]| {
            let (lines, buffer) = split(input, &[], true);
            let bytes: Vec<&[u8]> = lines.iter().map(|line| line.0.as_slice()).collect();
            assert_eq!(bytes, expected, "{input:?}");
            assert_eq!(lines, model(input, true));
            assert_eq!(buffer.position().byte_offset, input.len() as u64);
            assert_eq!(buffer.position().line_number, expected.len() as u64 + 1);
        };
        check(b"", &[]);
        check(b"a\n", &[b"a"]);
        check(b"a\nb", &[b"a", b"b"]);
        check(b"a\nb\r", &[b"a", b"b"]);
        check(b"\r", &[b""]);
    }

    #[test]
    fn an_overlong_last_line_is_handed_out_once() {
        let input = vec![b'x'; LINE_BYTES_MAX * 2];
        let (lines, buffer) = split(&input, &[], true);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].1);
        assert_eq!(buffer.position().line_number, 2);
    }

    #[test]
    fn reading_resumes_at_a_position() {
        let mut input = vec![b'x'; LINE_BYTES_MAX + 10];
        input.extend_from_slice(b"\nb\nc");
        let (all, _) = split(&input, &[], true);
        let mut lines = Vec::new();
        let mut position = LinePosition::START;
        let mut buffer = LineBuffer::new();
        let mut steps = 0;
        // Stops after every read, throws the buffer away and goes on from the position alone.
        loop {
            let at = usize::try_from(position.byte_offset).unwrap();
            let mut reader = Pieces { bytes: &input[at..], sizes: [LINE_BYTES_MAX + 3].iter() };
            buffer.resume(position);
            let count = buffer.read_from(&mut reader, &mut |line| lines.push(owned(line))).unwrap();
            let before = position;
            position = buffer.position();
            steps += 1;
            if count == 0 || position == before {
                buffer.finish(&mut |line| lines.push(owned(line)));
                break;
            }
        }
        assert!(steps > 2);
        assert_eq!(lines, all);
    }

    #[test]
    fn a_gibibyte_without_a_newline_takes_no_memory() {
        struct Endless {
            left: u64,
        }
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = usize::try_from(self.left).unwrap().min(buffer.len());
                self.left -= count as u64;
                Ok(count)
            }
        }
        let size = 1_u64 << 30;
        let mut reader = Endless { left: size }.chain(&b"\nafter\n"[..]);
        let mut buffer = LineBuffer::new();
        let mut lines = Vec::new();
        while buffer.read_from(&mut reader, &mut |line| lines.push(owned(line))).unwrap() > 0 {
            assert_eq!(buffer.capacity_bytes(), CHUNK_BYTES);
            assert!(buffer.unfinished_bytes() <= LINE_BYTES_MAX + 1);
        }
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].0.len(), lines[0].1), (LINE_BYTES_MAX, true));
        assert_eq!(lines[1], (b"after".to_vec(), false, size + 1, 2));
    }

    #[test]
    fn errors_pass_through_and_interruptions_do_not() {
        struct Failing(u32);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 | 3 => Err(io::ErrorKind::Interrupted.into()),
                    4 => Err(io::Error::other("broken")),
                    5 => Ok(0),
                    _ => {
                        buffer[..3].copy_from_slice(b"a\nb");
                        Ok(3)
                    }
                }
            }
        }
        let mut reader = Failing(0);
        let mut buffer = LineBuffer::new();
        let mut lines = Vec::new();
        let mut read =
            |buffer: &mut LineBuffer| buffer.read_from(&mut reader, &mut |l| lines.push(owned(l)));
        assert_eq!(read(&mut buffer).unwrap(), 3);
        assert_eq!(read(&mut buffer).unwrap_err().to_string(), "broken");
        assert_eq!(buffer.unfinished_bytes(), 1);
        assert_eq!(read(&mut buffer).unwrap(), 0);
        assert_eq!(lines.len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn chunking_does_not_change_the_lines(
            lines in prop::collection::vec(
                prop_oneof![
                    8 => prop::collection::vec(any::<u8>(), 0..40),
                    1 => (LINE_BYTES_MAX - 3..LINE_BYTES_MAX + 4).prop_map(|n| vec![b'x'; n]),
                    1 => (CHUNK_BYTES - 3..CHUNK_BYTES + 4).prop_map(|n| vec![b'y'; n]),
                ],
                0..12,
            ),
            sizes in prop::collection::vec(
                prop_oneof![1..20_usize, 100_000..140_000_usize, Just(CHUNK_BYTES)], 0..60),
            finish in any::<bool>(),
        ) {
            let input = lines.join(&b'\n');
            let (split, _) = split(&input, &sizes, finish);
            prop_assert_eq!(split, model(&input, finish));
        }
    }
}
