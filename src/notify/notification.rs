//! What is told to a receiver: an alert that fired or was resolved; and as bytes, for the durable queue.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::rules::{Alert, Severity, State};

/// One change of one alert, for one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The same over retries and restarts, unique for the receiver; letters, digits, `-` and `_`.
    pub id: String,
    /// The alert as it came to be, firing or resolved.
    pub alert: Alert,
}

/// Why bytes are no notification.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// They are damaged.
    #[error("damaged: {0}")]
    Item(#[from] minicbor::decode::Error),
    /// A state or severity that this version does not know.
    #[error("unknown {0}")]
    Unknown(&'static str),
}

type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// As it is stored. The numbers of fields never change their meaning; a later version adds fields at
/// the end.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Stored<'a> {
    #[b(0)]
    id: &'a str,
    #[b(1)]
    rule: &'a str,
    #[b(2)]
    severity: &'a str,
    #[b(3)]
    state: &'a str,
    #[n(4)]
    time: i64,
    #[n(5)]
    starts_at: i64,
    #[n(6)]
    ends_at: Option<i64>,
    #[b(7)]
    labels: Pairs<'a>,
    #[b(8)]
    group: Pairs<'a>,
    #[b(9)]
    annotations: Pairs<'a>,
    #[n(10)]
    value: f64,
    #[b(11)]
    reason: &'a str,
}

impl Notification {
    /// For the durable queue: CBOR (RFC 8949).
    pub fn to_bytes(&self) -> Vec<u8> {
        let Notification { id, alert } = self;
        let stored = Stored {
            id,
            rule: &alert.rule,
            severity: alert.severity.as_str(),
            state: alert.state.as_str(),
            time: alert.time,
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            labels: borrowed(&alert.labels),
            group: borrowed(&alert.group),
            annotations: borrowed(&alert.annotations),
            value: alert.value,
            reason: &alert.reason,
        };
        let mut bytes = Vec::new();
        // A vector takes everything, and none of these types refuses.
        let _infallible = minicbor::encode(&stored, &mut bytes);
        bytes
    }

    /// What [`Notification::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`NotificationError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Notification, NotificationError> {
        let stored: Stored<'_> = minicbor::decode(bytes)?;
        let state = State::ALL.into_iter().find(|state| state.as_str() == stored.state);
        let severity = Severity::ALL.into_iter().find(|it| it.as_str() == stored.severity);
        Ok(Notification {
            id: stored.id.to_owned(),
            alert: Alert {
                rule: Arc::from(stored.rule),
                severity: severity.ok_or(NotificationError::Unknown("severity"))?,
                state: state.ok_or(NotificationError::Unknown("state"))?,
                time: stored.time,
                starts_at: stored.starts_at,
                ends_at: stored.ends_at,
                labels: owned(&stored.labels),
                group: owned(&stored.group),
                annotations: owned(&stored.annotations),
                value: stored.value,
                reason: stored.reason.to_owned(),
            },
        })
    }

    /// The bytes of its texts, and what holds them, roughly.
    pub(super) fn owned_bytes(&self) -> usize {
        let Notification { id, alert } = self;
        let of_pairs = |pairs: &[(String, String)]| -> usize {
            let of_pair = |(name, value): &(String, String)| {
                name.len() + value.len() + size_of::<(String, String)>()
            };
            pairs.iter().map(of_pair).sum()
        };
        size_of::<Notification>()
            + id.len()
            + alert.reason.len()
            + of_pairs(&alert.labels)
            + of_pairs(&alert.group)
            + of_pairs(&alert.annotations)
    }
}

fn borrowed(pairs: &[(String, String)]) -> Pairs<'_> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_alert::test_alert;
    use super::*;

    #[test]
    fn stored_and_read_again() {
        let mut firing = Notification { id: "a-1".to_owned(), alert: test_alert("local", 1_000) };
        firing.alert.value = 0.25;
        let mut resolved = firing.clone();
        resolved.alert.state = State::Resolved;
        resolved.alert.severity = Severity::Page;
        resolved.alert.ends_at = Some(2_000);
        for notification in [firing, resolved] {
            let bytes = notification.to_bytes();
            assert_eq!(Notification::from_bytes(&bytes).unwrap(), notification);
            for length in 0..bytes.len() {
                Notification::from_bytes(&bytes[..length]).unwrap_err();
            }
        }
    }

    #[test]
    fn what_a_later_version_may_say() {
        let notification = Notification { id: "a".to_owned(), alert: test_alert("local", 1) };
        let mut bytes = notification.to_bytes();
        let at = bytes.windows(6).position(|window| window == b"firing").unwrap();
        bytes[at..at + 6].copy_from_slice(b"asleep");
        let error = Notification::from_bytes(&bytes).unwrap_err().to_string();
        assert_eq!(error, "unknown state");
    }
}
