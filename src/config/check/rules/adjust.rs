//! `[rules]`: the built-in rules, switched and adjusted by name.

use std::time::Duration;

use toml::Spanned;

use super::super::Check;
use super::label_names::LabelNames;
use super::texts::Labels;
use super::{holds, windows};
use crate::config::raw::rules::{RawAdjustment, RawRules};
use crate::config::raw::{Text, Texts};
use crate::rules::adjustment::AdjustError;
use crate::rules::builtin::{self, NAMES};
use crate::rules::{Adjustment, Rules};

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
        let builtin = builtin::rule(name);
        let by = builtin.as_ref().map_or(&[][..], |builtin| &builtin.rule.by);
        let by: Vec<&str> = by.iter().map(|field| field.as_str()).collect();
        let labels = self.labels(raw.labels.as_ref(), place, &Labels::OfRule(&by));
        let named = labels.iter().map(|(name, _)| name.as_str()).chain(by.iter().copied());
        let asked = names.of_rule(named);
        let annotations = self.annotations(raw.annotations.as_ref(), place, &asked);
        let threshold = raw.threshold.as_ref().and_then(|number| {
            let threshold = number.get_ref().fraction();
            let adjustment = Adjustment { name, threshold, ..Adjustment::default() };
            let tried = threshold.ok_or(AdjustError::Whole);
            let tried = tried.and_then(|_| builtin.map_or(Ok(()), |mut it| it.adjust(&adjustment)));
            let title = || format!("`threshold`{place} is out of range");
            self.or_problem(tried, number.span(), title).and(threshold)
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
