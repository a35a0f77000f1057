//! Rules over scripted logs: what fires, when, and what does not.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod builtin;
mod saved;
mod scene;
