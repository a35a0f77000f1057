//! `gatelog check`: is the configuration right, does the format fit, which fields are missing.
//!
//! What is found out goes to standard output, problems of the lines included; standard error has
//! what could not be read. Missing fields are no fault: the log is what it is, and the format to
//! paste stands below.

mod across;
mod configuration;
mod gates;
mod rule_tests;
mod tally;
mod unmatched;
mod unseen;

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};
use std::process::ExitCode;

use gatelog_parsers::line::LineParser;

use super::context::{Context, Failure};
use super::logs::{self, Log, Read};
use crate::diagnostic::{Diagnostic, Level, render_title};
use crate::escape::escape_text;
use crate::event::Scope;
use crate::limits::LINE_BYTES_MAX;
use crate::setup::format::{ChosenFormat, Recogniser};
use crate::setup::missing::{self, Missing};
use crate::setup::paste;
use across::Across;
use tally::Tally;

pub(super) fn run(context: &Context, arguments: &[String]) -> Result<ExitCode, Failure> {
    let mut page = Page::new(context);
    let found = configuration::show(context, &mut page)?;
    let as_expected = rule_tests::run(context, &mut page)?;
    page.out.flush()?;
    let arguments = if arguments.is_empty() { &found } else { arguments };
    if arguments.is_empty() {
        return match &context.config.path {
            Some(_) if as_expected => Ok(ExitCode::SUCCESS),
            Some(_) => Ok(ExitCode::FAILURE),
            None => Err(Failure::usage("nothing to check: expected a LOG, or --config FILE")),
        };
    }
    let mut logs = logs::open(context, arguments)?;
    let mut across = Across::new(context)?;
    let mut answers = Vec::new();
    for (index, log) in logs.list.iter_mut().enumerate() {
        if index > 0 || context.config.path.is_some() {
            page.say("")?;
        }
        answers.push(check(context, log, &mut across, &mut page)?);
        page.out.flush()?;
    }
    for warning in across.warnings() {
        page.say(&render_title(Level::Warning, &warning, page.color))?;
    }
    if let Some(warnings) = across.placed_warnings(page.color) {
        page.say(&warnings)?;
    }
    page.out.flush()?;
    let is_all = |answer| answers.iter().all(|found| *found == answer);
    Ok(if is_all(Answer::NoFormat) {
        ExitCode::from(2)
    } else if logs.incomplete || !as_expected || !is_all(Answer::Fits) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What became of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Every line fits, or there is none.
    Fits,
    /// A line does not fit, or the log could not be read to its end.
    Unfit,
    /// No line fits any format that is known.
    NoFormat,
}

/// What is printed.
struct Page {
    out: BufWriter<StdoutLock<'static>>,
    color: bool,
}

impl Page {
    fn new(context: &Context) -> Page {
        let color = context.color.on(io::stdout().is_terminal());
        Page { out: BufWriter::new(io::stdout().lock()), color }
    }

    /// Lines that are safe to show already.
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// A line that may hold what others wrote.
    fn say_escaped(&mut self, text: &str) -> Result<(), Failure> {
        self.say(&escape_text(text.as_bytes()))
    }
}

fn check(
    context: &Context,
    log: &mut Log,
    across: &mut Across<'_>,
    page: &mut Page,
) -> Result<Answer, Failure> {
    let Some(format) = log.format.clone() else {
        if log.is_empty {
            page.say_escaped(&format!("{}: empty, so nothing tells its log_format", log.shown))?;
            return Ok(Answer::Fits);
        }
        return no_format(context, log, page);
    };
    let Some(mut reader) = log.reader(context)? else { return Ok(Answer::Fits) };
    let color = context.color.on(io::stderr().is_terminal());
    let mut tally = Tally::default();
    let complete = log.read(color, |read| {
        if let Read::Line(line) = read {
            tally.take(&mut reader, line, across);
        }
        Ok(())
    })?;
    let how = if format.recognised { "recognised from its first lines" } else { "as named" };
    page.say_escaped(&format!(
        "{}: log_format {format}{}, {how}: {tally}",
        log.shown,
        log.wrap_note()
    ))?;
    if let Some(first) = tally.first_unfit() {
        let title = format!("line does not fit log_format {format}");
        page.say(&first.diagnostic(title, &log.shown, tally.notes()).render(page.color))?;
    }
    if tally.fits_never() {
        other_format(context, log, &format, &tally, page)?;
    }
    fields(context, log, &format, page)?;
    gates::show(context, log, &format, reader.servers(), &tally, page)?;
    let scope = context.source_for(log.path.as_deref()).map_or(Scope::All, |source| source.scope);
    if let Some(warning) = tally.scope_warning(scope) {
        let warning = format!("{}: {warning}", log.shown);
        page.say(&render_title(Level::Warning, &warning, page.color))?;
    }
    let fits = complete && tally.first_unfit().is_none();
    Ok(if fits { Answer::Fits } else { Answer::Unfit })
}

/// Says which fields the log lacks, what each would add, and the format that has them.
fn fields(
    context: &Context,
    log: &Log,
    format: &ChosenFormat,
    page: &mut Page,
) -> Result<(), Failure> {
    let mut warnings = unlogged(context, log, &format.parser);
    let missing = missing::missing(&format.parser);
    for Missing { field, adds, .. } in &missing {
        page.say(&format!("missing: ${}, {adds}", field.variable()))?;
    }
    if !missing::gives_verdicts(&format.parser) {
        let needed = missing::needed_names(&format.parser);
        let shown = &log.shown;
        let title = format!("{shown}: no verdicts without {needed}; `report` and `run` refuse it");
        warnings.insert(0, title);
    }
    for warning in warnings {
        page.say(&render_title(Level::Warning, &warning, page.color))?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    let paste = paste::for_log(format, context.conf_for(log.path.as_deref()));
    page.say("paste:")?;
    for line in paste.directive.lines() {
        page.say_escaped(line)?;
    }
    if paste.renamed {
        page.say_escaped(&format!("and write a new file by it: access_log ... {};", paste.name))?;
    }
    Ok(())
}

/// Variables that the configuration wants and the log does not have.
fn unlogged(context: &Context, log: &Log, parser: &LineParser) -> Vec<String> {
    let source = context.source_for(log.path.as_deref());
    let address = source
        .map(|source| ("client_address", source.client_address.as_str(), "$remote_addr is taken"));
    let route = context.config.routes.variable.as_deref();
    let route = route.map(|name| ("variable in `[routes]`", name, "routes come from the path"));
    let wanted = address.into_iter().chain(route);
    let lacks = wanted.filter(|(_, name, _)| parser.variable_index(name).is_none());
    lacks
        .map(|(key, name, instead)| {
            format!("{}: {key} is ${name}, which is not logged; {instead}", log.shown)
        })
        .collect()
}

/// A format was named that fits no line: says which one would.
fn other_format(
    context: &Context,
    log: &Log,
    format: &ChosenFormat,
    tally: &Tally,
    page: &mut Page,
) -> Result<(), Failure> {
    let path = log.path.as_deref();
    let lines = tally.first_unfit().map(|first| first.line());
    let found = Recogniser::new(context.conf_for(path), path).recognise(lines);
    match found.filter(|found| found.name != format.name) {
        Some(found) => page.say_escaped(&format!("help: log_format {found} fits this line")),
        None => Ok(()),
    }
}

/// Shows how far the nearest format reads into the first line.
fn no_format(context: &Context, log: &mut Log, page: &mut Page) -> Result<Answer, Failure> {
    let color = context.color.on(io::stderr().is_terminal());
    let mut first: Option<(u64, Vec<u8>)> = None;
    let mut line_count = 0_u64;
    log.read(color, |read| {
        let Read::Line(line) = read else { return Ok(()) };
        line_count += 1;
        if first.is_none() && !line.bytes.is_empty() && !line.is_error_log() {
            first = Some((line.line_number, line.bytes.to_vec()));
        }
        Ok(())
    })?;
    let path = log.path.as_deref();
    let (line_number, line) = first.unwrap_or((1, Vec::new()));
    let recogniser = Recogniser::new(context.conf_for(path), path);
    let Some((format, error)) = recogniser.nearest(&line) else {
        page.say_escaped(&format!("{}: no known log_format fits its first lines", log.shown))?;
        return Ok(Answer::NoFormat);
    };
    let why = format.parser.explain(&error, &line);
    let variable = why.variable.map(|name| format!(" for {name}")).unwrap_or_default();
    let span = error.span();
    let notes = [
        ("found", format!("{}{variable}", why.found)),
        ("nearest", format!("log_format {format}, which reads furthest into this line")),
        (
            "help",
            "name the format with --log-format, or nginx's configuration with --nginx-conf"
                .to_owned(),
        ),
    ];
    let shown = Diagnostic {
        level: Level::Error,
        title: "no known log_format fits the first lines".to_owned(),
        path: &log.shown,
        line_number,
        line: &line,
        span_bytes: if variable.is_empty() { span.start..span.start } else { span },
        label: format!("expected {}", why.expected),
        notes: notes.map(|(name, text)| (name.to_owned(), text)).to_vec(),
    };
    page.say(&shown.render(page.color))?;
    if line.len() >= LINE_BYTES_MAX {
        page.say(&format!("note: lines over {LINE_BYTES_MAX} bytes are cut"))?;
    }
    Ok(Answer::NoFormat)
}
