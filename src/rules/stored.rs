//! What rules remember as bytes, and back.
//!
//! A row of items in CBOR (RFC 8949), whose fields have numbers, so that a later version can add some. A
//! rule is found again by its name and by what it says: one that says something else begins anew, and
//! what it had firing ends.

use std::sync::Arc;

use foldhash::fast::RandomState;
use gatelog_parsers::time_stamp::UnixMillis;
use hashbrown::HashMap;
use minicbor::{Decode, Encode, decode};

use super::alert::{Alert, State};
use super::builtin::Condition;
use super::engine::Engine;
use super::group::{Group, Status};
use super::memory::Stored;
use super::rule::Severity;
use super::set::{Active, RuleSet};
use super::watched::Watched;
use crate::ledger::image::Refused;
use crate::limits::{FIRST_SEEN_MAX, RULE_GROUPS_MAX};
use crate::source::identity::hash;

/// One item.
#[derive(Debug, Encode, Decode)]
enum Item {
    #[n(0)]
    Head {
        #[n(0)]
        first_time: Option<UnixMillis>,
        #[n(1)]
        last_time: UnixMillis,
    },
    #[n(1)]
    Memory(#[n(0)] Stored),
    /// The groups and values after it are this rule's.
    #[n(2)]
    Rule(#[n(0)] StoredRule),
    #[n(3)]
    Group(#[n(0)] u64, #[n(1)] Box<Group>),
    #[n(4)]
    FirstSeen(#[n(0)] Vec<u64>),
}

/// What a rule is found again by, and what an alert of it is told by if it is not.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
struct StoredRule {
    #[n(0)]
    name: String,
    #[n(1)]
    definition: u64,
    #[n(2)]
    next: UnixMillis,
    #[n(3)]
    severity: String,
    #[n(4)]
    by: Vec<String>,
    #[n(5)]
    labels: Vec<(String, String)>,
}

impl Engine {
    /// Hands out what is to be stored, item by item.
    ///
    /// # Errors
    /// When `put` wants no more.
    pub(super) fn store(
        &self,
        mut put: impl FnMut(&[u8]) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let mut put = |item: &Item| put(&minicbor::to_vec(item).map_err(|_| Refused)?);
        let Engine { first_time, last_time, .. } = *self;
        put(&Item::Head { first_time, last_time })?;
        self.memory.store(|part| put(&Item::Memory(part)))?;
        for watched in &self.watched {
            put(&Item::Rule(StoredRule::of(watched)))?;
            let mut groups: Vec<_> = watched.groups.iter().collect();
            groups.sort_unstable_by_key(|(key, _)| **key);
            for (key, group) in groups {
                put(&Item::Group(*key, Box::new(group.clone())))?;
            }
            if !watched.first_seen.is_empty() {
                let mut seen: Vec<u64> = watched.first_seen.keys().copied().collect();
                seen.sort_unstable();
                put(&Item::FirstSeen(seen))?;
            }
        }
        Ok(())
    }

    /// Makes an engine of what was stored, for the rules as they are now.
    ///
    /// # Errors
    /// Damaged bytes.
    pub(super) fn restore(set: Arc<RuleSet>, items: &[Vec<u8>]) -> Result<Engine, decode::Error> {
        let mut engine = Engine::new(set);
        let mut restoring = Restoring { engine: &mut engine, rule: None, index: None };
        for item in items {
            restoring.take(minicbor::decode(item)?);
        }
        engine.begin_again();
        Ok(engine)
    }

    /// Rules that were not stored begin at the next instant; who waits is found in the groups.
    fn begin_again(&mut self) {
        let last = self.last_time;
        for watched in self.watched.iter_mut().filter(|it| it.next == UnixMillis::MAX) {
            if self.first_time.is_some() {
                let span = watched.spans.window;
                watched.next = span.instant(last) + span.step_millis;
            }
        }
        self.set_next();
        let mut waiting: HashMap<u64, (usize, u64), RandomState> = HashMap::default();
        for (index, watched) in self.watched.iter().enumerate() {
            if !matches!(watched.active.special.condition, Condition::LockedOut { .. }) {
                continue;
            }
            let groups = watched.groups.iter();
            waiting.extend(groups.filter_map(|(key, it)| Some((it.waiting()?, (index, *key)))));
        }
        self.waiting = waiting;
    }
}

struct Restoring<'e> {
    engine: &'e mut Engine,
    rule: Option<StoredRule>,
    /// Its place among the rules, if it is still the same.
    index: Option<usize>,
}

impl Restoring<'_> {
    fn take(&mut self, item: Item) {
        match item {
            Item::Head { first_time, last_time } => {
                self.engine.first_time = first_time;
                self.engine.last_time = last_time;
            }
            Item::Memory(stored) => self.engine.memory.add_stored(stored),
            Item::Rule(rule) => self.take_rule(rule),
            Item::Group(key, group) => self.take_group(key, *group),
            Item::FirstSeen(seen) => {
                if let Some(watched) = self.watched() {
                    let seen = seen.into_iter().take(FIRST_SEEN_MAX);
                    watched.first_seen = seen.map(|hash| (hash, ())).collect();
                }
            }
        }
    }

    fn watched(&mut self) -> Option<&mut Watched> {
        self.engine.watched.get_mut(self.index?)
    }

    fn take_rule(&mut self, rule: StoredRule) {
        let mut known = self.engine.watched.iter();
        self.index = known.position(|it| {
            *it.active.rule.name == *rule.name && definition(&it.active) == rule.definition
        });
        if let Some(watched) = self.watched() {
            watched.next = rule.next;
        }
        self.rule = Some(rule);
    }

    fn take_group(&mut self, key: u64, group: Group) {
        match self.watched() {
            Some(watched) if watched.groups.len() < RULE_GROUPS_MAX => {
                watched.groups.insert(key, group);
            }
            Some(_) => {}
            None => self.end(&group),
        }
    }

    /// Tells that an alert has ended whose rule is no more, or another one.
    fn end(&mut self, group: &Group) {
        let (Some(rule), Status::Firing { since, value, .. }) = (&self.rule, group.status) else {
            return;
        };
        let names = rule.by.iter().cloned().zip(group.values.iter().cloned());
        let mut by: Vec<_> = names.filter(|(_, value)| !value.is_empty()).collect();
        by.sort();
        let mut labels = [by.clone(), rule.labels.clone()].concat();
        labels.push(("alertname".to_owned(), rule.name.clone()));
        labels.push(("severity".to_owned(), rule.severity.clone()));
        labels.sort();
        let page = Severity::Page;
        let time = self.engine.last_time;
        self.engine.changes.push(Alert {
            rule: Arc::from(rule.name.as_str()),
            severity: if rule.severity == page.as_str() { page } else { Severity::Ticket },
            state: State::Resolved,
            time,
            starts_at: since,
            ends_at: Some(time),
            labels,
            group: by,
            annotations: Vec::new(),
            value,
            reason: "its rule was changed, or is no more".to_owned(),
        });
    }
}

impl StoredRule {
    fn of(watched: &Watched) -> StoredRule {
        let rule = &watched.active.rule;
        StoredRule {
            name: rule.name.to_string(),
            definition: definition(&watched.active),
            next: watched.next,
            severity: rule.severity.as_str().to_owned(),
            by: rule.by.iter().map(|field| field.as_str().to_owned()).collect(),
            labels: rule.labels.clone(),
        }
    }
}

/// What a rule says, as a number: what it counts, and when it fires. Its labels and texts may change.
fn definition(active: &Active) -> u64 {
    let Active { rule, special, .. } = active;
    let conditions: Vec<_> = rule.filter.conditions().collect();
    let times = (rule.window_millis, rule.for_millis, rule.keep_firing_for_millis);
    let text = format!("{conditions:?} {:?} {:?} {times:?} {special:?}", rule.by, rule.kind);
    hash(text.as_bytes())
}
