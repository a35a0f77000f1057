//! The rules that a configuration asks for.

use std::time::Duration;

use crate::config::Config;
use crate::rules::RuleSet;
use crate::rules::set::Ingredients;

impl RuleSet {
    /// The rules of a configuration.
    pub fn of(config: &Config) -> RuleSet {
        RuleSet::new(Ingredients {
            builtin: config.rules.builtin(),
            rules: config.rules.rules.clone(),
            identities: config.identities.clone(),
            rotations: config.rotations.clone(),
            learning_millis: millis(config.rules.learning),
            lateness_millis: millis(config.lateness),
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
