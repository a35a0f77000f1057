//! Reads a line straight through: the way of nearly every line.
//!
//! Takes only what is certain: each value ends at the first place where it can, and no open value
//! has another place to end. The search of [`super::by_template`] then finds the same reading, and
//! no second one; whatever is not as plain as that is left to it. Two passes: first the ends of all
//! values, which lie at [marks](super::marks), and the literals there; then the shapes of the values.

use wide::u8x16;

use super::marks::{Marks, is_mark};
use super::{End, LineParser, Span, Spans, Step};
use crate::escape::Escape;
use crate::json_line::closing_quote;
use crate::short::{Short, are_same};
use crate::variable::Shape;

/// How the steps of a format are read straight.
#[derive(Clone, Debug, Default)]
pub(super) struct Straight {
    plains: Vec<Plain>,
    checks: Vec<Check>,
}

/// How one step is read straight.
#[derive(Clone, Copy, Debug)]
struct Plain {
    /// The first sixteen bytes of the literal, and nothing behind it.
    literal: u8x16,
    /// All bits where the literal is, none behind it.
    mask: u8x16,
    /// The last sixteen bytes of a longer literal.
    literal_end: u8x16,
    literal_bytes: usize,
    /// The place of its step.
    index: usize,
    way: Way,
}

/// A value whose shape is to be looked at.
#[derive(Clone, Copy, Debug)]
struct Check {
    /// The place of its step.
    index: usize,
    shape: Shape,
}

impl Straight {
    /// How steps whose ends are known can be read; `guard` are the bytes of literals that escaping
    /// keeps out of values.
    pub(super) fn of(steps: &[Step], escape: Escape, guard: &[u8]) -> Straight {
        let plain = |(index, step)| Plain::of(index, step, escape, guard);
        let plains: Vec<_> = steps.iter().enumerate().map(plain).collect();
        let ways = plains.iter().map(|plain| plain.way);
        let checks = steps.iter().zip(ways).enumerate().filter_map(|(index, (step, way))| {
            let is_token = step.shape == Shape::Token && matches!(way, Way::Unmarked { .. });
            let free = step.shape == Shape::Text || is_token;
            (!free).then_some(Check { index, shape: step.shape })
        });
        Straight { checks: checks.collect(), plains }
    }
}

impl Plain {
    fn of(index: usize, step: &Step, escape: Escape, guard: &[u8]) -> Plain {
        let (mut literal, mut mask) = ([0; 16], [0; 16]);
        for ((literal, mask), byte) in literal.iter_mut().zip(&mut mask).zip(&step.literal) {
            (*literal, *mask) = (*byte, 0xff);
        }
        Plain {
            literal: literal.into(),
            mask: mask.into(),
            literal_end: step.literal.last_chunk().copied().unwrap_or_default().into(),
            literal_bytes: step.literal.len(),
            index,
            way: Way::of(step, escape, guard),
        }
    }
}

/// How a value's end is found.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The value has no mark, and the literal's first one is this many bytes in.
    Unmarked { mark_at: usize },
    /// The value has no mark, and ends where the line does, less the literal.
    UnmarkedLast,
    /// At the next quote, which no value holds.
    Barred,
    /// At the next quote that no backslash makes part of the value (`escape=json`).
    Quoted,
    /// At the next byte of this other kind, which is marked and which no value holds.
    BarredByOther(u8),
    /// Any text, at the only place before the next quote where its literal stands.
    OpenText,
    /// Behind the 26 bytes of a `$time_local`.
    TimeLocal,
    /// Behind `SUCCESS`, `NONE` or `-`, which no other value begins with; else by its [`End`].
    Verify,
    /// As its [`End`] says.
    ByEnd,
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
        // A quote is then the only byte that bars a value.
        let ends_quoted = escape == Escape::Default && guard == b"\"";
        let mark_at = literal.iter().position(|byte| is_mark(*byte));
        match (end, mark_at, first) {
            (End::Line, ..) if is_unmarked => Way::UnmarkedLast,
            (End::Line, _, Some(b'"')) if ends_quoted => Way::Barred,
            (End::Quoted, ..) => Way::Quoted,
            (End::Barred, _, Some(b'"')) => Way::Barred,
            (End::Barred, Some(0), Some(first)) => Way::BarredByOther(first),
            (End::First | End::Open, Some(mark_at), _) if is_unmarked && ends_value => {
                Way::Unmarked { mark_at }
            }
            (End::First, ..) if *shape == Shape::TimeLocal && ends_value => Way::TimeLocal,
            (End::First | End::Open, Some(0), _) if *shape == Shape::Verify => Way::Verify,
            (End::Open, Some(0), _) if *shape == Shape::Text && ends_quoted => Way::OpenText,
            _ => Way::ByEnd,
        }
    }
}

impl LineParser {
    /// Finds all values, if the line is plain.
    #[inline(never)]
    pub(super) fn straight(&self, line: &[u8], spans: &mut Spans) -> bool {
        // Comparing nothing is slow: glibc's masked load looks where an empty vector points.
        if !self.leading.is_empty() && !line.starts_with(&self.leading) {
            return false;
        }
        let Spans { found, marks, stamp, .. } = spans;
        marks.set(line);
        self.straight_ends(line, marks, found) && self.straight_shapes(line, marks, found, stamp)
    }

    /// Finds the ends of all values by their literals.
    #[inline]
    fn straight_ends(&self, line: &[u8], marks: &Marks, found: &mut [Span]) -> bool {
        let mut start = self.leading.len();
        for (plain, span) in self.straight.plains.iter().zip(found) {
            let end = match plain.way {
                Way::Unmarked { mark_at } => marks.next(start).wrapping_sub(mark_at),
                Way::Barred => marks.next_quote(start),
                Way::Quoted => next_quote(line, start, marks),
                Way::BarredByOther(first) => next_of(first, line, start, marks),
                Way::TimeLocal if line.get(start) == Some(&b'-') => start + 1,
                Way::TimeLocal => start + Shape::TimeLocal.bytes_max(),
                _ => self.unusual_end(plain, line, start, marks),
            };
            let Some(after) = line.get(end..) else { return false };
            if end < start || !self.literal_begins(plain, after) {
                return false;
            }
            *span = Span { start, end };
            start = end + plain.literal_bytes;
        }
        start == line.len()
    }

    /// Whether `text` begins with a step's literal.
    #[inline]
    fn literal_begins(&self, plain: &Plain, text: &[u8]) -> bool {
        match text.first_chunk::<16>() {
            Some(sixteen) => {
                (u8x16::from(*sixteen) & plain.mask).simd_eq(plain.literal).all()
                    && (plain.literal_bytes <= 16 || self.long_literal_ends(plain, text))
            }
            None => self.literal_begins_by_bytes(plain, text),
        }
    }

    /// The same of a literal of more than sixteen bytes, the first of which are there.
    #[inline]
    fn long_literal_ends(&self, plain: &Plain, text: &[u8]) -> bool {
        let last = text.get(plain.literal_bytes - 16..).and_then(|text| text.first_chunk());
        last.is_some_and(|last: &[u8; 16]| u8x16::from(*last).simd_eq(plain.literal_end).all())
            && (plain.literal_bytes <= 32 || self.literal_begins_by_bytes(plain, text))
    }

    #[inline(never)]
    fn literal_begins_by_bytes(&self, plain: &Plain, text: &[u8]) -> bool {
        let step = self.steps.get(plain.index);
        step.is_some_and(|step| step.literal.is_empty() || text.starts_with(&step.literal))
    }

    /// Whether the values have their shapes.
    #[inline]
    fn straight_shapes(
        &self,
        line: &[u8],
        marks: &Marks,
        found: &[Span],
        stamp: &mut Stamp,
    ) -> bool {
        self.straight.checks.iter().all(|Check { index, shape }| {
            let Some(span) = found.get(*index) else { return false };
            let Some(value) = span.of(line) else { return false };
            let short = || Short::of(line, span.start, span.end);
            match shape {
                Shape::Integer if short().is_some_and(Short::all_digits) => true,
                Shape::Decimal if short().is_some_and(Short::is_seconds) => true,
                Shape::Address if short().is_some_and(Short::is_ip_address) => true,
                Shape::UpstreamNumbers
                    if short().is_some_and(|n| n.is_seconds() || n.all_digits()) =>
                {
                    true
                }
                Shape::TimeLocal | Shape::TimeIso8601 => {
                    stamp.is_last(*shape, value) || stamp.take(*shape, value)
                }
                Shape::Token | Shape::UpstreamAddresses | Shape::UpstreamNumbers
                    if marks.next(span.start) >= span.end =>
                {
                    shape.fits_unmarked(value)
                }
                shape => shape.fits_inline(value),
            }
        })
    }

    /// The end of a value in a way that few steps go; [`NO_END`] where there is none.
    #[inline(never)]
    fn unusual_end(&self, plain: &Plain, line: &[u8], start: usize, marks: &Marks) -> usize {
        let (Some(step), Some(rest)) = (self.steps.get(plain.index), line.get(start..)) else {
            return NO_END;
        };
        let length = match plain.way {
            Way::UnmarkedLast => {
                let length = rest.len().checked_sub(step.literal.len());
                length.filter(|length| start + length <= marks.next(start))
            }
            Way::OpenText => {
                let end = self.only_end(plain, line, start, marks);
                end.map(|end| end - start)
            }
            Way::Verify => match rest {
                [b'S', b'U', b'C', b'C', b'E', b'S', b'S', ..] => Some(7),
                [b'N', b'O', b'N', b'E', ..] => Some(4),
                [b'-', ..] => Some(1),
                rest => self.length_by_end(step, rest),
            },
            _ => self.length_by_end(step, rest),
        };
        length.map_or(NO_END, |length| start + length)
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
    fn only_end(&self, plain: &Plain, line: &[u8], start: usize, marks: &Marks) -> Option<usize> {
        let barred = marks.next_quote(start);
        let (mut at, mut only) = (marks.next(start), None);
        while let Some(rest) = line.get(at..).filter(|_| at < barred) {
            if self.literal_begins(plain, rest) && only.replace(at).is_some() {
                return None;
            }
            at = marks.next(at + 1);
        }
        only
    }
}

/// Behind every line.
const NO_END: usize = usize::MAX;

/// Where `byte`, which is marked, stands next.
#[inline]
fn next_of(byte: u8, line: &[u8], start: usize, marks: &Marks) -> usize {
    let mut at = marks.next(start);
    while line.get(at).is_some_and(|found| *found != byte) {
        at = marks.next(at + 1);
    }
    at
}

/// Where the next quote stands that has an even number of backslashes before it.
#[inline]
fn next_quote(line: &[u8], start: usize, marks: &Marks) -> usize {
    let at = marks.next_quote(start);
    match line.get(start..at) {
        Some([.., b'\\']) => next_quote_behind_backslashes(line, start, at, marks),
        _ => at,
    }
}

#[inline(never)]
fn next_quote_behind_backslashes(line: &[u8], start: usize, at: usize, marks: &Marks) -> usize {
    let mut at = at;
    while let Some(before) = line.get(start..at).filter(|_| at < line.len()) {
        if before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0 {
            break;
        }
        at = marks.next_quote(at + 1);
    }
    at
}

/// The latest time stamp that was found to be one; most lines carry the one before theirs.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamp {
    shape: Option<Shape>,
    text: Vec<u8>,
}

impl Stamp {
    #[inline]
    fn is_last(&self, shape: Shape, value: &[u8]) -> bool {
        self.shape == Some(shape) && are_same(&self.text, value)
    }

    /// Whether the value is a time stamp of this shape; it is then the latest.
    #[inline(never)]
    fn take(&mut self, shape: Shape, value: &[u8]) -> bool {
        let fits = shape.fits(value);
        if fits {
            self.shape = Some(shape);
            self.text.clear();
            self.text.extend_from_slice(value);
        }
        fits
    }
}
