//! Reads a line straight through: the way of nearly every line.
//!
//! Takes only what is certain: each value ends at the first place where it can, and no open value
//! has another place to end. The search of [`super::by_template`] then finds the same reading, and
//! no second one; whatever is not as plain as that is left to it.

use super::{End, LineParser, Span, Step};
use crate::escape::Escape;
use crate::json_line::closing_quote;
use crate::variable::Shape;

/// How a step's value is read straight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// All bytes of a set, which does not hold the literal's first: digits, say.
    Run(ByteSet),
    /// As its [`End`] says, and then by its shape.
    ByEnd,
}

/// A set of bytes, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    fn of(holds: impl Fn(u8) -> bool) -> ByteSet {
        let mut set = ByteSet::default();
        for byte in (0..=u8::MAX).filter(|byte| holds(*byte)) {
            if let Some(word) = set.0.get_mut(usize::from(byte >> 6)) {
                *word |= 1 << (byte & 63);
            }
        }
        set
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }
}

impl Plain {
    /// How values of this shape before this literal can be read straight.
    pub(super) fn of(shape: Shape, literal: &[u8], end: End) -> Plain {
        let is_end = literal.first().is_some_and(|first| !shape.may_hold(*first));
        let holds: fn(u8) -> bool = match shape {
            Shape::Status | Shape::Integer => |byte| byte.is_ascii_digit(),
            Shape::Sha1 | Shape::Hex | Shape::Serial => |byte| byte.is_ascii_hexdigit(),
            Shape::Decimal => |byte| byte.is_ascii_digit() || byte == b'.',
            Shape::Token => |byte| Shape::Token.may_hold(byte),
            _ => return Plain::ByEnd,
        };
        let one_end = is_end && matches!(end, End::First | End::Open);
        if one_end || end == End::Line { Plain::Run(ByteSet::of(holds)) } else { Plain::ByEnd }
    }
}

impl LineParser {
    /// Finds all values, if the line is plain.
    pub(super) fn straight(&self, line: &[u8], found: &mut [Span], stamp: &mut Vec<u8>) -> bool {
        let mut start = self.leading.len();
        for (step, span) in self.steps.iter().zip(found) {
            let Some(rest) = line.get(start..) else { return false };
            let Some(length) = self.straight_length(step, rest, stamp) else { return false };
            *span = Span::new(start, start + length);
            start += length + step.literal.len();
        }
        start == line.len()
    }

    /// The length of the value that `rest` begins with; its literal follows.
    fn straight_length(&self, step: &Step, rest: &[u8], stamp: &mut Vec<u8>) -> Option<usize> {
        if let Plain::Run(set) = &step.plain {
            return step.run_length(rest, set);
        }
        let length = match step.end {
            End::Barred => memchr::memchr(*step.literal.first()?, rest)?,
            End::Quoted => closing_quote(rest, 0)?,
            End::Line => rest.len().checked_sub(step.literal.len())?,
            End::First | End::Open => step.candidate(rest, 0, 0)?,
        };
        let (value, after) = rest.split_at_checked(length)?;
        let certain = after.starts_with(&step.literal)
            && step.fits_plainly(value, stamp)
            && match step.end {
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
}

impl Step {
    /// The run of bytes of `set`, if it is a whole value and the literal follows; or `-`.
    fn run_length(&self, rest: &[u8], set: &ByteSet) -> Option<usize> {
        let run = rest.iter().take_while(|byte| set.has(**byte)).count();
        let length = if run == 0 && rest.first() == Some(&b'-') { 1 } else { run };
        let (value, after) = rest.split_at_checked(length)?;
        let fits = match self.shape {
            Shape::Token | Shape::Integer | Shape::Hex | Shape::Serial => true,
            Shape::Sha1 => matches!(length, 0 | 1 | 40) && (length != 1 || value == b"-"),
            Shape::Status => matches!(length, 0 | 3) || value == b"-",
            shape => shape.fits(value),
        };
        let ends = match self.end {
            End::Line => after == self.literal,
            _ => after.starts_with(&self.literal),
        };
        (fits && ends).then_some(length)
    }

    /// [`Shape::fits`]; the time stamp of the line before is known to fit.
    fn fits_plainly(&self, value: &[u8], stamp: &mut Vec<u8>) -> bool {
        match self.shape {
            Shape::Text => true,
            Shape::TimeLocal | Shape::TimeIso8601 => {
                let fits = *stamp == value || self.shape.fits(value);
                if fits && *stamp != value {
                    stamp.clear();
                    stamp.extend_from_slice(value);
                }
                fits
            }
            shape => shape.fits(value),
        }
    }
}
