//! Runs the tests that stand beside the configuration: their lines through its rules.

use std::path::Path;
use std::sync::Arc;

use gatelog_parsers::time_stamp::UnixMillis;

use super::Page;
use crate::commands::context::{Context, Failure};
use crate::commands::report::empty_ledger;
use crate::config::rule_tests::{At, Expect, RuleTest, RuleTests, TestLog};
use crate::config::{Config, Format, Problem};
use crate::limits::RULE_TEST_LOG_BYTES_MAX;
use crate::reader::{Reader, TimeRange};
use crate::rules::watch::Watch;
use crate::rules::{Alert, RuleSet, State};
use crate::setup::format::choose;
use crate::show::time::rfc3339_millis;
use crate::show::words::counted;
use crate::source::Line;

/// Changes of alerts that stand below a test that failed.
const CHANGES_SHOWN_MAX: usize = 8;

/// Says how they came out; false when one did not as expected.
pub(super) fn run(context: &Context, page: &mut Page) -> Result<bool, Failure> {
    let Some(tests) = RuleTests::load(&context.config).map_err(Failure::Config)? else {
        return Ok(true);
    };
    let mut failures = Vec::new();
    let mut failed: u64 = 0;
    for test in &tests.tests {
        let of_test = failures_of(context, &tests, test)?;
        failed += u64::from(!of_test.is_empty());
        failures.extend(of_test);
    }
    let all = u64::try_from(tests.tests.len()).unwrap_or(u64::MAX);
    let path = tests.path.display();
    if failures.is_empty() {
        page.say_escaped(&format!("{path}: {}, all as expected", counted(all, "test")))?;
        return Ok(true);
    }
    page.say_escaped(&format!("{path}: {}, {failed} not as expected", counted(all, "test")))?;
    page.say(&tests.failures(failures).render(page.color))?;
    Ok(false)
}

fn failures_of(
    context: &Context,
    tests: &RuleTests,
    test: &RuleTest,
) -> Result<Vec<Problem>, Failure> {
    let directory = tests.path.parent().unwrap_or(Path::new(""));
    let whole = |title: String, label: &str| {
        let title = format!("test `{}`: {title}", test.name);
        let label = label.to_owned();
        vec![Problem { span_bytes: test.span_bytes.clone(), title, label, notes: Vec::new() }]
    };
    let log = match log_of(test, directory) {
        Ok(log) => log,
        Err(why) => return Ok(whole(why, "")),
    };
    let lines = || log.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let format = match &test.format {
        Format::File(path) => Format::File(directory.join(path)),
        format => format.clone(),
    };
    let parser = match choose(&format, context.conf_for(None), None, lines()) {
        Ok(Some(chosen)) => chosen.parser,
        Ok(None) => return Ok(whole("no known log_format fits its lines".to_owned(), "")),
        Err(error) => return Ok(whole(error.to_string(), "")),
    };
    let judge = context.judge(&test.name, None, &parser)?;
    let mut reader = Reader::new(parser, judge, TimeRange::default());
    let mut run = Run::new(context, test);
    for (index, bytes) in lines().enumerate() {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let line = Line { bytes, line_number: 1, ..Line::default() };
        if run.first.is_none() {
            run.first = reader.time(&line);
        }
        if !reader.count(&line, &mut run.watch, &context.router) {
            let why = reader.read(&line, |_, _| ()).err().map(|unfit| unfit.to_string());
            let title = format!("its line {} gives no event", index + 1);
            return Ok(whole(title, &why.unwrap_or_default()));
        }
    }
    let Some(first) = run.first else {
        return Ok(whole("its lines tell no time".to_owned(), ""));
    };
    Ok(run.failures(first, test))
}

/// The rules over the lines of a test.
struct Run {
    watch: Watch,
    /// The time of the first line.
    first: Option<UnixMillis>,
}

impl Run {
    fn new(context: &Context, test: &RuleTest) -> Run {
        let mut config: Config = context.config.clone();
        config.rules.learning = test.learning.unwrap_or(config.rules.learning);
        let set = Arc::new(RuleSet::of(&config));
        Run { watch: Watch::new(empty_ledger(context), set), first: None }
    }

    fn failures(mut self, first: UnixMillis, test: &RuleTest) -> Vec<Problem> {
        let time = |expect: &Expect| match expect.at {
            At::After(millis) => first.saturating_add(millis),
            At::Time(time) => time,
        };
        // After the last line it is quiet for as long as anything is asked.
        if let Some(last) = test.expect.iter().map(time).max() {
            self.watch.tick(last);
        }
        let changes = self.watch.take_changes();
        let failure = |expect| failure(test, expect, time(expect), &changes);
        test.expect.iter().filter_map(failure).collect()
    }
}

/// What to say when there is not what is expected at a time.
fn failure(test: &RuleTest, expect: &Expect, at: UnixMillis, changes: &[Alert]) -> Option<Problem> {
    let of_rule = |alert: &&Alert| *alert.rule == expect.rule;
    let is_meant = |alert: &&Alert| {
        expect.labels.iter().all(|(name, value)| alert.label(name) == Some(value.as_str()))
    };
    // The state of each alert is what it changed to last.
    let mut latest: Vec<&Alert> = Vec::new();
    for alert in changes.iter().filter(of_rule).filter(is_meant).filter(|it| it.time <= at) {
        latest.retain(|before| before.group != alert.group);
        latest.push(alert);
    }
    let as_expected = match expect.state {
        Some(state) => latest.iter().any(|alert| alert.state == state),
        None => latest.iter().all(|alert| alert.state == State::Resolved),
    };
    if as_expected {
        return None;
    }
    let state = expect.state.map_or("inactive", State::as_str);
    let title =
        format!("test `{}`: `{}` is not {state} at {}", test.name, expect.rule, rfc3339_millis(at));
    let label = match latest.as_slice() {
        [] => "found no alert".to_owned(),
        [one] => format!("found one that is {}", one.state.as_str()),
        more => format!("found {} in another state", more.len()),
    };
    let mut notes: Vec<(String, String)> = Vec::new();
    let all: Vec<&Alert> = changes.iter().filter(of_rule).collect();
    for alert in all.iter().take(CHANGES_SHOWN_MAX) {
        notes.push((rfc3339_millis(alert.time), shown(alert)));
    }
    if all.len() > CHANGES_SHOWN_MAX {
        notes.push(("more".to_owned(), format!("{}", all.len() - CHANGES_SHOWN_MAX)));
    }
    Some(Problem { span_bytes: expect.span_bytes.clone(), title, label, notes })
}

/// The state of an alert and its labels.
fn shown(alert: &Alert) -> String {
    let labels: Vec<String> =
        alert.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{} {{{}}}", alert.state.as_str(), labels.join(", "))
}

/// The lines of a test, or why there are none.
fn log_of(test: &RuleTest, directory: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let path = match &test.log {
        TestLog::Lines(lines) => return Ok(lines.clone().into_bytes()),
        TestLog::File(path) => directory.join(path),
    };
    let failed = |error| format!("cannot read `{}`: {error}", path.display());
    let file = std::fs::File::open(&path).map_err(failed)?;
    let mut log = Vec::new();
    let read = file.take(RULE_TEST_LOG_BYTES_MAX + 1).read_to_end(&mut log).map_err(failed)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > RULE_TEST_LOG_BYTES_MAX {
        return Err(format!("`{}` is larger than {RULE_TEST_LOG_BYTES_MAX} bytes", path.display()));
    }
    Ok(log)
}
