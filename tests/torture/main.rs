//! What nobody should do to an agent, done many times: it is killed at any instant while logs are
//! written and rotated; its disk fails. Each test prints its figures.
//!
//! `make test` does each a few times, with a debug build and few lines; `make torture` as often and as
//! fast as the environment says: `GATELOG_KILLS`, `GATELOG_LINES_PER_SECOND`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../agent/agent.rs"]
#[expect(dead_code, reason = "shared with the tests of the agent, which need more of it")]
mod agent;
mod disk;
mod faults;
mod kill;
mod scrape;
mod writer;

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A number that the environment sets.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// One test at a time: they are to be hard on the agent, not on each other.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says a figure, past the capture of the test's output.
fn say(text: &str) {
    std::io::stderr().write_all(format!("torture: {text}\n").as_bytes()).unwrap();
}
