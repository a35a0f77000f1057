//! What is to be sent to one receiver now, what an answer meant, and when to look again: a state
//! machine without sockets and clock.
//!
//! Each alert has an entry: what waits to be taken, in order, and what was taken last. A receiver has
//! one member or more (those of a cluster); each has one request on its way at most, waits by itself
//! after a failure, and holds up no other. What one member has taken is delivered; the others are told
//! the latest of it.
//!
//! A resolved never overtakes its firing: an entry hands out nothing but the first that waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::backoff;
use super::entry::{Entry, Item, Told, ToldTo};
use super::notification::Notification;
use super::outcome::{Meaning, Outcome};
use crate::clock::{Monotonic, UnixMilliseconds};
use crate::limits::{
    RECEIVER_QUEUE_BYTES_MAX, RECEIVER_QUEUE_MAX, RECEIVER_TOLD_BYTES_MAX, RECEIVER_TOLD_MAX,
    RETRY_AFTER_MAX,
};
use crate::rules::{Alert, State};

/// How a kind of receiver is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// Servers that are told everything, each by itself; at least one.
    pub members: usize,
    /// Alerts in one request; at least one.
    pub batch_alerts_max: usize,
    /// Bytes of their texts in one request; one alert may go over it.
    pub batch_bytes_max: usize,
    /// Time between two tellings of a firing alert.
    pub resend: Duration,
    /// For how long a resolved one is told again; zero: once.
    pub resolved_resend: Duration,
    /// Longest wait after a failure.
    pub backoff_max: Duration,
    /// What two alerts have in common that are the same to the receiver.
    pub key: fn(&Alert) -> Key,
}

/// What a receiver recognises an alert by.
pub(super) type Key = Vec<(String, String)>;

/// The moment, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// For intervals.
    pub monotonic: Monotonic,
    /// For what is shown.
    pub unix: UnixMilliseconds,
}

/// What goes into one request.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// At least one.
    pub items: Vec<Item>,
}

/// A notification that is done with: it need not be kept any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
}

#[derive(Debug, Default)]
struct Member {
    failures: u32,
    not_before: Monotonic,
    is_sending: bool,
    is_gone: bool,
    /// Parts of a batch that was refused as a whole.
    parts: VecDeque<Vec<Item>>,
}

/// The state of one receiver.
#[derive(Debug)]
pub(super) struct Delivery {
    policy: Policy,
    entries: BTreeMap<Key, Entry>,
    members: Vec<Member>,
    /// Of all that was ever pushed, to tell what is older.
    pushed: u64,
    waiting: usize,
    waiting_bytes: usize,
    told: usize,
    told_bytes: usize,
    done: VecDeque<Done>,
    counts: [u64; Outcome::ALL.len()],
}

impl Delivery {
    /// Nothing is to be sent yet.
    pub(super) fn new(policy: Policy) -> Delivery {
        let members = (0..policy.members.max(1)).map(|_| Member::default()).collect();
        Delivery {
            policy,
            entries: BTreeMap::new(),
            members,
            pushed: 0,
            waiting: 0,
            waiting_bytes: 0,
            told: 0,
            told_bytes: 0,
            done: VecDeque::new(),
            counts: [0; Outcome::ALL.len()],
        }
    }

    /// An alert that fires and was delivered by an earlier run. An Alertmanager is told of it at once,
    /// others when `resend` has passed.
    pub(super) fn restore(&mut self, alert: Alert, now: Now) {
        if alert.state != State::Firing {
            return;
        }
        let told_to = if self.policy.resolved_resend.is_zero() {
            ToldTo::At(now.monotonic)
        } else {
            ToldTo::Nobody
        };
        let key = (self.policy.key)(&alert);
        let notification = Arc::new(Notification { id: alert.id(), alert });
        let told = Told { notification, until: None, repeat_id: None };
        self.tell(&key, told, |_| told_to);
    }

    /// Takes a notification of an earlier run that was not done with; a resolved one may have had its
    /// firing delivered then.
    pub(super) fn restore_waiting(&mut self, notification: Notification) {
        if notification.alert.state != State::Pending {
            self.enqueue(notification);
        }
    }

    /// Takes a new notification. A pending alert is none of ours; a resolved one whose firing is not
    /// here is done with, for it was left out.
    pub(super) fn push(&mut self, notification: Notification) {
        let key = (self.policy.key)(&notification.alert);
        let fires = self.entries.get(&key).is_some_and(Entry::fires);
        match notification.alert.state {
            State::Pending => {}
            State::Resolved if !fires => {
                self.done.push_back(Done { id: notification.id, outcome: Outcome::Dropped });
            }
            State::Firing | State::Resolved => self.enqueue(notification),
        }
    }

    fn enqueue(&mut self, notification: Notification) {
        let key = (self.policy.key)(&notification.alert);
        let bytes = notification.owned_bytes();
        let members = self.members.len();
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(members));
        if entry.has(&notification.id) {
            return;
        }
        self.pushed += 1;
        entry.push(Arc::new(notification), self.pushed);
        self.waiting += 1;
        self.waiting_bytes += bytes;
        while self.waiting > RECEIVER_QUEUE_MAX
            || (self.waiting_bytes > RECEIVER_QUEUE_BYTES_MAX && self.waiting > 1)
        {
            self.drop_oldest();
        }
    }

    /// What one member is to be sent now, if anything. It is on its way then, until `answered`.
    pub(super) fn request(&mut self, member: usize, now: Now) -> Option<Batch> {
        self.sweep(now);
        let state = self.members.get(member)?;
        if state.is_sending || state.is_gone || now.monotonic < state.not_before {
            return None;
        }
        let items = self.part(member).or_else(|| self.due(member, now))?;
        if let Some(state) = self.members.get_mut(member) {
            state.is_sending = true;
        }
        Some(Batch { items })
    }

    /// The next part of a refused batch that still means something.
    fn part(&mut self, member: usize) -> Option<Vec<Item>> {
        let entries = &self.entries;
        let parts = &mut self.members.get_mut(member)?.parts;
        while let Some(mut part) = parts.pop_front() {
            part.retain(|item| entries.get(&item.key).is_some_and(|entry| entry.is_next(item)));
            if !part.is_empty() {
                return Some(part);
            }
        }
        None
    }

    /// What is due, the least tried and then the oldest first.
    fn due(&mut self, member: usize, now: Now) -> Option<Vec<Item>> {
        // Those that are nearly due go along, so that they do not take a request each.
        let alongside = match self.policy.batch_alerts_max {
            0 | 1 => Duration::ZERO,
            _ => self.policy.resend / 10,
        };
        let horizon = Monotonic::from_start(now.monotonic.since_start() + alongside);
        let resend = self.policy.resend;
        let mut due: Vec<(bool, u32, u64, &Key)> = Vec::new();
        for (key, entry) in &self.entries {
            let Some(at) = entry.due(member, resend).filter(|at| *at <= horizon) else { continue };
            due.push((at > now.monotonic, entry.tries(member), entry.age(), key));
        }
        due.sort_unstable();
        if due.first().is_none_or(|(is_early, ..)| *is_early) {
            return None;
        }
        let keys: Vec<Key> = due.into_iter().map(|(.., key)| key.clone()).collect();
        let mut items: Vec<Item> = Vec::new();
        let mut bytes = 0;
        for key in keys.into_iter().take(self.policy.batch_alerts_max.max(1)) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let Some(item) = entry.item(member, key, now.unix) else { continue };
            bytes += item.notification.owned_bytes();
            if bytes > self.policy.batch_bytes_max && !items.is_empty() {
                break;
            }
            items.push(item);
        }
        (!items.is_empty()).then_some(items)
    }

    /// What came of a request; `random` is from 0 to 1.
    pub(super) fn answered(
        &mut self,
        member: usize,
        batch: Batch,
        meaning: Meaning,
        now: Now,
        random: f64,
    ) {
        let backoff_max = self.policy.backoff_max;
        let Some(state) = self.members.get_mut(member) else { return };
        state.is_sending = false;
        match meaning {
            Meaning::Taken | Meaning::Refused => {
                (state.failures, state.not_before) = Default::default()
            }
            Meaning::Gone => {
                state.is_gone = true;
                self.count(Outcome::Disabled, 1);
            }
            Meaning::Retry(wait) => {
                state.failures = state.failures.saturating_add(1);
                let wait = wait.unwrap_or_default().min(RETRY_AFTER_MAX);
                let backoff = backoff::delay(state.failures, random, backoff_max);
                state.not_before = later(now.monotonic, wait.max(backoff));
                self.count(Outcome::Failed, 1);
            }
        }
        match meaning {
            Meaning::Taken => {
                for item in &batch.items {
                    self.taken(member, item, now);
                }
            }
            Meaning::Refused => self.refused(member, batch),
            // In a batch it is the server that failed; of one alert it may be that one, and others
            // are not to wait for it.
            Meaning::Retry(_) if self.policy.batch_alerts_max > 1 => {}
            Meaning::Retry(_) => {
                for item in &batch.items {
                    let Some(entry) = self.entries.get_mut(&item.key) else { continue };
                    let tries = entry.failed(member);
                    let wait = backoff::delay(tries, random, backoff_max);
                    entry.wait(member, later(now.monotonic, wait));
                }
            }
            Meaning::Gone => {}
        }
    }

    fn taken(&mut self, member: usize, item: &Item, now: Now) {
        let Some(entry) = self.entries.get_mut(&item.key) else { return };
        if entry.is_told(&item.notification.id) {
            entry.told_again(member, now.monotonic);
            self.count(Outcome::Resent, 1);
            return;
        }
        let Some(notification) = entry.take(&item.notification.id) else { return };
        self.waiting -= 1;
        self.waiting_bytes -= notification.owned_bytes();
        self.count(Outcome::Delivered, 1);
        let is_resolved = notification.alert.state == State::Resolved;
        let until = is_resolved.then(|| later(now.monotonic, self.policy.resolved_resend));
        let fired = (!is_resolved).then(|| notification.id.clone());
        let refusers = self.entries.get_mut(&item.key).map(Entry::begin_anew).unwrap_or_default();
        let told = Told { notification, until, repeat_id: None };
        self.tell(&item.key, told, |index| match refusers.get(index) {
            _ if index == member => ToldTo::At(now.monotonic),
            Some(true) => ToldTo::Refused,
            _ => ToldTo::Nobody,
        });
        // Behind the one that it takes the place of.
        self.done.extend(fired.map(|id| Done { id, outcome: Outcome::Delivered }));
        self.sweep(now);
    }

    /// Puts what was taken last into its entry, in the place of what was there.
    fn tell(&mut self, key: &Key, told: Told, to: impl Fn(usize) -> ToldTo) {
        let members = self.members.len();
        let bytes = told.notification.owned_bytes();
        let entry = self.entries.entry(key.clone()).or_insert_with(|| Entry::new(members));
        self.pushed += 1;
        let before = entry.tell(told, self.pushed, to);
        self.told += 1;
        self.told_bytes += bytes;
        self.untold(before);
        while self.told > RECEIVER_TOLD_MAX || self.told_bytes > RECEIVER_TOLD_BYTES_MAX {
            let told = self.entries.iter().filter(|(_, entry)| entry.told_age().is_some());
            let oldest = told.min_by_key(|(_, entry)| entry.told_age());
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            self.count(Outcome::Dropped, 1);
            self.forget_told(&key);
        }
    }

    fn forget_told(&mut self, key: &Key) {
        let told = self.entries.get_mut(key).and_then(Entry::forget_told);
        self.untold(told);
        if self.entries.get(key).is_some_and(Entry::is_empty) {
            self.entries.remove(key);
        }
    }

    /// What was told and is no longer. A resolved one is done with only now.
    fn untold(&mut self, told: Option<Told>) {
        let Some(told) = told else { return };
        self.told -= 1;
        self.told_bytes -= told.notification.owned_bytes();
        if told.until.is_some() {
            let id = told.notification.id.clone();
            self.done.push_back(Done { id, outcome: Outcome::Delivered });
        }
    }

    /// One alert is left out; of several, which one it is has to be found out.
    fn refused(&mut self, member: usize, batch: Batch) {
        let mut items = batch.items;
        if items.len() > 1 {
            let second = items.split_off(items.len() / 2);
            let Some(state) = self.members.get_mut(member) else { return };
            state.parts.push_front(second);
            state.parts.push_front(items);
            return;
        }
        for item in items {
            let Some(entry) = self.entries.get_mut(&item.key) else { continue };
            if entry.is_told(&item.notification.id) {
                entry.told_refused(member);
            } else if entry.refuse(&item.notification.id, member) {
                self.leave_out_first(&item.key, Outcome::Refused);
            }
        }
    }

    /// Leaves out the first that waits in an entry, and a resolved with its firing.
    fn leave_out_first(&mut self, key: &Key, outcome: Outcome) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let left_out = entry.leave_out_first();
        if entry.is_empty() {
            self.entries.remove(key);
        }
        for notification in left_out {
            self.waiting -= 1;
            self.waiting_bytes -= notification.owned_bytes();
            self.count(outcome, 1);
            self.done.push_back(Done { id: notification.id.clone(), outcome });
        }
    }

    /// The oldest firing that is over leaves with its resolved; without any, the oldest that fires,
    /// and in the end the oldest resolved.
    fn drop_oldest(&mut self) {
        let waiting = self.entries.iter().filter_map(|(key, entry)| Some((entry.rank()?, key)));
        let Some(key) = waiting.min().map(|(_, key)| key.clone()) else { return };
        self.leave_out_first(&key, Outcome::Dropped);
    }

    /// Forgets resolved alerts that were told for long enough.
    fn sweep(&mut self, now: Now) {
        let over: Vec<Key> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.told_until().is_some_and(|until| until <= now.monotonic))
            .map(|(key, _)| key.clone())
            .collect();
        over.iter().for_each(|key| self.forget_told(key));
    }

    /// When `request` may have something next; `None`: not before something is pushed or answered.
    pub(super) fn wake(&self) -> Option<Monotonic> {
        let of_member = |(index, member): (usize, &Member)| {
            if member.is_sending || member.is_gone {
                return None;
            }
            let due =
                self.entries.values().filter_map(|entry| entry.due(index, self.policy.resend));
            let part = (!member.parts.is_empty()).then(Monotonic::default);
            Some(due.chain(part).min()?.max(member.not_before))
        };
        let of_members = self.members.iter().enumerate().filter_map(of_member);
        of_members.chain(self.entries.values().filter_map(Entry::told_until)).min()
    }

    /// What is done with since this was asked last, in order.
    pub(super) fn next_done(&mut self) -> Option<Done> {
        self.done.pop_front()
    }

    /// What could not be passed on; it comes first the next time. What is more than may wait is
    /// forgotten, and so comes up again at the next start.
    pub(super) fn put_back(&mut self, done: Done) {
        self.done.push_front(done);
        self.done.truncate(RECEIVER_QUEUE_MAX);
    }

    /// Whether something is done with.
    pub(super) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    /// Notifications that nobody has taken yet.
    pub(super) fn queue_length(&self) -> usize {
        self.waiting
    }

    /// How often each outcome was, in the order of [`Outcome::ALL`].
    pub(super) fn counts(&self) -> [u64; Outcome::ALL.len()] {
        self.counts
    }

    /// Failures in a row of one member.
    pub(super) fn failures(&self, member: usize) -> u32 {
        self.members.get(member).map_or(0, |member| member.failures)
    }

    fn count(&mut self, outcome: Outcome, times: u64) {
        let place = Outcome::ALL.iter().position(|known| *known == outcome);
        if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
            *count += times;
        }
    }
}

fn later(moment: Monotonic, wait: Duration) -> Monotonic {
    Monotonic::from_start(moment.since_start().saturating_add(wait))
}

#[cfg(test)]
mod tests;
