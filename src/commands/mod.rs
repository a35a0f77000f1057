//! What each command does: arguments in, exit code out.

pub mod arguments;
mod context;
mod follow;
mod logs;
mod parse;
mod report;
mod run;

use std::process::ExitCode;

pub use arguments::Arguments;
use arguments::Command;
use context::{Context, Failure};

/// Runs the command and says how it ended: 0 done; 1 an input could not be read or was cut, or a
/// check failed; 2 wrong usage or configuration, no input, no format.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { command, common } = arguments;
    // The agent reads its configuration itself, for it does so again.
    if let Command::Run { logs } = command {
        return run::run(&common, logs).unwrap_or_else(|failure| failure.report(common.color));
    }
    let context = match Context::new(&common) {
        Ok(context) => context,
        Err(failure) => return failure.report(common.color),
    };
    let done = match command {
        Command::Report { format, logs } => report::run(&context, format, &logs),
        Command::Parse { follow: true, filter, logs } => {
            follow::run(&context, &common, &filter, logs)
        }
        Command::Parse { follow: false, filter, logs } => parse::run(&context, &filter, &logs),
        Command::Run { .. } | Command::Check { .. } => Err(Failure::usage("not yet")),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(common.color),
    }
}
