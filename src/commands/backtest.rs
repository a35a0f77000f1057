//! `gatelog backtest`: which alerts would have fired, and when.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::context::{Context, Failure};
use super::logs::{self, Logs, Read};
use super::merge;
use super::report::empty_ledger;
use crate::reader::Reader;
use crate::rules::watch::Watch;
use crate::rules::{Alert, RuleSet};
use crate::show::json_text;
use crate::show::time::rfc3339_millis;
use crate::source::Line;

/// A change of an alert as it is printed.
#[derive(Serialize)]
struct Change<'a> {
    time: String,
    rule: &'a str,
    state: &'static str,
    labels: serde_json::Map<String, serde_json::Value>,
    value: f64,
    severity: &'static str,
    summary: &'a str,
}

impl<'a> Change<'a> {
    fn new(alert: &'a Alert) -> Change<'a> {
        let labels = alert.labels.iter();
        Change {
            time: rfc3339_millis(alert.time),
            rule: &alert.rule,
            state: alert.state.as_str(),
            labels: labels.map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
            value: alert.value,
            severity: alert.severity.as_str(),
            summary: alert.annotation("summary"),
        }
    }
}

pub(super) fn run(context: &Context, arguments: &[String]) -> Result<ExitCode, Failure> {
    let mut logs = logs::open(context, arguments)?;
    logs.with_verdicts(context)?;
    logs.say_formats();
    let mut watch = Watch::new(empty_ledger(context), Arc::new(RuleSet::of(&context.config)));
    rehearse(context, &mut logs, &mut watch)?;
    Ok(if logs.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads all logs in the order of time, and prints each change of an alert as it comes.
fn rehearse(context: &Context, logs: &mut Logs, watch: &mut Watch) -> Result<(), Failure> {
    let color = context.color.on(io::stderr().is_terminal());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut count = |reader: &mut Reader, line: &Line<'_>| {
        reader.count(line, watch, &context.router);
        print(&mut out, &watch.take_changes())
    };
    if let [log] = logs.list.as_mut_slice() {
        if let Some(mut reader) = log.reader(context)? {
            let complete = log.read(color, |read| match read {
                Read::Line(line) => count(&mut reader, line),
                Read::Pause => Ok(()),
            })?;
            logs.incomplete |= !complete;
        }
    } else {
        merge::read(context, logs, count)?;
    }
    out.flush()?;
    Ok(())
}

fn print(out: &mut impl io::Write, changes: &[Alert]) -> Result<(), Failure> {
    for alert in changes {
        json_text::write(&mut *out, &Change::new(alert))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
