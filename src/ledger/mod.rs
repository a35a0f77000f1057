//! The mergeable counts of events: per server and route, certificate, address, upstream, TLS version
//! and cipher; per request and per connection; over time.
//!
//! `a.merge(&b)` is the ledger of both inputs, in any order, as long as no bound is hit; beyond a
//! bound totals stay exact and the hit is counted. Plain data and functions: no I/O, no clock.

mod certificate_key;
pub mod certificates;
pub mod counts;
pub mod distinct;
mod fingerprint_memo;
pub mod gates;
pub mod image;
pub mod journal;
mod journal_context;
mod journal_entry;
pub mod limit_hits;
pub mod prior;
mod record;
pub mod replay;
mod route_bound;
pub mod route_set;
pub mod routes;
pub mod table;
pub mod timeline;
pub mod tls;
pub mod twins;
pub mod window;
pub mod word;

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Encode};

pub use certificates::{CertificateKey, CertificateUse, Certificates, Prior};
use counts::{Seen, VerdictCounts};
use distinct::{Distinct, Seed};
use journal::{Journal, Name, Names, Stand};
use limit_hits::{Limit, LimitHits};
pub use record::Record;
pub use routes::{RouteId, RouteUse, Routes, ServerId};
use table::{Place, Table};
use timeline::Timeline;
pub use tls::TlsCounts;
use twins::Twins;
use window::{Counted, Window};
use word::{Word, WordRef};

use crate::event::route::Router;
use crate::event::{Event, Scope};
use crate::limits::{ADDRESSES, TIMELINE_BUCKETS_MAX, WORD_BYTES_MAX};

/// How long a certificate stays known after it last verified.
pub const KNOWN_MILLIS: i64 = 30 * 86_400_000;

/// Everything that was counted.
#[derive(Debug)]
pub struct Ledger {
    seed: Seed,
    /// When events happened.
    pub seen: Seen,
    /// Requests by server and route.
    pub routes: Routes,
    /// Requests by certificate.
    pub certificates: Certificates,
    /// Requests by address.
    pub addresses: Table<Word, AddressUse>,
    /// Requests by server, TLS version and cipher.
    pub tls: TlsCounts,
    /// Requests of sources that log everything, and failures of all, over time.
    pub timeline: Timeline,
    /// Denials by certificate in the last hour.
    pub refused: Window<CertificateKey>,
    /// Requests that two sources carry.
    pub twins: Twins,
    /// Whether any line told its place in its connection.
    pub has_connections: bool,
    /// How often each bound was hit.
    pub limits: LimitHits,
    /// What was recorded since it was last taken, where somebody keeps it.
    journal: Option<Box<Journal>>,
    /// What a journal calls certificates and addresses.
    names: Names,
}

/// Where an event was counted.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// Its route.
    pub route: RouteId,
    /// Its server.
    pub server: ServerId,
    /// Its certificate, and what was known of that before, where it is asked for: see
    /// [`Ledger::keep_prior`].
    pub certificate: Option<(CertificateKey, Prior)>,
}

/// What came from one address.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub struct AddressUse {
    /// Its requests.
    #[n(0)]
    pub verdicts: VerdictCounts,
    /// How many certificates it sent.
    #[n(1)]
    pub certificates: Distinct,
    /// When it was seen.
    #[n(2)]
    pub seen: Seen,
}

impl Ledger {
    /// An empty ledger of at most `routes_max` routes. Ledgers to be merged need the same seed.
    pub fn new(seed: Seed, routes_max: usize) -> Ledger {
        Ledger {
            seen: Seen::default(),
            routes: Routes::new(routes_max),
            certificates: Certificates::new(seed.clone()),
            addresses: Table::new(ADDRESSES),
            tls: TlsCounts::default(),
            timeline: Timeline::new(TIMELINE_BUCKETS_MAX),
            refused: Window::new(),
            twins: Twins::default(),
            has_connections: false,
            limits: LimitHits::default(),
            journal: None,
            names: Names::default(),
            seed,
        }
    }

    /// The seed of its sketches; ledgers to be compared or merged need the same.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Counts an event, and says where.
    pub fn record(&mut self, event: &Event<'_>, router: &Router) -> Recorded {
        let limits = &mut self.limits;
        if event.is_other_server {
            limits.hit(Limit::Servers);
        }
        let address = event.remote_addr.map(|addr| self.seed.hash(word(addr)));
        let route = self.routes.record(event, router, limits);
        let place = (route, self.routes.server_of(route));
        if let Some(journal) = &mut self.journal {
            journal.begin_event(&mut self.names);
        }
        let names = self.journal.is_some().then_some(&mut self.names);
        let noted = self.certificates.record(event, place, address, limits, names);
        let key = noted.map(|noted| noted.key);
        let address =
            event.remote_addr.and_then(|addr| self.record_address(event, word(addr), key));
        if let Some(journal) = &mut self.journal {
            let certificate = noted.and_then(|noted| noted.name);
            journal.add(event, &self.routes, &Stand { route, certificate, address });
        }
        self.tls.record(event, place.1, &mut self.limits);
        self.has_connections |= event.first_of_connection.is_some();
        if let Some(request_id) = event.request_id {
            let beyond = self.twins.see(request_id, event.source, &self.seed);
            self.hit_if(beyond, Limit::SourcesCompared);
        }
        if let Some(time) = event.time {
            self.seen.add(event.time);
            let failure = event.verdict.is_failure();
            match event.scope {
                Scope::All => self.timeline.add(time, failure),
                Scope::Denials if failure => self.timeline.add_failure(time),
                Scope::Denials => 0,
            };
            self.refused.advance(time);
            if let Some(key) = key.filter(|_| event.verdict.is_denial()) {
                let full = self.refused.add(key, time, 1) == Counted::Full;
                self.limits.hit_if(full, Limit::RefusedCertificates);
            }
        }
        let certificate = noted.map(|noted| (noted.key, noted.prior));
        Recorded { route, server: place.1, certificate }
    }

    /// Whether [`Recorded`] tells what was known of a certificate before its event.
    pub fn keep_prior(&mut self, keep: bool) {
        self.certificates.keep_prior(keep);
    }

    /// Counts an event under its address; returns its name, where a journal is kept.
    fn record_address(
        &mut self,
        event: &Event<'_>,
        addr: &[u8],
        key: Option<CertificateKey>,
    ) -> Option<Name> {
        let certificate = key.map(|key| self.seed.hash_key(&key));
        let change = |address: &mut AddressUse| {
            address.verdicts.add(event.verdict);
            address.seen.add(event.time);
            let grown = certificate.map_or(0, |hash| address.certificates.insert(hash));
            ((), grown.cast_signed())
        };
        if let Some(place) = self.addresses.place(&WordRef(addr)) {
            self.addresses.change_at(place, change);
            return self.name_address(place);
        }
        let mut entry = AddressUse::default();
        let ((), owned) = change(&mut entry);
        let addr = Word::from(addr);
        let owned = addr.owned_bytes() + owned.unsigned_abs();
        let place = self.addresses.add(addr, entry, owned);
        let name = self.name_address(place);
        evict_addresses(&mut self.addresses, &mut self.limits);
        name
    }

    fn name_address(&mut self, place: Place) -> Option<Name> {
        self.journal.as_ref()?;
        self.addresses.mark_mut(place).map(|mark| self.names.of(mark))
    }

    /// Counts a hit of a bound outside of an event.
    pub fn hit_if(&mut self, is_hit: bool, limit: Limit) {
        self.limits.hit_if(is_hit, limit);
        if let Some(journal) = self.journal.as_mut().filter(|_| is_hit) {
            journal.add_limit_hit(limit);
        }
    }

    /// Sets another bound on routes; what is counted stays.
    pub fn set_routes_max(&mut self, routes_max: usize) {
        self.routes.set_max(routes_max);
        if let Some(journal) = &mut self.journal {
            journal.add_routes_max(routes_max);
        }
    }

    /// What came from an address.
    pub fn address(&self, addr: &[u8]) -> Option<&AddressUse> {
        self.addresses.peek(&WordRef(word(addr)))
    }

    /// Begins, or ends, to keep a journal of what is recorded.
    pub fn keep_journal(&mut self, keep: bool) {
        self.journal = keep.then(Box::default);
    }

    /// The journal, if one is kept.
    pub fn journal(&mut self) -> Option<&mut Journal> {
        self.journal.as_deref_mut()
    }

    /// Adds everything that `other` counted.
    pub fn merge(&mut self, other: &Ledger) {
        let limits = &mut self.limits;
        limits.merge(&other.limits);
        self.seen.merge(&other.seen);
        let map = self.routes.merge(&other.routes, limits);
        self.certificates.merge(&other.certificates, &map, limits);
        for (addr, theirs) in other.addresses.iter_oldest_first() {
            let change = |mine: &mut AddressUse| {
                mine.verdicts.merge(&theirs.verdicts);
                mine.seen.merge(&theirs.seen);
                ((), mine.certificates.merge(&theirs.certificates).cast_signed())
            };
            if self.addresses.change(addr, change).is_none() {
                let owned = addr.owned_bytes() + theirs.certificates.owned_bytes();
                self.addresses.add(addr.clone(), theirs.clone(), owned);
                evict_addresses(&mut self.addresses, limits);
            }
        }
        self.tls.merge(&other.tls, &map, limits);
        self.timeline.merge(&other.timeline);
        let full = self.refused.merge(&other.refused);
        limits.add(Limit::RefusedCertificates, full);
        self.twins.merge(&other.twins);
        self.has_connections |= other.has_connections;
    }

    /// From when on a certificate must have verified to be known at the end of this ledger.
    pub fn known_since(&self) -> Option<UnixMillis> {
        self.seen.last.map(|last| last.saturating_sub(KNOWN_MILLIS))
    }

    /// Requests by verdict, over all routes.
    pub fn verdicts(&self) -> VerdictCounts {
        let mut sum = VerdictCounts::default();
        self.routes.iter().for_each(|(_, route)| sum.merge(&route.verdicts));
        sum
    }
}

/// As much of an address as is kept.
fn word(addr: &[u8]) -> &[u8] {
    addr.get(..WORD_BYTES_MAX).unwrap_or(addr)
}

fn evict_addresses(addresses: &mut Table<Word, AddressUse>, limits: &mut LimitHits) {
    while addresses
        .evict(|addr, entry| addr.owned_bytes() + entry.certificates.owned_bytes())
        .is_some()
    {
        limits.hit(Limit::Addresses);
    }
}
