//! What a record says happened at the gate, in nginx's and X.509's words.
//!
//! Plain data and functions: no I/O, no clock. [`judge`] makes a record an event, by [`verdict`]'s
//! table, the facts about its [`server`] and its [`route`]; [`reason`] and [`advice`] say why and
//! what to do.

pub mod advice;
pub mod judge;
pub mod reason;
pub mod route;
pub mod route_pattern;
pub mod server;
pub mod upstream_pattern;
pub mod verdict;

pub use judge::{Certificate, Event, Judge, Scope};
