//! What it costs to save: two agents side by side on one log, one of which keeps its state; and a
//! start with a large state.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use gatelog::clock::Clock;
use generate_log::{Format, Generator, Sizes};

use crate::agent::{Agent, Program};
use crate::load::Load;
use crate::usage::{Usage, Used};
use crate::{Result, STARTS, WARM_UP, float, milliseconds, row, share};

/// Certificates of the large state, each from an address of its own: what both tables hold at most.
const CERTIFICATES: usize = 100_000;

/// Lines of the large state.
const LINES: usize = 600_000;

/// Lines that are written to the log at once.
const LINES_AT_ONCE: usize = 10_000;

/// The processor time of an agent that saves, against one that does not, on the same log at the same
/// time.
pub(crate) fn compare(program: &Program<'_>, load: &mut Load, seconds: u64) -> Result<()> {
    load.open(&program.at("both.log"))?;
    let states = [["--state-dir", "state-compared"], ["--state-dir", "none"]];
    let start = |state: [&str; 2]| Agent::start(program, &[&state[..], &["both.log"]].concat());
    let agents = states.map(start).into_iter().collect::<Result<Vec<Agent>>>()?;
    agents.iter().try_for_each(Agent::becomes_ready)?;
    load.write_for(WARM_UP, &Clock::system())?;
    let usages = agents.iter().map(|agent| Usage::watch(agent.id())).collect::<Result<Vec<_>>>()?;
    let written = load.write_for(Duration::from_secs(seconds), &Clock::system())?;
    let lines: u64 = written.iter().map(|write| write.lines).sum();
    let used = usages.into_iter().map(Usage::end).collect::<Result<Vec<Used>>>()?;
    let per_line = |used: &Used| used.total().as_secs_f64() * 1e6 / float(lines);
    let [with, without] = used.as_slice() else { return Err("two agents were measured".into()) };
    row("state_us_per_line", per_line(with), 3, "us", "processor time per line with state");
    row("no_state_us_per_line", per_line(without), 3, "us", "without, on the same log");
    for (thread, used) in &with.threads {
        let name = format!("state_us_per_line_{thread}");
        let per_line = used.time.as_secs_f64() * 1e6 / float(lines);
        row(&name, per_line, 3, "us", &format!("with state, in the threads {thread}"));
    }
    row("state_to_none", per_line(with) / per_line(without), 3, "times", "with against without");
    Ok(())
}

/// From the start of the process to ready, with tables that are full.
pub(crate) fn large_starts(program: &Program<'_>) -> Result<()> {
    let log = program.at("large.log");
    let sizes = Sizes { certificates: CERTIFICATES, ..Sizes::default() };
    let mut generator = Generator::new(1, sizes, Format::Extended);
    let mut file = fs::File::create(&log)?;
    for _ in 0..LINES / LINES_AT_ONCE {
        file.write_all(&generator.lines(LINES_AT_ONCE))?;
    }
    let arguments = ["--from", "beginning", "--state-dir", "state-large", "large.log"];
    let agent = Agent::start(program, &arguments)?;
    agent.counts(LINES as u64)?;
    agent.stop()?;
    let bytes = fs::metadata(program.at("state-large/state.db"))?.len();
    row("large_state_mib", float(bytes) / f64::from(1 << 20), 1, "MiB", "a large state on disk");
    let mut times_ms = Vec::new();
    for _ in 0..STARTS {
        let clock = Clock::system();
        let agent = Agent::start(program, &arguments)?;
        agent.becomes_ready()?;
        times_ms.push(milliseconds(clock.monotonic().since_start()));
    }
    row("large_start_ms", share(&mut times_ms, 0.5), 1, "ms", "from the start to ready with it");
    Ok(())
}
