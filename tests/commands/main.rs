//! The commands from the outside: the built binary over real files and pipes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in helpers of tests a failure is the report"
)]

mod check;
mod inputs;
mod parse;
mod program;
mod rules;
mod threads;
mod wraps;
