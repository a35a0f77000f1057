//! The whole metrics page of the corpus' log, as it is served.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use gatelog::clock::Clock;

use crate::agent::{Directory, sum};

const LOG: &str = include_str!("../corpus/nginx-mtls-extended.log");

/// When the last line of the corpus' log was written.
fn last_millis() -> i64 {
    LOG.lines().map(millis).max().unwrap()
}

fn millis(line: &str) -> i64 {
    line.rsplit_once("msec=").unwrap().1.replace('.', "").parse().unwrap()
}

/// The log as if its last line had just been written: the page has a list of the last hour.
fn log_of_now() -> String {
    let later = Clock::system().now().0 - last_millis();
    let line = |line: &str| {
        let (before, _) = line.rsplit_once("msec=").unwrap();
        let time = millis(line) + later;
        format!("{before}msec={}.{:03}\n", time / 1000, time % 1000)
    };
    LOG.lines().map(line).collect()
}

#[test]
fn the_page_of_the_corpus() {
    let directory = Directory::new();
    directory.write("mtls.log", &log_of_now());
    let agent = directory.run(&["--from", "beginning", "mtls.log"]);
    agent.comes_to("requests_total", &[], 421.0);
    let page = agent.metrics();

    check_with_promtool(&page);
    let mut verdicts = BTreeMap::new();
    let parsed = directory.gatelog(&["parse", "mtls.log"]).output().unwrap();
    for line in String::from_utf8(parsed.stdout).unwrap().lines() {
        let verdict = line.split("\"verdict\":\"").nth(1).unwrap().split('"').next().unwrap();
        *verdicts.entry(verdict.to_owned()).or_insert(0.0) += 1.0;
    }
    assert!(verdicts.len() >= 6, "{verdicts:?}");
    for (verdict, count) in &verdicts {
        let label = format!("verdict=\"{verdict}\"");
        let counted = sum(&page, "requests_total", &[&label]);
        assert!((counted - count).abs() < 0.5, "{verdict}: {counted} and {count}");
    }

    let varies = ["gatelog_log_last_event_timestamp_seconds{", "process_"];
    let kept = page.lines().filter(|line| {
        // Nothing has happened on most routes for most verdicts.
        let is_zero = line.starts_with("gatelog_requests_total{") && line.ends_with(" 0");
        !is_zero
            && !varies.iter().any(|start| {
                line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").starts_with(start)
            })
    });
    // Which alerts still fire depends on how long ago the corpus was written.
    let without_state = |line: &str| match line.starts_with("gatelog_alerts{") {
        true => line.rsplit_once(' ').map_or(line, |(series, _)| series).to_owned(),
        false => line.to_owned(),
    };
    let kept: Vec<_> = kept.map(without_state).collect();
    let settings = || {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings
    };
    settings().bind(|| insta::assert_snapshot!("metrics-page", kept.join("\n")));
    assert_eq!(agent.stop(), Some(0));
}

#[expect(clippy::print_stderr, reason = "a check that is left out says so")]
fn check_with_promtool(page: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.stderr(Stdio::piped()).spawn() else {
        eprintln!("SKIPPED: promtool is not installed (scripts/install-tools.sh promtool)");
        return;
    };
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
