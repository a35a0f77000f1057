//! SIGKILL at random instants, while the log is written and rotated: every line is counted once.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use gatelog::clock::UnixMilliseconds;
use gatelog::event::Judge;
use gatelog::event::judge::JudgeSettings;
use gatelog::event::route::{Patterns, Router};
use gatelog::event::server::Servers;
use gatelog::ledger::Ledger;
use gatelog::ledger::distinct::Seed;
use gatelog::limits::ROUTES_DEFAULT;
use gatelog::reader::{LineCounts, Reader, TimeRange};
use gatelog::show::report_json::ReportJson;
use gatelog::show::summary::Summary;
use gatelog::source::Line;
use gatelog::store::Store;
use gatelog_parsers::line::LineParser;
use gatelog_parsers::log_format::LogFormat;
use gatelog_parsers::recognise::MTLS_EXTENDED;
use generate_log::random::Random;

use crate::agent::{Agent, Directory, kill, wait_for};
use crate::scrape::Scraper;
use crate::writer::{Rotation, Writer};
use crate::{alone, say, setting};

/// Everything that is counted of these lines, whatever their order.
fn expected(lines: &[u8], seed: Seed) -> String {
    let parser = LineParser::new(&LogFormat::parse(MTLS_EXTENDED.as_bytes()).unwrap());
    let servers = Servers::new("a.log".to_owned(), Vec::new(), Vec::new());
    let judge = Judge::new(&parser, servers, JudgeSettings::default());
    let mut reader = Reader::new(parser, judge, TimeRange::default());
    let router = Router::new(Patterns::default());
    let mut ledger = Ledger::new(seed, ROUTES_DEFAULT);
    for bytes in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = Line { bytes, line_number: 1, ..Line::default() };
        assert!(reader.count(&line, &mut ledger, &router));
    }
    shown(&ledger)
}

/// Everything that a ledger shows: its report, and the refused of the last hour.
fn shown(ledger: &Ledger) -> String {
    let summary = Summary::new(ledger);
    let report = ReportJson::new(&summary, LineCounts::default(), None);
    let mut refused = ledger.refused.top(0, usize::MAX);
    refused.sort_unstable();
    let mut report = serde_json::to_value(report).unwrap();
    // What rules let go of is counted with them; what is expected is counted without.
    let limits = report.get_mut("limits").and_then(serde_json::Value::as_object_mut);
    limits.unwrap().retain(|limit, _| !limit.starts_with("rule_"));
    format!("{}\n{refused:?}", serde_json::to_string_pretty(&report).unwrap())
}

/// What a state directory holds.
fn saved(directory: &Path) -> Ledger {
    let (_store, saved) = Store::open(directory, UnixMilliseconds(0), &Arc::default()).unwrap();
    assert_eq!(saved.set_aside, None);
    saved.watch.unwrap().ledger
}

fn killed(ways: &[Rotation], kills: u64, lines_per_second: u64) {
    let directory = Directory::new();
    let state = directory.at("state").display().to_string();
    let arguments = ["--from", "beginning", "--state-dir", &state, "a.log"];
    let mut random = Random::new(kills ^ lines_per_second);
    let mut between = |from: u64, to: u64| from + random.below(to - from);
    let every = Duration::from_millis(250);
    let writer = Writer::start(directory.at("a.log"), lines_per_second, every, ways.to_vec());
    let scraper = Scraper::start();
    for kill in 0..kills {
        if kill % 4 == 3 {
            killed_at_start(&directory, &arguments, between(0, 12));
            continue;
        }
        let agent = directory.run(&arguments);
        *scraper.address.lock().unwrap() = Some(agent.address);
        std::thread::sleep(Duration::from_millis(between(0, 300)));
        *scraper.address.lock().unwrap() = None;
        // SIGKILL.
        drop(agent);
        std::thread::sleep(Duration::from_millis(between(0, 60)));
    }
    let agent = directory.run(&arguments);
    *scraper.address.lock().unwrap() = Some(agent.address);
    let written = writer.stop();
    let counted = wait_for_lines(&agent, written.count);
    let seen = scraper.stop();
    let gaps = agent.sum("log_gaps_total", &[]);
    say(&format!(
        "{kills} kills, {} rotations ({ways:?}), {} lines: {} lost or twice, {gaps} gaps, {} scrapes, \
         {} counters fell",
        written.rotations,
        written.count,
        i128::from(counted) - i128::from(written.count),
        seen.scrapes,
        seen.faults.len(),
    ));
    let log = agent.log();
    assert_eq!(agent.stop(), Some(0), "{log}");
    assert_eq!(counted, written.count, "{log}");
    assert!(seen.faults.is_empty(), "{:#?}", seen.faults);
    let saved = saved(Path::new(&state));
    let expected = expected(&written.lines, saved.seed().clone());
    let saved = shown(&saved);
    let difference =
        saved.lines().zip(expected.lines()).find(|(saved, expected)| saved != expected);
    assert_eq!(difference, None);
    assert_eq!(saved.len(), expected.len());
}

/// One that is killed before it can say anything.
fn killed_at_start(directory: &Directory, arguments: &[&str], after_milliseconds: u64) {
    let arguments = [&["run", "--listen", "127.0.0.1:0"], arguments].concat();
    let mut child = directory.gatelog(&arguments).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(after_milliseconds));
    kill(&mut child);
}

/// Waits until as many lines are counted, then for more that there should not be.
fn wait_for_lines(agent: &Agent, count: u64) -> u64 {
    let read = || {
        let sum = agent.sum("log_lines_total", &[]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let lines = sum as u64;
        lines
    };
    wait_for(|| (read() >= count).then_some(()));
    std::thread::sleep(Duration::from_millis(600));
    read()
}

fn one_by_one(ways: &[Rotation]) {
    let _alone = alone();
    killed(ways, setting("GATELOG_KILLS", 8), setting("GATELOG_LINES_PER_SECOND", 2_000));
}

#[test]
fn by_rename() {
    one_by_one(&[Rotation::Rename]);
}

#[test]
fn by_copytruncate() {
    one_by_one(&[Rotation::CopyTruncate]);
}

#[test]
fn by_both() {
    one_by_one(&[Rotation::Rename, Rotation::CopyTruncate]);
}
