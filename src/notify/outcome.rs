//! What an answer means for what was sent.

use std::time::Duration;

use crate::limits::SLOW_DOWN;

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The other side has it.
    Taken,
    /// It is to be sent again, the same: later, and not before this time.
    Retry(Option<Duration>),
    /// The other side does not take this, and never will.
    Refused,
    /// The other side wants nothing any more.
    Gone,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Alertmanager's API, version 2.
    Alertmanager,
    /// A webhook, by Standard Webhooks 1.0.0.
    Webhook,
}

impl Meaning {
    /// Of a status, and of the wait that the answer asks for.
    ///
    /// | status | meaning |
    /// |---|---|
    /// | 2xx | taken |
    /// | 410 | a webhook: nothing more is sent until the next start or reload |
    /// | 429, 502, 504 | a webhook is too busy: again, after what `Retry-After` says, or half a minute |
    /// | 401, 403, 404, 405, 407, 408, 421, 423, 425, 429 | the address, the password or the moment is wrong, not the alert: again |
    /// | other 4xx | the alert itself is not taken: it is dropped, and said |
    /// | all others, redirects too | again |
    pub(super) fn of(protocol: Protocol, status: u16, retry_after: Option<Duration>) -> Meaning {
        let is_webhook = protocol == Protocol::Webhook;
        match status {
            200..=299 => Meaning::Taken,
            410 if is_webhook => Meaning::Gone,
            429 | 502 | 504 if is_webhook => Meaning::Retry(retry_after.or(Some(SLOW_DOWN))),
            401 | 403 | 404 | 405 | 407 | 408 | 410 | 421 | 423 | 425 | 429 => {
                Meaning::Retry(retry_after)
            }
            400..=499 => Meaning::Refused,
            _ => Meaning::Retry(retry_after),
        }
    }
}

/// What became of notifications, for `notifications_total{receiver,outcome}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Taken for the first time, by one member of a cluster at least.
    Delivered,
    /// Taken again: an alert that still fires, or a further member.
    Resent,
    /// A request without success, which is tried again.
    Failed,
    /// Not taken, and never will be.
    Refused,
    /// Left out for want of room.
    Dropped,
    /// The receiver wants nothing any more.
    Disabled,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 6] = [
        Outcome::Delivered,
        Outcome::Resent,
        Outcome::Failed,
        Outcome::Refused,
        Outcome::Dropped,
        Outcome::Disabled,
    ];

    /// The value of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Resent => "resent",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
            Outcome::Dropped => "dropped",
            Outcome::Disabled => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        use Protocol::{Alertmanager, Webhook};
        let minute = Some(Duration::from_secs(60));
        for (protocol, status, wait, expected) in [
            (Alertmanager, 200, None, Meaning::Taken),
            (Webhook, 202, None, Meaning::Taken),
            (Webhook, 204, minute, Meaning::Taken),
            (Webhook, 301, None, Meaning::Retry(None)),
            (Alertmanager, 307, None, Meaning::Retry(None)),
            (Alertmanager, 400, None, Meaning::Refused),
            (Webhook, 400, None, Meaning::Refused),
            (Webhook, 413, None, Meaning::Refused),
            (Webhook, 422, None, Meaning::Refused),
            (Webhook, 401, None, Meaning::Retry(None)),
            (Webhook, 404, None, Meaning::Retry(None)),
            (Webhook, 410, None, Meaning::Gone),
            (Alertmanager, 410, None, Meaning::Retry(None)),
            (Webhook, 429, None, Meaning::Retry(Some(SLOW_DOWN))),
            (Webhook, 429, minute, Meaning::Retry(minute)),
            (Alertmanager, 429, None, Meaning::Retry(None)),
            (Webhook, 500, None, Meaning::Retry(None)),
            (Webhook, 502, None, Meaning::Retry(Some(SLOW_DOWN))),
            (Webhook, 503, minute, Meaning::Retry(minute)),
            (Webhook, 504, None, Meaning::Retry(Some(SLOW_DOWN))),
            (Alertmanager, 504, None, Meaning::Retry(None)),
            (Webhook, 100, None, Meaning::Retry(None)),
            (Webhook, 999, None, Meaning::Retry(None)),
        ] {
            assert_eq!(Meaning::of(protocol, status, wait), expected, "{protocol:?} {status}");
        }
    }
}
