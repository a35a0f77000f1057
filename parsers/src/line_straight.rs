//! Reads a line straight through: the way of nearly every line.
//!
//! Takes only what is certain: each value ends at the first place where it can, and no open value
//! has another place to end. The search of [`super::by_template`] then finds the same reading, and
//! no second one; whatever is not as plain as that is left to it. Values end at [marks](super::marks),
//! so that none is looked for byte by byte.

use super::marks::{Marks, is_mark};
use super::{End, LineParser, Span, Spans, Step};
use crate::escape::Escape;
use crate::json_line::closing_quote;
use crate::variable::Shape;

/// How a step is read straight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plain {
    way: Way,
    literal: Words,
}

/// How a value's end is found.
#[derive(Clone, Copy, Debug, Default)]
enum Way {
    /// The value has no mark, and the literal's first one is this many bytes in.
    Unmarked { mark_at: usize },
    /// The value has no mark, and ends where the line does, less the literal.
    UnmarkedLast,
    /// At the next byte of this kind, which is marked and which no value holds.
    Barred(u8),
    /// The same for a quote; one behind a backslash belongs to the value (`escape=json`).
    Quoted,
    /// Any text, at the only place before the next barred byte where its literal stands.
    OpenText,
    /// Behind the 26 bytes of a `$time_local`.
    TimeLocal,
    /// Behind `SUCCESS`, `NONE` or `-`, which no other value begins with; else by its [`End`].
    Verify,
    /// As its [`End`] says.
    #[default]
    ByEnd,
}

impl Plain {
    /// How values of this step can be read, its end being known; `guard` are the bytes of literals
    /// that escaping keeps out of values.
    pub(super) fn of(step: &Step, escape: Escape, guard: &[u8]) -> Plain {
        Plain { way: Way::of(step, escape, guard), literal: Words::of(&step.literal) }
    }
}

impl Way {
    fn of(step: &Step, escape: Escape, guard: &[u8]) -> Way {
        let Step { shape, literal, end, .. } = step;
        let first = literal.first().copied();
        let ends_value = first.is_some_and(|first| !shape.may_hold(first));
        let is_unmarked = match shape {
            Shape::Text | Shape::Verify | Shape::TimeLocal | Shape::CertificateTime => false,
            Shape::UpstreamAddresses | Shape::UpstreamNumbers => false,
            Shape::Token | Shape::Address | Shape::TimeIso8601 | Shape::SessionReused => true,
            Shape::Status | Shape::Integer | Shape::Decimal => true,
            Shape::Sha1 | Shape::Hex | Shape::Serial => true,
        };
        let mark_at = literal.iter().position(|byte| is_mark(*byte));
        match (end, mark_at, first) {
            (End::Line, ..) if is_unmarked => Way::UnmarkedLast,
            (End::Line, _, Some(b'"')) if escape == Escape::Default && guard == b"\"" => {
                Way::Barred(b'"')
            }
            (End::Quoted, ..) => Way::Quoted,
            (End::Barred, Some(0), Some(first)) => Way::Barred(first),
            (End::First | End::Open, Some(mark_at), _) if is_unmarked && ends_value => {
                Way::Unmarked { mark_at }
            }
            (End::First, ..) if *shape == Shape::TimeLocal && ends_value => Way::TimeLocal,
            (End::First | End::Open, Some(0), _) if *shape == Shape::Verify => Way::Verify,
            (End::Open, Some(0), _) if *shape == Shape::Text && escape == Escape::Default => {
                Way::OpenText
            }
            _ => Way::ByEnd,
        }
    }
}

/// A literal to be compared by words: its first and its last eight bytes, and what is between.
#[derive(Clone, Copy, Debug, Default)]
struct Words {
    length: usize,
    first: u64,
    first_mask: u64,
    last: u64,
}

impl Words {
    fn of(literal: &[u8]) -> Words {
        let word = |bytes: &[u8]| {
            bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        let length = literal.len();
        let first_mask = literal.iter().take(8).fold(0, |mask, _| mask << 8 | 0xff);
        let last = literal.get(length.saturating_sub(8)..).unwrap_or_default();
        Words { length, first: word(literal), first_mask, last: word(last) }
    }

    /// Whether `text` begins with the literal, whose bytes these words are.
    #[inline]
    fn begin(&self, text: &[u8], literal: &[u8]) -> bool {
        let Some(first) = text.first_chunk::<8>() else { return text.starts_with(literal) };
        if (u64::from_le_bytes(*first) ^ self.first) & self.first_mask != 0 {
            return false;
        }
        if self.length <= 8 {
            return true;
        }
        let Some(text) = text.get(..self.length) else { return false };
        let last = text.last_chunk::<8>().map(|last| u64::from_le_bytes(*last));
        last == Some(self.last) && (self.length <= 16 || text == literal)
    }
}

impl LineParser {
    /// Finds all values, if the line is plain.
    pub(super) fn straight(&self, line: &[u8], spans: &mut Spans) -> bool {
        let Spans { found, marks, stamp, .. } = spans;
        marks.set(line);
        let mut start = self.leading.len();
        for (step, span) in self.steps.iter().zip(found) {
            let Some(end) = self.straight_end(step, line, start, marks, stamp) else {
                return false;
            };
            *span = Span::new(start, end);
            start = end + step.literal.len();
        }
        start == line.len()
    }

    /// The end of the value that starts at `start`; its literal follows.
    #[inline]
    fn straight_end(
        &self,
        step: &Step,
        line: &[u8],
        start: usize,
        marks: &Marks,
        stamp: &mut Vec<u8>,
    ) -> Option<usize> {
        let end = match step.plain.way {
            Way::Unmarked { mark_at } => marks.next(start)?.checked_sub(mark_at)?,
            Way::UnmarkedLast => {
                let end = line.len().checked_sub(step.literal.len())?;
                marks.next(start).is_none_or(|mark| end <= mark).then_some(end)?
            }
            Way::Barred(first) => next_of(first, line, start, marks)?,
            Way::Quoted => next_quote(line, start, marks)?,
            Way::OpenText => self.only_end(step, line, start, marks)?,
            Way::TimeLocal => match line.get(start) {
                Some(b'-') => start + 1,
                _ => start + Shape::TimeLocal.bytes_max(),
            },
            Way::Verify => match line.get(start..)? {
                [b'S', b'U', b'C', b'C', b'E', b'S', b'S', ..] => start + 7,
                [b'N', b'O', b'N', b'E', ..] => start + 4,
                [b'-', ..] => start + 1,
                rest => start + self.length_by_end(step, rest)?,
            },
            Way::ByEnd => start + self.length_by_end(step, line.get(start..)?)?,
        };
        let (value, after) = (line.get(start..end)?, line.get(end..)?);
        let certain = step.plain.literal.begin(after, &step.literal)
            && match step.shape {
                Shape::Text => true,
                Shape::TimeLocal | Shape::TimeIso8601 => is_stamp(step.shape, value, stamp),
                Shape::Token | Shape::UpstreamAddresses | Shape::UpstreamNumbers
                    if marks.next(start).is_none_or(|mark| end <= mark) =>
                {
                    step.shape.fits_unmarked(value)
                }
                shape => shape.fits(value),
            };
        certain.then_some(end)
    }

    /// The length of the value that `rest` begins with, if nothing else could be it.
    fn length_by_end(&self, step: &Step, rest: &[u8]) -> Option<usize> {
        let length = match step.end {
            End::Barred => memchr::memchr(*step.literal.first()?, rest)?,
            End::Quoted => closing_quote(rest, 0)?,
            End::Line => rest.len().checked_sub(step.literal.len())?,
            End::First | End::Open => step.candidate(rest, 0, 0)?,
        };
        let value = rest.get(..length)?;
        let certain = match step.end {
            End::Barred | End::Quoted => true,
            End::Line | End::First => self.barred(value).is_none(),
            End::Open => self.barred(value).is_none() && self.ends_once(step, rest, length),
        };
        certain.then_some(length)
    }

    /// Whether an open value that ends at `length` has no later place to end.
    fn ends_once(&self, step: &Step, rest: &[u8], length: usize) -> bool {
        if self.escape == Escape::None {
            return false;
        }
        let limit = self.barred(rest).unwrap_or(rest.len());
        let window = rest.get(..limit.saturating_add(step.literal.len())).unwrap_or(rest);
        step.candidate(window, 0, length + 1).is_none()
    }

    /// Where an open text ends that can end in one place only.
    fn only_end(&self, step: &Step, line: &[u8], start: usize, marks: &Marks) -> Option<usize> {
        let (mut from, mut only) = (start, None);
        while let Some(at) = marks.next(from) {
            let rest = line.get(at..)?;
            if self.guard.contains(rest.first()?) {
                break;
            }
            if step.plain.literal.begin(rest, &step.literal) && only.replace(at).is_some() {
                return None;
            }
            from = at + 1;
        }
        only
    }
}

/// Where `byte`, which is marked, stands next.
#[inline]
fn next_of(byte: u8, line: &[u8], start: usize, marks: &Marks) -> Option<usize> {
    let mut at = marks.next(start)?;
    while *line.get(at)? != byte {
        at = marks.next(at + 1)?;
    }
    Some(at)
}

/// Where the next quote stands that has an even number of backslashes before it.
#[inline]
fn next_quote(line: &[u8], start: usize, marks: &Marks) -> Option<usize> {
    let mut at = next_of(b'"', line, start, marks)?;
    loop {
        let before = line.get(start..at)?;
        let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(at);
        }
        at = next_of(b'"', line, at + 1, marks)?;
    }
}

/// Whether the value is a time stamp; that of the line before is known to be one.
fn is_stamp(shape: Shape, value: &[u8], stamp: &mut Vec<u8>) -> bool {
    if *stamp == value {
        return true;
    }
    let fits = shape.fits(value);
    if fits {
        stamp.clear();
        stamp.extend_from_slice(value);
    }
    fits
}
