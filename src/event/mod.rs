//! What a record says happened at the gate, in nginx's and X.509's words.
//!
//! Plain data and functions: no I/O, no clock.

pub mod advice;
pub mod reason;
