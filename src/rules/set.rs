//! Which rules are in force, as an operator chooses them.

use std::time::Duration;

use super::rule::{Rule, Severity};
use super::template::Template;

/// How long rules that compare with the past learn, unless the configuration says otherwise.
pub const LEARNING_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// The built-in rules, what is otherwise in them, and those of the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Whether the built-in ones are in force.
    pub builtin: bool,
    /// Time of log for which rules that compare with the past only learn.
    pub learning: Duration,
    /// What is otherwise in the built-in ones; each of them at most once.
    pub adjusted: Vec<Adjustment>,
    /// The operator's, their names unique and none of those of the built-in ones.
    pub rules: Vec<Rule>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { builtin: true, learning: LEARNING_DEFAULT, adjusted: Vec::new(), rules: Vec::new() }
    }
}

/// What is otherwise in a built-in rule; what is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adjustment {
    /// One of [`super::builtin_names::NAMES`].
    pub name: &'static str,
    /// Whether it is in force.
    pub enable: Option<bool>,
    /// How urgent it is.
    pub severity: Option<Severity>,
    /// A number above 0, whatever it counts: a share, events, values.
    pub threshold: Option<f64>,
    /// As in [`Rule`].
    pub window_millis: Option<i64>,
    /// As in [`Rule`].
    pub for_millis: Option<i64>,
    /// As in [`Rule`].
    pub keep_firing_for_millis: Option<i64>,
    /// Further labels; their order is that of their names.
    pub labels: Vec<(String, String)>,
    /// Those that take the place of the rule's own.
    pub annotations: Vec<(String, Template)>,
}
