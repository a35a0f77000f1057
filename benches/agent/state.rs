//! What it costs to save: agents in turn, one of which keeps its state; and a start with a large state.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::time::Duration;

use gatelog::clock::Clock;
use generate_log::{Format, Generator, Sizes};

use crate::agent::{Agent, Program};
use crate::load::Load;
use crate::usage::Usage;
use crate::{Result, STARTS, WARM_UP, float, milliseconds, row, share};

/// Turns of each of the two.
const ROUNDS: u32 = 4;

/// Certificates of the large state, each from an address of its own: what both tables hold at most.
const CERTIFICATES: usize = 100_000;

/// Lines of the large state.
const LINES: usize = 600_000;

/// Lines that are written to the log at once.
const LINES_AT_ONCE: usize = 10_000;

/// The processor time of an agent that saves, against one that does not: in turn, on logs of their own, so
/// that neither reads what the other has just brought into the caches.
pub(crate) fn compare(program: &Program<'_>, load: &mut Load, seconds: u64) -> Result<()> {
    let mut sums = [Sum::default(), Sum::default()];
    let time = Duration::from_secs(seconds) / ROUNDS;
    for round in 0..ROUNDS {
        for (sum, state) in sums.iter_mut().zip(["state-compared", "none"]) {
            let log = format!("{state}-{round}.log");
            load.open(&program.at(&log))?;
            let agent = Agent::start(program, &["--state-dir", state, &log])?;
            agent.becomes_ready()?;
            load.write_for(WARM_UP, &Clock::system())?;
            let usage = Usage::watch(agent.id())?;
            let written = load.write_for(time, &Clock::system())?;
            sum.lines += written.iter().map(|write| write.lines).sum::<u64>();
            for (thread, used) in usage.end()?.threads {
                *sum.threads.entry(thread).or_default() += used.time;
            }
        }
    }
    let [with, without] = &sums;
    row("state_us_per_line", with.per_line(), 3, "us", "processor time per line with state");
    row("no_state_us_per_line", without.per_line(), 3, "us", "without");
    for (thread, time) in &with.threads {
        let name = format!("state_us_per_line_{thread}");
        let per_line = time.as_secs_f64() * 1e6 / float(with.lines);
        row(&name, per_line, 3, "us", &format!("with state, in the threads {thread}"));
    }
    row("state_to_none", with.per_line() / without.per_line(), 3, "times", "with against without");
    Ok(())
}

/// What was used over all rounds.
#[derive(Default)]
struct Sum {
    lines: u64,
    threads: BTreeMap<String, Duration>,
}

impl Sum {
    /// Microseconds.
    fn per_line(&self) -> f64 {
        self.threads.values().sum::<Duration>().as_secs_f64() * 1e6 / float(self.lines)
    }
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
