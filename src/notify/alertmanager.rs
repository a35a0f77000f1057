//! Alertmanager's API version 2: `POST /api/v2/alerts` (its `api/v2/openapi.yaml`), with the times as
//! Prometheus sets them (`notifier/alert.go`, `rules/alerting.go`).

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::delivery::{Batch, Key};
use crate::clock::UnixMilliseconds;
use crate::limits::{ENDS_AT_RESEND_MIN, ENDS_AT_RESENDS};
use crate::rules::{Alert, State};
use crate::show::time::rfc3339_millis;

/// What is added to a member's URL.
pub(super) const PATH: &str = "/api/v2/alerts";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert<'a> {
    #[serde(serialize_with = "pairs")]
    labels: &'a [(String, String)],
    #[serde(serialize_with = "pairs")]
    annotations: &'a [(String, String)],
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
}

/// Alertmanager recognises an alert by its labels.
pub(super) fn key(alert: &Alert) -> Key {
    alert.labels.clone()
}

/// The body of a request. A firing alert ends by itself when it is not told again.
pub(super) fn body(batch: &Batch, page: &str, resend: Duration, now: UnixMilliseconds) -> Vec<u8> {
    let ahead = resend.max(ENDS_AT_RESEND_MIN) * ENDS_AT_RESENDS;
    let ahead = i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX);
    let alerts: Vec<_> = batch
        .items
        .iter()
        .map(|item| {
            let alert = &item.notification.alert;
            let ends_at = match alert.state {
                State::Resolved => alert.ends_at.unwrap_or(alert.time),
                State::Firing | State::Pending => now.0.saturating_add(ahead),
            };
            PostableAlert {
                labels: &alert.labels,
                annotations: &alert.annotations,
                starts_at: rfc3339_millis(alert.starts_at),
                // An end before the start is refused.
                ends_at: rfc3339_millis(ends_at.max(alert.starts_at)),
                generator_url: page,
            }
        })
        .collect();
    json(&alerts)
}

/// Structs of texts and maps can always be written.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Pairs as an object.
pub(super) fn pairs<S: Serializer>(
    pairs: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::entry::Item;
    use super::super::notification::Notification;
    use super::super::test_alert::test_alert;
    use super::*;

    fn sent(alert: Alert, resend_seconds: u64) -> Value {
        let notification = Arc::new(Notification { id: "a".to_owned(), alert });
        let item = Item { key: Vec::new(), id: "a".to_owned(), notification };
        let resend = Duration::from_secs(resend_seconds);
        let now = UnixMilliseconds(1_795_348_800_000);
        let bytes = body(&Batch { items: vec![item] }, "http://h:1/#/alerts", resend, now);
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_firing_alert_ends_four_resends_ahead() {
        let alert = test_alert("a\"b", 1_795_348_740_123);
        let found = sent(alert.clone(), 1);
        let expected = json!([{
            "labels": {"alertname": "gatelog_test", "host": "a\"b", "severity": "ticket"},
            "annotations": {
                "advice": alert.annotation("advice"),
                "description": alert.annotation("description"),
                "summary": alert.annotation("summary"),
            },
            "startsAt": "2026-11-22T11:59:00.123Z",
            "endsAt": "2026-11-22T12:04:00.000Z",
            "generatorURL": "http://h:1/#/alerts",
        }]);
        assert_eq!(found, expected);
        assert_eq!(sent(alert, 300)[0]["endsAt"], "2026-11-22T12:20:00.000Z");
    }

    #[test]
    fn a_resolved_alert_has_its_own_end() {
        let mut alert = test_alert("a", 1_795_348_740_123);
        alert.state = State::Resolved;
        alert.ends_at = Some(1_795_348_750_000);
        assert_eq!(sent(alert.clone(), 60)[0]["endsAt"], "2026-11-22T11:59:10.000Z");
        alert.ends_at = Some(0);
        assert_eq!(sent(alert, 60)[0]["endsAt"], "2026-11-22T11:59:00.123Z");
    }
}
