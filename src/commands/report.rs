//! `gatelog report`: what happened in these logs.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use super::arguments::ReportFormat;
use super::context::{Context, Failure, write_error};
use super::logs::{self, Log, Logs, Read};
use super::shards::{self, Shard};
use crate::diagnostic::{Level, render_title};
use crate::ledger::Ledger;
use crate::ledger::distinct::Seed;
use crate::reader::LineCounts;
use crate::show::json_text;
use crate::show::report_json::ReportJson;
use crate::show::report_text::ReportText;
use crate::show::summary::Summary;
use crate::show::text_table::Terminal;
use crate::show::words;
use crate::source::Wrap;

/// The same log is to give the same report, estimates included, so the seed of its sketches is fixed.
/// (Maps have random ones of their own.) A client that grinds certificates for it could only make
/// the number of them that its own address sent look smaller.
const SKETCH_SEED: u64 = 0x6761_7465_6c6f_6721;

/// Columns where there is no terminal.
const COLUMNS_DEFAULT: usize = 100;

/// Columns of a terminal that does not tell how wide it is, as on a serial line: no row is wrapped on
/// any usual one.
const COLUMNS_OF_TERMINAL: usize = 80;

pub(super) fn run(
    context: &Context,
    format: ReportFormat,
    threads: Option<usize>,
    arguments: &[String],
) -> Result<ExitCode, Failure> {
    let mut logs = logs::open(context, arguments)?;
    logs.with_verdicts(context)?;
    logs.say_formats();
    let threads = threads.unwrap_or_else(shards::threads_default);
    let (ledger, lines) = count(context, &mut logs, threads)?;
    let color = context.color.on(io::stderr().is_terminal());
    for pair in ledger.twins.pairs() {
        write_error(&render_title(Level::Warning, &words::twins(&pair), color));
    }
    let summary = Summary::new(&ledger);
    let mut out = io::stdout().lock();
    match format {
        ReportFormat::Json => {
            let report = ReportJson::new(&summary, lines, format_names(&logs));
            json_text::write(&mut out, &report)?;
            out.write_all(b"\n")?;
        }
        ReportFormat::Text => {
            let words: Vec<_> = arguments.iter().map(|name| shell_word(name)).collect();
            let words = words.join(" ");
            let has_conf =
                logs.list.iter().any(|log| context.conf_for(log.path.as_deref()).is_some());
            let report = ReportText { summary: &summary, lines, logs: &words, has_conf };
            out.write_all(report.render(&terminal(context)).as_bytes())?;
        }
    }
    out.flush()?;
    Ok(if logs.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(super) fn empty_ledger(context: &Context) -> Ledger {
    Ledger::new(Seed::new(SKETCH_SEED), context.config.routes.limit)
}

/// Reads all logs, one after the other.
fn count(
    context: &Context,
    logs: &mut Logs,
    threads: usize,
) -> Result<(Ledger, LineCounts), Failure> {
    let (mut ledger, mut lines) = (empty_ledger(context), LineCounts::default());
    for log in &mut logs.list {
        let complete = count_log(context, log, threads, &mut ledger, &mut lines)?;
        logs.incomplete |= !complete;
    }
    Ok((ledger, lines))
}

/// Reads a log into the ledger, by several threads where that pays. Returns whether all of it could
/// be read; if not, standard error has been told.
fn count_log(
    context: &Context,
    log: &mut Log,
    threads: usize,
    ledger: &mut Ledger,
    lines: &mut LineCounts,
) -> Result<bool, Failure> {
    let color = context.color.on(io::stderr().is_terminal());
    let Some(mut reader) = log.reader(context)? else { return Ok(true) };
    let Some(open) = log.open(color, threads) else { return Ok(false) };
    let make_shard = || {
        let reader = log.reader(context)?;
        Ok(reader.map(|reader| Shard { reader, ledger: empty_ledger(context), read_bytes: 0 }))
    };
    // Parts of a line may lie on both sides of a cut.
    let threads = if open.wrap == Wrap::None { threads } else { 1 };
    if let Some(shards) = shards::count(&open.stream, threads, &context.router, make_shard)? {
        let mut read_bytes = 0;
        // In this order, so that the same log gives the same bytes also beyond a bound.
        for shard in shards {
            if lines.read() == 0 {
                // Nothing was counted yet: the sum is this one.
                *ledger = shard.ledger;
            } else {
                ledger.merge(&shard.ledger);
            }
            lines.merge(shard.reader.counts());
            read_bytes += shard.read_bytes;
        }
        return Ok(!open.has_shrunk(read_bytes));
    }
    let complete = open.read(|read| {
        if let Read::Line(line) = read {
            reader.count(line, ledger, &context.router);
        }
        Ok(())
    })?;
    lines.merge(reader.counts());
    Ok(complete)
}

/// The formats by which the logs were read, each once.
fn format_names(logs: &Logs) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for format in logs.list.iter().filter_map(|log| log.format.as_ref()) {
        if !names.contains(&format.name.as_str()) {
            names.push(&format.name);
        }
    }
    (!names.is_empty()).then(|| names.join(", "))
}

fn terminal(context: &Context) -> Terminal {
    let is_terminal = io::stdout().is_terminal();
    let columns = terminal_size::terminal_size_of(io::stdout())
        .map(|(width, _)| usize::from(width.0))
        .unwrap_or(if is_terminal { COLUMNS_OF_TERMINAL } else { COLUMNS_DEFAULT });
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let utf8 = locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    Terminal { columns, color: context.color.on(is_terminal), utf8 }
}

/// A word as a shell takes it back.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let word = crate::escape::escape_text(word.as_bytes()).replace('\'', r"'\''");
    format!("'{word}'")
}
