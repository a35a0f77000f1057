//! Which alerts the receivers are told of, and when: on the reading thread.
//!
//! A notification is made here, saved in the transaction that its alert's change is in, and handed to
//! [`Notifier`] once that is on disk; where nothing can be saved, at once. What the receivers have not
//! taken yet, and what they were told is firing, is kept for the next start.
//!
//! While the agent catches up with a log, alerts are held: one that has ended long before it was
//! discovered is told to nobody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::clock::UnixMilliseconds;
use crate::limits::ALERTS_HELD_MAX;
use crate::notify::{Earlier, Notification, Notifier, Settled};
use crate::rules::silence::Silences;
use crate::rules::watch::Watch;
use crate::rules::{Alert, LabelFilter, State};
use crate::show::metrics::{AlertFigures, ReceiverFigures, Snapshot};
use crate::store::{Notice, NoticeKind};

/// An alert that was discovered so long after its change is told only if it still fires when the log is
/// read.
const LATE_MILLIS: i64 = 15 * 60_000;

/// A receiver's name and a notification's, or an alert's.
type Key = (String, String);

/// What the receivers are told.
pub(super) struct Notices {
    receivers: Vec<(String, LabelFilter)>,
    silences: Silences,
    /// Alerts that were due and silenced when they were last looked at.
    silenced: u64,
    outlet: Option<Arc<Notifier>>,
    settled: Option<mpsc::Receiver<Settled>>,
    /// Alerts that fire and that nobody was told of yet, by their ids.
    held: BTreeMap<String, Alert>,
    /// What a receiver was told is firing, by the alert's id.
    told: BTreeMap<Key, Vec<u8>>,
    /// What a receiver has not taken yet, by the notification's id.
    queued: BTreeMap<Key, Vec<u8>>,
    /// Changes of these two that are not handed over to be saved.
    changes: Vec<Notice>,
    /// Notifications that are to be handed on once their changes are saved, the oldest first.
    ready: VecDeque<(String, Notification)>,
    /// Alerts that could not be held.
    beyond: u64,
}

/// What is handed on when something else is done; the other end of the receivers.
#[derive(Clone, Default)]
pub(super) struct Deliveries {
    outlet: Option<Arc<Notifier>>,
    ready: Vec<(String, Notification)>,
}

impl Deliveries {
    /// Hands them on.
    pub(super) fn send(self) {
        let Deliveries { outlet: Some(outlet), ready } = self else { return };
        for (receiver, notification) in ready {
            outlet.send(&receiver, notification);
        }
    }
}

/// What was saved, for those receivers that there still are.
pub(super) fn earlier(saved: &[Notice]) -> Earlier {
    let mut earlier = Earlier::default();
    for notice in saved {
        let Some(bytes) = &notice.bytes else { continue };
        let Ok(notification) = Notification::from_bytes(bytes) else { continue };
        match notice.kind {
            NoticeKind::Told => {
                earlier.firing.push((notice.receiver.clone(), notification.alert));
            }
            NoticeKind::Queued => {
                earlier.undelivered.push((notice.receiver.clone(), notification));
            }
        }
    }
    // A resolved must not come before its firing.
    earlier.undelivered.sort_by_key(|(_, it)| (it.alert.time, it.alert.state));
    // What waits to be taken will be told then.
    let waits = |receiver: &str, alert: &Alert| {
        earlier.undelivered.iter().any(|(other, it)| {
            other == receiver && it.alert.id() == alert.id() && it.alert.state == State::Firing
        })
    };
    let mut firing = std::mem::take(&mut earlier.firing);
    firing.retain(|(receiver, alert)| !waits(receiver, alert));
    Earlier { firing, ..earlier }
}

impl Notices {
    /// Goes on from what was saved. `alerts` are those that are active by what was saved with it.
    pub(super) fn new(
        receivers: Vec<(String, LabelFilter)>,
        silences: Silences,
        outlet: Option<(Arc<Notifier>, mpsc::Receiver<Settled>)>,
        saved: Vec<Notice>,
        alerts: Vec<Alert>,
    ) -> Notices {
        let (outlet, settled) = outlet.unzip();
        let mut notices = Notices {
            receivers,
            silences,
            silenced: 0,
            outlet,
            settled,
            held: BTreeMap::new(),
            told: BTreeMap::new(),
            queued: BTreeMap::new(),
            changes: Vec::new(),
            ready: VecDeque::new(),
            beyond: 0,
        };
        for Notice { kind, receiver, id, bytes } in saved {
            if !notices.receivers.iter().any(|(name, _)| *name == receiver) {
                // What a receiver that there is no more has not taken nobody takes.
                notices.changes.push(Notice { kind, receiver, id, bytes: None });
            } else if let Some(bytes) = bytes {
                notices.table(kind).insert((receiver, id), bytes);
            }
        }
        // Those that were held when the agent ended, and those for receivers that are new.
        let firing = alerts.into_iter().filter(|alert| alert.state == State::Firing);
        firing.for_each(|alert| notices.hold(alert));
        notices
    }

    fn table(&mut self, kind: NoticeKind) -> &mut BTreeMap<Key, Vec<u8>> {
        match kind {
            NoticeKind::Told => &mut self.told,
            NoticeKind::Queued => &mut self.queued,
        }
    }

    /// Takes in a change of an alert.
    pub(super) fn take(&mut self, alert: Alert) {
        match alert.state {
            State::Pending => {}
            State::Firing => self.hold(alert),
            State::Resolved => self.resolve(&alert),
        }
    }

    fn hold(&mut self, alert: Alert) {
        if self.held.len() >= ALERTS_HELD_MAX {
            self.beyond += 1;
            return;
        }
        self.held.insert(alert.id(), alert);
    }

    fn resolve(&mut self, alert: &Alert) {
        let id = alert.id();
        self.held.remove(&id);
        let receivers = self.receivers.iter().map(|(name, _)| name.clone());
        for receiver in receivers.collect::<Vec<_>>() {
            if self.told.contains_key(&(receiver.clone(), id.clone())) {
                self.set(NoticeKind::Told, &receiver, &id, None);
                self.queue(&receiver, alert);
            }
        }
    }

    /// Takes other silences.
    pub(super) fn set_silences(&mut self, silences: Silences) {
        self.silences = silences;
    }

    /// Tells of what was held, as far as it is time: all once the log is read, else what is fresh. What is
    /// silenced is told when its silence is over, if it still fires then.
    pub(super) fn release(&mut self, is_read: bool, now: UnixMilliseconds) {
        let due = |alert: &Alert| is_read || now.0 - alert.time <= LATE_MILLIS;
        let due = self.held.iter().filter(|(_, alert)| due(alert));
        let (silenced, ids): (Vec<_>, Vec<_>) = due
            .map(|(id, alert)| (id.clone(), self.silences.silences(&alert.labels, now.0).is_some()))
            .partition(|(_, is_silenced)| *is_silenced);
        self.silenced = silenced.len() as u64;
        for (id, _) in ids {
            let Some(alert) = self.held.remove(&id) else { continue };
            let wanted = self.receivers.iter().filter(|(name, filter)| {
                filter.matches(&alert.labels)
                    && !self.told.contains_key(&(name.clone(), id.clone()))
            });
            for receiver in wanted.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
                let notification = self.queue(&receiver, &alert);
                self.set(NoticeKind::Told, &receiver, &id, Some(notification));
            }
        }
    }

    /// Queues a notification; returns it as it is stored.
    fn queue(&mut self, receiver: &str, alert: &Alert) -> Vec<u8> {
        let id = format!("{}-{}", alert.id(), alert.state.as_str());
        let notification = Notification { id: id.clone(), alert: alert.clone() };
        let bytes = notification.to_bytes();
        self.set(NoticeKind::Queued, receiver, &id, Some(bytes.clone()));
        self.ready.push_back((receiver.to_owned(), notification));
        bytes
    }

    fn set(&mut self, kind: NoticeKind, receiver: &str, id: &str, bytes: Option<Vec<u8>>) {
        let key = (receiver.to_owned(), id.to_owned());
        match &bytes {
            Some(bytes) => self.table(kind).insert(key, bytes.clone()),
            None => self.table(kind).remove(&key),
        };
        let (receiver, id) = (receiver.to_owned(), id.to_owned());
        self.changes.push(Notice { kind, receiver, id, bytes });
    }

    /// Forgets what the receivers are done with.
    pub(super) fn settle(&mut self) {
        while let Some(Ok(settled)) = self.settled.as_mut().map(mpsc::Receiver::try_recv) {
            let Settled { receiver, id, .. } = settled;
            if self.queued.contains_key(&(receiver.clone(), id.clone())) {
                self.set(NoticeKind::Queued, &receiver, &id, None);
            }
        }
    }

    /// Whether something is to be saved.
    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// What has changed since this was last asked.
    pub(super) fn take_changes(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.changes)
    }

    /// Everything, in the place of all changes.
    pub(super) fn take_all(&mut self) -> Vec<Notice> {
        self.changes.clear();
        let of = |kind: NoticeKind, table: &BTreeMap<Key, Vec<u8>>| -> Vec<Notice> {
            let row = |((receiver, id), bytes): (&Key, &Vec<u8>)| {
                let (receiver, id) = (receiver.clone(), id.clone());
                Notice { kind, receiver, id, bytes: Some(bytes.clone()) }
            };
            table.iter().map(row).collect()
        };
        [of(NoticeKind::Told, &self.told), of(NoticeKind::Queued, &self.queued)].concat()
    }

    /// What is to be handed on when its changes are saved.
    pub(super) fn deliveries(&mut self) -> Deliveries {
        Deliveries { outlet: self.outlet.clone(), ready: self.ready.drain(..).collect() }
    }

    /// Adds the alerts of the rules, and what the receivers have come to.
    pub(super) fn show(&self, watch: &Watch, snapshot: &mut Snapshot) {
        let alerts = watch.alert_counts().map(|(rule, pending, firing)| AlertFigures {
            rule: rule.name.to_string(),
            severity: rule.severity.as_str(),
            pending,
            firing,
        });
        snapshot.alerts = alerts.collect();
        let figures = self.outlet.iter().flat_map(|outlet| outlet.figures());
        let figures = figures.map(|it| ReceiverFigures {
            receiver: it.receiver,
            outcomes: it.outcomes.into_iter().map(|(outcome, n)| (outcome.as_str(), n)).collect(),
            queue_length: it.queue_length as u64,
        });
        snapshot.receivers = figures.collect();
        snapshot.silenced_alerts = self.silenced;
    }

    /// Alerts that could not be held.
    pub(super) fn beyond(&self) -> u64 {
        self.beyond
    }
}
