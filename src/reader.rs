//! The way of one line: record, event, ledger. No I/O, no clock, no allocation for what is known.

use gatelog_parsers::line::{LineParser, Record, Spans};
use gatelog_parsers::time_stamp::UnixMillis;

use crate::event::route::Router;
use crate::event::{Event, Judge};
use crate::ledger::Ledger;
use crate::ledger::limit_hits::Limit;
use crate::source::Line;

/// Reads the lines of one log.
#[derive(Debug)]
pub struct Reader {
    parser: LineParser,
    judge: Judge,
    spans: Spans,
    range: TimeRange,
    counts: LineCounts,
}

/// The times that count: from `since` on, before `until`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeRange {
    /// Inclusive.
    pub since: Option<UnixMillis>,
    /// Exclusive.
    pub until: Option<UnixMillis>,
}

impl TimeRange {
    /// Whether it holds a time; a line without one counts only where all do.
    pub fn holds(&self, time: Option<UnixMillis>) -> bool {
        let TimeRange { since, until } = *self;
        match time {
            Some(time) => {
                since.is_none_or(|since| since <= time) && until.is_none_or(|until| time < until)
            }
            None => since.is_none() && until.is_none(),
        }
    }
}

/// How many lines were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Those that gave an event within the times asked for.
    pub parsed: u64,
    /// Those that did not fit the format, or lack what a verdict needs.
    pub unparsed: u64,
}

impl LineCounts {
    /// All of them.
    pub fn read(&self) -> u64 {
        self.parsed + self.unparsed
    }

    /// Adds another log's.
    pub fn merge(&mut self, other: LineCounts) {
        self.parsed += other.parsed;
        self.unparsed += other.unparsed;
    }
}

/// Why a line gave no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Where, bytes from 1.
    pub column: usize,
    /// The bytes of the line that are at fault.
    pub span: std::ops::Range<usize>,
    /// What should stand there.
    pub expected: String,
    /// What stands there, escaped and cut.
    pub found: String,
    /// The variable whose value does not fit, with `$`.
    pub variable: Option<String>,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Unfit { expected, found, variable, .. } = self;
        match variable {
            Some(name) => write!(f, "expected {expected} for {name}, found {found}"),
            None => write!(f, "expected {expected}, found {found}"),
        }
    }
}

impl Reader {
    /// A reader of lines of `parser`, judged by `judge`.
    pub fn new(parser: LineParser, judge: Judge, range: TimeRange) -> Reader {
        let (spans, counts) = (Spans::default(), LineCounts::default());
        Reader { parser, judge, spans, range, counts }
    }

    /// Counts a line in the ledger. What does not fit is counted as unparsed, and said by the result.
    pub fn count(&mut self, line: &Line<'_>, ledger: &mut Ledger, router: &Router) -> bool {
        ledger.limits.hit_if(line.cut, Limit::LineBytes);
        let record = self.parser.parse(line.bytes, &mut self.spans).ok();
        let event = record.and_then(|record| self.judge.judge(&record).ok());
        match event {
            Some(event) if self.range.holds(event.time) => {
                self.counts.parsed += 1;
                ledger.record(&event, router);
            }
            Some(_) => {}
            None => self.counts.unparsed += 1,
        }
        event.is_some()
    }

    /// Hands on the line's record, and its event where the record tells a verdict, when it is within
    /// the times asked for.
    ///
    /// # Errors
    /// Says where the line does not fit.
    pub fn read<R>(
        &mut self,
        line: &[u8],
        then: impl FnOnce(&Record<'_>, Option<&Event<'_>>) -> R,
    ) -> Result<Option<R>, Unfit> {
        let record = match self.parser.parse(line, &mut self.spans) {
            Ok(record) => record,
            Err(error) => {
                self.counts.unparsed += 1;
                let why = self.parser.explain(&error, line);
                return Err(Unfit {
                    column: error.column(),
                    span: error.span(),
                    expected: why.expected,
                    found: why.found,
                    variable: why.variable,
                });
            }
        };
        let time = self.judge.time(&record);
        if !self.range.holds(time) {
            return Ok(None);
        }
        self.counts.parsed += 1;
        Ok(Some(match self.judge.judge(&record) {
            Ok(event) => then(&record, Some(&event)),
            Err(_) => then(&record, None),
        }))
    }

    /// How many lines were read so far.
    pub fn counts(&self) -> LineCounts {
        self.counts
    }

    /// Splits the lines.
    pub fn parser(&self) -> &LineParser {
        &self.parser
    }
}
