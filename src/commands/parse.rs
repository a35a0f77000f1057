//! `gatelog parse`: one JSON object a line.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use gatelog_parsers::line::Record;
use gatelog_parsers::variable::Field;

use super::arguments::Filter;
use super::context::{Complaint, Context, Failure, say_note};
use super::logs::{self, Log, Read};
use crate::event::Event;
use crate::event::route::Router;
use crate::limits::{OUTPUT_BYTES, OUTPUT_LINE_BYTES_MAX};
use crate::reader::Reader;
use crate::show::line::{LineJson, append_unfit};
use crate::source::Line;

pub(super) fn run(
    context: &Context,
    filter: &Filter,
    arguments: &[String],
) -> Result<ExitCode, Failure> {
    let color = context.color.on(io::stderr().is_terminal());
    let mut logs = logs::open(context, arguments)?;
    if logs.list.iter().all(|log| log.format.is_none() && !log.is_empty) {
        let complaint = |log: &Log| Complaint::new(&logs::no_format(&log.shown));
        return Err(Failure::Inputs(logs.list.iter().map(complaint).collect()));
    }
    logs.say_formats();
    let mut out = LineWriter::new(filter, &context.router);
    for log in &mut logs.list {
        let Some(mut reader) = log.reader(context)? else {
            if !log.is_empty {
                super::context::say_error(&logs::no_format(&log.shown), color);
                logs.incomplete = true;
            }
            continue;
        };
        let complete = log.read(color, |read| match read {
            Read::Line(line) => out.write(&mut reader, line).map(|_| ()),
            Read::Pause => out.flush(),
        })?;
        // A later log may fail as a whole.
        out.flush()?;
        logs.incomplete |= !complete;
    }
    out.finish()?;
    Ok(if logs.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes lines as JSON to standard output.
pub(super) struct LineWriter<'a> {
    filter: &'a Filter,
    json: LineJson<'a>,
    out: io::StdoutLock<'static>,
    /// Whole lines that were not written yet.
    text: Vec<u8>,
    unshown: u64,
}

impl<'a> LineWriter<'a> {
    pub(super) fn new(filter: &'a Filter, router: &'a Router) -> LineWriter<'a> {
        let (out, text) = (io::stdout().lock(), Vec::with_capacity(2 * OUTPUT_BYTES));
        LineWriter { filter, json: LineJson::new(router), out, text, unshown: 0 }
    }

    /// Writes what the line says, or where it does not fit; returns whether it does.
    pub(super) fn write(&mut self, reader: &mut Reader, line: &Line<'_>) -> Result<bool, Failure> {
        let LineWriter { filter, json, text, .. } = self;
        let start = text.len();
        let read = reader.read(line, |record, event| {
            if filter.passes(record, event) {
                json.append(text, record, event);
            }
        });
        match read {
            Err(unfit) => {
                self.write_error(&unfit.to_string(), unfit.column, line)?;
                return Ok(false);
            }
            Ok(_) if text.len() - start > OUTPUT_LINE_BYTES_MAX => {
                text.truncate(start);
                self.write_error(TOO_LONG, 1, line)?;
            }
            Ok(_) if text.len() > start => self.end_line()?,
            Ok(_) => {}
        }
        Ok(true)
    }

    /// Writes a line that no known format fits.
    pub(super) fn write_unknown(&mut self, line: &Line<'_>) -> Result<(), Failure> {
        self.write_error(UNKNOWN_FORMAT, 1, line)
    }

    fn write_error(&mut self, error: &str, column: usize, line: &Line<'_>) -> Result<(), Failure> {
        if !self.filter.is_empty() && error != TOO_LONG {
            self.unshown += 1;
            return Ok(());
        }
        let head = line.bytes.get(..ERROR_LINE_BYTES).unwrap_or(line.bytes);
        append_unfit(&mut self.text, error, line.line_number, column, head);
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), Failure> {
        self.text.push(b'\n');
        if self.text.len() >= OUTPUT_BYTES { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<(), Failure> {
        let written = self.out.write_all(&self.text);
        self.text.clear();
        Ok(written?)
    }

    /// Lets a reader of a pipe see what there is.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.write_out()?;
        Ok(self.out.flush()?)
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        if self.unshown > 0 {
            say_note(&format!("{} lines did not fit: gatelog check", self.unshown));
        }
        Ok(())
    }
}

/// How much of a line stays in an error: any byte is at most six in JSON.
const ERROR_LINE_BYTES: usize = OUTPUT_LINE_BYTES_MAX / 8;

const UNKNOWN_FORMAT: &str = "expected a line of a known log_format";

const TOO_LONG: &str = "expected a line whose JSON is at most 1 MiB";

impl Filter {
    fn is_empty(&self) -> bool {
        self.verdict.is_empty() && self.reason.is_empty() && self.fingerprint.is_none()
    }

    fn passes(&self, record: &Record<'_>, event: Option<&Event<'_>>) -> bool {
        let verdict = event.map(|event| event.verdict);
        let reason = event.and_then(|event| event.reason);
        let fingerprint = || {
            let logged = record.value(Field::SslClientFingerprint).unwrap_or_default();
            self.fingerprint.as_ref().is_none_or(|start| {
                logged.get(..start.len()).is_some_and(|l| l.eq_ignore_ascii_case(start.as_bytes()))
            })
        };
        (self.verdict.is_empty() || verdict.is_some_and(|v| self.verdict.contains(&v)))
            && (self.reason.is_empty() || reason.is_some_and(|r| self.reason.contains(&r)))
            && fingerprint()
    }
}
