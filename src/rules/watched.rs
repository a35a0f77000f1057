//! A rule and its groups: what an event is to it, and how it is counted.

use foldhash::fast::RandomState;
use gatelog_parsers::time_stamp::UnixMillis;
use hashbrown::HashMap;

use super::builtin::Condition;
use super::decide::Spans;
use super::facts::Facts;
use super::field::Field;
use super::filter::Filter;
use super::gaps::Gaps;
use super::group::{Admitted, Group, Past, Usual};
use super::memory::network_hash;
use super::rule::{Kind, Per};
use super::set::Active;
use super::traits::Traits;
use crate::event::Event;
use crate::event::reason::Reason;
use crate::event::verdict::Verdict;
use crate::limits::FIRST_SEEN_MAX;

/// A rule and its groups.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) active: Active,
    pub(super) spans: Spans,
    pub(super) groups: HashMap<u64, Group, RandomState>,
    /// Hashes of the values that were seen, by rules that ask for new ones.
    pub(super) first_seen: HashMap<u64, (), RandomState>,
    /// Its next instant.
    pub(super) next: UnixMillis,
    quick: Quick,
    /// The place of what its groups are made of, among those of all rules.
    pub(super) by: usize,
}

impl Watched {
    pub(super) fn new(active: Active, by: usize) -> Watched {
        let spans = Spans::of(&active);
        let (groups, first_seen) = (HashMap::default(), HashMap::default());
        let quick = Quick::of(&active.rule.filter);
        Watched { active, spans, groups, first_seen, next: UnixMillis::MAX, quick, by }
    }

    /// Whether nothing can change by the passing of time alone.
    pub(super) fn is_idle(&self) -> bool {
        let is_timed = matches!(self.active.rule.kind, Kind::Absent { .. } | Kind::Expiring { .. });
        !is_timed && self.groups.values().all(Group::is_quiet)
    }
}

impl Watched {
    /// Lets go of the half of the groups without an alert that has seen the least, and that longest ago.
    pub(super) fn make_room(&mut self) {
        let weight = |group: &Group| (group.status.is_active(), group.seen.count, group.seen.last);
        let mut weights: Vec<_> = self.groups.values().map(weight).collect();
        weights.sort_unstable();
        let Some(middle) = weights.get(weights.len() / 2).copied() else { return };
        self.groups.retain(|_, group| weight(group) > middle);
    }

    /// Whether a value is new, for a rule that asks for new ones.
    pub(super) fn is_first_seen(
        &mut self,
        facts: &Facts<'_>,
        has_learnt: bool,
        is_full: &mut bool,
    ) -> bool {
        let Kind::FirstSeen { of } = self.active.rule.kind else { return true };
        let mut text: Vec<u8> = facts.value(of).into_owned();
        for field in &self.active.rule.by {
            text.push(0);
            text.extend_from_slice(&facts.value(*field));
        }
        let hash = facts.ledger.seed().hash(&text);
        if self.first_seen.contains_key(&hash) {
            return false;
        }
        *is_full = self.first_seen.len() >= FIRST_SEEN_MAX;
        if !*is_full {
            self.first_seen.insert(hash, ());
        }
        has_learnt && !*is_full
    }

    /// Whether any event of a verdict can be of interest.
    pub(super) fn may_concern(&self, verdict: Verdict) -> bool {
        let is_of_all = matches!(
            self.active.special.condition,
            Condition::Lockout { .. } | Condition::Unparsed { .. }
        );
        let is_ratio = matches!(self.active.rule.kind, Kind::Ratio { .. });
        is_of_all || is_ratio || self.quick.verdicts >> verdict.index() & 1 == 1
    }

    /// What an event is to the rule; none where the rule is not about it.
    pub(super) fn role(&self, facts: &Facts<'_>) -> Option<Role> {
        let Active { rule, special, .. } = &self.active;
        let verdict = facts.event.verdict;
        let is_first = facts.event.first_of_connection != Some(false);
        match special.condition {
            Condition::Lockout { .. } => {
                let admits = verdict == Verdict::Verified;
                return match verdict.is_denial() {
                    true => Some(Role::Matching),
                    false => admits.then_some(Role::Other),
                };
            }
            Condition::Unparsed { .. } => return Some(Role::Other),
            Condition::Digest => return None,
            _ => {}
        }
        if let Kind::Ratio { per, .. } = rule.kind {
            let counts = verdict != Verdict::NotTls && (per == Per::Request || is_first);
            if !counts || !self.matches_open(facts) {
                return None;
            }
            let matches = self.quick.allows(facts.event);
            return Some(if matches { Role::Matching } else { Role::Other });
        }
        let has_traits = facts.traits.has(special.needs)
            && (special.needs_one == Traits::NONE || facts.traits.meets(special.needs_one))
            && !facts.traits.meets(special.excludes);
        let matches = has_traits && self.quick.allows(facts.event) && self.matches_open(facts);
        matches.then_some(Role::Matching)
    }

    /// Whether the conditions hold that are not about what became of the request: a share is one of all
    /// that become of it.
    fn matches_open(&self, facts: &Facts<'_>) -> bool {
        let filter = &self.active.rule.filter;
        !self.quick.has_open
            || filter.matches_where(|field| !is_outcome(field), |field| facts.value(field))
    }
}

/// The conditions on verdict, reason and class, worked out once for every value.
#[derive(Debug)]
struct Quick {
    /// A bit for each verdict.
    verdicts: u32,
    /// By reason; the last is for events without one.
    reasons: Vec<bool>,
    /// There are conditions on other fields.
    has_open: bool,
}

impl Quick {
    fn of(filter: &Filter) -> Quick {
        let allows = |verdict: &Verdict| filter.allows(Field::Verdict, verdict.as_str().as_bytes());
        let verdicts = Verdict::ALL.iter().filter(|verdict| allows(verdict));
        let of_reason = |reason: Option<Reason>| {
            let class = reason.map_or("", |reason| reason.class().as_str());
            filter.allows(Field::Reason, reason.map_or("", Reason::as_str).as_bytes())
                && filter.allows(Field::Class, class.as_bytes())
        };
        Quick {
            verdicts: verdicts.map(|verdict| 1 << verdict.index()).sum(),
            reasons: Reason::ALL.map(Some).into_iter().chain([None]).map(of_reason).collect(),
            has_open: filter.fields().any(|field| !is_outcome(field)),
        }
    }

    #[inline]
    fn allows(&self, event: &Event<'_>) -> bool {
        let place = event.reason.map_or(Reason::ALL.len(), |reason| reason as usize);
        self.verdicts >> event.verdict.index() & 1 == 1
            && self.reasons.get(place).copied().unwrap_or(false)
    }
}

/// Whether a field tells what became of a request.
fn is_outcome(field: Field) -> bool {
    matches!(field, Field::Verdict | Field::Reason | Field::Class)
}

/// What an event is to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It matches.
    Matching,
    /// It is one of those that the matching ones are a share of.
    Other,
}

/// An event on its way into a group.
pub(super) struct Counting<'a, 'e> {
    pub(super) active: &'a Active,
    pub(super) spans: Spans,
    pub(super) facts: &'a Facts<'e>,
}

impl Counting<'_, '_> {
    /// Counts it; returns whether something found no room.
    pub(super) fn count(&self, group: &mut Group, role: Role, is_new: bool) -> bool {
        let Counting { active, spans, facts } = self;
        let time = facts.time;
        let matches = role == Role::Matching;
        match (active.special.condition, &active.rule.kind) {
            (Condition::Lockout { .. }, _) => return self.count_lockout(group, matches),
            (Condition::LockedOut { .. }, _) if group.is_told(facts) => return false,
            (Condition::LockedOut { claims, .. }, _) => {
                let weight = if facts.traits.has(Traits::KNOWN) { claims } else { 1 };
                group.counts.add(spans.window, time, weight, weight);
            }
            (_, Kind::Absent { .. }) => {
                let past = group.past.get_or_insert_with(|| Box::new(Past::Gaps(Gaps::default())));
                if let Past::Gaps(gaps) = past.as_mut() {
                    gaps.add(time);
                }
            }
            (_, Kind::FirstSeen { .. }) if !is_new => return false,
            (_, kind) => {
                let all = 1;
                group.counts.add(spans.window, time, u64::from(matches), all);
                if let Some(span) = spans.longer {
                    group.longer.add(span, time, u64::from(matches), all);
                }
                if let Kind::Ratio { times_baseline, .. } = kind
                    && *times_baseline > 0.0
                {
                    let past =
                        group.past.get_or_insert_with(|| Box::new(Past::Usual(Usual::default())));
                    if let Past::Usual(usual) = past.as_mut() {
                        usual.add(time, matches);
                    }
                }
            }
        }
        if !matches {
            return false;
        }
        group.seen.add(facts);
        let Some(value) = self.value() else { return false };
        let is_full = match (active.special.condition, spans.longer) {
            (Condition::InEither { .. }, Some(span)) => group.longer_recent.add(span, time, value),
            _ => false,
        };
        group.recent.add(spans.window, time, value) || is_full
    }

    /// What is told apart in the group's window, if anything is.
    fn value(&self) -> Option<u64> {
        let Counting { active, facts, .. } = self;
        let is_known = facts.traits.has(Traits::KNOWN.with(Traits::CLIENT));
        let is_revoked = facts.event.reason == Some(Reason::CertRevoked);
        match (active.special.condition, &active.rule.kind) {
            (Condition::OfOneClient, _) => Some(facts.client),
            // To be refused as revoked is no fault.
            (_, Kind::Ratio { .. }) => (is_known && !is_revoked).then_some(facts.client),
            (_, Kind::Distinct { of: Field::SubjectDn, .. }) => Some(facts.client),
            (_, Kind::Distinct { of: Field::RemoteAddr, .. }) if active.special.learns => {
                let addr = facts.event.remote_addr?;
                Some(network_hash(facts.ledger, addr))
            }
            (_, Kind::Distinct { of, .. }) => Some(facts.ledger.seed().hash(&facts.value(*of))),
            _ => None,
        }
    }

    fn count_lockout(&self, group: &mut Group, is_refused: bool) -> bool {
        let Counting { spans, facts, .. } = self;
        let past = group.past.get_or_insert_with(|| Box::new(Past::Admitted(Admitted::default())));
        let Past::Admitted(admitted) = past.as_mut() else { return false };
        if !is_refused {
            admitted.last = admitted.last.max(Some(facts.time));
            if facts.event.first_of_connection != Some(false) {
                admitted.add(facts.address, facts.time);
            }
            return false;
        }
        if !admitted.has(facts.address, facts.time) {
            return false;
        }
        group.seen.add(facts);
        group.counts.add(spans.window, facts.time, 1, 1);
        group.recent.add(spans.window, facts.time, facts.address)
    }
}

impl Group {
    pub(super) fn is_quiet(&self) -> bool {
        !self.status.is_active() && self.counts.is_empty() && self.longer.is_empty()
    }
}
