//! The instructions that a line costs stay within a tenth of what `benches/instructions.tsv` records.
//!
//! Valgrind counts them, so that the figures do not depend on what else the machine does: a run over
//! twice as many lines less a run over half of them, so that the start does not count. They do depend
//! on the compiler, on valgrind, and on the processor: memchr and libc choose their code by what the
//! processor can do, valgrind shows them its own idea of it (AVX2, no AVX-512). Where one of the three
//! differs from the record, nothing is compared and standard error says so.
//!
//! `UPDATE_BASELINE=1 cargo test -p gatelog-stages --test instructions` records anew.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use gatelog_stages::FORMATS;
use generate_log::{Generator, Sizes};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../instructions.tsv");
const LINES: usize = 10_000;
const STAGES: [&str; 3] = ["split", "count", "journal"];
/// How far a figure may be from the recorded one, in hundredths of it.
const TOLERANCE_PERCENT: u64 = 10;

const HEAD: &str = "\
# Instructions a line, counted by valgrind; benches/README.md says how and when to record them anew.
# `split`: read and split into its values. `count`: the same, judged and counted in a ledger. `journal`: the same, with
# a journal of what is recorded.
";

/// What the figures depend on.
fn circumstances(valgrind: &str) -> BTreeMap<String, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']);
    BTreeMap::from([
        ("valgrind".to_owned(), valgrind.to_owned()),
        ("rustc".to_owned(), output(Command::new(rustc).arg("--version"))),
        ("processor".to_owned(), format!("{model}, {}", std::env::consts::ARCH)),
    ])
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Builds the program as it is shipped and returns where it is.
fn release_program() -> PathBuf {
    say("building the program as it is shipped, which may take a few minutes");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let messages = output(
        Command::new(cargo)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .args(["build", "--release", "--locked", "--package", "gatelog-stages"])
            .args(["--bin", "run-stage", "--message-format", "json-render-diagnostics"]),
    );
    let mut programs = messages.split("\"executable\":\"").skip(1);
    let program = programs.find_map(|rest| rest.split('"').next());
    PathBuf::from(program.unwrap())
}

/// Instructions of one run over the first `lines`.
fn instructions(program: &Path, stage: &str, format: &str, lines: usize, log: &Path) -> u64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    command.arg(program).args([stage, format, &lines.to_string()]).arg(log);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), lines.to_string(), "all lines fit");
    let total = said.lines().find_map(|line| line.split_once("refs:")).unwrap().1;
    total.replace(',', "").trim().parse().unwrap()
}

/// Instructions a line, by stage and format.
fn measured() -> BTreeMap<String, u64> {
    let program = release_program();
    let mut measured = BTreeMap::new();
    for (format, name) in FORMATS {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("instructions-{name}.log"));
        fs::write(&log, Generator::new(1, Sizes::default(), format).lines(2 * LINES)).unwrap();
        for stage in STAGES {
            let of = |lines| instructions(&program, stage, name, lines, &log);
            let a_line = of(2 * LINES).saturating_sub(of(LINES)) / LINES as u64;
            measured.insert(format!("{stage} {name}"), a_line);
        }
    }
    measured
}

fn record() -> BTreeMap<String, String> {
    let text = fs::read_to_string(RECORD).unwrap_or_default();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let rows = rows.filter_map(|line| line.split_once('\t'));
    rows.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Past the capture of the test's output, so that it is seen also when the test passes.
fn say(what: &str) {
    io::stderr().write_all(format!("instructions: {what}\n").as_bytes()).unwrap();
}

#[test]
fn a_line_costs_what_it_did() {
    let Ok(version) = Command::new("valgrind").arg("--version").output() else {
        return say("NOT CHECKED, since there is no valgrind");
    };
    let circumstances = circumstances(String::from_utf8_lossy(&version.stdout).trim());
    let record = record();
    if std::env::var_os("UPDATE_BASELINE").is_some() {
        let measured = measured();
        let figures = measured.iter().map(|(key, value)| (key.clone(), value.to_string()));
        let rows = circumstances.into_iter().chain(figures);
        let rows: String = rows.map(|(key, value)| format!("{key}\t{value}\n")).collect();
        fs::write(RECORD, format!("{HEAD}{rows}")).unwrap();
        return say(&format!("recorded {measured:?}"));
    }
    for (what, here) in &circumstances {
        let recorded = record.get(what).map_or("nothing", String::as_str);
        if recorded != here {
            return say(&format!("NOT CHECKED, since {what} is `{here}`, recorded `{recorded}`"));
        }
    }
    let (mut wrong, mut shown) = (Vec::new(), Vec::new());
    for (key, found) in measured() {
        let expected: u64 = record.get(&key).and_then(|value| value.parse().ok()).unwrap_or(0);
        shown.push(format!("{key} {found}"));
        if found.abs_diff(expected) * 100 > expected * TOLERANCE_PERCENT {
            wrong.push(format!("{key}: {found} instructions a line, recorded {expected}"));
        }
    }
    say(&shown.join(", "));
    assert!(
        wrong.is_empty(),
        "more than {TOLERANCE_PERCENT}% off; when that is meant, record with UPDATE_BASELINE=1:\n{}",
        wrong.join("\n")
    );
}
