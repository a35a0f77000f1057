//! A regular file that was opened and looked at, before it is decided where to read it from.

use std::borrow::Borrow;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use memchr::memrchr;

use crate::limits::{LINE_BYTES_MAX, UNPACK_WINDOW_LOG_MAX};
use crate::source::identity::{
    ANCHOR_BYTES, FileKey, HEAD_BYTES, Mark, Times, begin_alike, read_at,
};
use crate::source::lines::LinePosition;
use crate::source::places::{OpenPlace, Place};
use crate::source::stream::{Compression, Stream};

/// The file, and what it begins with; of a compressed one, what its text begins with.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    metadata: Metadata,
    head: Vec<u8>,
    compression: Compression,
}

impl Opened {
    /// None when the path leads to something else than a regular file.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        // To open a pipe would be to wait for whoever writes to it.
        if !path.metadata()?.is_file() {
            return Ok(None);
        }
        let file = Arc::new(File::open(path)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut head = vec![0; HEAD_BYTES];
        let length = read_at(&file, &mut head, 0)?.len();
        head.truncate(length);
        let compression = Compression::of(&head);
        if compression != Compression::None {
            head = text_head(&file, path);
        }
        Ok(Some(Self { file, metadata, head, compression }))
    }

    pub(super) fn key(&self) -> FileKey {
        FileKey::of(&self.metadata)
    }

    pub(super) fn times(&self) -> Times {
        Times::of(&self.metadata)
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.metadata.len()
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.compression != Compression::None
    }

    /// Whether this is the closed file, holding what was read of it.
    pub(super) fn continues(&self, closed: &Place) -> bool {
        self.key() == closed.key && self.fits(closed)
    }

    /// Whether nothing here contradicts that it holds what was read up to the place.
    pub(super) fn fits(&self, place: &Place) -> bool {
        place.head.begins(&self.head) && self.reaches(place) && self.is_anchored(place)
    }

    /// Whether it is the file of the place or a copy of it, whatever file it is, by what it begins
    /// with, and by what stands before the place where it goes so far. In a compressed file that is
    /// seen only on the way there.
    pub(super) fn is_copy_of(&self, was: &OpenPlace) -> bool {
        let head = &was.place.head;
        let is_marked = head.length_bytes > 0 && head.begins(&self.head);
        (is_marked || begin_alike(&was.beginning, &self.head))
            && (!self.reaches(&was.place) || self.is_anchored(&was.place))
    }

    /// Whether it goes as far as the place; a compressed file may.
    pub(super) fn reaches(&self, place: &Place) -> bool {
        self.is_compressed() || self.size_bytes() >= place.position.byte_offset
    }

    fn is_anchored(&self, place: &Place) -> bool {
        let Place { anchor, position, .. } = place;
        let offset = position.byte_offset.saturating_sub(anchor.length_bytes as u64);
        self.is_compressed()
            || read_at(&self.file, &mut [0; ANCHOR_BYTES], offset)
                .is_ok_and(|bytes| anchor.begins(bytes))
    }

    /// The place of the first line that is not over yet.
    pub(super) fn end(&self) -> io::Result<LinePosition> {
        let size = self.size_bytes();
        let mut tail = vec![0; LINE_BYTES_MAX + 2];
        let tail_offset = size.saturating_sub(tail.len() as u64);
        let tail = read_at(&self.file, &mut tail, tail_offset)?;
        let byte_offset = match memrchr(b'\n', tail) {
            Some(newline) => tail_offset + newline as u64 + 1,
            None if tail_offset == 0 => 0,
            // So long that it would be cut anyhow: the rest of it is not wanted.
            None => {
                return Ok(LinePosition { byte_offset: size, line_number: 1, discarding: true });
            }
        };
        Ok(LinePosition { byte_offset, ..LinePosition::START })
    }
}

/// The text of a compressed file from its start, independent of what else is read of the file.
pub(super) fn text(file: &Arc<File>, path: &Path) -> io::Result<Stream> {
    let packed = Tail { file: Arc::clone(file), offset: 0 };
    let name = path.display().to_string();
    Stream::within(packed, name, None, Some(UNPACK_WINDOW_LOG_MAX)).map_err(io::Error::other)
}

/// The first bytes of the text, as many as can be had.
fn text_head(file: &Arc<File>, path: &Path) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    if let Ok(text) = text(file, path) {
        // What comes before a fault is kept; the fault is met again where the file is read.
        let _fault = text.take(HEAD_BYTES as u64).read_to_end(&mut head);
    }
    head
}

/// Marks the bytes before an offset.
pub(super) fn anchor_before(file: &File, offset: u64) -> io::Result<Mark> {
    let from = offset.saturating_sub(ANCHOR_BYTES as u64);
    let length = usize::try_from(offset - from).unwrap_or(ANCHOR_BYTES);
    let mut buffer = [0; ANCHOR_BYTES];
    Ok(Mark::of(read_at(file, buffer.get_mut(..length).unwrap_or_default(), from)?))
}

/// The file from an offset on, without moving the offset that the descriptor has.
pub(super) struct Tail<F> {
    pub(super) file: F,
    pub(super) offset: u64,
}

impl<F: Borrow<File>> Read for Tail<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.borrow().read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
