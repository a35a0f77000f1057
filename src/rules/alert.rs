//! An alert: one group of a rule, and its state.

use std::sync::Arc;

use gatelog_parsers::time_stamp::UnixMillis;

use super::rule::Severity;

/// Where an alert is in its life. An inactive one is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The condition holds, but not yet for long enough.
    Pending,
    /// It is to be known.
    Firing,
    /// It was firing.
    Resolved,
}

impl State {
    /// All of them.
    pub const ALL: [State; 3] = [State::Pending, State::Firing, State::Resolved];

    /// The name in JSON and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Firing => "firing",
            State::Resolved => "resolved",
        }
    }
}

/// An alert as it is told to others. All of its texts are safe to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The rule's.
    pub severity: Severity,
    /// Its state.
    pub state: State,
    /// When it came into this state, by the log.
    pub time: UnixMillis,
    /// When it fired; while it is pending, when it began to be.
    pub starts_at: UnixMillis,
    /// When it was resolved.
    pub ends_at: Option<UnixMillis>,
    /// What it is recognised by, sorted by name: `alertname`, `severity`, the labels of `by` and of the
    /// rule. Names are unique, no value is empty.
    pub labels: Vec<(String, String)>,
    /// Those of `labels` that tell the alerts of its rule apart: the fields of `by`, sorted by name.
    pub group: Vec<(String, String)>,
    /// `summary`, `description`, `side`, `advice`, `evidence`, as far as there are any; sorted by name.
    pub annotations: Vec<(String, String)>,
    /// The number that the rule compares, or compared when it fired.
    pub value: f64,
    /// Why it is in this state, in words.
    pub reason: String,
}

impl Alert {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The text of an annotation; empty when there is none.
    pub fn annotation(&self, name: &str) -> &str {
        let found = self.annotations.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, text)| text.as_str())
    }

    /// The same for the same rule, group and start, whatever it has come to since: 16 hex digits.
    pub fn id(&self) -> String {
        let mut text = format!("{} {}", self.starts_at, self.rule);
        for (name, value) in &self.group {
            // Neither can hold this byte.
            text.extend(["\u{0}", name, "\u{0}", value]);
        }
        format!("{:016x}", crate::source::identity::hash(text.as_bytes()))
    }
}
