//! gatelog
pub mod config;
pub mod diagnostic;
pub mod escape;
pub mod event;
pub mod ledger;
pub mod limits;
pub mod nginx;
pub mod http;
pub mod limits;
