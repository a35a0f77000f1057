//! Tests of rules: `[[test]]`.

use std::collections::BTreeSet;
use std::time::Duration;

use gatelog_parsers::time_stamp::parse_time_iso8601;
use toml::Spanned;

use super::{Check, place_of};
use crate::config::checked::{Config, Format};
use crate::config::document::Document;
use crate::config::duration::parse_duration;
use crate::config::problem::Problem;
use crate::config::raw::Text;
use crate::config::raw::rule_tests::{RawExpect, RawRuleTest, RawRuleTests};
use crate::config::rule_tests::{At, Expect, RuleTest, TestLog};
use crate::limits::{RULE_TEST_EXPECT_MAX, RULE_TESTS_MAX, RULE_WINDOW_MAX};
use crate::rules::State;
use crate::rules::builtin::NAMES;

/// Checks the tests that stand beside a configuration.
pub(in crate::config) fn rule_tests(
    text: &str,
    document: Document<RawRuleTests>,
    config: &Config,
) -> (Vec<RuleTest>, Vec<Problem>) {
    let Document { raw, problems, lost, .. } = document;
    let lookup = &|name: &str| std::env::var_os(name);
    let mut check = Check { text, lookup, problems, lost, patterns: Vec::new() };
    let raw = raw.test.as_deref().unwrap_or_default();
    check.at_most(raw, "[[test]]", RULE_TESTS_MAX);
    let own = config.rules.rules.iter().map(|rule| &*rule.name);
    let rules: BTreeSet<&str> = NAMES.into_iter().chain(own).collect();
    let mut names: Vec<Text> = Vec::new();
    let mut tests = Vec::new();
    for table in raw.iter().take(RULE_TESTS_MAX) {
        if let Some(name) = &table.get_ref().name {
            check.unique(name.clone(), &mut names, |it| format!("two tests are called `{it}`"));
        }
        tests.extend(check.rule_test(table, &rules));
    }
    (tests, check.problems)
}

impl Check<'_> {
    fn rule_test(
        &mut self,
        table: &Spanned<RawRuleTest>,
        rules: &BTreeSet<&str>,
    ) -> Option<RuleTest> {
        let raw = table.get_ref();
        let place = &place_of("test", raw.name.as_ref());
        let start = table.span().start;
        let name = raw.name.as_ref().and_then(|name| self.name(name, "name", place));
        if raw.name.is_none() && !self.is_lost(start, "name") {
            self.problem(table.span(), "a test has no `name`", "expected `name = \"...\"`");
        }
        let format = raw.log_format.as_ref().map(|text| self.format(text, "log_format", place));
        let log = self.test_log(table, place);
        let learning = raw.learning.as_ref().and_then(|text| self.learning(text, place));
        let expected = raw.expect.as_deref().unwrap_or_default();
        self.at_most(expected, "[[test.expect]]", RULE_TEST_EXPECT_MAX);
        if expected.is_empty() && !self.is_lost(start, "expect") {
            let label = "expected which alerts there are to be, or not to be";
            self.problem(table.span(), format!("no `[[test.expect]]`{place}"), label);
        }
        let expected = expected.iter().take(RULE_TEST_EXPECT_MAX);
        let expect = expected.filter_map(|table| self.expect(table, place, rules)).collect();
        Some(RuleTest {
            name: name?,
            format: format.unwrap_or(Format::Auto),
            log: log?,
            learning,
            expect,
            span_bytes: table.span(),
        })
    }

    fn test_log(&mut self, table: &Spanned<RawRuleTest>, place: &str) -> Option<TestLog> {
        let raw = table.get_ref();
        let is_lost = |key| self.is_lost(table.span().start, key);
        match (&raw.lines, &raw.log) {
            (Some(lines), None) => Some(TestLog::Lines(lines.get_ref().clone())),
            (None, Some(log)) => self.path(log, "log", place).map(TestLog::File),
            (Some(_), Some(log)) => {
                let title = format!("`log` beside `lines`{place}");
                self.problem(log.span(), title, "expected one of the two");
                None
            }
            (None, None) if is_lost("lines") || is_lost("log") => None,
            (None, None) => {
                let label = "expected some of a log, or the name of one";
                self.problem(table.span(), format!("no `lines` and no `log`{place}"), label);
                None
            }
        }
    }

    fn learning(&mut self, text: &Text, place: &str) -> Option<Duration> {
        let found = parse_duration(text.get_ref());
        let title = || format!("`learning`{place} is no duration");
        let found = self.or_problem(found, text.span(), title)?;
        if found > RULE_WINDOW_MAX {
            let title = format!("`learning`{place} is out of range");
            self.problem(text.span(), title, "expected at most 30d");
            return None;
        }
        Some(found)
    }

    fn expect(
        &mut self,
        table: &Spanned<RawExpect>,
        place: &str,
        rules: &BTreeSet<&str>,
    ) -> Option<Expect> {
        let raw = table.get_ref();
        let test = place.strip_prefix(" in ").unwrap_or(place);
        let place = &format!(" in `[[test.expect]]` of {test}");
        for (key, is_there, example) in [
            ("at", raw.at.is_some(), "at = \"5m\""),
            ("rule", raw.rule.is_some(), "rule = \"route_lockout\""),
        ] {
            if !is_there && !self.is_lost(table.span().start, key) {
                let label = format!("expected `{example}`");
                self.problem(table.span(), format!("no `{key}`{place}"), label);
            }
        }
        let at = raw.at.as_ref().and_then(|text| self.at(text, place));
        let choices: Vec<(&str, Option<&str>)> =
            rules.iter().map(|name| (*name, Some(*name))).collect();
        let rule = raw.rule.as_ref().and_then(|text| self.choice(text, "rule", place, &choices));
        let state = raw.state.as_ref().map_or(Some(Some(State::Firing)), |text| {
            let states = State::ALL.map(|state| (state.as_str(), Some(Some(state))));
            let [pending, firing, resolved] = states;
            let choices = [pending, firing, resolved, ("inactive", Some(None))];
            self.choice(text, "state", place, &choices)
        });
        let labels = raw.labels.iter().flat_map(|labels| labels.get_ref());
        let labels = labels.map(|(name, value)| (name.get_ref().clone(), value.get_ref().clone()));
        Some(Expect {
            at: at?,
            rule: rule?.to_owned(),
            state: state?,
            labels: labels.collect(),
            span_bytes: table.span(),
        })
    }

    fn at(&mut self, text: &Text, place: &str) -> Option<At> {
        let expected = "expected a time after the first line, such as `5m`, or one like \
                        `2026-12-01T06:00:00Z`";
        let after = parse_duration(text.get_ref()).ok();
        let after = after.and_then(|after| i64::try_from(after.as_millis()).ok());
        let time = || parse_time_iso8601(text.get_ref().as_bytes());
        let at = after.map(At::After).or_else(|| time().map(At::Time));
        self.or_problem(at.ok_or(expected), text.span(), || format!("`at`{place} is no time"))
    }
}
