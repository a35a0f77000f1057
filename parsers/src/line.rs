//! Splits a line into the values of its variables, by a compiled [`LogFormat`].
//!
//! A value ends at the literal that follows it. Where its [`Shape`] makes that end impossible, the
//! parser looks further, and where a second reading of the line would also fit, it says so instead
//! of choosing: a user name, a path or a DN that imitates a delimiter cannot shift the fields.
//! Values are borrowed from the line, still escaped; parsing allocates nothing.

use std::fmt;

use crate::escape::Escape;
use crate::json_line;
use crate::log_format::{LogFormat, Piece};
use crate::variable::{Field, Shape};

pub use crate::line::by_key::Keys;
pub use crate::line::by_template::EFFORT_BYTES_MAX;

#[path = "line_by_key.rs"]
mod by_key;
#[path = "line_by_template.rs"]
mod by_template;
#[path = "line_marks.rs"]
mod marks;
#[path = "line_straight.rs"]
mod straight;

use straight::Straight;

const FIELD_COUNT: usize = Field::ALL.len();

/// A format made ready to split lines.
#[derive(Clone, Debug)]
pub struct LineParser {
    name: String,
    escape: Escape,
    leading: Vec<u8>,
    steps: Vec<Step>,
    straight: Straight,
    /// Where each field's value is found, [`NO_SLOT`] for none; the first place, if a format has it
    /// twice.
    slots: [u16; FIELD_COUNT],
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
    /// Whether the value is read more than once: it or the one before it has several ends.
    retried: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The last value: it ends where the line does, less the closing literal.
    Line,
    /// The literal begins with a byte that no value holds.
    Barred,
    /// The same, where a backslash may stand before that byte (`escape=json`).
    Quoted,
    /// The literal holds a byte that no value holds there: its first occurrence is the end.
    First,
    /// A value may hold the literal: the end is the first occurrence that fits.
    Open,
}

/// Where the values of one line lie; kept between lines so that none allocates.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    found: Vec<Span>,
    other: Vec<Span>,
    /// The last place where each open value can end.
    limits: Vec<usize>,
    marks: marks::Marks,
    stamp: straight::Stamp,
}

/// Bytes of the line from 0, the end behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

/// The span of a variable that the line does not have.
const ABSENT: Span = Span { start: usize::MAX, end: usize::MAX };

impl Span {
    fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    fn of(self, line: &[u8]) -> Option<&[u8]> {
        line.get(self.start..self.end)
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
    #[inline]
    pub fn logged(&self, field: Field) -> Option<&'a [u8]> {
        self.spans.get(self.parser.slot(field))?.of(self.line)
    }

    /// The field's text, escaped; `None` also when it is unset (`-` or nothing).
    #[inline]
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
        let mut behind_open = false;
        for step in &mut steps {
            let open = step.end == End::Open;
            step.retried = open || behind_open;
            behind_open = open;
        }
        let literals = steps.iter().map(|step| &step.literal);
        let guard = guard(format.escape, literals.chain([&leading]));
        let straight = Straight::of(&steps, format.escape, &guard);
        let keys = Keys::of_template(&leading, &steps, format.escape);
        let slots = slots(&steps);
        let open = steps.iter().any(|step| step.end == End::Open);
        let (name, escape) = (format.name.clone(), format.escape);
        LineParser {
            name,
            escape,
            leading,
            steps,
            straight,
            slots,
            guard,
            keys,
            open,
            templated: true,
        }
    }

    /// A parser for JSON objects whose keys are nginx's variables (without `$`), gatelog's own
    /// names, or common short forms; in any order.
    pub fn json_by_key() -> LineParser {
        let steps: Vec<Step> = Field::ALL.iter().map(|field| Step::new(field.variable())).collect();
        LineParser {
            name: "json".to_owned(),
            escape: Escape::Json,
            leading: b"{".to_vec(),
            slots: slots(&steps),
            steps,
            straight: Straight::default(),
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
        self.slot(field) < self.steps.len()
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
        spans.found.resize(self.steps.len(), ABSENT);
        let is_plain = self.templated && self.straight(line, spans);
        let Spans { found, other, limits, .. } = spans;
        if is_plain {
            return Ok(Record { line, spans: found, parser: self, escape: self.escape });
        }
        found.fill(ABSENT);
        let escape = match (self.by_template(line, found, other, limits), &self.keys) {
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
        let literal = |text: &[u8]| format!("`{}`", shown(text));
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
                    format!("`{}{more}`", shown(cut))
                }
                _ => "the end of the line".to_owned(),
            },
        };
        let value = matches!(error.kind, LineErrorKind::Value).then(|| format!("${name}"));
        Explanation { expected, found, variable: value }
    }

    /// The step of a field; more than there are where the format does not have it.
    #[inline]
    fn slot(&self, field: Field) -> usize {
        usize::from(self.slots.get(usize::from(field as u8)).copied().unwrap_or(NO_SLOT))
    }
}

/// What the tests and the fuzz targets hold against each other.
#[cfg(any(test, fuzzing))]
impl LineParser {
    /// Whether `line`, if it is read straight, is read alike by the search.
    pub fn straight_agrees(&self, line: &[u8]) -> bool {
        let read = self.read_straight(line);
        read.is_none() || read == self.searched(line)
    }

    fn read_straight(&self, line: &[u8]) -> Option<Vec<Span>> {
        let mut spans = Spans::default();
        spans.found.resize(self.steps.len(), ABSENT);
        (self.templated && self.straight(line, &mut spans)).then_some(spans.found)
    }

    fn searched(&self, line: &[u8]) -> Option<Vec<Span>> {
        let mut found = vec![ABSENT; self.steps.len()];
        let (mut other, mut limits) = (Vec::new(), Vec::new());
        let read = self.by_template(line, &mut found, &mut other, &mut limits);
        read.is_ok().then_some(found)
    }
}

impl Step {
    /// Stands for the literal before the first variable.
    const LEADING: u16 = u16::MAX;

    fn new(name: &str) -> Step {
        let field = Field::from_variable(name.as_bytes());
        let shape = field.map_or(Shape::Text, Field::shape);
        Step {
            name: name.to_owned(),
            field,
            shape,
            literal: Vec::new(),
            end: End::Line,
            retried: false,
        }
    }

    fn end_of(&self, escape: Escape, shape: Shape) -> End {
        let before = std::iter::once(None).chain(self.literal.iter().map(Some));
        let may_hold = |(byte, before): (&u8, Option<&u8>)| {
            // A value of `escape=json` does hold a quote behind a backslash.
            let escaped = escape == Escape::Json && *byte == b'"' && before == Some(&b'\\');
            (escaped || escape.may_hold(*byte)) && shape.may_hold(*byte)
        };
        match self.literal.first() {
            Some(b'"') if escape == Escape::Json => End::Quoted,
            Some(first) if escape != Escape::None && !escape.may_hold(*first) => End::Barred,
            _ if self.literal.iter().zip(before).all(may_hold) => End::Open,
            _ => End::First,
        }
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

/// No format has so many variables.
const NO_SLOT: u16 = u16::MAX;

fn slots(steps: &[Step]) -> [u16; FIELD_COUNT] {
    let mut slots = [NO_SLOT; FIELD_COUNT];
    for (step, index) in steps.iter().zip(0..NO_SLOT) {
        let slot = step.field.and_then(|field| slots.get_mut(usize::from(field as u8)));
        if let Some(slot @ &mut NO_SLOT) = slot {
            *slot = index;
        }
    }
    slots
}

/// Longest piece of a line that an error message shows, in bytes.
const FOUND_BYTES_MAX: usize = 40;

/// Printable ASCII as it is, other bytes as `\xHH`.
fn shown(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b' '..=b'~' => shown.push(char::from(*byte)),
            other => shown.push_str(&format!("\\x{other:02X}")),
        }
    }
    shown
}

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
        self.span.start + 1
    }

    /// The bytes of the line that were found there; empty at its end.
    pub fn span(&self) -> std::ops::Range<usize> {
        self.span.start..self.span.end
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
