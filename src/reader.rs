//! The way of one line: record, event, ledger. No I/O, no clock, no allocation for what is known.

use gatelog_parsers::line::{self, LineParser, Spans};
use gatelog_parsers::short::are_same;
use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Encode};

use crate::event::route::Router;
use crate::event::server::Server;
use crate::event::verdict::Verdict;
use crate::event::{Event, Judge};
use crate::ledger::Record;
use crate::ledger::limit_hits::Limit;
use crate::limits::{LINE_BYTES_MAX, UNKNOWN_GATES_MAX};
use crate::source::Line;

/// Reads the lines of one log.
#[derive(Debug)]
pub struct Reader {
    parser: LineParser,
    judge: Judge,
    spans: Spans,
    range: TimeRange,
    counts: LineCounts,
    last_time: Option<UnixMillis>,
    unknown_gates: UnknownGates,
}

/// Servers over TLS of which nobody has told what they demand of client certificates.
#[derive(Debug, Default)]
struct UnknownGates {
    /// In the order of their first line, at most [`UNKNOWN_GATES_MAX`].
    servers: Vec<String>,
    /// How many were taken.
    taken: usize,
    /// The place of the last one seen; the next is likely to be the same.
    last: usize,
}

impl UnknownGates {
    fn add(&mut self, server: &str) {
        if self
            .servers
            .get(self.last)
            .is_some_and(|known| are_same(known.as_bytes(), server.as_bytes()))
        {
            return;
        }
        match self.servers.iter().position(|known| known == server) {
            Some(place) => self.last = place,
            None if self.servers.len() >= UNKNOWN_GATES_MAX => {}
            None => {
                self.last = self.servers.len();
                self.servers.push(server.to_owned());
            }
        }
    }
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LineCounts {
    /// Those that gave an event within the times asked for.
    #[n(0)]
    pub parsed: u64,
    /// Those that did not fit the format, or lack what a verdict needs.
    #[n(1)]
    pub unparsed: u64,
    /// Those of nginx's error log, which came the same way: over syslog, or from a container.
    #[n(2)]
    pub error_log: u64,
}

impl LineCounts {
    /// All of them.
    pub fn read(&self) -> u64 {
        self.parsed + self.unparsed + self.error_log
    }

    /// Adds another log's.
    pub fn merge(&mut self, other: LineCounts) {
        self.parsed += other.parsed;
        self.unparsed += other.unparsed;
        self.error_log += other.error_log;
    }
}

/// What a line that was understood is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind<R> {
    /// One of the access log, within the times asked for.
    Access(R),
    /// One of the access log, of another time.
    OutOfRange,
    /// One of the error log, which is not read here.
    ErrorLog,
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

impl Unfit {
    /// What to say of a line of which no more than these bytes were kept.
    fn cut(kept_bytes: usize) -> Unfit {
        Unfit {
            column: kept_bytes + 1,
            span: kept_bytes..kept_bytes,
            expected: format!("the end of the line within {LINE_BYTES_MAX} bytes"),
            found: "more, which was cut".to_owned(),
            variable: None,
        }
    }
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
        let (last_time, unknown_gates) = (None, UnknownGates::default());
        Reader { parser, judge, spans, range, counts, last_time, unknown_gates }
    }

    /// Counts a line, in a ledger mostly. What does not fit is counted as unparsed, and said by the result. A
    /// line of the error log is counted as such; a client that can make its own look like one gains
    /// nothing, since the format of the access log is tried first.
    pub fn count(&mut self, line: &Line<'_>, into: &mut impl Record, router: &Router) -> bool {
        into.hit_if(line.cut, Limit::LineBytes);
        // The last value of a cut line is not whole: a time, say, would be another one.
        let record = match line.cut {
            true => None,
            false => self.parser.parse(line.bytes, &mut self.spans).ok(),
        };
        let event = record.and_then(|record| self.judge.judge(&record).ok());
        let Some(event) = event else {
            let is_error_log = line.is_error_log();
            if is_error_log {
                self.counts.error_log += 1;
            } else {
                self.counts.unparsed += 1;
                into.unparsed(self.judge.source());
            }
            return is_error_log;
        };
        if self.range.holds(event.time) {
            self.counts.parsed += 1;
            self.last_time = self.last_time.max(event.time);
            if event.suspected && event.verdict != Verdict::NotTls {
                self.unknown_gates.add(event.server);
            }
            into.record(&event, router);
        }
        true
    }

    /// Hands on the line's record, and its event where the record tells a verdict, when it is one of the
    /// access log and within the times asked for.
    ///
    /// # Errors
    /// Says where the line does not fit. One that was cut never does: its last value is not whole.
    pub fn read<R>(
        &mut self,
        line: &Line<'_>,
        then: impl FnOnce(&line::Record<'_>, Option<&Event<'_>>) -> R,
    ) -> Result<LineKind<R>, Unfit> {
        let is_error_log = || line.is_error_log();
        let Line { bytes: line, cut, .. } = *line;
        let record = match self.parser.parse(line, &mut self.spans) {
            Ok(_) if cut => {
                self.counts.unparsed += 1;
                return Err(Unfit::cut(line.len()));
            }
            Ok(record) => record,
            Err(_) if is_error_log() => {
                self.counts.error_log += 1;
                return Ok(LineKind::ErrorLog);
            }
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
            return Ok(LineKind::OutOfRange);
        }
        self.counts.parsed += 1;
        Ok(LineKind::Access(match self.judge.judge(&record) {
            Ok(event) => then(&record, Some(&event)),
            Err(_) => then(&record, None),
        }))
    }

    /// When a line was written, where it tells.
    pub fn time(&mut self, line: &Line<'_>) -> Option<UnixMillis> {
        let record = self.parser.parse(line.bytes, &mut self.spans).ok()?;
        self.judge.time(&record)
    }

    /// The servers of the lines so far.
    pub fn servers(&self) -> &[Server] {
        self.judge.servers()
    }

    /// How many lines were read so far.
    pub fn counts(&self) -> LineCounts {
        self.counts
    }

    /// The latest time of an event that was counted.
    pub fn last_time(&self) -> Option<UnixMillis> {
        self.last_time
    }

    /// The servers met since the last call whose `ssl_verify_client` nobody has told; each once, at
    /// most [`UNKNOWN_GATES_MAX`] in all. Their `failed_open` may be a courtesy page.
    pub fn take_unknown_gates(&mut self) -> &[String] {
        let UnknownGates { servers, taken, .. } = &mut self.unknown_gates;
        let from = std::mem::replace(taken, servers.len());
        servers.get(from..).unwrap_or_default()
    }

    /// Splits the lines.
    pub fn parser(&self) -> &LineParser {
        &self.parser
    }
}
