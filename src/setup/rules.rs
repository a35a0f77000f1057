//! The rules that a configuration asks for.

use std::time::Duration;

use crate::config::Config;
use crate::limits::LEARNING_DEFAULT;
use crate::rules::RuleSet;

impl RuleSet {
    /// The rules of a configuration.
    pub fn of(config: &Config) -> RuleSet {
        RuleSet::builtin(millis(LEARNING_DEFAULT), millis(config.lateness))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
