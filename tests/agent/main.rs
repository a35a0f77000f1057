//! `gatelog run` and `gatelog parse --follow` as they are built, on real files, sockets and signals.
//! What comes late on a busy machine is waited for, within a generous time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod agent;
mod follow;
mod page;
mod reload;
mod rotation;
mod sandbox;
mod sources;
mod start;
mod torture;
