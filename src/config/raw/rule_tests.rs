//! Tests of rules as written: `[[test]]` of a file beside the configuration.

use serde::Deserialize;
use toml::Spanned;

use super::{FreeTable, Text};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRuleTests {
    pub(in crate::config) test: Option<Vec<Spanned<RawRuleTest>>>,
}

/// `[[test]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRuleTest {
    pub(in crate::config) name: Option<Text>,
    pub(in crate::config) log_format: Option<Text>,
    pub(in crate::config) lines: Option<Text>,
    pub(in crate::config) log: Option<Text>,
    pub(in crate::config) learning: Option<Text>,
    pub(in crate::config) expect: Option<Vec<Spanned<RawExpect>>>,
}

/// `[[test.expect]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawExpect {
    pub(in crate::config) at: Option<Text>,
    pub(in crate::config) rule: Option<Text>,
    pub(in crate::config) state: Option<Text>,
    pub(in crate::config) labels: Option<FreeTable<Text>>,
}
