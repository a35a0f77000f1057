//! Reads a line by its template: finds each value's end, and refuses a line with two readings.
//!
//! A value whose end is certain costs one search. One that may hold its own delimiter is tried at
//! every place where its shape lets it end, and each such line is looked at again for a second
//! reading. What that costs is counted in bytes looked at and bounded, since clients write lines.

use super::{ABSENT, End, LineError, LineErrorKind, LineParser, Span, Step};
use crate::escape::Escape;
use crate::json_line::closing_quote;
use crate::variable::Shape;
use crate::verify_result;

/// Most bytes looked at for one line beside six times its length, before it is given up as
/// unreadable: about 4 ms at worst for a line of 128 KiB, measured over 7,000 hostile lines in 24
/// formats on one core of a slow server.
pub const EFFORT_BYTES_MAX: usize = 512 * 1024;

/// Reading a line straight through looks at each byte four times at most: for the shape, the
/// delimiters kept out, the literal and the value.
const EFFORT_PER_BYTE: usize = 6;

/// What one try costs before it looks at any byte, counted as bytes.
const EFFORT_PER_TRY: usize = 16;

impl LineParser {
    pub(super) fn by_template(
        &self,
        line: &[u8],
        found: &mut [Span],
        other: &mut Vec<Span>,
        limits: &mut Vec<usize>,
    ) -> Result<(), LineError> {
        if !line.starts_with(&self.leading) || !self.templated {
            return Err(LineError::new(LineErrorKind::Literal, Step::LEADING, 0, line.len()));
        }
        limits.clear();
        limits.resize(self.steps.len(), 0);
        let effort = EFFORT_BYTES_MAX.saturating_add(line.len().saturating_mul(EFFORT_PER_BYTE));
        let mut search = Search { parser: self, line, limits, effort };
        search.solve(found, 0, self.leading.len())?;
        if self.open { search.refuse_other_reading(found, other) } else { Ok(()) }
    }

    /// Where a value holds a byte that escaping keeps out of values.
    pub(super) fn barred(&self, value: &[u8]) -> Option<usize> {
        match (self.escape, self.guard.as_slice()) {
            (_, []) => None,
            (Escape::Json, [b'"']) => closing_quote(value, 0),
            (Escape::Json, guard) => {
                let quote = guard.contains(&b'"').then(|| closing_quote(value, 0)).flatten();
                let before = value.get(..quote.unwrap_or(value.len())).unwrap_or(value);
                let others = |byte: &u8| *byte != b'"' && guard.contains(byte);
                before.iter().position(others).or(quote)
            }
            (_, [a]) => memchr::memchr(*a, value),
            (_, [a, b]) => memchr::memchr2(*a, *b, value),
            (_, guard) => value.iter().position(|byte| guard.contains(byte)),
        }
    }
}

/// The reading of one line.
struct Search<'a> {
    parser: &'a LineParser,
    line: &'a [u8],
    /// The last place where each open value, as it was last begun, can end.
    limits: &'a mut [usize],
    /// How many more bytes may be looked at.
    effort: usize,
}

impl Search<'_> {
    /// Finds the values from variable `first` on, which starts at `from`. Goes back to the last
    /// open end when a later value cannot be.
    fn solve(&mut self, spans: &mut [Span], first: usize, from: usize) -> Result<(), LineError> {
        let parser = self.parser;
        let (mut index, mut start, mut search) = (first, from, from);
        let mut furthest: Option<LineError> = None;
        while let Some(step) = parser.steps.get(index) {
            match self.end_of_value(index, step, start, search) {
                Ok(end) => {
                    if let Some(span) = spans.get_mut(index) {
                        *span = Span::new(start, end);
                    }
                    start = end + step.literal.len();
                    search = start;
                    index += 1;
                }
                Err(miss) if self.effort == 0 => {
                    return Err(LineError { kind: LineErrorKind::TooManyWays, ..miss });
                }
                Err(miss) => {
                    furthest =
                        furthest.filter(|far| far.span.start >= miss.span.start).or(Some(miss));
                    let Some((open, span)) = self.last_open(spans, first, index) else {
                        return Err(furthest.unwrap_or(miss));
                    };
                    (index, start, search) = (open, span.start, span.end + 1);
                }
            }
        }
        if start < self.line.len() {
            let kind = LineErrorKind::Trailing;
            return Err(LineError::new(kind, Step::LEADING, start, self.line.len()));
        }
        Ok(())
    }

    /// The last variable in `first..before` that could end elsewhere.
    fn last_open(&self, spans: &[Span], first: usize, before: usize) -> Option<(usize, Span)> {
        let steps = self.parser.steps.iter().zip(spans).enumerate();
        let mut candidates = steps.take(before).skip(first);
        let last = candidates.rfind(|(_, (step, _))| step.end == End::Open);
        last.map(|(index, (_, span))| (index, *span))
    }

    /// Tries every later end of the open values: a line that can be read in two ways is refused.
    fn refuse_other_reading(
        &mut self,
        found: &[Span],
        other: &mut Vec<Span>,
    ) -> Result<(), LineError> {
        let parser = self.parser;
        for (index, step) in parser.steps.iter().enumerate().rev() {
            if step.end != End::Open {
                continue;
            }
            let span = found.get(index).copied().unwrap_or(ABSENT);
            let mut search = span.end + 1;
            loop {
                let end = self.end_of_value(index, step, span.start, search);
                let fail = |kind, at| {
                    let error = LineError::new(LineErrorKind::Value, index, span.end, at);
                    Err(LineError { kind, ..error })
                };
                let Some(end) = end.ok().filter(|_| self.effort > 0) else {
                    if self.effort == 0 {
                        return fail(LineErrorKind::TooManyWays, search.min(self.line.len()));
                    }
                    break;
                };
                other.clear();
                other.resize(parser.steps.len(), ABSENT);
                if self.solve(other, index + 1, end + step.literal.len()).is_ok() {
                    return fail(LineErrorKind::Ambiguous { other_column: end + 1 }, end);
                }
                search = end + 1;
            }
        }
        Ok(())
    }

    /// The first end at `search` or later that the value starting at `start` can have. `search` is
    /// behind `start` only where the same value was found to end before.
    fn end_of_value(
        &mut self,
        index: usize,
        step: &Step,
        start: usize,
        search: usize,
    ) -> Result<usize, LineError> {
        let limit = match self.limits.get(index) {
            Some(limit) if search > start => *limit,
            _ => self.limit(index, step, start),
        };
        if step.end == End::Line {
            return self.end_of_line(index, step, start, limit);
        }
        let line = self.line;
        let window = line.get(..limit.saturating_add(step.literal.len())).unwrap_or(line);
        let mut search = search;
        let mut unfit = None;
        while let Some(end) = step.candidate(window, start, search) {
            self.spend(EFFORT_PER_TRY + end.saturating_sub(search));
            if !line.get(end..).is_some_and(|rest| rest.starts_with(&step.literal)) {
                return Err(LineError::new(LineErrorKind::Literal, index, end, line.len()));
            }
            let value = line.get(start..end).unwrap_or_default();
            if step.end == End::First
                && !step.retried
                && let Some(at) = self.parser.barred(value)
            {
                let at = start + at;
                return Err(LineError::new(LineErrorKind::Barred, index, at, at + 1));
            }
            if self.fits(step.shape, value) {
                return Ok(end);
            }
            unfit = unfit.or(Some(end));
            if step.end != End::Open || self.effort == 0 {
                break;
            }
            search = end + 1;
        }
        self.spend(window.len().saturating_sub(search));
        Err(match unfit {
            Some(end) => LineError::new(LineErrorKind::Value, index, start, end),
            None => self.no_end(index, step, start, limit),
        })
    }

    /// The end of the last value, which is where the line ends.
    fn end_of_line(
        &mut self,
        index: usize,
        step: &Step,
        start: usize,
        limit: usize,
    ) -> Result<usize, LineError> {
        let line = self.line;
        let fail = |kind, at, end| Err(LineError::new(kind, index, at, end));
        let end = line.strip_suffix(step.literal.as_slice()).map(<[u8]>::len);
        let Some(end) = end.filter(|end| *end >= start) else {
            return fail(LineErrorKind::Literal, line.len(), line.len());
        };
        if end > limit {
            let barred = line.get(limit).is_some_and(|byte| self.parser.guard.contains(byte));
            return match barred {
                true => fail(LineErrorKind::Barred, limit, limit + 1),
                false => fail(LineErrorKind::Value, start, end),
            };
        }
        let value = line.get(start..end).unwrap_or_default();
        if self.fits(step.shape, value) { Ok(end) } else { fail(LineErrorKind::Value, start, end) }
    }

    /// The last place where the value starting at `start` can end, by its shape and by what
    /// escaping keeps out of it.
    fn limit(&mut self, index: usize, step: &Step, start: usize) -> usize {
        let rest = self.line.get(start..).unwrap_or_default();
        // Only a value that is tried at many places is worth a look at all its bytes.
        let reach =
            if step.retried { self.reach(step.shape, rest) } else { step.shape.bytes_max() };
        let held = rest.get(..reach).unwrap_or(rest);
        let looks = step.retried || step.end == End::Line;
        let looks = looks && !matches!(step.end, End::Barred | End::Quoted);
        let barred = if looks { self.parser.barred(held) } else { None };
        if looks && !self.parser.guard.is_empty() {
            self.spend(barred.unwrap_or(held.len()));
        }
        let limit = start + barred.unwrap_or(held.len());
        if let Some(kept) = self.limits.get_mut(index) {
            *kept = limit;
        }
        limit
    }

    fn reach(&mut self, shape: Shape, text: &[u8]) -> usize {
        let reach = shape.reach(text);
        self.spend(EFFORT_PER_TRY + if shape == Shape::Text { 0 } else { reach });
        reach
    }

    fn fits(&mut self, shape: Shape, value: &[u8]) -> bool {
        self.spend(if shape == Shape::Text { 0 } else { value.len() });
        shape.fits(value)
    }

    fn spend(&mut self, bytes: usize) {
        self.effort = self.effort.saturating_sub(bytes);
    }

    /// Says why a value that can reach to `limit` has no end: what stands there is no value, or the
    /// literal behind it is missing.
    fn no_end(&mut self, index: usize, step: &Step, start: usize, limit: usize) -> LineError {
        let rest = self.line.get(start..).unwrap_or_default();
        let limit = limit.min(start + self.reach(step.shape, rest));
        let value = self.line.get(start..limit).unwrap_or_default();
        if rest.is_empty() || step.shape == Shape::Text || limit > start && step.shape.fits(value) {
            let at = limit.min(self.line.len());
            return LineError::new(LineErrorKind::Literal, index, at, self.line.len());
        }
        let is_end = |byte: &u8| *byte == b' ' || step.literal.first() == Some(byte);
        let word = rest.iter().position(is_end).unwrap_or(rest.len());
        LineError::new(LineErrorKind::Value, index, start, limit.max(start + word))
    }
}

impl Step {
    /// Where the value could end, at `search` or later and inside `window`.
    pub(super) fn candidate(&self, window: &[u8], start: usize, search: usize) -> Option<usize> {
        let first = *self.literal.first()?;
        match self.end {
            End::Line => None,
            End::Barred => Some(search + memchr::memchr(first, window.get(search..)?)?),
            End::Quoted => closing_quote(window, search),
            End::First | End::Open => match self.known_verify_end(window, start) {
                Some(end) => (end >= search).then_some(end),
                None => find(window, search, first, &self.literal),
            },
        }
    }

    /// Where an unquoted `FAILED:text` ends, if the text is one that OpenSSL writes: it may hold the
    /// delimiter, and the longest known text is the one that was written.
    fn known_verify_end(&self, window: &[u8], start: usize) -> Option<usize> {
        if self.shape != Shape::Verify {
            return None;
        }
        let text = window.get(start..)?.strip_prefix(b"FAILED:")?;
        let length = verify_result::longest_known_text(text)?;
        let rest = text.get(length..)?;
        rest.starts_with(&self.literal).then_some(window.len() - rest.len())
    }
}

/// The first place from `search` on where `literal`, which begins with `first`, stands.
fn find(line: &[u8], search: usize, first: u8, literal: &[u8]) -> Option<usize> {
    let mut at = search;
    loop {
        at += memchr::memchr(first, line.get(at..)?)?;
        if line.get(at..)?.starts_with(literal) {
            return Some(at);
        }
        at += 1;
    }
}
