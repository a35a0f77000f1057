//! The body of Alertmanager's webhooks, version 4 (its `notify/webhook` and `template` packages), so
//! that whatever takes those takes ours.

use serde::Serialize;

use super::alertmanager::{json, pairs};
use super::delivery::Key;
use crate::rules::{Alert, State};
use crate::show::time::rfc3339_millis;

/// What Alertmanager writes for the end of an alert that has none.
const NO_END: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'a str,
    #[serde(serialize_with = "pairs")]
    group_labels: &'a [(String, String)],
    #[serde(serialize_with = "pairs")]
    common_labels: &'a [(String, String)],
    #[serde(serialize_with = "pairs")]
    common_annotations: &'a [(String, String)],
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: [BodyAlert<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BodyAlert<'a> {
    status: &'static str,
    #[serde(serialize_with = "pairs")]
    labels: &'a [(String, String)],
    #[serde(serialize_with = "pairs")]
    annotations: &'a [(String, String)],
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// A group: the rule, and what it groups by. A rule has one alert in each.
pub(super) fn key(alert: &Alert) -> Key {
    let mut key = vec![("alertname".to_owned(), alert.rule.to_string())];
    key.extend(alert.group.iter().filter(|(name, _)| name != "alertname").cloned());
    key.sort_unstable();
    key
}

/// The body of a request about one alert, which is a group of its own.
pub(super) fn body(alert: &Alert, receiver: &str, page: &str) -> Vec<u8> {
    let status = status(alert);
    let group = key(alert);
    let ends_at = match alert.state {
        State::Resolved => rfc3339_millis(alert.ends_at.unwrap_or(alert.time)),
        State::Firing | State::Pending => NO_END.to_owned(),
    };
    json(&Body {
        version: "4",
        group_key: group_key(&group),
        truncated_alerts: 0,
        status,
        receiver,
        group_labels: &group,
        common_labels: &alert.labels,
        common_annotations: &alert.annotations,
        external_url: page.split('#').next().unwrap_or_default().trim_end_matches('/'),
        alerts: [BodyAlert {
            status,
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: rfc3339_millis(alert.starts_at),
            ends_at,
            generator_url: page,
            fingerprint: fingerprint(&alert.labels),
        }],
    })
}

pub(super) fn status(alert: &Alert) -> &'static str {
    if alert.state == State::Resolved { "resolved" } else { "firing" }
}

/// `{}:{alertname="x", route="/"}`, as Alertmanager names the groups of its first route.
fn group_key(group: &[(String, String)]) -> String {
    let labels: Vec<String> =
        group.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{}}:{{{}}}", labels.join(", "))
}

/// Of labels that are sorted by name, as Prometheus computes it (`model.LabelSet.Fingerprint`): FNV-1a
/// with 64 bits over names and values, each followed by 255.
fn fingerprint(labels: &[(String, String)]) -> String {
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([255]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::test_alert::test_alert;
    use super::*;

    fn read(alert: &Alert) -> Value {
        serde_json::from_slice(&body(alert, "hook", "http://h:1/#/alerts")).unwrap()
    }

    #[test]
    fn version_4() {
        let mut alert = test_alert("a\"b", 1_795_348_740_123);
        let annotations = json!({
            "advice": alert.annotation("advice"),
            "description": alert.annotation("description"),
            "summary": alert.annotation("summary"),
        });
        let labels = json!({"alertname": "gatelog_test", "host": "a\"b", "severity": "ticket"});
        let mut expected = json!({
            "version": "4",
            "groupKey": r#"{}:{alertname="gatelog_test", host="a\"b"}"#,
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "hook",
            "groupLabels": {"alertname": "gatelog_test", "host": "a\"b"},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": "http://h:1",
            "alerts": [{
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": "2026-11-22T11:59:00.123Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://h:1/#/alerts",
                "fingerprint": fingerprint(&alert.labels),
            }],
        });
        assert_eq!(read(&alert), expected);
        alert.state = State::Resolved;
        alert.ends_at = Some(1_795_348_750_000);
        expected["status"] = json!("resolved");
        expected["alerts"][0]["status"] = json!("resolved");
        expected["alerts"][0]["endsAt"] = json!("2026-11-22T11:59:10.000Z");
        assert_eq!(read(&alert), expected);
    }

    /// What a real Alertmanager calls these labels is held by tests/notify.
    #[test]
    fn fingerprints() {
        assert_eq!(fingerprint(&[]), "cbf29ce484222325");
    }
}
