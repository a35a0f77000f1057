//! `gatelog notify test`: one alert, fired and resolved at once, to see what a receiver says to it.

use std::sync::Arc;

use super::delivery::{Batch, Key};
use super::entry::Item;
use super::jsonl::JsonlSink;
use super::notification::Notification;
use super::outcome::Meaning;
use super::proxy::{Proxies, ProxyError};
use super::sender::said;
use super::target::Target;
use super::test_alert::{TEST_ALERT, test_alert};
use crate::clock::Clock;
use crate::config::receiver::{Receiver, ReceiverKind, Sink};
use crate::rules::State;
use crate::show::time::rfc3339_millis;

/// What came of one request, or of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// To whom: the server of a URL, a file. Safe to show.
    pub to: String,
    /// What it was told.
    pub what: &'static str,
    /// What it said, safe to show.
    pub said: String,
    /// Whether it has taken it.
    pub is_taken: bool,
}

/// Tells every member of a receiver of a test, whatever its `where`; `host` says who tests.
pub async fn try_out(
    receiver: &Receiver,
    host: &str,
    page_url: &str,
    proxies: Result<Proxies, ProxyError>,
    clock: &Clock,
) -> Vec<Trial> {
    let Some(target) = Target::new(receiver, page_url, proxies, clock.clone()) else {
        return match &receiver.kind {
            ReceiverKind::Jsonl(sink) => vec![try_line(sink, host, clock)],
            ReceiverKind::Alertmanager(_) | ReceiverKind::Webhook(_) => Vec::new(),
        };
    };
    let alert = test_alert(host, clock.now().0);
    let mut resolved = alert.clone();
    resolved.state = State::Resolved;
    let mut trials = Vec::new();
    for (member, url) in target.urls.iter().enumerate() {
        for state in [State::Firing, State::Resolved] {
            let mut alert = if state == State::Firing { alert.clone() } else { resolved.clone() };
            alert.ends_at = (state == State::Resolved).then(|| clock.now().0);
            let id = format!("{}-{}", alert.id(), state.as_str());
            let sent = target.send(member, &one(Notification { id, alert })).await;
            let is_taken = sent.as_ref().is_ok_and(|answer| is_taken(&target, answer.status));
            let said = said(&sent);
            trials.push(Trial { to: url.to_string(), what: state.as_str(), said, is_taken });
            if !is_taken {
                break;
            }
        }
    }
    trials
}

fn one(notification: Notification) -> Batch {
    let id = notification.id.clone();
    Batch { items: vec![Item { key: Key::new(), id, notification: Arc::new(notification) }] }
}

fn is_taken(target: &Target, status: u16) -> bool {
    Meaning::of(target.protocol(), status, None) == Meaning::Taken
}

/// A stream of denials gets a line that is plainly none.
fn try_line(sink: &Sink, host: &str, clock: &Clock) -> Trial {
    let line = serde_json::json!({
        "time": rfc3339_millis(clock.now().0),
        "test": TEST_ALERT,
        "host": host,
    });
    let mut opened = JsonlSink::new(sink.clone());
    let to = opened.to_string();
    opened.write(format!("{line}\n").as_bytes(), clock.now());
    let failure = opened.failure().map(|error| error.to_string());
    let is_taken = failure.is_none();
    let said = failure.unwrap_or_else(|| "written".to_owned());
    Trial { to, what: "a line", said, is_taken }
}
