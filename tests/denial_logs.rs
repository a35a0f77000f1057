//! Logs that nginx writes for refused requests only (`scope = "denials"`), and logs that carry the
//! same requests: over the corpus, whole and split.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// A folder with the corpus' log as `full.log`, its refused requests as `denied.log` and the others
/// as `passed.log`.
fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = std::fs::read(format!("{CORPUS}/nginx-mtls-extended.log")).unwrap();
    let is_denied = |line: &&[u8]| memchr::memmem::find(line, b"client_verify=FAILED").is_some();
    let lines = log.split_inclusive(|&byte| byte == b'\n');
    let (denied, passed): (Vec<_>, Vec<_>) = lines.partition(is_denied);
    for (name, text) in [
        ("full.log", log.clone()),
        ("denied.log", denied.concat()),
        ("passed.log", passed.concat()),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    // A server without a name is called after its source.
    let config = "[[source]]\nname = 'full'\npaths = ['full.log', 'passed.log']\n\
                  [[source]]\nname = 'denied'\npaths = ['denied.log']\nscope = 'denials'\n";
    std::fs::write(directory.path().join("gatelog.toml"), config).unwrap();
    let all = config.replace("scope = 'denials'", "scope = 'all'");
    std::fs::write(directory.path().join("all.toml"), all).unwrap();
    directory
}

fn gatelog(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    command.args(arguments).current_dir(directory).env_remove("NO_COLOR").env("LC_ALL", "C.UTF-8");
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(directory: &Path, config: &[&str], logs: &[&str]) -> Value {
    let arguments = [&["report", "--format", "json"], config, logs].concat();
    serde_json::from_str(&out(&gatelog(directory, &arguments))).unwrap()
}

const CONFIG: [&str; 2] = ["--config", "gatelog.toml"];

/// The same, where nobody says that one is a denial log.
const ALL: [&str; 2] = ["--config", "all.toml"];

/// Everything that must not depend on where the refused requests were logged.
fn counts(report: &Value) -> Value {
    let mut counts = report.clone();
    let object = counts.as_object_mut().unwrap();
    for key in ["connections", "timeline"] {
        object.remove(key);
    }
    for route in object["routes"].as_array_mut().unwrap() {
        for key in ["failure_ratio", "connections", "failed_connections"] {
            route.as_object_mut().unwrap().remove(key);
        }
    }
    counts
}

fn sum(report: &Value, list: &str, key: &str) -> u64 {
    report[list].as_array().unwrap().iter().filter_map(|entry| entry[key].as_u64()).sum()
}

#[test]
fn a_denial_log_counts_and_gives_no_ratio() {
    let directory = folder();
    let at = directory.path();
    let full = json(at, &ALL, &["passed.log", "denied.log"]);
    let split = json(at, &CONFIG, &["passed.log", "denied.log"]);
    assert!(counts(&split) == counts(&full), "{split}");

    let (all, passed) = (&full["connections"], json(at, &CONFIG, &["passed.log"]));
    assert_eq!(split["connections"], passed["connections"]);
    assert!(split["connections"].as_u64() < all.as_u64());
    let ratios = |report: &Value| {
        let routes = report["routes"].as_array().unwrap().iter();
        let mut ratios: Vec<_> = routes
            .filter(|route| !route["failure_ratio"].is_null())
            .map(|r| format!("{} {} {}", r["server"], r["route"], r["failure_ratio"]))
            .collect();
        ratios.sort();
        ratios
    };
    assert_eq!(ratios(&split), ratios(&passed));
    assert_ne!(ratios(&split), ratios(&full));
    assert_eq!(sum(&split, "timeline", "failures"), sum(&full, "timeline", "failures"));
    assert_eq!(sum(&split, "timeline", "requests"), passed["requests"].as_u64().unwrap());

    let text =
        out(&gatelog(at, &[&["report"], &CONFIG[..], &["passed.log", "denied.log"]].concat()));
    let denied = json(at, &[], &["denied.log"])["requests"].as_u64().unwrap();
    let told = format!("\n{denied} requests of denial logs, which tell no share.\n");
    assert!(text.contains(&told), "{text}");
}

#[test]
fn of_denial_logs_alone_nothing_tells_a_share() {
    let directory = folder();
    let at = directory.path();
    let report = json(at, &CONFIG, &["denied.log"]);
    let plain = json(at, &ALL, &["denied.log"]);
    assert!(counts(&report) == counts(&plain), "{report}");
    assert!(report["connections"].is_null());
    let routes = report["routes"].as_array().unwrap();
    assert!(routes.iter().all(|route| route["failure_ratio"].is_null()));
    assert!(plain["routes"].as_array().unwrap().iter().all(|r| r["failure_ratio"] == 1.0));
    let timeline = report["timeline"].as_array().unwrap();
    assert!(!timeline.is_empty() && timeline.iter().all(|bucket| bucket["requests"].is_null()));

    let text = out(&gatelog(at, &[&["report"], &CONFIG[..], &["denied.log"]].concat()));
    assert!(!text.contains("Failed verification"), "{text}");
    let shares = text.lines().skip_while(|line| !line.starts_with("ROUTES"));
    assert!(shares.take_while(|line| !line.is_empty()).all(|line| !line.contains('%')), "{text}");
    // `parse` shows the lines, whatever they count for.
    let parse =
        |config: &[&str]| out(&gatelog(at, &[&["parse"], config, &["denied.log"]].concat()));
    assert!(parse(&CONFIG) == parse(&ALL));
}

#[test]
fn check_says_what_a_log_is() {
    let directory = folder();
    let at = directory.path();
    let check = |config: &[&str], log: &str| {
        let output = gatelog(at, &[&["check"], config, &[log]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let found = check(&CONFIG, "denied.log");
    assert!(found.contains("source `denied`: log_format as its lines tell, denials only, client"));
    assert!(!found.contains("warning: denied.log"), "{found}");
    let found = check(&[], "denied.log");
    assert!(found.contains("warning: denied.log: every request in it was refused: if"), "{found}");
    let slip = "[[source]]\npaths = ['full.log']\nscope = 'denials'\n";
    std::fs::write(at.join("slip.toml"), slip).unwrap();
    let found = check(&["--config", "slip.toml"], "full.log");
    assert!(found.contains("requests in it passed: it is no `scope = \"denials\"`"), "{found}");
}

/// Which logs carry the same requests, as `report` and `check` say it.
#[test]
fn requests_in_two_logs_are_noticed() {
    let directory = folder();
    let at = directory.path();
    let json_log = format!("{CORPUS}/nginx-mtls.json.log");
    std::fs::copy(at.join("full.log"), at.join("copy.log")).unwrap();
    let denied = json(at, &[], &["denied.log"])["requests"].as_u64().unwrap();
    // How many are said to be in both.
    let said = |command: &str, logs: &[&str]| {
        let output = gatelog(at, &[&[command], logs].concat());
        let said = if command == "check" { out(&output) } else { err(&output) };
        let warnings: Vec<_> =
            said.lines().filter(|line| line.contains("carry the same")).collect();
        let [warning] = warnings[..] else { return warnings.len() as u64 };
        let start = format!(
            "warning: {} and {} carry the same requests, which count twice: ",
            logs[0], logs[1]
        );
        let rest = warning.strip_prefix(&start).unwrap().strip_suffix(" requests by $request_id");
        rest.unwrap().parse().unwrap()
    };
    let check = |logs: &[&str], expected: u64| {
        for command in ["report", "check"] {
            let said = said(command, logs);
            // Two that fall into one place of the table are one.
            let nearly = expected - expected / 10..=expected;
            assert!(nearly.contains(&said), "{command} {logs:?}: {said} of {expected}");
        }
    };
    check(&["full.log"], 0);
    check(&["denied.log", "passed.log"], 0);
    check(&["full.log", "denied.log"], denied);
    // Internal redirects log their request again.
    let ids = std::fs::read_to_string(format!("{CORPUS}/labels.tsv")).unwrap();
    let ids = ids.lines().skip(1).filter_map(|row| row.split('\t').next());
    let ids: std::collections::BTreeSet<_> = ids.filter(|id| *id != "-").collect();
    let ids = ids.len() as u64;
    check(&["full.log", "copy.log"], ids);
    check(&["full.log", &json_log], ids);
}
