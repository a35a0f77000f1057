//! One open file of a followed source: what was read of it, and whether it is still the file it
//! was.
//!
//! A name has many generations: the live file, and those that were renamed or deleted and may still
//! be written to. Which exist is decided by [`super::file`]; this module knows one of them. Nothing
//! of an unfinished line is kept in memory: it is read again, from the place after the last whole
//! line.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Monotonic;
use crate::limits::ROTATED_IDLE_GRACE;
use crate::source::identity::{
    ANCHOR_BYTES, FileKey, HEAD_BYTES, Mark, Times, begin_alike, read_at,
};
use crate::source::lines::{Line, LineBuffer, LinePosition};
use crate::source::opened::{Opened, Tail, anchor_before};
use crate::source::places::{OpenPlace, Place};
use crate::source::stream::Compression;

/// Where to read a newly opened file from.
#[derive(Debug)]
pub(super) enum Begin<'a> {
    Start,
    End,
    After(&'a OpenPlace),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    Same,
    /// It was empty until now and something has happened to it: it may even have been written to,
    /// copied and emptied since it was last written at this time, in nanoseconds.
    Begun {
        written_before: Option<i64>,
    },
    /// It holds something else than what was read, which is to be read from its start. What was read
    /// of it stands, if anywhere, in a copy.
    Rewritten {
        was: Box<OpenPlace>,
    },
    /// It was cut shorter behind the place of reading: so many bytes were seen to exist.
    Shortened {
        lost_bytes: u64,
    },
    /// Nothing was handed out yet, and what stands in it now is compressed.
    Compressed,
}

#[derive(Debug)]
pub(super) struct Generation {
    pub(super) name: Arc<Path>,
    /// Where the name led when the file was opened, links followed.
    pub(super) target: Arc<Path>,
    /// Files are read in this order.
    pub(super) sequence: u64,
    pub(super) key: FileKey,
    pub(super) stage: Stage,
    /// Not read again before the next look: it ended early, or reading failed.
    pub(super) resting: bool,
    /// The last read failed.
    pub(super) failing: bool,
    file: Arc<File>,
    /// As last seen under its name: late writes say nothing about the files after it.
    times: Times,
    /// The last write, in nanoseconds since 1970.
    written: Option<i64>,
    head: Mark,
    /// Marks the bytes right before `position`.
    anchor: Mark,
    /// After the last whole line.
    position: LinePosition,
    /// End of what was read; `position.byte_offset..read_to` is an unfinished line.
    read_to: u64,
    /// What `head` marks.
    beginning: Vec<u8>,
    /// As last seen.
    size_bytes: u64,
    deleted: bool,
}

impl Generation {
    pub(super) fn new(name: Arc<Path>, opened: &Opened, begin: &Begin<'_>) -> io::Result<Self> {
        let (key, size_bytes) = (opened.key(), opened.size_bytes());
        let (mut times, mut read_to) = (opened.times(), None);
        let (position, anchor) = match begin {
            Begin::Start => (LinePosition::START, Mark::default()),
            Begin::End => {
                let position = opened.end()?;
                (position, anchor_before(&opened.file, position.byte_offset)?)
            }
            Begin::After(OpenPlace { place, read_to: before, .. }) => {
                if place.key == key {
                    times = place.times;
                }
                read_to = Some((*before).min(size_bytes));
                (place.position, place.anchor)
            }
        };
        let target = name.canonicalize().map_or_else(|_| Arc::clone(&name), Arc::from);
        Ok(Self {
            name,
            target,
            sequence: 0,
            key,
            stage: Stage::Live,
            resting: false,
            failing: false,
            times,
            written: opened.times().modified,
            head: Mark::of(opened.head()),
            anchor,
            position,
            read_to: read_to.unwrap_or_default().max(position.byte_offset),
            beginning: opened.head().to_vec(),
            size_bytes,
            deleted: false,
            file: Arc::clone(&opened.file),
        })
    }

    pub(super) fn position(&self) -> LinePosition {
        self.position
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Whether `head` is the beginning of a copy of it, as it was last seen or is now.
    pub(super) fn begins_like(&self, head: &[u8]) -> bool {
        let now = |buffer: &mut [u8]| {
            read_at(&self.file, buffer, 0).is_ok_and(|now| begin_alike(now, head))
        };
        begin_alike(&self.beginning, head) || now(&mut [0; HEAD_BYTES])
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

    /// What stands in it now is younger than any copy of what stood in it before, unless it was written
    /// late, behind what has its name by now.
    fn begin_anew_as_named(&mut self) {
        if self.is_named() {
            self.begin_anew();
        } else {
            self.times.birth = self.times.modified;
        }
    }

    /// Whether its name leads to it just now, whatever the last look saw.
    fn is_named(&self) -> bool {
        let named = || self.name.metadata().is_ok_and(|found| FileKey::of(&found) == self.key);
        !self.is_leaving() && named()
    }

    /// What stands in it now is younger than any copy of what stood in it before.
    pub(super) fn begin_anew(&mut self) {
        self.times.modified = self.written;
        self.times.birth = self.written;
    }

    /// It may be a copy, which is younger than files that came after what stands in it.
    pub(super) fn came_after(&mut self, than: Times) {
        self.times.birth = than.birth;
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
        let mut buffer = [0; HEAD_BYTES];
        let head = read_at(&self.file, &mut buffer, 0)?;
        let now = Times::of(&metadata).modified.or(self.written);
        if size < self.read_to || !self.head.begins(head) || !self.is_anchored()? {
            let was = Box::new(self.open_place());
            self.position = LinePosition::START;
            self.read_to = 0;
            self.anchor = Mark::default();
            self.head = Mark::of(head);
            self.beginning = head.to_vec();
            self.size_bytes = size;
            self.written = now;
            self.begin_anew_as_named();
            return Ok(Check::Rewritten { was });
        }
        let written_before = std::mem::replace(&mut self.written, now);
        let is_renewed = self.times.modified != now && self.is_named();
        if is_renewed {
            self.times.modified = now;
        }
        let was_empty = self.head.length_bytes == 0;
        if head.len() > self.head.length_bytes {
            self.head = Mark::of(head);
            self.beginning = head.to_vec();
        }
        let seen_bytes = std::mem::replace(&mut self.size_bytes, size).max(self.read_to);
        if size < seen_bytes {
            return Ok(Check::Shortened { lost_bytes: seen_bytes - size });
        }
        if self.position.byte_offset == 0 && Compression::of(head) != Compression::None {
            return Ok(Check::Compressed);
        }
        if was_empty && written_before != now {
            if head.is_empty() && is_renewed {
                self.times.birth = now;
            }
            return Ok(Check::Begun { written_before });
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

    /// Reads one chunk, nothing beyond the size last seen: what stands behind it was written later
    /// than the last write that is known. Returns the bytes that are new.
    pub(super) fn read(
        &mut self,
        buffer: &mut LineBuffer,
        line: &mut impl FnMut(&Arc<Path>, Line<'_>),
    ) -> io::Result<u64> {
        let name = &self.name;
        let tail = Tail { file: &*self.file, offset: self.position.byte_offset };
        let mut tail = tail.take(self.unread_bytes());
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

    pub(super) fn place(&self) -> Place {
        Place {
            name: Arc::clone(&self.name),
            target: Arc::clone(&self.target),
            key: self.key,
            times: self.times,
            head: self.head,
            anchor: self.anchor,
            position: self.position,
        }
    }

    pub(super) fn open_place(&self) -> OpenPlace {
        OpenPlace {
            place: self.place(),
            read_to: self.read_to,
            size_bytes: self.size_bytes,
            leaving: self.is_leaving(),
            beginning: self.beginning.clone(),
        }
    }
}
