//! What receivers get: a real Alertmanager, and servers that do what servers do.
//!
//! Times are scaled to seconds. What takes hours is tested on simulated time, beside the state machine
//! (`src/notify/delivery/tests.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

#[path = "../agent/agent.rs"]
#[expect(dead_code, reason = "shared with the tests of the agent, which need all of it")]
mod agent;

mod alertmanager;
mod away;
mod certificates;
mod command;
mod from_agent;
mod program;
mod running;
mod server;
mod tls;
mod webhook;
