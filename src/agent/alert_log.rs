//! Changes of alerts in the agent's log: each once, with its reason.

use crate::rules::{Alert, State};
use crate::show::time::rfc3339;

/// Says that an alert has changed.
pub(super) fn say(alert: &Alert) {
    let group: Vec<String> =
        alert.group.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let group = group.join(" ");
    let (rule, severity) = (&*alert.rule, alert.severity.as_str());
    let at = rfc3339(alert.time.div_euclid(1000));
    let (summary, reason) = (alert.annotation("summary"), alert.reason.as_str());
    match alert.state {
        State::Pending => tracing::info!(rule, severity, group, at, reason, "alert is pending"),
        State::Firing => tracing::warn!(rule, severity, group, at, reason, "{summary}"),
        State::Resolved => tracing::info!(rule, severity, group, at, reason, "alert is resolved"),
    }
}
