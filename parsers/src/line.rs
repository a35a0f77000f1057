//! Splits a line into the values of its variables, by a compiled [`LogFormat`].
//!
//! A value ends at the literal that follows it. Where its [`Shape`] makes that end impossible, the
//! parser looks further, and where a second reading of the line would also fit, it says so instead
//! of choosing: a user name, a path or a DN that imitates a delimiter cannot shift the fields.
//! Values are borrowed from the line, still escaped; parsing allocates nothing.

use std::fmt;

use crate::escape::Escape;
use crate::json_line::{self, closing_quote};
use crate::log_format::{LogFormat, Piece};
use crate::variable::{Field, Shape};
use crate::verify_result;

pub use crate::line::by_key::Keys;

#[path = "line_by_key.rs"]
mod by_key;

/// Most ends tried for one line before it is given up as unreadable.
pub const ATTEMPTS_MAX: u32 = 4096;

const FIELD_COUNT: usize = Field::ALL.len();

/// A format made ready to split lines.
#[derive(Clone, Debug)]
pub struct LineParser {
    name: String,
    escape: Escape,
    leading: Vec<u8>,
    steps: Vec<Step>,
    /// Where each field's value is found; the first place, if a format has it twice.
    slots: [Option<u16>; FIELD_COUNT],
    /// Delimiter bytes that escaping keeps out of every value.
    guard: Vec<u8>,
    keys: Option<Keys>,
    /// Whether some value could end in more than one place.
    open: bool,
    templated: bool,
}

/// One variable and the literal behind it.
#[derive(Clone, Debug)]
struct Step {
    name: String,
    field: Option<Field>,
    shape: Shape,
    literal: Vec<u8>,
    /// How the end is found.
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The last value: it ends where the line does, less the closing literal.
    Line,
    /// The literal begins with a byte that no value holds.
    Barred,
    /// The same, where a backslash may stand before that byte (`escape=json`).
    Quoted,
    /// The literal holds a byte that no value holds: its first occurrence is the end.
    First,
    /// A value may hold the literal: the end is the first occurrence that fits.
    Open,
}

/// Where the values of one line lie; kept between lines so that none allocates.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    found: Vec<Span>,
    other: Vec<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

/// The span of a variable that the line does not have.
const ABSENT: Span = Span { start: u32::MAX, end: u32::MAX };

impl Span {
    fn new(start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: offset(start), end: offset(end) }
    }

    fn start(self) -> usize {
        usize::try_from(self.start).unwrap_or(usize::MAX)
    }

    fn end(self) -> usize {
        usize::try_from(self.end).unwrap_or(usize::MAX)
    }

    fn of(self, line: &[u8]) -> Option<&[u8]> {
        line.get(self.start()..self.end())
    }
}

/// The values of one line.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    line: &'a [u8],
    spans: &'a [Span],
    parser: &'a LineParser,
    escape: Escape,
}

impl<'a> Record<'a> {
    /// The field's text as it stands in the line, escaped; `None` when the line does not have it.
    pub fn logged(&self, field: Field) -> Option<&'a [u8]> {
        let slot = self.parser.slot(field)?;
        self.spans.get(slot)?.of(self.line)
    }

    /// The field's text, escaped; `None` also when it is unset (`-` or nothing).
    pub fn value(&self, field: Field) -> Option<&'a [u8]> {
        self.logged(field).filter(|value| !is_unset(value))
    }

    /// The text of the variable that [`LineParser::variable_index`] found.
    pub fn variable(&self, index: usize) -> Option<&'a [u8]> {
        let text = self.spans.get(index)?.of(self.line);
        text.filter(|value| !is_unset(value))
    }

    /// How many of the format's variables the line has, set or not.
    pub fn variable_count(&self) -> usize {
        self.spans.iter().filter(|span| **span != ABSENT).count()
    }

    /// How the texts are escaped.
    pub fn escape(&self) -> Escape {
        self.escape
    }

    /// The whole line.
    pub fn line(&self) -> &'a [u8] {
        self.line
    }
}

/// `-` with `escape=default`, nothing with `escape=json`.
fn is_unset(value: &[u8]) -> bool {
    matches!(value, b"" | b"-")
}

impl LineParser {
    /// Compiles a format.
    pub fn new(format: &LogFormat) -> LineParser {
        let mut leading = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        for piece in &format.pieces {
            match (piece, steps.last_mut()) {
                (Piece::Literal(text), None) => leading.clone_from(text),
                (Piece::Literal(text), Some(step)) => step.literal.clone_from(text),
                (Piece::Variable(name), _) => steps.push(Step::new(name)),
            }
        }
        let last = steps.len().saturating_sub(1);
        for (index, step) in steps.iter_mut().enumerate() {
            step.end = step.end_of(format.escape, step.shape);
            if index == last && matches!(step.end, End::First | End::Open) {
                step.end = End::Line;
            }
        }
        let literals = steps.iter().map(|step| &step.literal);
        let guard = guard(format.escape, literals.chain([&leading]));
        let keys = Keys::of_template(&leading, &steps, format.escape);
        let slots = slots(&steps);
        let open = steps.iter().any(|step| step.end == End::Open);
        let (name, escape) = (format.name.clone(), format.escape);
        LineParser { name, escape, leading, steps, slots, guard, keys, open, templated: true }
    }

    /// A parser for JSON objects whose keys are nginx's variables (without `$`), gatelog's own
    /// names, or common short forms; in any order.
    pub fn json_by_key() -> LineParser {
        let steps: Vec<Step> = Field::ALL.iter().map(|field| Step::new(field.variable())).collect();
        LineParser {
            name: "json".to_owned(),
            escape: Escape::Json,
            leading: Vec::new(),
            slots: slots(&steps),
            steps,
            guard: Vec::new(),
            keys: Some(Keys::well_known()),
            open: false,
            templated: false,
        }
    }

    /// The format's name; empty for a bare format string.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether lines can hold the field.
    pub fn has(&self, field: Field) -> bool {
        self.slot(field).is_some()
    }

    /// How values are escaped in the format's own lines.
    pub fn escape(&self) -> Escape {
        self.escape
    }

    /// Where [`Record::variable`] finds a variable (name without `$`) of this format.
    pub fn variable_index(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    /// Splits `line`.
    ///
    /// # Errors
    /// Says where the line does not fit and what was expected there.
    pub fn parse<'a>(
        &'a self,
        line: &'a [u8],
        spans: &'a mut Spans,
    ) -> Result<Record<'a>, LineError> {
        let Spans { found, other } = spans;
        found.clear();
        found.resize(self.steps.len(), ABSENT);
        let escape = match (self.by_template(line, found, other), &self.keys) {
            (Ok(()), _) => self.escape,
            (Err(miss), Some(keys)) if line.trim_ascii_start().first() == Some(&b'{') => {
                found.fill(ABSENT);
                let read = self.by_key(keys, line, found, other);
                // Of two failures the template's says more, unless there is no template.
                read.map_err(|by_key| if self.templated { miss } else { by_key })?;
                Escape::Json
            }
            (Err(miss), _) => return Err(miss),
        };
        Ok(Record { line, spans: found, parser: self, escape })
    }

    /// Says in words what an error of this parser means for `line`.
    pub fn explain(&self, error: &LineError, line: &[u8]) -> Explanation {
        let step = self.steps.get(usize::from(error.step));
        let name = step.map_or("", |step| &step.name);
        let literal = |text: &[u8]| format!("`{}`", text.escape_ascii());
        let expected = match error.kind {
            LineErrorKind::Value => step.map_or("", |step| step.shape.expected()).to_owned(),
            LineErrorKind::Literal if error.step == Step::LEADING => literal(&self.leading),
            LineErrorKind::Literal => match step.map(|step| step.literal.as_slice()) {
                None | Some([]) => format!("the end of the line after ${name}"),
                Some(text) => format!("{} after ${name}", literal(text)),
            },
            LineErrorKind::Trailing => "the end of the line".to_owned(),
            LineErrorKind::Barred => format!("no unescaped delimiter in ${name}"),
            LineErrorKind::Ambiguous { .. } => format!("one place where ${name} can end"),
            LineErrorKind::TooManyWays => "fewer delimiters in the values".to_owned(),
            LineErrorKind::Json(expected) => expected.to_owned(),
            LineErrorKind::DuplicateKey => format!("the key of ${name} once"),
        };
        let found = match error.kind {
            LineErrorKind::Ambiguous { other_column } => {
                format!("that it could also end at column {other_column}")
            }
            _ => match error.span.of(line) {
                Some(text) if !text.is_empty() => {
                    let cut = text.get(..FOUND_BYTES_MAX).unwrap_or(text);
                    let more = if cut.len() < text.len() { "..." } else { "" };
                    format!("`{}{more}`", cut.escape_ascii())
                }
                _ => "the end of the line".to_owned(),
            },
        };
        let value = matches!(error.kind, LineErrorKind::Value).then(|| format!("${name}"));
        Explanation { expected, found, variable: value }
    }

    fn slot(&self, field: Field) -> Option<usize> {
        self.slots.get(usize::from(field as u8)).copied().flatten().map(usize::from)
    }

    fn by_template(
        &self,
        line: &[u8],
        found: &mut [Span],
        other: &mut Vec<Span>,
    ) -> Result<(), LineError> {
        if !line.starts_with(&self.leading) || !self.templated {
            return Err(LineError::new(LineErrorKind::Literal, Step::LEADING, 0, line.len()));
        }
        let mut attempts = 0;
        self.solve(line, found, 0, self.leading.len(), &mut attempts)?;
        if self.open { self.refuse_other_reading(line, found, other, attempts) } else { Ok(()) }
    }

    /// Finds the values from variable `first` on, which starts at `from`. Goes back to the last
    /// open end when a later value cannot be.
    fn solve(
        &self,
        line: &[u8],
        spans: &mut [Span],
        first: usize,
        from: usize,
        attempts: &mut u32,
    ) -> Result<(), LineError> {
        let (mut index, mut start, mut search) = (first, from, from);
        let mut furthest: Option<LineError> = None;
        while let Some(step) = self.steps.get(index) {
            match self.end_of_value(index, step, line, start, search) {
                Ok(end) => {
                    if let Some(span) = spans.get_mut(index) {
                        *span = Span::new(start, end);
                    }
                    start = end + step.literal.len();
                    search = start;
                    index += 1;
                }
                Err(miss) => {
                    furthest =
                        furthest.filter(|far| far.span.start >= miss.span.start).or(Some(miss));
                    let Some((open, span)) = self.last_open(spans, first, index) else {
                        return Err(furthest.unwrap_or(miss));
                    };
                    *attempts += 1;
                    if *attempts > ATTEMPTS_MAX {
                        return Err(LineError { kind: LineErrorKind::TooManyWays, ..miss });
                    }
                    (index, start, search) = (open, span.start(), span.end() + 1);
                }
            }
        }
        if start < line.len() {
            return Err(LineError::new(LineErrorKind::Trailing, Step::LEADING, start, line.len()));
        }
        Ok(())
    }

    /// The last variable in `first..before` that could end elsewhere.
    fn last_open(&self, spans: &[Span], first: usize, before: usize) -> Option<(usize, Span)> {
        let steps = self.steps.iter().zip(spans).enumerate();
        let mut candidates = steps.take(before).skip(first);
        let last = candidates.rfind(|(_, (step, _))| step.end == End::Open);
        last.map(|(index, (_, span))| (index, *span))
    }

    /// The first end at `search` or later that this variable's value can have.
    fn end_of_value(
        &self,
        index: usize,
        step: &Step,
        line: &[u8],
        start: usize,
        search: usize,
    ) -> Result<usize, LineError> {
        let fail = |kind, at, end| Err(LineError::new(kind, index, at, end));
        let mut search = search;
        let mut unfit = None;
        loop {
            let Some(end) = step.candidate(line, start, search) else {
                if let Some(end) = unfit {
                    return fail(LineErrorKind::Value, start, end);
                }
                let at = if step.end == End::Line { line.len() } else { start.max(search) };
                return fail(LineErrorKind::Literal, at.min(line.len()), line.len());
            };
            let value = line.get(start..end).unwrap_or_default();
            if step.end == End::Barred || step.end == End::Quoted {
                if !line.get(end..).is_some_and(|rest| rest.starts_with(&step.literal)) {
                    return fail(LineErrorKind::Literal, end, line.len());
                }
            } else if let Some(at) = self.barred(value) {
                return fail(LineErrorKind::Barred, start + at, start + at + 1);
            }
            if step.shape.fits(value) {
                return Ok(end);
            }
            if step.end != End::Open {
                return fail(LineErrorKind::Value, start, end);
            }
            unfit = unfit.or(Some(end));
            search = end + 1;
        }
    }

    /// Where a value holds a byte that escaping keeps out of values.
    fn barred(&self, value: &[u8]) -> Option<usize> {
        match (self.escape, self.guard.as_slice()) {
            (_, []) => None,
            (Escape::Json, _) => closing_quote(value, 0),
            (_, [a]) => memchr::memchr(*a, value),
            (_, [a, b]) => memchr::memchr2(*a, *b, value),
            (_, guard) => value.iter().position(|byte| guard.contains(byte)),
        }
    }

    /// Tries every later end of the open values: a line that can be read in two ways is refused.
    fn refuse_other_reading(
        &self,
        line: &[u8],
        found: &[Span],
        other: &mut Vec<Span>,
        mut attempts: u32,
    ) -> Result<(), LineError> {
        for (index, step) in self.steps.iter().enumerate().rev() {
            if step.end != End::Open {
                continue;
            }
            let span = found.get(index).copied().unwrap_or(ABSENT);
            let mut search = span.end() + 1;
            while let Ok(end) = self.end_of_value(index, step, line, span.start(), search) {
                attempts += 1;
                let fail = |kind| {
                    Err(LineError {
                        kind,
                        ..LineError::new(LineErrorKind::Value, index, span.end(), end)
                    })
                };
                if attempts > ATTEMPTS_MAX {
                    return fail(LineErrorKind::TooManyWays);
                }
                other.clear();
                other.resize(self.steps.len(), ABSENT);
                let next = end + step.literal.len();
                if self.solve(line, other, index + 1, next, &mut attempts).is_ok() {
                    return fail(LineErrorKind::Ambiguous { other_column: end + 1 });
                }
                search = end + 1;
            }
        }
        Ok(())
    }
}

impl Step {
    /// Stands for the literal before the first variable.
    const LEADING: u16 = u16::MAX;

    fn new(name: &str) -> Step {
        let field = Field::from_variable(name.as_bytes());
        let shape = field.map_or(Shape::Text, Field::shape);
        Step { name: name.to_owned(), field, shape, literal: Vec::new(), end: End::Line }
    }

    fn end_of(&self, escape: Escape, shape: Shape) -> End {
        let may_hold = |byte: &u8| escape.may_hold(*byte) && shape.may_hold(*byte);
        match self.literal.first() {
            Some(b'"') if escape == Escape::Json => End::Quoted,
            Some(first) if escape != Escape::None && !escape.may_hold(*first) => End::Barred,
            _ if self.literal.iter().all(may_hold) => End::Open,
            _ => End::First,
        }
    }

    /// Where the value could end, at `search` or later.
    fn candidate(&self, line: &[u8], start: usize, search: usize) -> Option<usize> {
        let first = *self.literal.first().unwrap_or(&b'\n');
        let end = match self.end {
            End::Line => line.strip_suffix(self.literal.as_slice())?.len(),
            End::Barred => search + memchr::memchr(first, line.get(search..)?)?,
            End::Quoted => closing_quote(line, search)?,
            End::First | End::Open => match self.known_verify_end(line, start) {
                Some(end) => end,
                None => find(line, search, first, &self.literal)?,
            },
        };
        (end >= search).then_some(end)
    }

    /// Where an unquoted `FAILED:text` ends, if the text is one that OpenSSL writes: it may hold the
    /// delimiter, and the longest known text is the one that was written.
    fn known_verify_end(&self, line: &[u8], start: usize) -> Option<usize> {
        if self.shape != Shape::Verify {
            return None;
        }
        let text = line.get(start..)?.strip_prefix(b"FAILED:")?;
        let length = verify_result::longest_known_text(text)?;
        let rest = text.get(length..)?;
        rest.starts_with(&self.literal).then_some(line.len() - rest.len())
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

/// Bytes of the literals that escaping keeps out of every value: one that turns up inside a value
/// means that the line was not written by this format.
fn guard<'a>(escape: Escape, literals: impl Iterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let barred = |byte: &u8| escape != Escape::None && !escape.may_hold(*byte);
    let mut guard: Vec<u8> = literals.flatten().copied().filter(barred).collect();
    guard.sort_unstable();
    guard.dedup();
    guard
}

fn slots(steps: &[Step]) -> [Option<u16>; FIELD_COUNT] {
    let mut slots = [None; FIELD_COUNT];
    for (step, index) in steps.iter().zip(0u16..) {
        let slot = step.field.and_then(|field| slots.get_mut(usize::from(field as u8)));
        if let Some(slot @ None) = slot {
            *slot = Some(index);
        }
    }
    slots
}

/// Longest piece of a line that an error message shows, in bytes.
const FOUND_BYTES_MAX: usize = 40;

/// Where and why a line does not fit its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError {
    kind: LineErrorKind,
    step: u16,
    span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineErrorKind {
    Literal,
    Value,
    Trailing,
    Barred,
    Ambiguous { other_column: usize },
    TooManyWays,
    Json(&'static str),
    DuplicateKey,
}

impl LineError {
    fn new(kind: LineErrorKind, step: impl TryInto<u16>, start: usize, end: usize) -> LineError {
        let step = step.try_into().unwrap_or(Step::LEADING);
        LineError { kind, step, span: Span::new(start, end) }
    }

    /// Where it is, bytes from 1.
    pub fn column(&self) -> usize {
        self.span.start() + 1
    }

    /// The bytes of the line that were found there; empty at its end.
    pub fn span(&self) -> std::ops::Range<usize> {
        self.span.start()..self.span.end()
    }
}

/// A [`LineError`] in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What should stand there.
    pub expected: String,
    /// What stands there, escaped and cut.
    pub found: String,
    /// The variable, with `$`, whose value does not fit.
    pub variable: Option<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { expected, found, variable } = self;
        match variable {
            Some(name) => write!(f, "expected {expected} for {name}, found {found}"),
            None => write!(f, "expected {expected}, found {found}"),
        }
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
