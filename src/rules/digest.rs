//! Certificates in use that end soon: asked of all certificates at once, not of events.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatelog_parsers::time_stamp::UnixMillis;

use super::decide::{Moment, number};
use super::engine::Engine;
use super::group::{Group, Sample};
use super::message::of_certificate;
use super::rule::Kind;
use super::set::RuleSet;
use crate::ledger::CertificateKey;
use crate::ledger::certificates::CertificateUse;

/// One certificate that ends soon.
struct Ending<'a> {
    key: &'a CertificateKey,
    entry: &'a CertificateUse,
    end: UnixMillis,
}

impl Engine {
    /// Decides a rule about certificates that end.
    pub(super) fn decide_digest(&mut self, index: usize, moment: Moment<'_>) {
        let set = Arc::clone(&self.set);
        let Some(watched) = self.watched.get_mut(index) else { return };
        let rule = &watched.active.rule;
        let mut found: BTreeMap<Vec<String>, Vec<Ending<'_>>> = BTreeMap::new();
        for ending in endings(rule.window_millis, &rule.kind, moment) {
            let fingerprint = ending.key.fingerprint_sha1().unwrap_or_default();
            let owner = set.owner(ending.entry);
            let value = |field| of_certificate(field, &fingerprint, ending.entry, owner);
            let matches = rule.filter.matches(|field| value(field).into_bytes().into());
            if matches {
                let values = rule.by.iter().map(|field| value(*field)).collect();
                found.entry(values).or_default().push(ending);
            }
        }
        let mut turns: Vec<(u64, Option<f64>)> = Vec::new();
        for group in watched.groups.values_mut() {
            group.seen = Sample::default();
        }
        for (values, endings) in found {
            let key = moment.ledger.seed().hash(values.join("\u{0}").as_bytes());
            let group =
                watched.groups.entry(key).or_insert_with(|| Group { values, ..Group::default() });
            let first = endings.iter().min_by_key(|it| it.end);
            group.seen.certificate = first.map(|it| *it.key);
            group.seen.count = endings.len() as u64;
            turns.push((key, Some(number(endings.len() as u64))));
        }
        for (key, _) in watched.groups.iter().filter(|(_, group)| group.seen.count == 0) {
            turns.push((*key, None));
        }
        turns.sort_by_key(|(key, _)| *key);
        for (key, held) in turns {
            self.turn(index, key, held, moment.at, moment.ledger);
        }
        if let Some(watched) = self.watched.get_mut(index) {
            watched.groups.retain(|_, group| group.status.is_active());
        }
    }
}

impl RuleSet {
    /// The owner of a certificate's subject; empty when nobody is named.
    pub(super) fn owner(&self, entry: &CertificateUse) -> &str {
        let identity = self.identities.of(&entry.subject_dn);
        identity.and_then(|identity| identity.owner.as_deref()).unwrap_or_default()
    }
}

/// Seconds as milliseconds, to the second.
#[expect(clippy::cast_possible_truncation, reason = "a share of 136 years at most")]
fn whole_millis(seconds: f64) -> i64 {
    seconds.round() as i64 * 1000
}

/// Certificates that were let in within the window, end soon, and have no verified successor.
fn endings<'a>(window_millis: i64, kind: &Kind, moment: Moment<'a>) -> Vec<Ending<'a>> {
    let Kind::Expiring { within_millis, share_of_lifetime } = *kind else { return Vec::new() };
    let Moment { ledger, at, .. } = moment;
    let all = || ledger.certificates.iter().filter(|(_, entry)| entry.is_proven());
    let mut endings: Vec<Ending<'_>> = all()
        .filter(|(_, entry)| entry.let_in.last.is_some_and(|last| last >= at - window_millis))
        .filter_map(|(key, entry)| {
            let end = entry.not_after_seconds?.saturating_mul(1000);
            let share = match entry.lifetime_seconds {
                0 => within_millis,
                seconds => whole_millis(f64::from(seconds) * share_of_lifetime),
            };
            let is_soon = end >= at && end - at <= within_millis.min(share);
            is_soon.then_some(Ending { key, entry, end })
        })
        .collect();
    if endings.is_empty() {
        return endings;
    }
    let mut last_ends: BTreeMap<&[u8], i64> = BTreeMap::new();
    for ending in &endings {
        last_ends.insert(&ending.entry.subject_dn, 0);
    }
    for (_, entry) in all() {
        if let Some(last) = last_ends.get_mut(&*entry.subject_dn) {
            *last = (*last).max(entry.not_after_seconds.unwrap_or(0).saturating_mul(1000));
        }
    }
    endings.retain(|it| last_ends.get(&*it.entry.subject_dn).is_none_or(|last| *last <= it.end));
    endings
}
