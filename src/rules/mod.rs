//! Conditions over what was counted, and the alerts that they make.
//!
//! Plain data and functions: no I/O, no clock. Time is that of the log. What a rule decides is a
//! function of the events and of the instant, so that `run`, `backtest` and tests agree.

pub mod alert;
pub mod field;
pub mod filter;
pub mod label_filter;
pub mod rule;
pub mod template;

pub use alert::{Alert, State};
pub use field::Field;
pub use filter::Filter;
pub use label_filter::LabelFilter;
pub use rule::{Kind, Rule, Severity};
