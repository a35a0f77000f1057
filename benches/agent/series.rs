//! A scrape of 10,000 series.

use std::fs;
use std::io::Write;
use std::time::Duration;

use gatelog::clock::Clock;

use crate::agent::{Agent, Pages, Program};
use crate::load::Load;
use crate::usage::Usage;
use crate::{Result, float, milliseconds, share};

/// Routes that make at least 10,000 series: each has one for a verdict and for a policy's reason.
const ROUTES: u32 = 1000;

/// Lines written, of all routes in turn.
const LINES: u32 = 20_000;

/// Scrapes that are timed.
const SCRAPES: u32 = 50;

/// Between two scrapes.
const PAUSE: Duration = Duration::from_millis(20);

/// What it took.
pub(crate) struct Scrapes {
    pub(crate) series: f64,
    pub(crate) median_ms: f64,
    pub(crate) worst_ms: f64,
    pub(crate) cpu_ms: f64,
    /// In the thread that reads the logs.
    pub(crate) stall_ms: f64,
}

/// Fills an agent with routes and scrapes it while nothing else happens.
pub(crate) fn measure(program: &Program<'_>, load: &Load) -> Result<Scrapes> {
    fs::write(program.at("gatelog.toml"), format!("[routes]\nlimit = {}\n", ROUTES + 50))?;
    let mut log = fs::File::create(program.at("routes.log"))?;
    let mut bytes = Vec::new();
    for (route, line) in (0..LINES).map(|line| line % ROUTES).zip(load.lines()) {
        bytes.extend_from_slice(&with_route(line, route));
    }
    log.write_all(&bytes)?;
    let arguments = ["--config", "gatelog.toml", "--from", "beginning", "routes.log"];
    let agent = Agent::start(program, &arguments)?;
    agent.counts(u64::from(LINES))?;

    let mut pages = Pages::connect(agent.address())?;
    let page = pages.page("/metrics")?;
    let series = page.body.lines().filter(|line| !line.starts_with('#')).count() as u64;
    let usage = Usage::watch(agent.id())?;
    let mut times_ms = Vec::new();
    for _ in 0..SCRAPES {
        let clock = Clock::system();
        pages.page("/metrics")?;
        times_ms.push(milliseconds(clock.monotonic().since_start()));
        std::thread::sleep(PAUSE);
    }
    let usage = usage.end()?;
    let reading = usage.threads.get("follow").copied().unwrap_or_default().time;
    Ok(Scrapes {
        series: float(series),
        median_ms: share(&mut times_ms, 0.5),
        worst_ms: share(&mut times_ms, 1.0),
        cpu_ms: milliseconds(usage.total() / SCRAPES),
        stall_ms: milliseconds(reading / SCRAPES),
    })
}

/// The line with another path: what stands between a quoted method and ` HTTP/`.
fn with_route(line: &[u8], route: u32) -> Vec<u8> {
    let path = format!("/service/{}", letters(route));
    let start = memchr::memmem::find(line, b" /");
    let end = memchr::memmem::find(line, b" HTTP/");
    match (start, end) {
        (Some(start), Some(end)) if start < end => {
            let before = line.get(..=start).unwrap_or_default();
            [before, path.as_bytes(), line.get(end..).unwrap_or_default()].concat()
        }
        _ => line.to_vec(),
    }
}

/// A word that no route template takes for an identifier.
fn letters(mut number: u32) -> String {
    let mut word = String::new();
    for _ in 0..3 {
        let letter = u8::try_from(number % 26).unwrap_or_default();
        word.push(char::from(b'a' + letter));
        number /= 26;
    }
    word
}
