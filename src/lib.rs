//! gatelog follows nginx's log of client certificates and makes every failed verification visible.
//!
//! The binary is thin over this library. Data flows one way, a folder per stage: `source` (lines),
//! the crate `gatelog-parsers` (records), `event`, `ledger`, and then what shows and serves them.

pub mod agent;
pub mod clock;
pub mod commands;
pub mod config;
pub mod diagnostic;
pub mod escape;
pub mod event;
pub mod http;
pub mod ledger;
pub mod limits;
pub mod nginx;
pub mod notify;
pub mod reader;
pub mod rules;
pub mod setup;
pub mod show;
pub mod source;
pub mod store;
