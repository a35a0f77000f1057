//! Conditions over what was counted, and the alerts that they make.
//!
//! Plain data and functions: no I/O, no clock. Time is that of the log. What a rule decides is a
//! function of the events and of the instant, so that `run`, `backtest` and tests agree.

pub mod alert;
pub mod builtin_names;
pub mod field;
pub mod filter;
pub mod identity;
pub mod issuer_rotation;
pub mod label_filter;
pub mod rule;
pub mod set;
pub mod silence;
pub mod template;

pub use alert::{Alert, State};
pub use field::Field;
pub use filter::Filter;
pub use identity::{Identities, Identity};
pub use issuer_rotation::{IssuerRotation, IssuerRotations};
pub use label_filter::LabelFilter;
pub use rule::{Kind, Rule, Severity};
pub use set::{Adjustment, Rules};
pub use silence::{Silence, Silences};
