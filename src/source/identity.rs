//! What makes a file the same file.
//!
//! A name does not: it is rotated. Device and inode alone do not: ext4 gives the inode of a deleted
//! file to the next one. So a file is its device, inode and birth time, and what stood in it: a
//! mark of its first KiB, and of the bytes before the place where reading stopped.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minicbor::{Decode, Encode};

/// Bytes at the start of a file that are marked.
pub const HEAD_BYTES: usize = 1024;

/// Bytes before the place of reading that are marked.
pub const ANCHOR_BYTES: usize = 256;

/// The file itself, as far as the file system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct FileKey {
    /// Number of the file system.
    #[n(0)]
    pub device: u64,
    /// Number of the file in it; used again after the file is gone.
    #[n(1)]
    pub inode: u64,
    /// When the file came to be, in nanoseconds since 1970; none where the file system does not keep
    /// it.
    #[n(2)]
    pub birth: Option<i64>,
}

impl FileKey {
    /// The key of a file that was looked at.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            birth: nanoseconds(metadata.created()),
        }
    }
}

/// When a file came to be and was last written, to tell which of two is the newer. In nanoseconds
/// since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Times {
    /// When it came to be, or was written anew from its start; none where that is not known.
    #[n(0)]
    pub birth: Option<i64>,
    /// The last write.
    #[n(1)]
    pub modified: Option<i64>,
}

impl Times {
    /// The times of a file that was looked at.
    pub fn of(metadata: &Metadata) -> Self {
        let (birth, modified) = (metadata.created(), metadata.modified());
        Self { birth: nanoseconds(birth), modified: nanoseconds(modified) }
    }

    /// Whether this file came to be at or after the other; by the last write where a birth time is
    /// missing.
    pub fn not_before(&self, other: &Self) -> bool {
        match (self.birth, other.birth) {
            (Some(own), Some(other)) => own >= other,
            _ => self.modified >= other.modified,
        }
    }
}

/// Since 1970, negative before; none outside 1677 to 2262.
fn nanoseconds(time: io::Result<SystemTime>) -> Option<i64> {
    let nanoseconds = |duration: Duration| i64::try_from(duration.as_nanos()).ok();
    match time.ok()?.duration_since(UNIX_EPOCH) {
        Ok(since) => nanoseconds(since),
        Err(before) => nanoseconds(before.duration()).map(|before| -before),
    }
}

/// A stretch of a file, remembered by its length and a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Mark {
    /// Length of the stretch.
    #[n(0)]
    pub length_bytes: usize,
    /// Its hash, see [`hash`].
    #[n(1)]
    pub hash: u64,
}

impl Mark {
    /// Marks a stretch.
    pub fn of(bytes: &[u8]) -> Self {
        Self { length_bytes: bytes.len(), hash: hash(bytes) }
    }

    /// Whether `bytes` begin with what was marked. The mark of nothing fits everything.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(..self.length_bytes).is_some_and(|stretch| hash(stretch) == self.hash)
            || self.length_bytes == 0
    }
}

/// Bytes of a first line that tell it from others, if it has not ended before.
const ALIKE_BYTES_MIN: usize = 64;

/// Whether two beginnings are the same as far as both go, and go far enough to tell: by a line, for
/// many lines begin with the same address or date.
pub fn begin_alike(one: &[u8], other: &[u8]) -> bool {
    let shared = one.get(..one.len().min(other.len())).unwrap_or_default();
    let tells = shared.len() >= ALIKE_BYTES_MIN || shared.contains(&b'\n');
    let is_all = one.len() == other.len() && !one.is_empty();
    (tells || is_all) && other.starts_with(shared)
}

/// Hash of a stretch. It is the same in every version of this program, so that it may be stored:
/// FNV-1a over little-endian words of 8 bytes, the last one filled with zeros, then the length.
/// Lines carry times and a client cannot choose both files, so it need not withstand attacks.
pub fn hash(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mix = |hash: u64, word: u64| {
        let mixed = (hash ^ word).wrapping_mul(PRIME);
        mixed ^ (mixed >> 32)
    };
    let hashed = bytes.chunks(8).fold(BASIS, |hash, chunk| {
        let word = chunk.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        mix(hash, word)
    });
    mix(hashed, bytes.len() as u64)
}

/// The bytes of `file` from `offset` on, as many as fit or exist.
///
/// # Errors
/// Those of reading.
pub fn read_at<'a>(file: &File, buffer: &'a mut [u8], offset: u64) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_fits_what_begins_like_it() {
        let check = |marked: &[u8], bytes: &[u8], expected: bool| {
            assert_eq!(Mark::of(marked).begins(bytes), expected, "{marked:?} {bytes:?}");
        };
        check(b"", b"", true);
        check(b"", b"a", true);
        check(b"a", b"", false);
        check(b"abcdefgh", b"abcdefgh", true);
        check(b"abcdefgh", b"abcdefghi", true);
        check(b"abcdefghi", b"abcdefgh", false);
        check(b"abcdefghi", b"abcdefghj", false);
        check(b"a", b"a\0", true);
        check(b"a\0", b"a", false);
        assert_eq!(Mark::default(), Mark { length_bytes: 0, hash: 0 });
        assert!(Mark::default().begins(b"anything"));
    }

    #[test]
    fn beginnings_are_alike_as_far_as_both_go() {
        let check = |one: &[u8], other: &[u8], expected: bool| {
            assert_eq!(begin_alike(one, other), expected, "{one:?} {other:?}");
            assert_eq!(begin_alike(other, one), expected, "{other:?} {one:?}");
        };
        check(b"a\n", b"a\nb\n", true);
        check(b"a\n", b"a\n", true);
        check(b"a\n", b"ab\n", false);
        check(b"", b"a", false);
        check(b"", b"", false);
        check(b"a", b"a", true);
        check(b"a", b"ab", false);
        check(&[b'a'; ALIKE_BYTES_MIN], &[b'a'; 2 * ALIKE_BYTES_MIN], true);
    }

    #[test]
    fn the_hash_never_changes() {
        assert_ne!(hash(b"a"), hash(b"a\0"));
        assert_eq!(hash(b""), 0xaf63_bd4c_2962_0a93);
        assert_eq!(hash(b"a line of a log\n"), 0x7235_3d4b_81e2_9560);
    }

    #[test]
    fn a_key_survives_a_rename_and_tells_files_apart() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a"), directory.path().join("b"));
        std::fs::write(&a, "x").unwrap();
        let key = FileKey::of(&a.metadata().unwrap());
        std::fs::rename(&a, &b).unwrap();
        std::fs::write(&a, "x").unwrap();
        assert_eq!(FileKey::of(&b.metadata().unwrap()), key);
        assert_ne!(FileKey::of(&a.metadata().unwrap()), key);
    }

    #[test]
    fn reading_at_an_offset_stops_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "0123456789").unwrap();
        let file = File::open(&path).unwrap();
        let check = |room: usize, offset: u64, expected: &[u8]| {
            assert_eq!(read_at(&file, &mut vec![0; room], offset).unwrap(), expected);
        };
        check(4, 0, b"0123");
        check(4, 8, b"89");
        check(4, 10, b"");
        check(4, 1 << 40, b"");
        check(0, 0, b"");
    }
}
