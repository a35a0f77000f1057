//! What a rule is. How it is written is the configuration's.

use std::sync::Arc;

use super::field::Field;
use super::filter::Filter;
use super::template::Template;

/// A condition, whom it is about, and what to say when it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique; the label `alertname`.
    pub name: Arc<str>,
    /// How urgent it is.
    pub severity: Severity,
    /// Which events it is about.
    pub filter: Filter,
    /// Each combination of values has an alert of its own.
    pub by: Vec<Field>,
    /// The condition.
    pub kind: Kind,
    /// How far back it looks, in milliseconds.
    pub window_millis: i64,
    /// How long the condition must hold before the alert fires, in milliseconds.
    pub for_millis: i64,
    /// How long the alert goes on firing after the condition ceased to hold, in milliseconds.
    pub keep_firing_for_millis: i64,
    /// Labels in addition to those of `by`; their order is that of their names.
    pub labels: Vec<(String, String)>,
    /// `summary`, `description`, `advice`, `side`, where the rule does not leave them to gatelog.
    pub annotations: Vec<(String, Template)>,
}

/// How urgent an alert is: the label `severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It wakes a person.
    Page,
    /// It is dealt with in working hours.
    Ticket,
}

impl Severity {
    /// Both of them.
    pub const ALL: [Severity; 2] = [Severity::Page, Severity::Ticket];

    /// The value of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

/// What a ratio is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Requests over TLS.
    Request,
    /// The first request of each connection, where the log tells; else requests.
    Connection,
}

/// The condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The share of the matching events among all of the group.
    Ratio {
        /// What is counted.
        per: Per,
        /// 0 to 1; reached.
        threshold: f64,
        /// Of the group, in the window.
        min_requests: u64,
        /// Known clients among the matching, in the window.
        min_clients: u64,
        /// At least so many times the group's usual share; 0 asks for nothing.
        times_baseline: f64,
    },
    /// The number of matching events.
    Count {
        /// Reached.
        threshold: u64,
    },
    /// The number of different values of a field.
    Distinct {
        /// The field.
        of: Field,
        /// Reached.
        threshold: u64,
    },
    /// A value of a field that was not seen before in its group.
    FirstSeen {
        /// The field.
        of: Field,
    },
    /// A certificate in use ends soon and has no verified successor of the same subject.
    Expiring {
        /// Before its end, in milliseconds.
        within_millis: i64,
        /// Or this share of its lifetime, whichever is less; 1 asks for nothing.
        share_of_lifetime: f64,
    },
    /// No matching event for the window.
    Absent {
        /// And for so many times the usual gap at this hour; 0 asks for nothing.
        times_usual_gap: f64,
    },
}

impl Kind {
    /// Its name in the configuration.
    pub const fn name(&self) -> &'static str {
        match self {
            Kind::Ratio { .. } => "ratio",
            Kind::Count { .. } => "count",
            Kind::Distinct { .. } => "distinct",
            Kind::FirstSeen { .. } => "first_seen",
            Kind::Expiring { .. } => "expiring",
            Kind::Absent { .. } => "absent",
        }
    }
}
