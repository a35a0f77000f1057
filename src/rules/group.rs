//! What a rule remembers of one group: its counts, whom it saw, and how its alert stands.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Encode};

use super::facts::Facts;
use super::traits::Traits;
use super::window::{Recent, Steps};
use crate::escape::escape_text;
use crate::event::reason::Reason;
use crate::event::verdict::Verdict;
use crate::ledger::CertificateKey;
use crate::ledger::distinct::Distinct;
use crate::ledger::{RouteId, ServerId};
use crate::limits::RULE_TEXT_BYTES_MAX;

/// One group of a rule.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub(super) struct Group {
    /// The values of the rule's `by`, safe to show.
    #[n(0)]
    pub(super) values: Vec<String>,
    #[n(1)]
    pub(super) counts: Steps,
    /// Over a longer window, where the rule has one.
    #[n(2)]
    pub(super) longer: Steps,
    /// Different values, or clients.
    #[n(3)]
    pub(super) recent: Recent,
    #[n(4)]
    pub(super) status: Status,
    #[n(5)]
    pub(super) seen: Sample,
    /// What some conditions need beyond that.
    #[n(6)]
    pub(super) past: Option<Box<Past>>,
    /// A client of whom a broader alert has told.
    #[n(8)]
    pub(super) told: Option<Told>,
    /// Clients over the longer window.
    #[n(7)]
    pub(super) longer_recent: Recent,
}

impl Group {
    /// Whether a broader alert has told of an event.
    pub(super) fn is_told(&self, facts: &Facts<'_>) -> bool {
        let reason = facts.event.reason.map(Reason::as_str);
        self.told
            .as_ref()
            .is_some_and(|told| told.is_fresh(facts.time) && told.reason.as_deref() == reason)
    }

    /// The server that refuses the client.
    pub(super) fn server(&self) -> ServerId {
        self.told.as_ref().map_or(self.seen.server, |told| told.server)
    }

    /// Whether its own alert tells of it, or a broader one did.
    pub(super) fn is_told_of(&self) -> bool {
        self.status.is_firing() || self.told.is_some()
    }

    /// Whether its alert may come to tell of it.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.status, Status::Pending { .. })
    }

    /// The client.
    pub(super) fn client(&self) -> u64 {
        self.told.as_ref().map_or(self.seen.client, |told| told.client)
    }

    /// The address that it came from last.
    pub(super) fn address(&self) -> u64 {
        self.told.as_ref().map_or(self.seen.address, |told| told.address)
    }

    /// The client that is to be verified again, if one is.
    pub(super) fn waiting(&self) -> Option<u64> {
        let told = self.told.as_ref().map(|told| told.client);
        told.or(self.seen.last.map(|_| self.seen.client))
    }
}

/// That a broader alert has told of a client. Until it is verified again, or refused for another reason, or
/// a day has passed, it is not told again.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(super) struct Told {
    /// Why it was refused then.
    #[n(0)]
    pub(super) reason: Option<String>,
    #[n(1)]
    pub(super) at: UnixMillis,
    #[n(2)]
    pub(super) server: ServerId,
    #[n(3)]
    pub(super) client: u64,
    #[n(4)]
    pub(super) address: u64,
}

impl Told {
    pub(super) fn is_fresh(&self, at: UnixMillis) -> bool {
        at - self.at < 24 * HOUR_MILLIS
    }
}

/// How the alert of a group stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Encode, Decode)]
pub(super) enum Status {
    #[n(0)]
    #[default]
    Inactive,
    /// The condition holds since.
    #[n(1)]
    Pending {
        #[n(0)]
        since: UnixMillis,
    },
    #[n(2)]
    Firing {
        /// When it began to.
        #[n(0)]
        since: UnixMillis,
        /// When the condition held last.
        #[n(1)]
        held: UnixMillis,
        /// What was compared then.
        #[n(2)]
        value: f64,
    },
}

impl Status {
    pub(super) fn is_active(&self) -> bool {
        !matches!(self, Status::Inactive)
    }

    pub(super) fn is_firing(&self) -> bool {
        matches!(self, Status::Firing { .. })
    }
}

/// The matching events since the group began to see some.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub(super) struct Sample {
    #[n(0)]
    pub(super) first: Option<UnixMillis>,
    #[n(1)]
    pub(super) last: Option<UnixMillis>,
    #[n(2)]
    pub(super) count: u64,
    #[n(3)]
    pub(super) addresses: Distinct,
    /// Of the last one.
    #[n(4)]
    pub(super) certificate: Option<CertificateKey>,
    #[n(5)]
    pub(super) client: u64,
    #[n(6)]
    pub(super) address: u64,
    /// Its text, safe to show.
    #[n(7)]
    pub(super) remote_addr: String,
    #[n(8)]
    pub(super) route: RouteId,
    #[n(9)]
    pub(super) server: ServerId,
    /// By name: the numbers of reasons may change between releases.
    #[n(10)]
    pub(super) reason: Option<String>,
    /// The traits of all of them.
    #[n(11)]
    traits: u32,
    /// The hash of its issuer.
    #[n(12)]
    pub(super) issuer: u64,
    #[n(13)]
    pub(super) connections: u64,
}

impl Sample {
    /// Takes in a matching event.
    pub(super) fn add(&mut self, facts: &Facts<'_>) {
        self.first = self.first.into_iter().chain([facts.time]).min();
        self.last = self.last.max(Some(facts.time));
        self.count += 1;
        // A refusal ends its connection, unless the gate itself refuses.
        let is_first = facts.event.first_of_connection.unwrap_or(true);
        let ends = facts.event.verdict == Verdict::Rejected;
        self.connections += u64::from(is_first || ends);
        if self.address != facts.address || self.remote_addr.is_empty() {
            self.address = facts.address;
            self.remote_addr = text(facts.event.remote_addr.unwrap_or_default());
            self.addresses.insert(facts.address);
        }
        self.client = facts.client;
        self.route = facts.recorded.route;
        self.server = facts.recorded.server;
        if self.certificate != facts.recorded.certificate.map(|(key, _)| key) {
            self.certificate = facts.recorded.certificate.map(|(key, _)| key);
            self.issuer = facts.issuer();
        }
        if self.reason.as_deref() != facts.event.reason.map(Reason::as_str) {
            self.reason = facts.event.reason.map(|reason| reason.as_str().to_owned());
        }
        self.traits = (self.traits() | facts.traits).bits();
    }

    pub(super) fn traits(&self) -> Traits {
        Traits::from_bits(self.traits)
    }

    pub(super) fn reason(&self) -> Option<Reason> {
        self.reason.as_deref().and_then(Reason::from_name)
    }
}

/// What some conditions need of the past.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) enum Past {
    /// The usual share: sums that fade, and the hour that is not over.
    #[n(0)]
    Usual(#[n(0)] Usual),
    /// Whom a route has let in.
    #[n(1)]
    Admitted(#[n(0)] Admitted),
    /// The pauses of a log.
    #[n(2)]
    Gaps(#[n(0)] super::gaps::Gaps),
}

/// The share of a group over the hours before, each counting less.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub(super) struct Usual {
    #[n(0)]
    matching: f64,
    #[n(1)]
    all: f64,
    #[n(2)]
    hour: i64,
    #[n(3)]
    hour_matching: f64,
    #[n(4)]
    hour_all: f64,
}

/// What is left of an hour's weight after another hour: half of it after some 17.
const FADING: f64 = 0.96;

const HOUR_MILLIS: i64 = 3_600_000;

impl Usual {
    pub(super) fn add(&mut self, time: UnixMillis, matching: bool) {
        let hour = time.div_euclid(HOUR_MILLIS);
        if hour > self.hour {
            let passed = i32::try_from(hour - self.hour).unwrap_or(i32::MAX);
            let fading = FADING.powi(passed);
            self.matching = (self.matching + self.hour_matching) * fading;
            self.all = (self.all + self.hour_all) * fading;
            (self.hour, self.hour_matching, self.hour_all) = (hour, 0.0, 0.0);
        }
        self.hour_matching += f64::from(u8::from(matching));
        self.hour_all += 1.0;
    }

    /// The share before this hour; 0 before the first.
    pub(super) fn share(&self) -> f64 {
        if self.all > 0.0 { self.matching / self.all } else { 0.0 }
    }
}

/// Whom a route has let in.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub(super) struct Admitted {
    /// Hashes of addresses and when each was last let in; the oldest leave first.
    #[n(0)]
    sources: Vec<(u64, UnixMillis)>,
    #[n(1)]
    pub(super) last: Option<UnixMillis>,
}

/// How long a source counts as one of the route.
const ADMITTED_MILLIS: i64 = 24 * HOUR_MILLIS;

/// Sources of a route that are remembered.
const SOURCES_MAX: usize = 32;

impl Admitted {
    pub(super) fn add(&mut self, address: u64, time: UnixMillis) {
        self.last = self.last.max(Some(time));
        if let Some((_, last)) = self.sources.iter_mut().find(|(known, _)| *known == address) {
            *last = (*last).max(time);
            return;
        }
        if self.sources.len() >= SOURCES_MAX {
            let oldest = self.sources.iter().enumerate().min_by_key(|(_, (_, last))| *last);
            if let Some((place, _)) = oldest {
                self.sources.swap_remove(place);
            }
        }
        self.sources.push((address, time));
    }

    pub(super) fn has(&self, address: u64, time: UnixMillis) -> bool {
        let since = time - ADMITTED_MILLIS;
        self.sources.iter().any(|(known, last)| *known == address && *last >= since)
    }
}

/// What a client wrote, or nginx, as a label or message shows it.
pub(super) fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..RULE_TEXT_BYTES_MAX).unwrap_or(bytes);
    escape_text(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_share_is_that_of_the_hours_before() {
        let mut usual = Usual::default();
        for minute in 0..60 {
            usual.add(minute * 60_000, minute % 10 == 0);
        }
        assert!(usual.share().abs() < 1e-9, "the hour is not over");
        usual.add(HOUR_MILLIS, true);
        assert!((usual.share() - 0.1).abs() < 1e-9);
        usual.add(30 * HOUR_MILLIS, false);
        assert!(usual.share() > 0.1 && usual.share() < 0.2);
    }

    #[test]
    fn whom_a_route_let_in_is_forgotten_after_a_day_and_beyond_a_bound() {
        let mut admitted = Admitted::default();
        admitted.add(7, 0);
        assert!(admitted.has(7, ADMITTED_MILLIS) && !admitted.has(7, ADMITTED_MILLIS + 1));
        assert!(!admitted.has(8, 0));
        for address in 100..100 + SOURCES_MAX as u64 {
            admitted.add(address, 1000);
        }
        assert!(!admitted.has(7, 1000) && admitted.has(100, 1000));
        assert_eq!(admitted.sources.len(), SOURCES_MAX);
        assert_eq!(admitted.last, Some(1000));
    }
}
