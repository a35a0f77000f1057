//! What the built-in rules find in logs with labelled incidents, and that they find nothing else.
//!
//! `GATELOG_DETECTION_SEEDS` is how many seeds are tried, each with every incident alone, with all of
//! them in three days, and with two days on which nothing happens. Without it two of the three days of
//! one seed are.
//! `make detection` prints the table.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says so by failing, and prints its table"
)]

mod judge;
mod labels;
mod table;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use generate_incidents::{INCIDENTS, PACKS, Scenario, world, write};
use judge::{Judgement, judge, transitions};
use table::Table;

/// What `gatelog backtest` says of the logs in a directory, or why it says nothing.
fn backtest(directory: &Path) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    command.arg("backtest").args(["--nginx-conf", "nginx.conf"]);
    if directory.join("gatelog.toml").exists() {
        command.args(["--config", "gatelog.toml"]);
    }
    let ended = command
        .args(["edge.log", "partner.log"])
        .current_dir(directory)
        .env("XDG_STATE_HOME", directory.join(".state"))
        .env_remove("STATE_DIRECTORY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let [out, said] = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    if ended.status.success() { Ok(out) } else { Err(said) }
}

/// Writes the logs of a scenario, lets the rules loose on them and judges what they say.
fn tried(seed: u64, scenario: Scenario) -> Judgement {
    let directory = tempfile::tempdir().unwrap();
    write(world(seed, scenario), directory.path()).unwrap();
    let labels = fs::read_to_string(directory.path().join("labels.tsv")).unwrap();
    let (out, refused) = match backtest(directory.path()) {
        Ok(out) => (out, None),
        Err(said) => (String::new(), Some(said)),
    };
    let mut judgement = judge(&labels::parse(&labels), &transitions(&out));
    judgement.problems.extend(refused);
    judgement
}

/// Tries all of them, some at a time; the table, and what is not as it should be.
fn tried_all(scenarios: &[(u64, Scenario)]) -> (Table, Vec<String>) {
    let (mut table, mut problems) = (Table::default(), Vec::new());
    let at_a_time = std::thread::available_parallelism().map_or(1, |count| count.get());
    for some in scenarios.chunks(at_a_time) {
        let judgements: Vec<Judgement> = std::thread::scope(|scope| {
            let tries = some.iter().map(|&(seed, it)| scope.spawn(move || tried(seed, it)));
            let tries: Vec<_> = tries.collect();
            tries.into_iter().map(|it| it.join().unwrap()).collect()
        });
        for ((seed, scenario), judgement) in some.iter().zip(judgements) {
            table.add(judgement.outcomes);
            for problem in judgement.problems {
                let problem = format!("{} of seed {seed}: {problem}", scenario.name());
                println!("{problem}");
                problems.push(problem);
            }
        }
    }
    (table, problems)
}

#[test]
fn every_incident_is_found_and_nothing_else() {
    let seeds = std::env::var("GATELOG_DETECTION_SEEDS").ok().map(|text| text.parse().unwrap());
    let packs = PACKS.map(Scenario::Many);
    let all = || {
        let quiet = [Scenario::Clean, Scenario::Backfilled].into_iter();
        quiet.chain(INCIDENTS.map(Scenario::One)).chain(packs)
    };
    let scenarios: Vec<(u64, Scenario)> = match seeds {
        Some(seeds) => (1..=seeds).flat_map(|seed| all().map(move |it| (seed, it))).collect(),
        None => packs.map(|pack| (1, pack)).to_vec(),
    };
    let (table, problems) = tried_all(&scenarios);
    println!("{}\n{} logs, {} problems", table.text(), scenarios.len(), problems.len());
    assert!(problems.is_empty(), "{problems:#?}");
}
