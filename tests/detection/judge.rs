//! Holds what `backtest` said against what the generator knows.
//!
//! A message is a transition to `firing`. It belongs to an expected one when the rule is the same, the
//! incident has begun, no label of the alert contradicts what the incident is about, and the alert names
//! it: by one of its labels at least, or in its summary.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::labels::Label;

/// A line of `backtest`.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    /// When, by the log.
    pub(crate) time: Timestamp,
    /// The rule.
    pub(crate) rule: String,
    /// `pending`, `firing` or `resolved`.
    pub(crate) state: String,
    /// By name.
    pub(crate) labels: BTreeMap<String, String>,
    /// `page` or `ticket`.
    pub(crate) severity: String,
    /// What it says.
    pub(crate) summary: String,
}

/// What became of one expected message.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The incident.
    pub(crate) incident: String,
    /// The rule that should have found it.
    pub(crate) rule: String,
    /// From its beginning to the first message, if one came in time.
    pub(crate) delay: Option<SignedDuration>,
    /// How many messages came.
    pub(crate) messages: usize,
}

/// The judgement on one log.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// In the order of the labels; those that nobody may speak of are left out.
    pub(crate) outcomes: Vec<Outcome>,
    /// What is not as it should be, in words.
    pub(crate) problems: Vec<String>,
}

/// Reads the lines of `backtest`.
pub(crate) fn transitions(out: &str) -> Vec<Transition> {
    out.lines().map(transition).collect()
}

fn transition(line: &str) -> Transition {
    let object: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
    let labels = object["labels"].as_object().unwrap_or_else(|| panic!("{line}"));
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let transition = Transition {
        time: text(&object["time"]).parse().unwrap(),
        rule: text(&object["rule"]),
        state: text(&object["state"]),
        severity: text(&object["severity"]),
        summary: text(&object["summary"]),
        labels,
    };
    assert_eq!(transition.labels.get("alertname"), Some(&transition.rule), "{line}");
    assert_eq!(transition.labels.get("severity"), Some(&transition.severity), "{line}");
    assert!(["pending", "firing", "resolved"].contains(&transition.state.as_str()), "{line}");
    transition
}

/// Judges the transitions of one log.
pub(crate) fn judge(labels: &[Label], transitions: &[Transition]) -> Judgement {
    let mut judgement = Judgement::default();
    let messages: Vec<_> = transitions.iter().filter(|it| it.state == "firing").collect();
    if !transitions.is_sorted_by_key(|it| it.time) {
        judgement.problems.push("the transitions are not in the order of time".to_owned());
    }
    let (silent, expected): (Vec<&Label>, Vec<&Label>) =
        labels.iter().partition(|label| label.rule == "-");
    let mut found = vec![Vec::new(); expected.len()];
    for message in messages {
        // Of two that fit, the one that began last.
        let fitting = expected.iter().enumerate().filter(|(_, label)| is_of(message, label));
        match fitting.max_by_key(|(_, label)| label.start) {
            Some((index, _)) => found[index].push(message),
            None => judgement.problems.push(format!("a false alarm: {}", shown(message))),
        }
        for label in silent.iter().filter(|label| speaks_of(message, label)) {
            let name = label.cn().unwrap_or_default();
            judgement.problems.push(format!("it names {name}: {}", shown(message)));
        }
    }
    for (label, found) in expected.into_iter().zip(found) {
        judgement.add(label, &found);
    }
    judgement
}

impl Judgement {
    fn add(&mut self, label: &Label, found: &[&Transition]) {
        let Label { incident, rule, end, messages, .. } = label;
        let first = found.iter().find(|it| it.time <= *end);
        let delay = first.map(|it| it.time.duration_since(label.start));
        let mut problem = |text: String| self.problems.push(format!("{incident}, {rule}: {text}"));
        match (first, found.first()) {
            (None, None) => problem(format!("nothing from {} to {end}", label.start)),
            (None, Some(late)) => problem(format!("only at {}, not until {end}", late.time)),
            (Some(_), _) => {}
        }
        if !found.is_empty() && found.len() != *messages {
            let times: Vec<_> = found.iter().map(|it| it.time.to_string()).collect();
            problem(format!(
                "{} messages instead of {messages}: {}",
                found.len(),
                times.join(", ")
            ));
        }
        for message in found.iter().filter(|it| it.severity != label.severity) {
            problem(format!("a {} instead of a {}", message.severity, label.severity));
        }
        let (incident, rule) = (incident.clone(), rule.clone());
        self.outcomes.push(Outcome { incident, rule, delay, messages: found.len() });
    }
}

/// Whether a message is one of these that are expected.
fn is_of(message: &Transition, label: &Label) -> bool {
    let mut shared = label.about.iter().filter_map(|(name, value)| {
        let told = message.labels.get(name)?;
        Some(told == value)
    });
    let agrees = shared.clone().all(|same| same);
    let is_named = shared.any(|same| same)
        || label.about.is_empty()
        || label.cn().is_some_and(|cn| message.summary.contains(cn))
        || label.about.values().any(|value| message.summary.contains(value.as_str()));
    message.rule == label.rule && message.time >= label.start && agrees && is_named
}

/// Whether a message is about somebody of whom none may be.
fn speaks_of(message: &Transition, label: &Label) -> bool {
    let is_labelled =
        label.about.iter().any(|(name, value)| message.labels.get(name) == Some(value));
    is_labelled || label.cn().is_some_and(|cn| message.summary.contains(cn))
}

fn shown(message: &Transition) -> String {
    let Transition { time, rule, labels, summary, .. } = message;
    format!("{time} {rule} {labels:?} {summary:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels;

    const HEAD: &str = "incident\tstart\tend\trule\tseverity\tmessages\tserver\tsubject_dn\n";

    /// Labels and transitions, each written as short as can be; `problems` are the beginnings of those
    /// that are found.
    fn check(written: &[&str], said: &[&str], expected: &[&str]) -> Judgement {
        let day = |time: &str| format!("2026-11-24T{time}:00Z");
        let line = |text: &&str| {
            let fields: Vec<&str> = text.split('|').collect();
            let (start, end) = (day(fields[1]), day(fields[2]));
            format!("{}\t{start}\t{end}\t{}\n", fields[0], fields[3..].join("\t"))
        };
        let text: String =
            std::iter::once(HEAD.to_owned()).chain(written.iter().map(line)).collect();
        let object = |text: &&str| {
            let fields: Vec<&str> = text.split('|').collect();
            let (rule, severity) = (fields[1], fields[3]);
            let mut labels = serde_json::json!({ "alertname": rule, "severity": severity });
            for pair in fields[4].split(';').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap();
                labels[name] = value.into();
            }
            let object = serde_json::json!({
                "time": day(fields[0]), "rule": rule, "state": fields[2], "labels": labels,
                "value": 1, "severity": severity, "summary": fields[5],
            });
            format!("{object}\n")
        };
        let said: String = said.iter().map(object).collect();
        let judgement = judge(&labels::parse(&text), &transitions(&said));
        let problems = &judgement.problems;
        let as_expected = problems.len() == expected.len()
            && problems.iter().zip(expected).all(|(found, start)| found.starts_with(start));
        assert!(as_expected, "{problems:#?} instead of {expected:#?}");
        judgement
    }

    const LOCKED_OUT: &str = "expired|12:00|12:05|locked_out|page|1|api|CN=a,O=x";

    #[test]
    fn one_message_in_time_is_as_it_should_be() {
        let said = [
            "12:01|locked_out|pending|page|server=api;subject_dn=CN=a,O=x|a is locked out",
            "12:02|locked_out|firing|page|server=api;subject_dn=CN=a,O=x|a is locked out",
            "12:40|locked_out|resolved|page|server=api;subject_dn=CN=a,O=x|a is let in",
        ];
        let judgement = check(&[LOCKED_OUT], &said, &[]);
        assert_eq!(judgement.outcomes[0].delay, Some(SignedDuration::from_mins(2)));
        assert_eq!(judgement.outcomes[0].messages, 1);
        // A rule may group by less, or name whom it is about in words alone.
        check(&[LOCKED_OUT], &["12:02|locked_out|firing|page|server=api|locked out"], &[]);
        check(&[LOCKED_OUT], &["12:02|locked_out|firing|page||a is locked out"], &[]);
        check(&[LOCKED_OUT], &["12:02|locked_out|firing|page|route=/x;server=api|"], &[]);
    }

    #[test]
    fn what_is_missing_late_or_repeated_is_told() {
        let message = |time: &str| {
            format!("{time}|locked_out|firing|page|subject_dn=CN=a,O=x|a is locked out")
        };
        let check = |times: &[&str], expected: &[&str]| {
            let said: Vec<_> = times.iter().map(|time| message(time)).collect();
            let said: Vec<&str> = said.iter().map(String::as_str).collect();
            check(&[LOCKED_OUT], &said, expected)
        };
        let missing = check(&[], &["expired, locked_out: nothing from"]);
        assert_eq!(missing.outcomes[0].delay, None);
        check(&["12:06"], &["expired, locked_out: only at 2026-11-24T12:06"]);
        check(&["12:02", "13:00"], &["expired, locked_out: 2 messages instead of 1"]);
        check(&["11:59"], &["a false alarm", "expired, locked_out: nothing"]);
        check(&["12:05"], &[]);
    }

    #[test]
    fn what_is_about_something_else_is_a_false_alarm() {
        let told = |text: &str| {
            check(&[LOCKED_OUT], &[text], &["a false alarm", "expired, locked_out: nothing"]);
        };
        told("12:02|locked_out|firing|page|server=api;subject_dn=CN=b,O=x|a is locked out");
        told("12:02|locked_out|firing|page|server=admin|a is locked out");
        told("12:02|locked_out|firing|page||somebody is locked out");
        told("12:02|expiring|firing|page|server=api;subject_dn=CN=a,O=x|a is locked out");
        check(&[], &["12:02|x|firing|page||"], &["a false alarm"]);
        check(&[], &["12:02|x|pending|page||", "12:03|x|resolved|page||"], &[]);
    }

    #[test]
    fn severity_silence_and_order_count() {
        let ticket = "12:02|locked_out|firing|ticket|server=api|a";
        check(&[LOCKED_OUT], &[ticket], &["expired, locked_out: a ticket instead of a page"]);
        let digest = "expiring|12:00|13:00|ends|ticket|1||CN=a,O=x";
        let renewed = "expiring|12:00|13:00|-|-|0||CN=b,O=x";
        let check = |said: &[&str], expected: &[&str]| check(&[digest, renewed], said, expected);
        check(&["12:02|ends|firing|ticket||a ends soon"], &[]);
        check(&["12:02|ends|firing|ticket||a ends soon, CN=b"], &["it names b"]);
        check(&["12:02|ends|firing|ticket||b and a"], &["it names b"]);
        let late = "12:02|ends|firing|ticket||a ends soon";
        let early = "11:02|ends|pending|ticket||a ends soon";
        check(&[late, early], &["the transitions are not in the order of time"]);
    }

    #[test]
    fn of_two_that_fit_the_later_one_is_meant() {
        let labels = [
            "first|10:00|10:10|infrastructure|page|1|api|",
            "second|12:00|12:10|infrastructure|page|1|api|",
        ];
        let said = [
            "10:02|infrastructure|firing|page|server=api|",
            "12:03|infrastructure|firing|page|server=api|",
        ];
        let judgement = check(&labels, &said, &[]);
        let messages: Vec<_> = judgement.outcomes.iter().map(|it| it.messages).collect();
        assert_eq!(messages, [1, 1]);
    }
}
