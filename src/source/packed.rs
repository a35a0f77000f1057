//! A rotated file that is compressed already, with lines that were not read before.
//!
//! Read like any other generation, a chunk at a time; the place in it is one in its text. To take
//! up reading there, the text before it is unpacked again, and on the way it is seen whether it is
//! what was read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::clock::Monotonic;
use crate::limits::{CHUNK_BYTES, DECODED_BYTES, ROTATED_IDLE_GRACE};
use crate::source::identity::{ANCHOR_BYTES, FileKey, Mark, Times};
use crate::source::lines::{Line, LineBuffer, LinePosition};
use crate::source::opened::{Opened, text};
use crate::source::places::{OpenPlace, Place};
use crate::source::stream::Stream;

/// What one read did.
#[derive(Debug)]
pub(super) enum Step {
    /// So many bytes of the text are new; there may be more.
    Read(u64),
    /// The data stops before its end. It may still be written.
    CutOff,
    /// All of it was handed out, so many bytes were new.
    End(u64),
    /// It cannot be read any further.
    Broken(io::Error),
}

#[derive(Debug)]
pub(super) struct Packed {
    pub(super) key: FileKey,
    /// Files are read in this order.
    pub(super) sequence: u64,
    /// Its own name, for messages.
    pub(super) path: Arc<Path>,
    /// The place in the text, under the name that the log had.
    place: Place,
    /// End of what was read, an unfinished line included.
    read_to: u64,
    /// Bytes of the text that were seen to exist.
    seen_bytes: u64,
    file: Arc<File>,
    packed_bytes: u64,
    /// Made by the first read, so that only one file is being unpacked at a time.
    unpacking: Option<Box<Unpacking>>,
    /// The data was cut off; since when the file has not grown.
    cut_off: Option<Cut>,
}

#[derive(Debug)]
struct Unpacking {
    text: Stream,
    buffer: LineBuffer,
    /// The text was unpacked to here; once that is the place, lines are made of it.
    passed_bytes: u64,
    /// The last bytes before the place, at most [`ANCHOR_BYTES`].
    passed: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    since: Option<Monotonic>,
    given_up: bool,
}

impl Packed {
    /// Goes on at a place in the text.
    pub(super) fn new(path: &Path, opened: &Opened, place: &OpenPlace) -> Self {
        Self {
            key: opened.key(),
            sequence: 0,
            path: Arc::from(path),
            place: Place {
                key: opened.key(),
                head: Mark::of(opened.head()),
                // It was made later than what it holds, and keeps the last write of that.
                times: Times { birth: place.place.times.birth, ..opened.times() },
                ..place.place.clone()
            },
            read_to: place.read_to,
            seen_bytes: place.size_bytes,
            file: Arc::clone(&opened.file),
            packed_bytes: opened.size_bytes(),
            unpacking: None,
            cut_off: None,
        }
    }

    /// The place in it, as it is remembered once it is closed.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn open_place(&self) -> OpenPlace {
        OpenPlace {
            place: self.place.clone(),
            read_to: self.read_to,
            size_bytes: self.size_bytes(),
            leaving: true,
            beginning: Vec::new(),
        }
    }

    /// Bytes of the text that were seen to exist.
    pub(super) fn size_bytes(&self) -> u64 {
        self.seen_bytes.max(self.read_to)
    }

    /// Compressed bytes that were not unpacked: there is at least as much text.
    pub(super) fn unread_bytes(&self) -> u64 {
        let consumed = self.unpacking.as_ref().map_or(0, |it| it.text.consumed_bytes());
        self.packed_bytes.saturating_sub(consumed)
    }

    /// Bytes of text that are known to be lost when it cannot be read any further; none when that is
    /// not known.
    pub(super) fn lost_bytes(&self) -> Option<u64> {
        let known = self.size_bytes().saturating_sub(self.place.position.byte_offset);
        (known > 0).then_some(known)
    }

    /// Whether a read can bring something new.
    pub(super) fn is_readable(&self) -> bool {
        self.cut_off.is_none_or(|cut| cut.given_up)
    }

    /// Whether data that was cut off has grown, or has had the time to.
    pub(super) fn look(&mut self, now: Monotonic) {
        let Some(cut) = &mut self.cut_off else { return };
        let size = self.file.metadata().map_or(self.packed_bytes, |metadata| metadata.len());
        if size != self.packed_bytes {
            self.packed_bytes = size;
            self.cut_off = None;
            return;
        }
        let since = *cut.since.get_or_insert(now);
        cut.given_up = now.since(since) >= ROTATED_IDLE_GRACE;
    }

    /// Unpacks at most one chunk.
    pub(super) fn read(&mut self, line: &mut impl FnMut(&Arc<Path>, Line<'_>)) -> Step {
        let unpacking = match self.unpacking.take() {
            Some(unpacking) => Ok(unpacking),
            None => Unpacking::new(&self.file, &self.path),
        };
        let step = unpacking.and_then(|mut unpacking| {
            let step = self.read_on(&mut unpacking, line)?;
            self.unpacking = Some(unpacking);
            Ok(step)
        });
        match step {
            Ok(step) => step,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !self.has_given_up() => {
                self.cut_off = Some(Cut { since: None, given_up: false });
                Step::CutOff
            }
            Err(error) => Step::Broken(error),
        }
    }

    fn has_given_up(&self) -> bool {
        self.cut_off.is_some_and(|cut| cut.given_up)
    }

    fn read_on(
        &mut self,
        unpacking: &mut Unpacking,
        line: &mut impl FnMut(&Arc<Path>, Line<'_>),
    ) -> io::Result<Step> {
        let Place { position, anchor, name, .. } = &mut self.place;
        if unpacking.passed_bytes < position.byte_offset {
            return unpacking.pass(position, anchor);
        }
        let buffer = &mut unpacking.buffer;
        let mut on_line = |found: Line<'_>| line(name, found);
        let is_end = buffer.read_from(&mut unpacking.text, &mut on_line)? == 0;
        let read_to = buffer.position().byte_offset + buffer.unfinished_bytes() as u64;
        let new_bytes = read_to.saturating_sub(self.read_to);
        self.read_to = self.read_to.max(read_to);
        if is_end {
            buffer.finish(&mut on_line);
            // The text before the end is not at hand any more; nothing is read after it.
            *anchor = Mark::default();
        } else if !buffer.handed_out().is_empty() {
            let done = buffer.handed_out();
            let from = done.len().saturating_sub(ANCHOR_BYTES);
            *anchor = Mark::of(done.get(from..).unwrap_or_default());
        }
        *position = buffer.position();
        unpacking.passed_bytes = unpacking.passed_bytes.max(position.byte_offset);
        Ok(if is_end { Step::End(new_bytes) } else { Step::Read(new_bytes) })
    }
}

impl Unpacking {
    fn new(file: &Arc<File>, path: &Path) -> io::Result<Box<Self>> {
        let (text, buffer) = (text(file, path)?, LineBuffer::new());
        Ok(Box::new(Self { text, buffer, passed_bytes: 0, passed: Vec::new() }))
    }

    /// Unpacks up to a chunk of what stands before the position; once it is there, looks whether that
    /// was what was read before. A copy may end before that.
    fn pass(&mut self, position: &LinePosition, anchor: &Mark) -> io::Result<Step> {
        let mut chunk = vec![0; DECODED_BYTES];
        let mut chunk_bytes = 0;
        while chunk_bytes < CHUNK_BYTES && self.passed_bytes < position.byte_offset {
            let wanted = usize::try_from(position.byte_offset - self.passed_bytes);
            let wanted = wanted.unwrap_or(DECODED_BYTES).min(DECODED_BYTES);
            let count = match self.text.read(chunk.get_mut(..wanted).unwrap_or_default()) {
                Ok(0) => return Ok(Step::End(0)),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            chunk_bytes += count;
            self.passed_bytes += count as u64;
            self.passed.extend_from_slice(chunk.get(..count).unwrap_or_default());
            let over = self.passed.len().saturating_sub(ANCHOR_BYTES);
            self.passed.drain(..over);
        }
        if self.passed_bytes < position.byte_offset {
            return Ok(Step::Read(0));
        }
        let from = self.passed.len().checked_sub(anchor.length_bytes);
        let before = from.and_then(|from| self.passed.get(from..));
        if !before.is_some_and(|before| anchor.begins(before)) {
            return Err(other_text());
        }
        self.buffer.resume(*position);
        Ok(Step::Read(0))
    }
}

fn other_text() -> io::Error {
    let text = "what it holds before the place of reading is not what was read";
    io::Error::new(io::ErrorKind::InvalidData, text)
}
