//! `[rules]`: the built-in rules, switched and adjusted by name.

use std::time::Duration;

use toml::Spanned;

use super::super::Check;
use super::label_names::LabelNames;
use super::texts::Labels;
use super::{holds, windows};
use crate::config::raw::rules::{RawAdjustment, RawRules};
use crate::config::raw::{Text, Texts};
use crate::limits::RULE_THRESHOLD_MAX;
use crate::rules::builtin_names::NAMES;
use crate::rules::{Adjustment, Field, Rules};

const PLACE: &str = " in `[rules]`";

impl Check<'_> {
    pub(super) fn adjusted(&mut self, raw: &RawRules, names: &LabelNames) -> Rules {
        let mut rules = Rules::default();
        rules.builtin = raw.builtin.unwrap_or(rules.builtin);
        if let Some(millis) = self.millis(raw.learning.as_ref(), "learning", PLACE, holds()) {
            rules.learning = Duration::from_millis(millis.unsigned_abs());
        }
        let disabled = self.disabled(raw.disable.as_ref());
        for (name, table) in &raw.adjusted {
            let Some(name) = NAMES.into_iter().find(|known| known == name.get_ref()) else {
                continue;
            };
            let mut adjustment = self.adjustment(name, table, names);
            if disabled.contains(&name) {
                self.enabled_too(name, table);
                adjustment.enable = Some(false);
            }
            rules.adjusted.push(adjustment);
        }
        let is_adjusted =
            |name: &str, rules: &Rules| rules.adjusted.iter().any(|it| it.name == name);
        for name in disabled {
            if !is_adjusted(name, &rules) {
                let enable = Some(false);
                rules.adjusted.push(Adjustment { name, enable, ..Adjustment::default() });
            }
        }
        rules
    }

    fn disabled(&mut self, list: Option<&Texts>) -> Vec<&'static str> {
        let mut known: Vec<Text> = Vec::new();
        let mut disabled = Vec::new();
        for text in self.list(list, "disable", PLACE, NAMES.len()) {
            let choices = NAMES.map(|name| (name, Some(name)));
            disabled.extend(self.choice(text, "disable", PLACE, &choices));
            let title = |name: &str| format!("`disable`{PLACE} has `{name}` twice");
            self.unique(text.clone(), &mut known, title);
        }
        disabled
    }

    fn enabled_too(&mut self, name: &str, table: &Spanned<RawAdjustment>) {
        if let Some(enable) = table.get_ref().enable.as_ref().filter(|enable| *enable.get_ref()) {
            let title = format!("`{name}` is enabled here and disabled{PLACE}");
            self.problem(enable.span(), title, "expected one of the two");
        }
    }

    fn adjustment(
        &mut self,
        name: &'static str,
        table: &Spanned<RawAdjustment>,
        names: &LabelNames,
    ) -> Adjustment {
        let raw = table.get_ref();
        let place = &format!(" in `[rules.{name}]`");
        let labels = self.labels(raw.labels.as_ref(), place, &Labels::BesideAny);
        // Which fields such a rule groups by is its own affair.
        let fields = Field::ALL.map(Field::as_str);
        let named = labels.iter().map(|(name, _)| name.as_str()).chain(fields);
        let asked = names.of_rule(named);
        let annotations = self.annotations(raw.annotations.as_ref(), place, &asked);
        let threshold = raw.threshold.as_ref().and_then(|number| {
            let range = f64::MIN_POSITIVE..=f64::from(RULE_THRESHOLD_MAX);
            let found = number.get_ref().fraction().filter(|number| range.contains(number));
            if found.is_none() {
                let title = format!("`threshold`{place} is out of range");
                let label = format!("expected more than 0, at most {RULE_THRESHOLD_MAX}");
                self.problem(number.span(), title, label);
            }
            found
        });
        Adjustment {
            name,
            enable: raw.enable.as_ref().map(|enable| *enable.get_ref()),
            severity: raw.severity.as_ref().and_then(|text| self.severity(text, place)),
            threshold,
            window_millis: self.millis(raw.window.as_ref(), "window", place, windows()),
            for_millis: self.millis(raw.hold.as_ref(), "for", place, holds()),
            keep_firing_for_millis: self.millis(
                raw.keep_firing_for.as_ref(),
                "keep_firing_for",
                place,
                holds(),
            ),
            labels,
            annotations,
        }
    }
}
