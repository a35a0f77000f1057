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

mod alertmanager;
mod away;
mod certificates;
mod command;
mod program;
mod running;
mod server;
mod tls;
mod webhook;
