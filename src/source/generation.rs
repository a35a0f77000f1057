//! One open file of a followed source: what was read of it, and whether it is still the file it
//! was.
//!
//! A name has many generations: the live file, and those that were renamed or deleted and may still
//! be written to. Which exist is decided by [`super::file`]; this module knows one of them. Nothing
//! of an unfinished line is kept in memory: it is read again, from the place after the last whole
//! line.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use memchr::memrchr;

use crate::clock::Monotonic;
use crate::limits::{LINE_BYTES_MAX, ROTATED_IDLE_GRACE};
use crate::source::identity::{ANCHOR_BYTES, FileKey, HEAD_BYTES, Mark, read_at};
use crate::source::lines::{Line, LineBuffer, LinePosition};
use crate::source::stream::Compression;

/// When a file came to be and was last written, to tell which of two generations is the newer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) birth: Option<SystemTime>,
    pub(super) modified: Option<SystemTime>,
}

impl Times {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { birth: metadata.created().ok(), modified: metadata.modified().ok() }
    }

    /// Whether this file came to be at or after the other; by the last write where a birth time is
    /// missing.
    pub(super) fn not_before(&self, other: &Self) -> bool {
        match (self.birth, other.birth) {
            (Some(own), Some(other)) => own >= other,
            _ => self.modified >= other.modified,
        }
    }
}

/// What is kept of a file that was closed, enough to go on if it comes back.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    pub(super) name: Arc<Path>,
    pub(super) key: FileKey,
    pub(super) times: Times,
    pub(super) head: Mark,
    anchor: Mark,
    position: LinePosition,
}

/// A regular file that was opened and looked at, before it is decided where to read it from.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    metadata: Metadata,
    head: Vec<u8>,
}

impl Opened {
    /// None when the path leads to something else than a regular file.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut head = vec![0; HEAD_BYTES];
        let length = read_at(&file, &mut head, 0)?.len();
        head.truncate(length);
        Ok(Some(Self { file, metadata, head }))
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
        Compression::of(&self.head) != Compression::None
    }

    /// Whether this is the closed file, holding what was read of it.
    pub(super) fn continues(&self, closed: &Remembered) -> bool {
        let anchor_offset =
            closed.position.byte_offset.saturating_sub(closed.anchor.length_bytes as u64);
        self.key() == closed.key
            && self.size_bytes() >= closed.position.byte_offset
            && closed.head.begins(&self.head)
            && read_at(&self.file, &mut [0; ANCHOR_BYTES], anchor_offset)
                .is_ok_and(|bytes| closed.anchor.begins(bytes))
    }

    /// What would be remembered if the file were closed unread.
    pub(super) fn unread(&self, name: Arc<Path>) -> Remembered {
        Remembered {
            name,
            key: self.key(),
            times: self.times(),
            head: Mark::of(&self.head),
            anchor: Mark::default(),
            position: LinePosition::START,
        }
    }

    /// The place of the first line that is not over yet.
    fn end(&self) -> io::Result<LinePosition> {
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

/// Where to read a newly opened file from.
#[derive(Debug)]
pub(super) enum Place<'a> {
    Start,
    End,
    After(&'a Remembered),
}

/// Whether a name still leads to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Live,
    /// Renamed, deleted, or a link points elsewhere. `size_bytes` is the size at `idle_since`, when
    /// it last grew; once idle for long enough and read to its end it is `over`.
    Leaving {
        idle_since: Monotonic,
        size_bytes: u64,
        over: bool,
    },
}

/// What a look at the open file finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Same,
    /// Written anew from its start, or cut shorter; `lost_bytes` were seen to exist and not handed
    /// out.
    Truncated {
        lost_bytes: u64,
    },
    /// Nothing was handed out yet, and what stands in it now is compressed.
    Compressed,
}

#[derive(Debug)]
pub(super) struct Generation {
    pub(super) name: Arc<Path>,
    pub(super) key: FileKey,
    pub(super) stage: Stage,
    /// Not read again before the next look: it ended early, or reading failed.
    pub(super) resting: bool,
    /// The last read failed.
    pub(super) failing: bool,
    file: File,
    times: Times,
    head: Mark,
    /// Marks the bytes right before `position`.
    anchor: Mark,
    /// After the last whole line.
    position: LinePosition,
    /// End of what was read; `position.byte_offset..read_to` is an unfinished line.
    read_to: u64,
    /// As last seen.
    size_bytes: u64,
    deleted: bool,
}

impl Generation {
    pub(super) fn new(name: Arc<Path>, opened: Opened, place: &Place<'_>) -> io::Result<Self> {
        let (position, anchor) = match place {
            Place::Start => (LinePosition::START, Mark::default()),
            Place::End => {
                let position = opened.end()?;
                (position, anchor_before(&opened.file, position.byte_offset)?)
            }
            Place::After(closed) => (closed.position, closed.anchor),
        };
        Ok(Self {
            name,
            key: opened.key(),
            stage: Stage::Live,
            resting: false,
            failing: false,
            times: opened.times(),
            head: Mark::of(&opened.head),
            anchor,
            position,
            read_to: position.byte_offset,
            size_bytes: opened.size_bytes(),
            deleted: false,
            file: opened.file,
        })
    }

    pub(super) fn position(&self) -> LinePosition {
        self.position
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn times(&self) -> Times {
        self.times
    }

    pub(super) fn head(&self) -> Mark {
        self.head
    }

    /// Whether no name at all leads to the file any more.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Bytes that exist and were not handed out, an unfinished line included.
    pub(super) fn unread_bytes(&self) -> u64 {
        self.size_bytes.saturating_sub(self.position.byte_offset)
    }

    /// Whether a read can bring something new.
    pub(super) fn is_readable(&self) -> bool {
        self.size_bytes > self.read_to && !self.resting
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.stage, Stage::Leaving { .. })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Leaving { over: true, .. })
    }

    /// The file has lost its name.
    pub(super) fn leave(&mut self, now: Monotonic) {
        if self.stage == Stage::Live {
            let size_bytes = self.size_bytes;
            self.stage = Stage::Leaving { idle_since: now, size_bytes, over: false };
        }
    }

    /// Lets a file that has lost its name end, once it is read to its end and has been idle.
    pub(super) fn settle(&mut self, now: Monotonic) {
        let (size, done) = (self.size_bytes, self.size_bytes <= self.read_to || self.failing);
        if let Stage::Leaving { idle_since, size_bytes, over } = &mut self.stage {
            if *size_bytes != size {
                (*idle_since, *size_bytes) = (now, size);
            }
            *over = done && now.since(*idle_since) >= ROTATED_IDLE_GRACE;
        }
    }

    /// Lets a file that has lost its name and is read to its end go without waiting longer.
    pub(super) fn hurry(&mut self) -> bool {
        let done = self.size_bytes <= self.read_to;
        match &mut self.stage {
            Stage::Leaving { over, .. } if done && !*over => {
                *over = true;
                true
            }
            Stage::Live | Stage::Leaving { .. } => false,
        }
    }

    /// Looks at the size and at what stands where we have read. Afterwards the position is right
    /// for what the file holds now.
    pub(super) fn check(&mut self) -> io::Result<Check> {
        let metadata = self.file.metadata()?;
        let size = metadata.len();
        self.deleted = metadata.nlink() == 0;
        self.times.modified = metadata.modified().ok().or(self.times.modified);
        let mut buffer = [0; HEAD_BYTES];
        let head = read_at(&self.file, &mut buffer, 0)?;
        let seen_bytes = self.size_bytes.max(self.read_to);
        if size < self.read_to || !self.head.begins(head) || !self.is_anchored()? {
            let lost_bytes = seen_bytes.saturating_sub(self.position.byte_offset);
            self.position = LinePosition::START;
            self.read_to = 0;
            self.anchor = Mark::default();
            self.head = Mark::of(head);
            self.size_bytes = size;
            return Ok(Check::Truncated { lost_bytes });
        }
        if head.len() > self.head.length_bytes {
            self.head = Mark::of(head);
        }
        self.size_bytes = size;
        if size < seen_bytes {
            return Ok(Check::Truncated { lost_bytes: seen_bytes - size });
        }
        if self.position.byte_offset == 0 && Compression::of(head) != Compression::None {
            return Ok(Check::Compressed);
        }
        Ok(Check::Same)
    }

    /// Whether the bytes before the position are those that were read: a file that was written anew
    /// with an equal beginning still differs here.
    fn is_anchored(&self) -> io::Result<bool> {
        let length = self.anchor.length_bytes;
        let mut buffer = [0; ANCHOR_BYTES];
        let offset = self.position.byte_offset.saturating_sub(length as u64);
        Ok(length == 0 || self.anchor.begins(read_at(&self.file, &mut buffer, offset)?))
    }

    /// Reads one chunk; returns the bytes that are new.
    pub(super) fn read(
        &mut self,
        buffer: &mut LineBuffer,
        line: &mut impl FnMut(&Arc<Path>, Line<'_>),
    ) -> io::Result<u64> {
        let name = &self.name;
        let mut tail = Tail { file: &self.file, offset: self.position.byte_offset };
        buffer.resume(self.position);
        let result = buffer.read_from(&mut tail, &mut |found| line(name, found));
        self.failing = result.is_err();
        self.resting = self.failing;
        result?;
        let new_bytes = self.advance(buffer);
        self.resting = new_bytes == 0;
        Ok(new_bytes)
    }

    /// Hands out the last line although no newline ends it. When the file turns out to hold more,
    /// it reads that instead, and the file is not over any more. Returns the bytes that are new.
    pub(super) fn finish(
        &mut self,
        buffer: &mut LineBuffer,
        line: &mut impl FnMut(&Arc<Path>, Line<'_>),
    ) -> io::Result<u64> {
        let new_bytes = self.read(buffer, line)?;
        if let (Stage::Leaving { over, .. }, true) = (&mut self.stage, new_bytes > 0) {
            *over = false;
            return Ok(new_bytes);
        }
        let name = &self.name;
        buffer.finish(&mut |found| line(name, found));
        self.position = buffer.position();
        self.anchor = anchor_before(&self.file, self.position.byte_offset)?;
        Ok(0)
    }

    fn advance(&mut self, buffer: &LineBuffer) -> u64 {
        let before = self.read_to;
        self.position = buffer.position();
        self.read_to = self.position.byte_offset + buffer.unfinished_bytes() as u64;
        self.size_bytes = self.size_bytes.max(self.read_to);
        let done = buffer.handed_out();
        if !done.is_empty() {
            let from = done.len().saturating_sub(ANCHOR_BYTES);
            self.anchor = Mark::of(done.get(from..).unwrap_or_default());
        }
        self.read_to.saturating_sub(before)
    }

    pub(super) fn remember(&self) -> Remembered {
        Remembered {
            name: Arc::clone(&self.name),
            key: self.key,
            times: self.times,
            head: self.head,
            anchor: self.anchor,
            position: self.position,
        }
    }
}

fn anchor_before(file: &File, offset: u64) -> io::Result<Mark> {
    let from = offset.saturating_sub(ANCHOR_BYTES as u64);
    let length = usize::try_from(offset - from).unwrap_or(ANCHOR_BYTES);
    let mut buffer = [0; ANCHOR_BYTES];
    Ok(Mark::of(read_at(file, buffer.get_mut(..length).unwrap_or_default(), from)?))
}

/// The file from an offset on, without moving the offset that the descriptor has.
struct Tail<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for Tail<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
