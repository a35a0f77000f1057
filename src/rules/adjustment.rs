//! Which rules an operator wants: built-in ones, adjusted by name, and rules of his own.

use std::time::Duration;

use super::builtin::{Builtin, Condition};
use super::rule::{Kind, Rule, Severity};
use super::template::Template;
use crate::limits::{LEARNING_DEFAULT, RULE_VALUES_MAX};

/// What the configuration says of rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Whether the built-in ones are on, unless one is switched by name.
    pub builtin: bool,
    /// How much of the log must have passed before anything is compared with the past.
    pub learning: Duration,
    /// What is otherwise in built-in rules; each of them at most once.
    pub adjusted: Vec<Adjustment>,
    /// The operator's own, their names unique and none of those of the built-in ones.
    pub rules: Vec<Rule>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { builtin: true, learning: LEARNING_DEFAULT, adjusted: Vec::new(), rules: Vec::new() }
    }
}

impl Rules {
    /// The built-in rules as they are to be, those that are off included.
    pub fn builtin(&self) -> Vec<Builtin> {
        let mut builtin = super::builtin::rules();
        for rule in &mut builtin {
            rule.is_on &= self.builtin;
            let adjustment = self.adjusted.iter().find(|it| *it.name == *rule.rule.name);
            let adjusted = adjustment.map_or(Ok(()), |adjustment| rule.adjust(adjustment));
            debug_assert!(adjusted.is_ok(), "{adjustment:?} was not tried");
        }
        builtin
    }
}

/// What is otherwise in a built-in rule; what is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adjustment {
    /// One of [`super::builtin::NAMES`].
    pub name: &'static str,
    /// Whether it is on.
    pub enable: Option<bool>,
    /// How urgent it is.
    pub severity: Option<Severity>,
    /// What its share or its count is to reach.
    pub threshold: Option<f64>,
    /// As in [`Rule`].
    pub window_millis: Option<i64>,
    /// As in [`Rule`].
    pub for_millis: Option<i64>,
    /// As in [`Rule`].
    pub keep_firing_for_millis: Option<i64>,
    /// Further labels; their order is that of their names.
    pub labels: Vec<(String, String)>,
    /// Texts that take the place of gatelog's.
    pub annotations: Vec<(String, Template)>,
}

/// Why a threshold is none for a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdjustError {
    /// The rule compares with nothing that is one number.
    #[error("expected none: this rule has no threshold")]
    NoThreshold,
    /// The rule's is a share.
    #[error("expected a share, more than 0, at most 1")]
    Share,
    /// The rule's is a number of things.
    #[error("expected a whole number, at least 1")]
    Whole,
    /// More different values than are told apart.
    #[error("expected at most {RULE_VALUES_MAX}")]
    TooMany,
}

impl Builtin {
    /// Takes over what is otherwise.
    ///
    /// # Errors
    /// [`AdjustError`] when it cannot have that threshold; the rest is taken over all the same.
    pub fn adjust(&mut self, adjustment: &Adjustment) -> Result<(), AdjustError> {
        let rule = &mut self.rule;
        self.is_on = adjustment.enable.unwrap_or(self.is_on);
        rule.severity = adjustment.severity.unwrap_or(rule.severity);
        rule.window_millis = adjustment.window_millis.unwrap_or(rule.window_millis);
        rule.for_millis = adjustment.for_millis.unwrap_or(rule.for_millis);
        let keep = adjustment.keep_firing_for_millis;
        rule.keep_firing_for_millis = keep.unwrap_or(rule.keep_firing_for_millis);
        rule.labels.extend_from_slice(&adjustment.labels);
        rule.annotations.extend_from_slice(&adjustment.annotations);
        adjustment.threshold.map_or(Ok(()), |threshold| self.set_threshold(threshold))
    }

    fn set_threshold(&mut self, to: f64) -> Result<(), AdjustError> {
        match &mut self.special.condition {
            Condition::LockedOut { claims, .. } => {
                *claims = whole(to)?;
                return Ok(());
            }
            Condition::Lockout { sources } => {
                *sources = values(to)?;
                return Ok(());
            }
            _ => {}
        }
        match &mut self.rule.kind {
            Kind::Ratio { threshold, .. } if to > 0.0 && to <= 1.0 => *threshold = to,
            Kind::Ratio { .. } => return Err(AdjustError::Share),
            Kind::Count { threshold } => *threshold = whole(to)?,
            Kind::Distinct { threshold, .. } => *threshold = values(to)?,
            Kind::FirstSeen { .. } | Kind::Expiring { .. } | Kind::Absent { .. } => {
                return Err(AdjustError::NoThreshold);
            }
        }
        Ok(())
    }
}

/// A number that was written as a fraction may be none. That of floats is read from their text, for want
/// of a conversion that fails.
fn whole(number: f64) -> Result<u64, AdjustError> {
    let count = if number.fract() == 0.0 { format!("{number:.0}").parse().ok() } else { None };
    count.filter(|count| *count >= 1).ok_or(AdjustError::Whole)
}

/// So many different values, no more than are told apart.
fn values(number: f64) -> Result<u64, AdjustError> {
    let count = whole(number)?;
    if count <= RULE_VALUES_MAX as u64 { Ok(count) } else { Err(AdjustError::TooMany) }
}

#[cfg(test)]
mod tests {
    use super::super::builtin;
    use super::*;

    #[test]
    fn thresholds_of_each_sort() {
        let check = |name: &'static str, threshold: f64, expected: Result<(), AdjustError>| {
            let adjustment =
                Adjustment { name, threshold: Some(threshold), ..Adjustment::default() };
            let mut rule = builtin::rule(name).unwrap();
            let before = rule.clone();
            assert_eq!(rule.adjust(&adjustment), expected, "{name} {threshold}");
            assert_eq!(rule != before, expected.is_ok(), "{name} {threshold}");
        };
        check("route_failure_ratio", 0.2, Ok(()));
        check("route_failure_ratio", 1.0, Ok(()));
        check("route_failure_ratio", 5.0, Err(AdjustError::Share));
        check("misdirected_requests", 7.0, Ok(()));
        check("misdirected_requests", 2.5, Err(AdjustError::Whole));
        check("misdirected_requests", f64::NAN, Err(AdjustError::Whole));
        check("misdirected_requests", f64::INFINITY, Err(AdjustError::Whole));
        check("misdirected_requests", 0.0, Err(AdjustError::Whole));
        check("certificate_shared", 64.0, Ok(()));
        check("certificate_shared", 65.0, Err(AdjustError::TooMany));
        check("known_client_locked_out", 5.0, Ok(()));
        check("route_lockout", 4.0, Ok(()));
        check("log_silent", 4.0, Err(AdjustError::NoThreshold));
        check("certificate_expiring", 4.0, Err(AdjustError::NoThreshold));
    }

    #[test]
    fn what_is_said_takes_effect_and_nothing_else() {
        let on = |rules: &Rules| -> Vec<String> {
            let on = rules.builtin().into_iter().filter(|it| it.is_on);
            on.map(|it| it.rule.name.to_string()).collect()
        };
        let mut rules = Rules::default();
        assert_eq!(rules.builtin(), builtin::rules());
        rules.builtin = false;
        assert_eq!(on(&rules), [""; 0]);
        let enable = |name, enable| Adjustment { name, enable: Some(enable), ..Default::default() };
        rules.adjusted = vec![enable("tls_deprecated", true)];
        assert_eq!(on(&rules), ["tls_deprecated"]);
        rules = Rules { adjusted: vec![enable("clock_skew", false)], ..Rules::default() };
        assert_eq!(on(&rules).len(), builtin::rules().iter().filter(|it| it.is_on).count() - 1);
        rules.adjusted = vec![Adjustment {
            name: "clock_skew",
            severity: Some(Severity::Ticket),
            window_millis: Some(1),
            for_millis: Some(2),
            keep_firing_for_millis: Some(3),
            labels: vec![("team".into(), "x".into())],
            annotations: vec![("side".into(), Template::parse("y").unwrap())],
            ..Adjustment::default()
        }];
        let adjusted = rules.builtin();
        let rule = &adjusted.iter().find(|it| &*it.rule.name == "clock_skew").unwrap().rule;
        assert_eq!(rule.severity, Severity::Ticket);
        let millis = [rule.window_millis, rule.for_millis, rule.keep_firing_for_millis];
        assert_eq!(millis, [1, 2, 3]);
        assert_eq!((rule.labels.len(), rule.annotations.len()), (1, 1));
        let before = builtin::rules();
        assert_eq!(adjusted.iter().zip(&before).filter(|(a, b)| a != b).count(), 1);
    }
}
