//! One alert on its way to one receiver: what waits, and what was taken last.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::Key;
use super::notification::Notification;
use crate::clock::{Monotonic, UnixMilliseconds};
use crate::rules::State;

/// A notification in a request.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: Key,
    /// The same over retries of the same; a firing alert that is told again has another one.
    pub id: String,
    /// What is told.
    pub notification: Arc<Notification>,
}

/// What was taken last.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) notification: Arc<Notification>,
    /// Of a resolved one: for how long it is told again.
    pub(super) until: Option<Monotonic>,
    /// The id under which it is being told again.
    pub(super) repeat_id: Option<String>,
}

/// Whether a member was told that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToldTo {
    Nobody,
    At(Monotonic),
    /// It does not take it.
    Refused,
}

/// What one member knows of an entry.
#[derive(Debug)]
struct Slot {
    told: ToldTo,
    has_refused_first: bool,
    tries: u32,
    not_before: Monotonic,
}

#[derive(Debug)]
struct Waiting {
    notification: Arc<Notification>,
    /// Its place among all that was pushed.
    age: u64,
}

#[derive(Debug)]
pub(super) struct Entry {
    waiting: VecDeque<Waiting>,
    told: Option<(Told, u64)>,
    slots: Vec<Slot>,
}

impl Entry {
    pub(super) fn new(members: usize) -> Entry {
        let slot = |_| Slot {
            told: ToldTo::Nobody,
            has_refused_first: false,
            tries: 0,
            not_before: Monotonic::default(),
        };
        Entry { waiting: VecDeque::new(), told: None, slots: (0..members).map(slot).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.told.is_none()
    }

    /// Whether the last of it is that it fires.
    pub(super) fn fires(&self) -> bool {
        let told = self.told.as_ref().map(|(told, _)| &told.notification);
        let last = self.waiting.back().map(|waiting| &waiting.notification).or(told);
        last.is_some_and(|last| last.alert.state == State::Firing)
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.is_told(id) || self.waiting.iter().any(|waiting| waiting.notification.id == id)
    }

    pub(super) fn push(&mut self, notification: Arc<Notification>, age: u64) {
        self.waiting.push_back(Waiting { notification, age });
    }

    /// When a member is to be sent something of it.
    pub(super) fn due(&self, member: usize, resend: Duration) -> Option<Monotonic> {
        let slot = self.slots.get(member)?;
        if !self.waiting.is_empty() && !slot.has_refused_first {
            return Some(slot.not_before);
        }
        let (told, _) = self.told.as_ref()?;
        let due = match slot.told {
            ToldTo::Refused => return None,
            ToldTo::Nobody => slot.not_before,
            ToldTo::At(last) => {
                let again = Monotonic::from_start(last.since_start().saturating_add(resend));
                again.max(slot.not_before)
            }
        };
        (told.until.is_none_or(|until| due < until)).then_some(due)
    }

    /// What a member is to be sent: the first that waits, else what was taken last.
    pub(super) fn item(&mut self, member: usize, key: Key, now: UnixMilliseconds) -> Option<Item> {
        let has_refused = self.slots.get(member)?.has_refused_first;
        if let Some(first) = self.waiting.front().filter(|_| !has_refused) {
            let notification = Arc::clone(&first.notification);
            return Some(Item { key, id: notification.id.clone(), notification });
        }
        let (told, _) = self.told.as_mut()?;
        let notification = Arc::clone(&told.notification);
        let repeat_id = told
            .repeat_id
            .get_or_insert_with(|| format!("{}-{}", notification.id, now.0.div_euclid(1000)));
        Some(Item { key, id: repeat_id.clone(), notification })
    }

    /// Whether an item is still what would be sent.
    pub(super) fn is_next(&self, item: &Item) -> bool {
        let id = &item.notification.id;
        match self.waiting.front() {
            Some(first) => first.notification.id == *id,
            None => self.is_told(id),
        }
    }

    pub(super) fn is_told(&self, id: &str) -> bool {
        self.told.as_ref().is_some_and(|(told, _)| told.notification.id == id)
    }

    pub(super) fn told_until(&self) -> Option<Monotonic> {
        self.told.as_ref().and_then(|(told, _)| told.until)
    }

    pub(super) fn told_age(&self) -> Option<u64> {
        self.told.as_ref().map(|(_, age)| *age)
    }

    /// The place of what comes next among all that was pushed.
    pub(super) fn age(&self) -> u64 {
        self.waiting.front().map_or_else(|| self.told_age().unwrap_or(0), |waiting| waiting.age)
    }

    /// Takes the first that waits out, if it is this one.
    pub(super) fn take(&mut self, id: &str) -> Option<Arc<Notification>> {
        self.waiting.front().filter(|first| first.notification.id == id)?;
        self.waiting.pop_front().map(|first| first.notification)
    }

    /// Another one is the first now; returns which members have refused the one before.
    pub(super) fn begin_anew(&mut self) -> Vec<bool> {
        let mut refusers = Vec::with_capacity(self.slots.len());
        for slot in &mut self.slots {
            refusers.push(std::mem::take(&mut slot.has_refused_first));
            (slot.tries, slot.not_before) = Default::default();
        }
        refusers
    }

    /// Puts what was taken last in its place, and returns what was there.
    pub(super) fn tell(
        &mut self,
        told: Told,
        age: u64,
        to: impl Fn(usize) -> ToldTo,
    ) -> Option<Told> {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            slot.told = to(index);
        }
        self.told.replace((told, age)).map(|(told, _)| told)
    }

    pub(super) fn forget_told(&mut self) -> Option<Told> {
        self.told.take().map(|(told, _)| told)
    }

    pub(super) fn told_again(&mut self, member: usize, now: Monotonic) {
        if let Some((told, _)) = &mut self.told {
            told.repeat_id = None;
        }
        if let Some(slot) = self.slots.get_mut(member) {
            slot.told = ToldTo::At(now);
            (slot.tries, slot.not_before) = Default::default();
        }
    }

    pub(super) fn told_refused(&mut self, member: usize) {
        if let Some(slot) = self.slots.get_mut(member) {
            slot.told = ToldTo::Refused;
        }
    }

    /// A member does not take the first that waits; whether there is nobody left who might.
    pub(super) fn refuse(&mut self, id: &str, member: usize) -> bool {
        if self.waiting.front().is_none_or(|first| first.notification.id != id) {
            return false;
        }
        if let Some(slot) = self.slots.get_mut(member) {
            slot.has_refused_first = true;
        }
        self.slots.iter().all(|slot| slot.has_refused_first)
    }

    /// Takes out the first that waits, with the resolved that belongs to it.
    pub(super) fn leave_out_first(&mut self) -> Vec<Arc<Notification>> {
        self.begin_anew();
        let Some(first) = self.waiting.pop_front() else { return Vec::new() };
        let fired = first.notification.alert.state == State::Firing;
        let is_its_resolved =
            |next: &mut Waiting| fired && next.notification.alert.state == State::Resolved;
        let resolved = self.waiting.pop_front_if(is_its_resolved);
        [Some(first), resolved].into_iter().flatten().map(|it| it.notification).collect()
    }

    /// What leaves first for want of room: what is over, then what fires, then a resolved; in each the
    /// oldest. `None`: nothing waits.
    pub(super) fn rank(&self) -> Option<(u8, u64)> {
        let state = |place: usize| self.waiting.get(place).map(|it| it.notification.alert.state);
        let rank = match (state(0)?, state(1)) {
            (State::Firing, Some(State::Resolved)) => 0,
            (State::Firing, _) => 1,
            _ => 2,
        };
        Some((rank, self.waiting.front()?.age))
    }

    pub(super) fn tries(&self, member: usize) -> u32 {
        self.slots.get(member).map_or(0, |slot| slot.tries)
    }

    /// Counts a failure, and returns how many there were.
    pub(super) fn failed(&mut self, member: usize) -> u32 {
        let Some(slot) = self.slots.get_mut(member) else { return 0 };
        slot.tries = slot.tries.saturating_add(1);
        slot.tries
    }

    pub(super) fn wait(&mut self, member: usize, not_before: Monotonic) {
        if let Some(slot) = self.slots.get_mut(member) {
            slot.not_before = not_before;
        }
    }
}
