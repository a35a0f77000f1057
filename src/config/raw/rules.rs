//! Rules as written, and what else tells of alerts: `[rules]`, `[[rule]]`, `[[identity]]`,
//! `[[rotation]]`, `[[silence]]`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::{FreeTable, Number, RawWhere, Text, Texts};

/// `[rules]`
#[derive(Debug, Default)]
pub(in crate::config) struct RawRules {
    pub(in crate::config) builtin: Option<bool>,
    pub(in crate::config) disable: Option<Texts>,
    pub(in crate::config) learning: Option<Text>,
    /// `[rules.NAME]`
    pub(in crate::config) adjusted: Vec<(Text, Spanned<RawAdjustment>)>,
}

/// `[rules.NAME]`: what is otherwise in a built-in rule.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAdjustment {
    pub(in crate::config) enable: Option<Spanned<bool>>,
    pub(in crate::config) severity: Option<Text>,
    pub(in crate::config) threshold: Option<Spanned<Number>>,
    pub(in crate::config) window: Option<Text>,
    #[serde(rename = "for")]
    pub(in crate::config) hold: Option<Text>,
    pub(in crate::config) keep_firing_for: Option<Text>,
    pub(in crate::config) labels: Option<FreeTable<Text>>,
    pub(in crate::config) annotations: Option<RawAnnotations>,
}

/// `[[rule]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRule {
    pub(in crate::config) name: Option<Text>,
    pub(in crate::config) kind: Option<Text>,
    #[serde(rename = "where")]
    pub(in crate::config) filter: Option<RawWhere>,
    pub(in crate::config) by: Option<Texts>,
    pub(in crate::config) per: Option<Text>,
    pub(in crate::config) of: Option<Text>,
    pub(in crate::config) threshold: Option<Spanned<Number>>,
    pub(in crate::config) min_requests: Option<Spanned<i64>>,
    pub(in crate::config) min_clients: Option<Spanned<i64>>,
    pub(in crate::config) times_baseline: Option<Spanned<Number>>,
    pub(in crate::config) within: Option<Text>,
    pub(in crate::config) share_of_lifetime: Option<Spanned<Number>>,
    pub(in crate::config) times_usual_gap: Option<Spanned<Number>>,
    pub(in crate::config) window: Option<Text>,
    #[serde(rename = "for")]
    pub(in crate::config) hold: Option<Text>,
    pub(in crate::config) keep_firing_for: Option<Text>,
    pub(in crate::config) severity: Option<Text>,
    pub(in crate::config) labels: Option<FreeTable<Text>>,
    pub(in crate::config) annotations: Option<RawAnnotations>,
}

/// `annotations` of a rule
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAnnotations {
    pub(in crate::config) summary: Option<Text>,
    pub(in crate::config) description: Option<Text>,
    pub(in crate::config) advice: Option<Text>,
    pub(in crate::config) side: Option<Text>,
}

/// `[[identity]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawIdentity {
    pub(in crate::config) subject: Option<Text>,
    pub(in crate::config) owner: Option<Text>,
    pub(in crate::config) retired: Option<bool>,
    pub(in crate::config) labels: Option<FreeTable<Text>>,
}

/// `[[rotation]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRotation {
    pub(in crate::config) from: Option<Text>,
    pub(in crate::config) to: Option<Text>,
}

/// `[[silence]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawSilence {
    #[serde(rename = "where")]
    pub(in crate::config) filter: Option<RawWhere>,
    pub(in crate::config) from: Option<Text>,
    pub(in crate::config) until: Option<Text>,
    pub(in crate::config) comment: Option<Text>,
}

impl<'de> Deserialize<'de> for RawRules {
    /// By hand: a flattened map would lose the places of its values.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(
            "RawRules",
            &["builtin", "disable", "learning"],
            RulesVisitor,
        )
    }
}

struct RulesVisitor;

impl<'de> Visitor<'de> for RulesVisitor {
    type Value = RawRules;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<RawRules, A::Error> {
        let mut rules = RawRules::default();
        while let Some(key) = table.next_key::<Text>()? {
            match key.get_ref().as_str() {
                "builtin" => rules.builtin = table.next_value()?,
                "disable" => rules.disable = table.next_value()?,
                "learning" => rules.learning = table.next_value()?,
                _ => rules.adjusted.push((key, table.next_value()?)),
            }
        }
        Ok(rules)
    }
}
