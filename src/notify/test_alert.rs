//! The alert of `gatelog notify test`: plain to anybody who gets it, and gone at once.

use gatelog_parsers::time_stamp::UnixMillis;

use crate::rules::{Alert, Severity, State};

/// Its rule.
pub(super) const TEST_ALERT: &str = "gatelog_test";

/// A firing alert that says that it is a test; `host` tells who tests.
pub(super) fn test_alert(host: &str, now: UnixMillis) -> Alert {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Alert {
        rule: TEST_ALERT.into(),
        severity: Severity::Ticket,
        state: State::Firing,
        time: now,
        starts_at: now,
        ends_at: None,
        labels: vec![
            pair("alertname", TEST_ALERT),
            pair("host", host),
            pair("severity", Severity::Ticket.as_str()),
        ],
        group: vec![pair("host", host)],
        annotations: vec![
            pair("advice", "Nothing to do. It resolves by itself at once."),
            pair("description", "Somebody ran `gatelog notify test` to see whether alerts arrive."),
            pair("summary", "TEST of gatelog, not an incident"),
        ],
        value: 0.0,
        reason: "gatelog notify test".to_owned(),
    }
}
