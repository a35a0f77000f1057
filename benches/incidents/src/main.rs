//! `generate-incidents`: writes the logs of a scenario into a directory.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Parser};
use generate_incidents::{INCIDENTS, PACKS, Scenario, world, write};

/// Writes access logs of nginx with labelled incidents: the same bytes for the same options.
#[derive(Debug, Parser)]
#[command(group = ArgGroup::new("scenario").required(true))]
struct Arguments {
    /// One incident, or a day with several of them.
    #[arg(long, value_name = "NAME", group = "scenario", value_parser = scenario)]
    incident: Option<Scenario>,
    /// A day on which nothing happens.
    #[arg(long, group = "scenario")]
    clean: bool,
    /// The same, with an hour of the log coming a second time.
    #[arg(long, group = "scenario")]
    backfilled: bool,
    /// The names of the incidents and days.
    #[arg(long, group = "scenario")]
    list: bool,
    /// What fixes the bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where edge.log, partner.log, nginx.conf and labels.tsv are written.
    #[arg(value_name = "OUT_DIR", required_unless_present = "list")]
    directory: Option<PathBuf>,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::by_name(name).ok_or_else(|| "--list names those that there are".to_owned())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed, too, the exit code alone tells.
            writeln!(io::stderr(), "generate-incidents: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let Some(directory) = arguments.directory.as_ref().filter(|_| !arguments.list) else {
        let names = INCIDENTS.iter().map(|it| it.name).chain(PACKS.iter().map(|it| it.name));
        return names.into_iter().try_for_each(|name| writeln!(io::stdout(), "{name}"));
    };
    let quiet = if arguments.clean { Scenario::Clean } else { Scenario::Backfilled };
    let scenario = arguments.incident.unwrap_or(quiet);
    fs::create_dir_all(directory)?;
    let lines = write(world(arguments.seed, scenario), directory)?;
    writeln!(io::stdout(), "{}: {lines} lines in {}", scenario.name(), directory.display())
}
