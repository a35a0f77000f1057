//! `gatelog parse`: one JSON object a line.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use gatelog_parsers::line::Record;
use gatelog_parsers::variable::Field;

use super::arguments::Filter;
use super::context::{Complaint, Context, Failure, write_error};
use super::logs::{self, Log, Read};
use crate::event::Event;
use crate::event::route::Router;
use crate::limits::OUTPUT_LINE_BYTES_MAX;
use crate::reader::Reader;
use crate::show::line::{LineJson, Text, UnfitJson};
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
        logs.incomplete |= !complete;
    }
    out.finish()?;
    Ok(if logs.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes lines as JSON to standard output.
pub(super) struct LineWriter<'a> {
    filter: &'a Filter,
    router: &'a Router,
    out: io::BufWriter<io::StdoutLock<'static>>,
    text: Vec<u8>,
    unshown: u64,
}

impl<'a> LineWriter<'a> {
    pub(super) fn new(filter: &'a Filter, router: &'a Router) -> LineWriter<'a> {
        let out = io::BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        LineWriter { filter, router, out, text: Vec::new(), unshown: 0 }
    }

    /// Writes what the line says, or where it does not fit; returns whether it does.
    pub(super) fn write(&mut self, reader: &mut Reader, line: &Line<'_>) -> Result<bool, Failure> {
        self.text.clear();
        let text = &mut self.text;
        let (filter, router) = (self.filter, self.router);
        let written = reader.read(line, |record, event| {
            if filter.passes(record, event) {
                // Writing to memory cannot fail, and every key is a string.
                let _infallible =
                    serde_json::to_writer(&mut *text, &LineJson::new(record, event, router));
            }
        });
        match written {
            Err(unfit) => {
                self.write_error(&unfit.to_string(), unfit.column, line)?;
                return Ok(false);
            }
            Ok(_) if text.len() > OUTPUT_LINE_BYTES_MAX => self.write_error(TOO_LONG, 1, line)?,
            Ok(_) => self.write_text()?,
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
        self.text.clear();
        let head = line.bytes.get(..ERROR_LINE_BYTES).unwrap_or(line.bytes);
        let (error, line_number) = (error.to_owned(), line.line_number);
        let json = UnfitJson { error, line_number, column, line: Text(head.into()) };
        let _infallible = serde_json::to_writer(&mut self.text, &json);
        self.write_text()
    }

    fn write_text(&mut self) -> Result<(), Failure> {
        if !self.text.is_empty() {
            self.text.push(b'\n');
            self.out.write_all(&self.text)?;
        }
        Ok(())
    }

    /// Lets a reader of a pipe see what there is.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        if self.unshown > 0 {
            write_error(&format!("{} lines did not fit: gatelog check", self.unshown));
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
