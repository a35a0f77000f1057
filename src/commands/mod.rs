//! What each command does: arguments in, exit code out.

pub mod arguments;
mod backtest;
mod check;
mod context;
mod follow;
mod logs;
mod merge;
mod notify;
mod parse;
mod report;
mod run;
mod shards;

use std::process::ExitCode;

pub use arguments::Arguments;
use arguments::{Command, NotifyCommand};
use context::Context;

/// Runs the command and says how it ended: 0 done; 1 an input could not be read or was cut, or a
/// check failed; 2 wrong usage or configuration, no input, no format.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { command, common } = arguments;
    let context = || Context::new(&common);
    let done = match command {
        // The agent reads its configuration itself, for it does so again.
        Command::Run { logs } => run::run(&common, logs),
        Command::Report { format, threads, logs } => {
            context().and_then(|c| report::run(&c, format, threads, &logs))
        }
        Command::Parse { follow: true, filter, logs } => {
            context().and_then(|c| follow::run(&c, &common, &filter, logs))
        }
        Command::Parse { follow: false, filter, logs } => {
            context().and_then(|c| parse::run(&c, &filter, &logs))
        }
        Command::Backtest { logs } => context().and_then(|c| backtest::run(&c, &logs)),
        Command::Notify { command: NotifyCommand::Test { receivers } } => {
            notify::test(&common, &receivers)
        }
        Command::Check { logs } => context().and_then(|c| check::run(&c, &logs)),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(common.color),
    }
}
