//! Conditions over what was counted, and the alerts that they make.
//!
//! Plain data and functions: no I/O, no clock. Time is that of the log. What a rule decides is a
//! function of the events and of the instant, so that `run`, `backtest` and tests agree.

pub mod adjustment;
pub mod alert;
pub mod builtin;
mod decide;
mod digest;
pub mod engine;
mod facts;
pub mod field;
pub mod filter;
mod gaps;
mod group;
pub mod identity;
pub mod label_filter;
mod memory;
mod message;
pub mod rule;
pub mod set;
pub mod silence;
mod stored;
pub mod template;
mod traits;
pub mod watch;
mod watched;
mod window;

pub use adjustment::{Adjustment, Rules};
pub use alert::{Alert, State};
pub use engine::Engine;
pub use field::Field;
pub use filter::Filter;
pub use identity::{Identities, Identity, Rotations};
pub use label_filter::LabelFilter;
pub use rule::{Kind, Rule, Severity};
pub use set::RuleSet;
pub use silence::{Silence, Silences};
