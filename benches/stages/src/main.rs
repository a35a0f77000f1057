//! `run-stage`: runs one stage over the first lines of a log, for an instruction counter to watch.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use gatelog_stages::{Counting, FORMATS, Splitting};

/// Runs one stage over the first lines of a log and prints how many of them fit.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is done with each line.
    stage: Stage,
    /// Its format: extended, json or tsv.
    format: String,
    /// How many lines are read.
    lines: usize,
    /// The log.
    log: std::path::PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stage {
    /// It is split into its values.
    Split,
    /// It is counted in a ledger.
    Count,
    /// The same, and a journal of it is kept.
    Journal,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some((format, _)) = FORMATS.into_iter().find(|(_, name)| *name == arguments.format) else {
        return fail("the format is extended, json or tsv");
    };
    let log = match std::fs::read(&arguments.log) {
        Ok(log) => log,
        Err(error) => return fail(&format!("{}: {error}", arguments.log.display())),
    };
    // By memchr, so that it costs next to nothing: what is counted is the stage.
    let mut ends = memchr::memchr_iter(b'\n', &log);
    let Some(end) = arguments.lines.checked_sub(1).and_then(|last| ends.nth(last)) else {
        return fail("the log has fewer lines");
    };
    let log = log.get(..=end).unwrap_or_default();
    let fit = match arguments.stage {
        Stage::Split => Splitting::new(format).split(log),
        Stage::Count => Counting::new(format).count(log),
        Stage::Journal => Counting::new(format).with_journal().count(log),
    };
    match writeln!(io::stdout(), "{fit}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(what: &str) -> ExitCode {
    // Where standard error is closed, too, the exit code alone tells.
    writeln!(io::stderr(), "run-stage: {what}").ok();
    ExitCode::FAILURE
}
