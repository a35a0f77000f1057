//! Rules, and what else tells of alerts: identities, announced changes of issuers, silences.

mod adjust;
mod dn;
mod identity;
mod kind;
mod label_names;
mod patterns;
mod silence;
mod texts;
mod values;

use std::sync::Arc;

use toml::Spanned;

use super::{Check, place_of};
use crate::config::nearest::nearest;
use crate::config::problem::Problem;
use crate::config::raw::rules::RawRule;
use crate::config::raw::{RawConfig, Text, Texts};
use crate::limits::{RULE_WINDOW_MAX, RULE_WINDOW_MIN, RULES_MAX};
use crate::rules::builtin::NAMES;
use crate::rules::{Field, Identities, Kind, Rotations, Rule, Rules, Severity, Silences};
pub(super) use label_names::LabelNames;
use texts::Labels;
use values::millis;

/// `window` of a rule that does not say it.
const WINDOW_DEFAULT_MILLIS: i64 = 5 * 60 * 1000;

/// What the configuration says of alerts.
pub(super) struct Alerting {
    pub(super) rules: Rules,
    pub(super) identities: Identities,
    pub(super) rotations: Rotations,
    pub(super) silences: Silences,
}

impl Check<'_> {
    pub(super) fn alerting(&mut self, raw: &RawConfig, names: &LabelNames) -> Alerting {
        let mut rules = raw.rules.as_ref().map(|raw| self.adjusted(raw, names)).unwrap_or_default();
        rules.rules = self.rules(raw.rule.as_deref().unwrap_or_default(), names);
        Alerting {
            rules,
            identities: self.identities(raw.identity.as_deref().unwrap_or_default()),
            rotations: self.rotations(raw.rotation.as_deref().unwrap_or_default()),
            silences: self.silences(raw.silence.as_deref().unwrap_or_default(), names),
        }
    }

    fn rules(&mut self, raw: &[Spanned<RawRule>], names: &LabelNames) -> Vec<Rule> {
        self.at_most(raw, "[[rule]]", RULES_MAX);
        let mut rules = Vec::new();
        let mut known: Vec<Text> = Vec::new();
        for table in raw.iter().take(RULES_MAX) {
            if let Some(name) = &table.get_ref().name {
                self.unique(name.clone(), &mut known, |it| format!("two rules are called `{it}`"));
            }
            rules.extend(self.rule(table, names));
        }
        rules
    }

    fn rule(&mut self, table: &Spanned<RawRule>, names: &LabelNames) -> Option<Rule> {
        let raw = table.get_ref();
        let place = &place_of("rule", raw.name.as_ref());
        let name = self.rule_name(table, place);
        let filter = self.filter(raw.filter.as_ref(), place, names);
        let by = self.by(raw.by.as_ref(), place);
        let kind = self.kind(table, &by, place);
        let window = self.millis(raw.window.as_ref(), "window", place, windows());
        let hold = self.millis(raw.hold.as_ref(), "for", place, holds());
        self.never_holds(raw, kind.as_ref(), hold, window, place);
        let keep = self.millis(raw.keep_firing_for.as_ref(), "keep_firing_for", place, holds());
        let severity = raw.severity.as_ref().and_then(|text| self.severity(text, place));
        let own: Vec<&str> = by.iter().map(|field| field.as_str()).collect();
        let labels = self.labels(raw.labels.as_ref(), place, &Labels::OfRule(&own));
        let named = labels.iter().map(|(name, _)| name.as_str()).chain(own.iter().copied());
        let asked = names.of_rule(named);
        let annotations = self.annotations(raw.annotations.as_ref(), place, &asked);
        Some(Rule {
            name: Arc::from(name?),
            severity: severity.unwrap_or(Severity::Ticket),
            filter,
            by,
            kind: kind?,
            window_millis: window.unwrap_or(WINDOW_DEFAULT_MILLIS),
            for_millis: hold.unwrap_or_default(),
            keep_firing_for_millis: keep.unwrap_or_default(),
            labels,
            annotations,
        })
    }

    /// Says that a rule cannot fire, for its condition does not hold for so long.
    fn never_holds(
        &mut self,
        raw: &RawRule,
        kind: Option<&Kind>,
        hold: Option<i64>,
        window: Option<i64>,
        place: &str,
    ) {
        if let (Some(Kind::FirstSeen { .. }), Some(hold), Some(text)) = (kind, hold, &raw.hold)
            && hold >= window.unwrap_or(WINDOW_DEFAULT_MILLIS)
        {
            let label = "expected less than its `window`: a value is new for no longer";
            self.problem(text.span(), format!("`for`{place} is impossible"), label);
        }
    }

    /// The label `alertname`.
    fn rule_name(&mut self, table: &Spanned<RawRule>, place: &str) -> Option<String> {
        let Some(text) = &table.get_ref().name else {
            if !self.is_lost(table.span().start, "name") {
                let label = "expected `name = \"...\"`, the label `alertname` of its alerts";
                self.problem(table.span(), "a rule has no `name`", label);
            }
            return None;
        };
        let name = self.name(text, "name", place)?;
        if NAMES.contains(&name.as_str()) {
            let title = format!("`{name}` is the name of a built-in rule");
            let label = format!("expected another one; `[rules.{name}]` adjusts the built-in one");
            self.problem(text.span(), title, label);
            return None;
        }
        Some(name)
    }

    fn by(&mut self, list: Option<&Texts>, place: &str) -> Vec<Field> {
        let mut by: Vec<Field> = Vec::new();
        for text in self.list(list, "by", place, Field::ALL.len()) {
            let Some(field) = self.field(text, "by", place) else { continue };
            if by.contains(&field) {
                let title = format!("`by`{place} has `{}` twice", field.as_str());
                self.problem(text.span(), title, "expected each label once");
            } else {
                by.push(field);
            }
        }
        by
    }

    /// A field of events, as a value of `by` and `of`.
    fn field(&mut self, text: &Text, key: &str, place: &str) -> Option<Field> {
        let field = Field::from_name(text.get_ref());
        if field.is_none() {
            let names = Field::ALL.map(Field::as_str);
            let title = format!("`{key}`{place} cannot be `{}`", text.get_ref());
            let near = nearest(text.get_ref(), names);
            let label = near.map_or_else(
                || "expected a field of events".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = Problem::new(text.span(), title, label);
            self.problems.push(problem.note("known", names.join(", ")));
        }
        field
    }

    fn severity(&mut self, text: &Text, place: &str) -> Option<Severity> {
        let choices = Severity::ALL.map(|severity| (severity.as_str(), Some(severity)));
        self.choice(text, "severity", place, &choices)
    }
}

/// What `window` can be, in milliseconds.
fn windows() -> std::ops::RangeInclusive<i64> {
    millis(RULE_WINDOW_MIN)..=millis(RULE_WINDOW_MAX)
}

/// What `for` and `keep_firing_for` can be, in milliseconds.
fn holds() -> std::ops::RangeInclusive<i64> {
    0..=millis(RULE_WINDOW_MAX)
}
