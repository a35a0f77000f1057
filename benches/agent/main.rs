//! What `gatelog run` costs beside nginx, and how soon it knows: its processor time for each line
//! against that of `gatelog report` on the same bytes, its memory, the way from a line written to
//! its count in `/metrics`, a scrape of 10,000 series, its start, and what it costs to save.
//!
//! Starts the built program on loopback in a directory of its own and writes a log to it as nginx
//! does with `buffer=64k`: whole lines, flushed when the next one does not fit. Prints a row
//! `name<TAB>figure<TAB>unit` for each figure on standard output and the same in words on standard
//! error; ends with 1 when a line was not counted. It takes about a minute.
//!
//! `cargo run --release --example bench-agent -- --log FILE`, after `cargo build --release`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its rows are what it is for")]

mod agent;
mod load;
mod series;
mod state;
mod usage;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use gatelog::clock::Clock;

use agent::{Agent, Program};
use load::{Load, Seen, Written};
use usage::Usage;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The directory, the log in it and the agent are as they will be; caches are warm.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// How long lines are written one at a time, and how long while every page is asked for.
const LATENCY_TIME: Duration = Duration::from_secs(4);

/// Starts that are timed.
pub(crate) const STARTS: usize = 5;

/// `report` is run again until it has used this much time: the system counts it in hundredths.
const REPORT_TIME: Duration = Duration::from_millis(1500);

/// Longest wait for what was written to be counted.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(about = "Measures `gatelog run` on a log that it writes as nginx would")]
struct Arguments {
    /// The log whose lines are written, in a format that gatelog recognises
    #[arg(long)]
    log: PathBuf,
    /// The program
    #[arg(long, default_value = "target/release/gatelog")]
    program: PathBuf,
    /// Lines a second
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    /// How long the processor time is measured
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let program = Program { path: fs::canonicalize(&arguments.program)?, directory: &directory };
    let mut load = Load::read(&arguments.log, arguments.rate)?;
    starts(&program)?;
    let agent = under_load(&program, &mut load, arguments)?;
    all_counted(&agent, load.written())?;
    drop(agent);
    state::compare(&program, &mut load, arguments.seconds)?;
    state::large_starts(&program)?;
    let page = series::measure(&program, &load)?;
    row("scrape_series", page.series, 0, "series", "series on the page that is scraped");
    row("scrape_ms", page.median_ms, 2, "ms", "a scrape of it, half of all take less");
    row("scrape_worst_ms", page.worst_ms, 2, "ms", "the slowest scrape of it");
    row("scrape_cpu_ms", page.cpu_ms, 2, "ms", "processor time of a scrape");
    row("scrape_stall_ms", page.stall_ms, 2, "ms", "of it in the thread that reads: its stall");
    Ok(())
}

/// From the start of the process to the first 200 of `/readyz`.
fn starts(program: &Program<'_>) -> Result<()> {
    let log = program.at("access.log");
    fs::write(&log, "")?;
    let mut times_ms = Vec::new();
    for _ in 0..STARTS {
        let clock = Clock::system();
        let agent = Agent::start(program, &["access.log"])?;
        agent.becomes_ready()?;
        times_ms.push(milliseconds(clock.monotonic().since_start()));
    }
    row("start_ms", share(&mut times_ms, 0.5), 1, "ms", "from the start to ready");
    Ok(())
}

/// The processor time and memory under load, then how soon lines are seen. Returns the agent, which
/// has counted what was written or is about to.
fn under_load(program: &Program<'_>, load: &mut Load, arguments: &Arguments) -> Result<Agent> {
    load.open(&program.at("access.log"))?;
    let agent = Agent::start(program, &["access.log"])?;
    agent.becomes_ready()?;
    load.write_for(WARM_UP, &Clock::system())?;
    let usage = Usage::watch(agent.id())?;
    let written = load.write_for(Duration::from_secs(arguments.seconds), &Clock::system())?;
    let lines = written.iter().map(|write| write.lines).sum();
    let usage = usage.end()?;
    cpu_rows(&usage, lines);
    report_rows(program, load.written(), &usage, lines)?;
    let status = usage::status(agent.id())?;
    row("rss_mib", status.resident_mib, 1, "MiB", "resident memory under load");
    row("rss_peak_mib", status.peak_mib, 1, "MiB", "resident memory at its highest");

    let busy = seen_within(&agent, |clock| load.write_for(LATENCY_TIME, clock))?;
    latency_rows("busy", "at the full rate", busy);
    let quiet = seen_within(&agent, |clock| load.write_single_lines(LATENCY_TIME, clock))?;
    latency_rows("quiet", "with single lines now and then", quiet);
    Ok(agent)
}

fn cpu_rows(usage: &usage::Used, lines: u64) {
    let per_line = |time: Duration| microseconds(time) / float(lines);
    row("run_us_per_line", per_line(usage.total()), 3, "us", "processor time of run per line");
    for (thread, used) in &usage.threads {
        let name = format!("run_us_per_line_{thread}");
        row(&name, per_line(used.time), 3, "us", &format!("of it in the threads {thread}"));
        let name = format!("wakeups_per_second_{thread}");
        let per_second = float(used.wakeups) / usage.elapsed.as_secs_f64();
        row(&name, per_second, 0, "1/s", &format!("how often the threads {thread} woke"));
    }
    let seconds = usage.elapsed.as_secs_f64();
    row("lines_per_second", float(lines) / seconds, 0, "1/s", "lines written meanwhile");
    row("run_core_share", usage.total().as_secs_f64() / seconds * 100.0, 2, "%", "of one core");
}

/// `report` on the log that was written so far, on one core and without a screen.
fn report_rows(
    program: &Program<'_>,
    written: u64,
    usage: &usage::Used,
    measured: u64,
) -> Result<()> {
    let before = usage::of_ended_children()?;
    let mut runs = 0;
    let used = loop {
        program.run(&["report", "access.log"])?;
        runs += 1;
        let used = usage::of_ended_children()?.saturating_sub(before);
        if used >= REPORT_TIME {
            break used;
        }
    };
    let report = microseconds(used) / float(runs * written);
    let run = microseconds(usage.total()) / float(measured);
    row("report_us_per_line", report, 3, "us", "processor time of report per line");
    row("run_to_report", run / report, 2, "times", "run against report, per line");
    Ok(())
}

/// Asks for the page as fast as it comes while `write` writes, and returns for each write how long
/// it took until a page counted its last line.
fn seen_within(
    agent: &Agent,
    write: impl FnOnce(&Clock) -> Result<Vec<Written>>,
) -> Result<Vec<(f64, u64)>> {
    let clock = Clock::system();
    let seen = Seen::begin(agent.address(), clock.clone());
    let written = write(&clock);
    std::thread::sleep(Duration::from_millis(500));
    let seen = seen.end()?;
    let mut pages = seen.into_iter().peekable();
    let mut latencies = Vec::new();
    for write in written? {
        while pages.next_if(|page| page.lines < write.lines_after).is_some() {}
        let page = pages.peek().ok_or_else(|| {
            format!("{} lines were not counted within half a second", write.lines_after)
        })?;
        latencies.push((milliseconds(page.at.saturating_sub(write.at)), write.lines));
    }
    Ok(latencies)
}

fn latency_rows(name: &str, when: &str, latencies: Vec<(f64, u64)>) {
    // Of a write all lines are seen together.
    let mut of_lines: Vec<f64> = Vec::new();
    for (latency_ms, lines) in latencies {
        of_lines.extend(std::iter::repeat_n(latency_ms, usize::try_from(lines).unwrap_or(1)));
    }
    for (suffix, of) in [("p50", 0.5), ("p99", 0.99), ("worst", 1.0)] {
        let text = format!("from a line written to its count in /metrics, {when}, {suffix}");
        row(&format!("latency_{name}_{suffix}_ms"), share(&mut of_lines, of), 1, "ms", &text);
    }
}

fn all_counted(agent: &Agent, written: u64) -> Result<()> {
    let counted = agent.counts(written)?;
    row("lines_written", float(written), 0, "lines", "lines written");
    row("lines_counted", float(counted), 0, "lines", "lines counted");
    match counted == written {
        true => Ok(()),
        false => Err(format!("{written} lines were written and {counted} counted").into()),
    }
}

/// The value below which this share of all lies.
pub(crate) fn share(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index from 0 to the length"
    )]
    let index = (values.len() as f64 * share) as usize;
    values.get(index).or(values.last()).copied().unwrap_or(f64::NAN)
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run of seconds")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

pub(crate) fn row(name: &str, figure: f64, digits: usize, unit: &str, text: &str) {
    println!("{name}\t{figure:.digits$}\t{unit}");
    eprintln!("{figure:>10.digits$} {unit:<6} {text}");
}

/// What the system says of a process, with its name in front of an error.
pub(crate) fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(|error: io::Error| format!("{path}: {error}").into())
}
