//! Watches events by the rules, and decides at the instants of the log's time.
//!
//! An instant is decided once the log is `lateness` past it, so that what comes a little late is counted;
//! or when somebody says that nothing will come ([`Engine::tick`]). Each rule has instants of its own, the
//! ends of the steps of its window. What is decided does not depend on how often anybody looks.

use std::sync::Arc;

use foldhash::fast::RandomState;
use gatelog_parsers::time_stamp::UnixMillis;
use hashbrown::HashMap;

use super::alert::{Alert, State};
use super::builtin::{Condition, INHIBITIONS, Same};
use super::decide::{Moment, decide};
use super::facts::{Around, Facts};
use super::field::Field;
use super::group::{Group, Past, Sample, Status, Told, text};
use super::memory::Memory;
use super::rule::{Kind, Rule};
use super::set::{Active, RuleSet};
use super::traits::Traits;
use super::watched::{Counting, Role, Watched};
use super::window::Steps;
use crate::event::Event;
use crate::event::verdict::Verdict;
use crate::ledger::limit_hits::Limit;
use crate::ledger::{Ledger, Recorded};
use crate::limits::RULE_GROUPS_MAX;

/// All rules and what they remember.
#[derive(Debug)]
pub struct Engine {
    pub(super) set: Arc<RuleSet>,
    pub(super) watched: Vec<Watched>,
    pub(super) memory: Memory,
    pub(super) first_time: Option<UnixMillis>,
    pub(super) last_time: UnixMillis,
    /// The earliest instant that is not decided yet.
    next: UnixMillis,
    /// Clients that are to be verified again, and their group in the rule that waits for it.
    pub(super) waiting: HashMap<u64, (usize, u64), RandomState>,
    pub(super) changes: Vec<Alert>,
    /// Hits of bounds that nobody was told of yet.
    hits: Vec<Limit>,
    buffer: Vec<u8>,
    /// By verdict, the rules that an event of it may concern.
    concerned: Vec<Vec<usize>>,
    /// The keys of an event's groups, by what they are made of, as far as they were asked for.
    keys: Vec<Option<u64>>,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(set: Arc<RuleSet>) -> Engine {
        let mut different: Vec<Vec<Field>> = Vec::new();
        let watched: Vec<Watched> = set
            .rules
            .iter()
            .map(|active| {
                let by = &active.rule.by;
                let place = different.iter().position(|known| known == by).unwrap_or_else(|| {
                    different.push(by.clone());
                    different.len() - 1
                });
                Watched::new(active.clone(), place)
            })
            .collect();
        let concerned = Verdict::ALL.iter().map(|verdict| {
            let rules = watched.iter().enumerate();
            rules.filter(|(_, it)| it.may_concern(*verdict)).map(|(index, _)| index).collect()
        });
        Engine {
            set,
            concerned: concerned.collect(),
            keys: vec![None; different.len()],
            watched,
            memory: Memory::default(),
            first_time: None,
            last_time: UnixMillis::MIN,
            next: UnixMillis::MAX,
            waiting: HashMap::default(),
            changes: Vec::new(),
            hits: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// An engine for a ledger that was counted without one: whom it knows is known.
    pub fn for_ledger(set: Arc<RuleSet>, ledger: &Ledger) -> Engine {
        Engine { memory: Memory::of(ledger), ..Engine::new(set) }
    }

    /// Whether it works by these rules already.
    pub(super) fn is_by(&self, set: &RuleSet) -> bool {
        *self.set == *set
    }

    /// Takes in an event that the ledger has just recorded.
    pub fn see(&mut self, event: &Event<'_>, recorded: Recorded, ledger: &Ledger) {
        let Some(time) = event.time else { return };
        self.pass(time, ledger);
        let set = Arc::clone(&self.set);
        let around = Around {
            ledger,
            identities: &set.identities,
            rotations: &set.rotations,
            has_learnt: self.has_learnt(time),
            wants_client: !self.waiting.is_empty(),
        };
        let facts = Facts::of(event, time, recorded, &mut self.memory, &around);
        if event.verdict == Verdict::Verified && around.wants_client {
            self.see_verified_again(&facts);
        }
        self.keys.iter_mut().for_each(|key| *key = None);
        let concerned = std::mem::take(&mut self.concerned);
        let of_verdict = concerned.get(event.verdict.index());
        for index in of_verdict.into_iter().flatten() {
            self.watch(*index, &facts, around.has_learnt);
        }
        self.concerned = concerned;
        for _ in 0..self.memory.take_full() {
            self.hits.push(Limit::RuleMemory);
        }
    }

    /// Takes in a line of a source that gave no event.
    pub fn see_unparsed(&mut self, source: &str, ledger: &Ledger) {
        let time = self.last_time;
        if self.first_time.is_none() {
            return;
        }
        for index in 0..self.watched.len() {
            let Some(watched) = self.watched.get(index) else { continue };
            if !matches!(watched.active.special.condition, Condition::Unparsed { .. }) {
                continue;
            }
            let span = watched.spans.window;
            let key = key_of(ledger, &mut self.buffer, [source.as_bytes()]);
            if let Some(group) = self.group(index, key, |_| vec![text(source.as_bytes())]) {
                group.seen.first.get_or_insert(time);
                group.seen.last = Some(time);
                group.seen.count += 1;
                group.counts.add(span, time, 1, 1);
            }
        }
    }

    /// Takes in that nobody has listened to a source until now: its silence says nothing.
    pub fn wake(&mut self, source: &str, now: UnixMillis) {
        let source = text(source.as_bytes());
        for watched in &mut self.watched {
            let of_source = watched.groups.values_mut().filter(|it| it.values.contains(&source));
            for past in of_source.filter_map(|group| group.past.as_mut()) {
                if let Past::Gaps(gaps) = past.as_mut() {
                    gaps.wake(now);
                }
            }
        }
    }

    /// Decides what can be decided when no event before `now` comes any more.
    pub fn tick(&mut self, now: UnixMillis, ledger: &Ledger) {
        if self.first_time.is_some() {
            self.decide_until(now, ledger);
        }
    }

    /// Whether a tick to this time would decide anything.
    pub fn is_due(&self, now: UnixMillis) -> bool {
        self.next <= now
    }

    /// The changes of alerts since this was last called, in the order of their times.
    pub fn take_changes(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.changes)
    }

    /// The bounds that were hit since this was last called.
    pub fn take_hits(&mut self) -> Vec<Limit> {
        std::mem::take(&mut self.hits)
    }

    /// How many alerts of each rule are pending and firing.
    pub fn counts(&self) -> impl Iterator<Item = (&Rule, u64, u64)> {
        self.watched.iter().map(|watched| {
            let count = |is: fn(&Status) -> bool| {
                watched.groups.values().filter(|group| is(&group.status)).count() as u64
            };
            let firing = count(Status::is_firing);
            (&watched.active.rule, count(Status::is_active) - firing, firing)
        })
    }

    /// All alerts that are pending or firing now.
    pub fn alerts(&self, ledger: &Ledger) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for watched in &self.watched {
            for group in watched.groups.values().filter(|group| group.status.is_active()) {
                let state = match group.status {
                    Status::Pending { .. } | Status::Inactive => State::Pending,
                    Status::Firing { .. } => State::Firing,
                };
                alerts.push(self.alert(watched, group, state, self.last_time, ledger));
            }
        }
        alerts.sort_by(|a, b| (a.starts_at, &a.labels).cmp(&(b.starts_at, &b.labels)));
        alerts
    }

    fn has_learnt(&self, time: UnixMillis) -> bool {
        self.first_time.is_some_and(|first| time - first >= self.set.learning_millis)
    }

    /// Moves on to the time of an event.
    fn pass(&mut self, time: UnixMillis, ledger: &Ledger) {
        if self.first_time.is_none() {
            self.first_time = Some(time);
            self.last_time = time;
            for watched in &mut self.watched {
                let span = watched.spans.window;
                watched.next = span.instant(time) + span.step_millis;
            }
            self.set_next();
            return;
        }
        if time > self.last_time {
            self.last_time = time;
            self.decide_until(time - self.set.lateness_millis, ledger);
        }
    }

    pub(super) fn set_next(&mut self) {
        self.next = self.watched.iter().map(|it| it.next).min().unwrap_or(UnixMillis::MAX);
    }

    /// Decides every instant up to a time.
    fn decide_until(&mut self, until: UnixMillis, ledger: &Ledger) {
        while self.next <= until {
            let at = self.next;
            for index in 0..self.watched.len() {
                if self.watched.get(index).is_some_and(|watched| watched.next == at) {
                    self.decide_rule(index, at, ledger);
                    let Some(watched) = self.watched.get_mut(index) else { continue };
                    let span = watched.spans.window;
                    watched.next = at + span.step_millis;
                    if watched.is_idle() && watched.next < until {
                        watched.next = span.instant(until) + span.step_millis;
                    }
                }
            }
            self.set_next();
        }
    }

    fn decide_rule(&mut self, index: usize, at: UnixMillis, ledger: &Ledger) {
        let has_learnt = self.has_learnt(at);
        let moment = Moment { ledger, at, has_learnt };
        if let Some(watched) = self.watched.get(index)
            && matches!(watched.active.rule.kind, Kind::Expiring { .. })
        {
            return self.decide_digest(index, moment);
        }
        let Some(Watched { active, spans, groups, .. }) = self.watched.get_mut(index) else {
            return;
        };
        let mut turns: Vec<(Vec<String>, u64, Option<f64>)> = Vec::new();
        groups.retain(|key, group| {
            let held = decide(active, *spans, group, moment);
            if held.is_some() || group.status.is_active() {
                turns.push((group.values.clone(), *key, held));
                return true;
            }
            let mut is_empty = group.counts.forget(spans.window, at);
            is_empty &= spans.longer.is_none_or(|span| group.longer.forget(span, at));
            group.recent.forget(spans.window, at);
            if let Some(span) = spans.longer {
                group.longer_recent.forget(span, at);
            }
            let is_told = group.told.as_ref().is_some_and(|told| told.is_fresh(at));
            !is_empty || group.past.is_some() || is_told
        });
        turns.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        for (_, key, held) in turns {
            self.turn(index, key, held, at, ledger);
        }
    }

    /// Takes a group's alert on, after what was decided.
    pub(super) fn turn(
        &mut self,
        index: usize,
        key: u64,
        held: Option<f64>,
        at: UnixMillis,
        ledger: &Ledger,
    ) {
        let Some((watched, group)) = self.find(index, key) else { return };
        let (for_millis, keep) =
            (watched.active.rule.for_millis, watched.active.rule.keep_firing_for_millis);
        let status = match (group.status, held) {
            (Status::Firing { since, .. }, Some(value)) => {
                Status::Firing { since, held: at, value }
            }
            (Status::Firing { held, .. }, None) if held + keep > at => group.status,
            (Status::Firing { .. }, None) => return self.resolve(index, key, at, ledger),
            (_, None) => Status::Inactive,
            (_, Some(_)) if self.is_told_by_another(index, key, Group::is_told_of) => {
                return self.explained(index, key, at);
            }
            (_, Some(_)) if self.is_told_by_another(index, key, Group::is_pending) => group.status,
            (Status::Pending { since }, Some(value)) if at - since >= for_millis => {
                Status::Firing { since: at, held: at, value }
            }
            (Status::Pending { .. }, Some(_)) => group.status,
            (Status::Inactive, Some(value)) if for_millis == 0 => {
                Status::Firing { since: at, held: at, value }
            }
            (Status::Inactive, Some(_)) => Status::Pending { since: at },
        };
        let before = group.status;
        self.set_status(index, key, status);
        let state = match (before, status) {
            (Status::Firing { .. }, _) => return,
            (_, Status::Firing { .. }) => State::Firing,
            (Status::Inactive, Status::Pending { .. }) => State::Pending,
            _ => return,
        };
        self.tell(index, key, state, at, ledger);
    }

    fn tell(&mut self, index: usize, key: u64, state: State, at: UnixMillis, ledger: &Ledger) {
        if let Some((watched, group)) = self.find(index, key) {
            let alert = self.alert(watched, group, state, at, ledger);
            self.changes.push(alert);
        }
    }

    fn resolve(&mut self, index: usize, key: u64, at: UnixMillis, ledger: &Ledger) {
        self.tell(index, key, State::Resolved, at, ledger);
        self.set_status(index, key, Status::Inactive);
        for (place, other) in self.narrower(index, key) {
            self.explained(place, other, at);
        }
        // What made it fire must not make it fire again.
        self.forget(index, key);
    }

    /// The groups without an alert that this one has explained.
    fn narrower(&self, index: usize, key: u64) -> Vec<(usize, u64)> {
        let Some((watched, group)) = self.find(index, key) else { return Vec::new() };
        let name = &*watched.active.rule.name;
        let mut found = Vec::new();
        for (_, over, same) in INHIBITIONS.iter().filter(|(by, ..)| *by == name) {
            let rules = self.watched.iter().enumerate();
            for (place, it) in rules.filter(|(_, it)| *it.active.rule.name == **over) {
                let quiet = it.groups.iter().filter(|(_, it)| !it.status.is_firing());
                let explained = quiet.filter(|(_, it)| is_same(*same, group, it));
                found.extend(explained.map(|(other, _)| (place, *other)));
            }
        }
        found
    }

    fn set_status(&mut self, index: usize, key: u64, status: Status) {
        if let Some(group) = self.group_mut(index, key) {
            group.status = status;
        }
    }

    fn group_mut(&mut self, index: usize, key: u64) -> Option<&mut Group> {
        self.watched.get_mut(index)?.groups.get_mut(&key)
    }

    fn find(&self, index: usize, key: u64) -> Option<(&Watched, &Group)> {
        let watched = self.watched.get(index)?;
        Some((watched, watched.groups.get(&key)?))
    }

    /// Another alert tells of what was counted; what is counted from here on may be something else.
    fn explained(&mut self, index: usize, key: u64, at: UnixMillis) {
        let Some((watched, group)) = self.find(index, key) else { return };
        let waits = matches!(watched.active.special.condition, Condition::LockedOut { .. });
        let told = match waits && group.seen.last.is_some() {
            true => {
                let Sample { ref reason, server, client, address, .. } = group.seen;
                Some(Told { reason: reason.clone(), at, server, client, address })
            }
            false => group.told.clone(),
        };
        self.forget(index, key);
        if let Some(group) = self.group_mut(index, key) {
            group.told = told;
        }
    }

    /// Forgets what was counted.
    fn forget(&mut self, index: usize, key: u64) {
        if let Some(group) = self.group_mut(index, key) {
            *group = Group {
                values: std::mem::take(&mut group.values),
                past: group.past.take(),
                ..Group::default()
            };
        }
    }

    /// Whether another alert that is so far explains this one.
    fn is_told_by_another(&self, index: usize, key: u64, is_so: fn(&Group) -> bool) -> bool {
        let Some((watched, group)) = self.find(index, key) else { return false };
        let name = &*watched.active.rule.name;
        let by = INHIBITIONS.iter().filter(|(_, over, _)| *over == name);
        let explained = by.into_iter().any(|(by, _, same)| {
            let broader = self.watched.iter().enumerate();
            let mut broader = broader.filter(|(_, it)| *it.active.rule.name == **by);
            broader.any(|(place, it)| {
                let mut others = it.groups.iter();
                others.any(|(other, it)| {
                    is_so(it) && (place, *other) != (index, key) && is_same(*same, it, group)
                })
            })
        });
        explained || self.are_all_told(watched, group)
    }

    /// Whether each of the clients that are refused has an alert of its own.
    fn are_all_told(&self, watched: &Watched, group: &Group) -> bool {
        let is_of_sources = match watched.active.special.condition {
            Condition::InEither { .. } => false,
            Condition::Lockout { .. } => true,
            _ => return false,
        };
        let locked_out =
            |it: &&Watched| matches!(it.active.special.condition, Condition::LockedOut { .. });
        let Some(locked_out) = self.watched.iter().find(locked_out) else { return false };
        let whom = |it: &Group| if is_of_sources { it.address() } else { it.client() };
        let told =
            |value: u64| locked_out.groups.values().any(|it| it.is_told_of() && whom(it) == value);
        let mut clients = group.recent.all().peekable();
        clients.peek().is_some() && clients.all(told)
    }

    fn see_verified_again(&mut self, facts: &Facts<'_>) {
        let Some((index, key)) = self.waiting.get(&facts.client).copied() else { return };
        match self.group_mut(index, key) {
            // Another server may let it in all the time.
            Some(group) if group.server() != facts.recorded.server => return,
            Some(group) => {
                group.counts = Steps::default();
                group.seen.last = None;
                group.told = None;
            }
            None => {}
        }
        self.waiting.remove(&facts.client);
    }

    /// Counts an event where a rule is about it.
    fn watch(&mut self, index: usize, facts: &Facts<'_>, has_learnt: bool) {
        let Some(role) = self.watched.get(index).and_then(|it| it.role(facts)) else { return };
        let key = self.key(index, facts);
        let by = |field: &Field| text(&facts.value(*field));
        if self.group(index, key, |active| active.rule.by.iter().map(by).collect()).is_none() {
            return;
        }
        let mut is_full = false;
        if let Some(watched) = self.watched.get_mut(index) {
            let is_new = watched.is_first_seen(facts, has_learnt, &mut is_full);
            if let Some(group) = watched.groups.get_mut(&key) {
                let counting = Counting { active: &watched.active, spans: watched.spans, facts };
                is_full |= counting.count(group, role, is_new);
                if role == Role::Matching
                    && matches!(watched.active.special.condition, Condition::LockedOut { .. })
                {
                    self.waiting.insert(facts.client, (index, key));
                }
            }
        }
        if is_full {
            self.hits.push(Limit::RuleValues);
        }
    }

    /// The key of the group that an event belongs to.
    fn key(&mut self, index: usize, facts: &Facts<'_>) -> u64 {
        let Some(watched) = self.watched.get(index) else { return 0 };
        let known = self.keys.get(watched.by).copied().flatten();
        known.unwrap_or_else(|| {
            let by = watched.active.rule.by.iter().map(|field| facts.value(*field));
            let key = key_of(facts.ledger, &mut self.buffer, by);
            if let Some(known) = self.keys.get_mut(watched.by) {
                *known = Some(key);
            }
            key
        })
    }

    /// The group of a key, made if there is room for it.
    fn group(
        &mut self,
        index: usize,
        key: u64,
        values: impl FnOnce(&Active) -> Vec<String>,
    ) -> Option<&mut Group> {
        let watched = self.watched.get_mut(index)?;
        if !watched.groups.contains_key(&key) {
            if watched.groups.len() >= RULE_GROUPS_MAX {
                self.hits.push(Limit::RuleGroups);
                watched.make_room();
            }
            let group = Group { values: values(&watched.active), ..Group::default() };
            watched.groups.insert(key, group);
        }
        watched.groups.get_mut(&key)
    }
}

/// The key of the group of these values.
fn key_of(
    ledger: &Ledger,
    buffer: &mut Vec<u8>,
    values: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> u64 {
    buffer.clear();
    for value in values {
        let value = value.as_ref();
        buffer.extend_from_slice(&value.len().to_le_bytes());
        buffer.extend_from_slice(value);
    }
    ledger.seed().hash(buffer)
}

/// Whether two groups are about the same.
fn is_same(same: Same, broader: &Group, narrower: &Group) -> bool {
    let client = broader.client();
    let (broader, narrower) = (&broader.seen, &narrower.seen);
    match same {
        Same::Server => {
            let is_client = narrower.traits().meets(Traits::KNOWN.with(Traits::CLIENT));
            broader.server == narrower.server && is_client
        }
        Same::Route => broader.route == narrower.route,
        Same::Client => client == narrower.client,
        Same::Certificate => broader.certificate == narrower.certificate,
        Same::Address => broader.address == narrower.address,
        Same::Issuer => broader.issuer == narrower.issuer,
    }
}
