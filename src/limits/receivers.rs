//! The bounds of receivers: of their configuration, of requests and answers, of what waits.

use std::time::Duration;

use super::STOP_GRACE;

/// Alerts that fire and that nobody was told of yet. Further ones are counted, and in the metrics only.
pub const ALERTS_HELD_MAX: usize = 4096;

/// Most `[[receiver]]` tables; one more is a configuration error.
pub const RECEIVERS_MAX: usize = 16;

/// Most members of one Alertmanager cluster; one more is a configuration error.
pub const RECEIVER_URLS_MAX: usize = 16;

/// Longest URL, in bytes; a longer one is a configuration error.
pub const URL_BYTES_MAX: usize = 2048;

/// Most secrets that sign one webhook's requests; one more is a configuration error. Two serve a
/// rotation.
pub const SIGNING_SECRETS_MAX: usize = 4;

/// Most labels of one receiver's `where`; one more is a configuration error.
pub const WHERE_LABELS_MAX: usize = 16;

/// Most patterns of one label in `where`; one more is a configuration error.
pub const WHERE_PATTERNS_MAX: usize = 64;

/// For a whole request to a receiver, unless `timeout` says otherwise.
pub const RECEIVER_TIMEOUT_DEFAULT: Duration = Duration::from_secs(15);

/// Lowest value of `timeout`.
pub const RECEIVER_TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Highest value of `timeout`: what Standard Webhooks 1.0.0 gives a consumer at most.
pub const RECEIVER_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// For resolving a name, connecting and the TLS handshake, of the whole request's time.
pub const RECEIVER_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two tellings of a firing alert to an Alertmanager, unless `resend` says otherwise.
pub const RESEND_DEFAULT: Duration = Duration::from_secs(60);

/// Time between two tellings of a firing alert to a webhook, unless `repeat` says otherwise.
pub const REPEAT_DEFAULT: Duration = Duration::from_secs(4 * 3600);

/// Lowest value of `resend` and `repeat`.
pub const RECEIVER_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Highest value of `resend` and `repeat`.
pub const RECEIVER_INTERVAL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Addresses of one name that are tried, one after the other, within the time for connecting.
pub const RECEIVER_ADDRESSES_MAX: usize = 4;

/// Longest head of a receiver's answer; a longer one is a failure. It is hyper's buffer, too.
pub const ANSWER_HEAD_BYTES_MAX: usize = 16 * 1024;

/// How much of the body of a receiver's answer is read: words for the log. The rest is left.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// For the body of a receiver's answer, once its status is known; what comes later is left.
pub const ANSWER_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest head of a proxy's answer; a longer one is a failure.
pub const PROXY_HEAD_BYTES_MAX: usize = 8 * 1024;

/// Longest file with a password, a token or a signing secret; of a longer one nothing is used.
pub const SECRET_BYTES_MAX: usize = 8 * 1024;

/// Longest file with certificates or a key; of a longer one nothing is used. The CAs of a system
/// take some 200 KiB.
pub const PEM_BYTES_MAX: usize = 1024 * 1024;

/// Alerts in one request to an Alertmanager; more make another request. Prometheus sends 64.
pub const BATCH_ALERTS_MAX: usize = 64;

/// Bytes of the texts in one request to an Alertmanager; more make another request.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Notifications of one receiver that wait to be taken. Of more, the oldest leaves, a firing with
/// its resolved; counted as `dropped`.
pub const RECEIVER_QUEUE_MAX: usize = 1000;

/// Bytes of their texts together; the same holds.
pub const RECEIVER_QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Alerts that one receiver was told of and will be told of again. Of more, the oldest leaves and
/// is not told again; counted as `dropped`.
pub const RECEIVER_TOLD_MAX: usize = 2000;

/// Bytes of their texts together; the same holds.
pub const RECEIVER_TOLD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Ids of what is done with that wait for who keeps the durable queue, for all receivers together.
/// Of more, the rest waits with its receiver, and beyond its own bound is sent again after a restart.
pub const SETTLED_QUEUED_MAX: usize = 1024;

/// For how long a resolved alert is told again to an Alertmanager, as Prometheus does it: one that
/// was away must learn of it.
pub const RESOLVED_RESEND: Duration = Duration::from_secs(15 * 60);

/// A firing alert ends by itself this many times `resend` after it was told last, as with
/// Prometheus: a request or three may be lost without the alert coming and going.
pub const ENDS_AT_RESENDS: u32 = 4;

/// What `resend` counts as for that, at least.
pub const ENDS_AT_RESEND_MIN: Duration = Duration::from_secs(60);

/// Longest wait after the first failure; it doubles with each further one.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// Longest wait between two tries of an Alertmanager.
pub const BACKOFF_ALERTMANAGER_MAX: Duration = Duration::from_secs(60);

/// Longest wait between two tries of a webhook.
pub const BACKOFF_WEBHOOK_MAX: Duration = Duration::from_secs(10 * 60);

/// Wait after a webhook's 429, 502 or 504 that does not say how long, at least.
pub const SLOW_DOWN: Duration = Duration::from_secs(30);

/// Longest `Retry-After` that is honoured; a longer one is cut to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long requests on their way get when the agent stops; what is cut off is sent again.
pub const NOTIFY_STOP_GRACE: Duration = Duration::from_secs(3);

/// Longest text in a chat's message, in bytes; the rest is cut. Slack takes 3,000 characters.
pub const MESSAGE_TEXT_BYTES_MAX: usize = 2000;

/// Labels in a chat's message; further ones are left out.
pub const MESSAGE_LABELS_MAX: usize = 24;

const _: () = assert!(NOTIFY_STOP_GRACE.as_secs() < STOP_GRACE.as_secs());
const _: () = assert!(BATCH_ALERTS_MAX <= RECEIVER_QUEUE_MAX);

/// Bytes of lines that wait for a sink which cannot be written to; further lines are dropped and
/// counted.
pub const LINES_WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the last batch of lines that is compared with a file's end after a restart. Whoever keeps
/// batches makes none longer. Comparing takes nine times this.
pub const LINES_BATCH_BYTES_MAX: usize = 256 * 1024;

/// Longest message to a syslog daemon; the rest of the line is cut. rsyslog takes 8 KiB.
pub const SYSLOG_MESSAGE_BYTES_MAX: usize = 8 * 1024;
