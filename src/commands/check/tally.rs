//! Which lines of a log fit its format, and the first that does not.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use gatelog_parsers::line::Record;
use gatelog_parsers::variable::Field;

use super::across::Across;
use crate::diagnostic::{Diagnostic, Level};
use crate::escape::escape_text;
use crate::event::Scope;
use crate::event::verdict::Verdict;
use crate::limits::LINE_BYTES_MAX;
use crate::reader::{LineKind, Reader, Unfit};
use crate::setup::missing;
use crate::show::words;
use crate::source::Line;

/// So many requests, all of them refused, look like a denial log.
const DENIALS_ONLY_MIN: u64 = 20;

/// Counts of one log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    fit: u64,
    /// Fit, but are not of the times asked for.
    outside: u64,
    /// Do not fit, where the first one does not either.
    here: u64,
    elsewhere: u64,
    cut: u64,
    /// Those of the error log that came the same way.
    error_log: u64,
    first: Option<FirstUnfit>,
    /// Those that tell a verdict.
    judged: u64,
    /// Those of them that were refused, or let in though they failed.
    refused: u64,
    /// Servers with a request over TLS; as many as are told apart.
    tls_servers: HashSet<String>,
}

/// The first line that does not fit.
#[derive(Debug)]
pub(super) struct FirstUnfit {
    line_number: u64,
    line: Vec<u8>,
    unfit: Unfit,
}

impl Tally {
    /// Reads a line and counts it.
    pub(super) fn take(&mut self, reader: &mut Reader, line: &Line<'_>, across: &mut Across<'_>) {
        self.cut += u64::from(line.cut);
        let needs_verdict = missing::gives_verdicts(reader.parser());
        let Tally { tls_servers, judged, refused, .. } = self;
        let read = reader.read(line, |record, event| {
            if let Some(event) = event {
                across.see(event);
                *refused += u64::from(event.verdict.is_denial() || event.verdict.is_failure());
                *judged += 1;
                if event.verdict != Verdict::NotTls && !tls_servers.contains(event.server) {
                    tls_servers.insert(event.server.to_owned());
                }
            }
            if event.is_none() && needs_verdict { Err(unjudged(record)) } else { Ok(()) }
        });
        match read {
            Ok(LineKind::OutOfRange) => self.outside += 1,
            Ok(LineKind::ErrorLog) => self.error_log += 1,
            Ok(LineKind::Access(Ok(()))) => self.fit += 1,
            Ok(LineKind::Access(Err(unfit))) | Err(unfit) => self.unfit(line, unfit),
        }
    }

    fn unfit(&mut self, line: &Line<'_>, unfit: Unfit) {
        match &self.first {
            Some(first) if same_place(&first.unfit, &unfit) => self.here += 1,
            Some(_) => self.elsewhere += 1,
            None => {
                let line_number = line.line_number;
                self.first = Some(FirstUnfit { line_number, line: line.bytes.to_vec(), unfit });
            }
        }
    }

    /// Whether the server of this name had a request over TLS.
    pub(super) fn has_tls(&self, server: &str) -> bool {
        self.tls_servers.contains(server)
    }

    pub(super) fn first_unfit(&self) -> Option<&FirstUnfit> {
        self.first.as_ref()
    }

    /// What the lines say against which of its requests the log is told to have.
    pub(super) fn scope_warning(&self, scope: Scope) -> Option<String> {
        let Tally { judged, refused, .. } = *self;
        match scope {
            Scope::Denials if refused < judged => {
                let others = words::counted(judged - refused, "request");
                Some(format!("{others} in it passed: it is no `scope = \"denials\"`"))
            }
            Scope::All if refused == judged && judged >= DENIALS_ONLY_MIN => Some(
                "every request in it was refused: if nginx writes it with `if=`, give its \
                 [[source]] `scope = \"denials\"`"
                    .to_owned(),
            ),
            Scope::All | Scope::Denials => None,
        }
    }

    /// There are lines, and not one of them fits.
    pub(super) fn fits_never(&self) -> bool {
        self.first.is_some() && self.fit + self.outside == 0
    }

    fn unfit_count(&self) -> u64 {
        u64::from(self.first.is_some()) + self.here + self.elsewhere
    }

    /// What stands below the first line that does not fit.
    pub(super) fn notes(&self) -> Vec<(String, String)> {
        let Some(FirstUnfit { line, unfit, .. }) = &self.first else { return Vec::new() };
        let mut found = unfit.found.clone();
        if let Some(variable) = &unfit.variable {
            found.push_str(&format!(" for {variable}"));
        }
        let more = [(self.here, "here"), (self.elsewhere, "elsewhere")];
        let more: Vec<_> = more.into_iter().filter(|(count, _)| *count > 0).collect();
        match more.as_slice() {
            [] => {}
            [(1, place), rest @ ..] => {
                found.push_str(&format!("; 1 more line fails {place}{}", other(rest)));
            }
            [(count, place), rest @ ..] => {
                found.push_str(&format!(
                    "; {} more lines fail {place}{}",
                    words::count(*count),
                    other(rest)
                ));
            }
        }
        let mut notes = vec![("found".to_owned(), found)];
        if line.len() >= LINE_BYTES_MAX {
            let text = format!("the line is longer than {LINE_BYTES_MAX} bytes; the rest was cut");
            notes.push(("note".to_owned(), text));
        }
        notes
    }
}

fn other(rest: &[(u64, &str)]) -> String {
    rest.first()
        .map(|(count, place)| format!(", {} {place}", words::count(*count)))
        .unwrap_or_default()
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { fit, outside, cut, error_log, .. } = self;
        use words::count;
        let all = fit + self.unfit_count();
        match (all, self.unfit_count()) {
            (0, _) => f.write_str("no line")?,
            (1, 0) => f.write_str("1 line, which fits")?,
            (_, 0) => write!(f, "{} lines, all fit", count(all))?,
            (_, unfit) => {
                write!(f, "{} of {} lines fit, {} not", count(*fit), count(all), count(unfit))?;
            }
        }
        if *outside > 0 {
            write!(f, "; {} of other times", count(*outside))?;
        }
        if *error_log > 0 {
            write!(f, "; {} of the error log", count(*error_log))?;
        }
        if *cut > 0 {
            write!(f, "; {} longer than {LINE_BYTES_MAX} bytes, cut", count(*cut))?;
        }
        Ok(())
    }
}

impl FirstUnfit {
    /// The line itself.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The line with a caret where it does not fit.
    pub(super) fn diagnostic<'a>(
        &'a self,
        title: String,
        path: &'a str,
        notes: Vec<(String, String)>,
    ) -> Diagnostic<'a> {
        let Unfit { span, expected, variable, .. } = &self.unfit;
        Diagnostic {
            level: Level::Error,
            title,
            path,
            line_number: self.line_number,
            line: &self.line,
            // What is no value has no end of its own.
            span_bytes: if variable.is_some() { span.clone() } else { span.start..span.start },
            label: format!("expected {expected}"),
            notes,
        }
    }
}

/// Whether two lines fail at the same variable, or for want of the same text.
fn same_place(first: &Unfit, other: &Unfit) -> bool {
    match (&first.variable, &other.variable) {
        (None, None) => first.expected == other.expected,
        (a, b) => a == b,
    }
}

/// Why a record that was split well gives no verdict.
fn unjudged(record: &Record<'_>) -> Unfit {
    let number = |value: &[u8]| value.len() == 3 && value.iter().all(u8::is_ascii_digit);
    let has_status = record.value(Field::Status).is_some_and(number);
    let (field, expected) = match record.logged(Field::SslClientVerify) {
        Some(_) if !has_status => (Field::Status, Field::Status.shape().expected()),
        _ => (Field::SslClientVerify, Field::SslClientVerify.shape().expected()),
    };
    let value = record.logged(field).unwrap_or_default();
    let span = span_within(record.line(), value);
    let found = match value {
        [] => "nothing".to_owned(),
        value => format!("`{}`", escape_text(value)),
    };
    let variable = Some(format!("${}", field.variable()));
    Unfit { column: span.start + 1, span, expected: expected.to_owned(), found, variable }
}

/// Where a value borrowed from the line lies in it; the end of the line for one that is not there.
fn span_within(line: &[u8], value: &[u8]) -> Range<usize> {
    let start = value.as_ptr().addr().wrapping_sub(line.as_ptr().addr());
    let end = start.saturating_add(value.len());
    if end <= line.len() && !value.is_empty() { start..end } else { line.len()..line.len() }
}
