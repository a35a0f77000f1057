//! What each client certificate did: the verified and the merely claimed apart.

use std::sync::Arc;

use foldhash::fast::RandomState;
use gatelog_parsers::escape::Escape;
use gatelog_parsers::time_stamp::{self, UnixMillis};
use hashbrown::HashMap;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

pub use super::certificate_key::CertificateKey;
use super::counts::{ReasonCounts, Seen, VerdictCounts, decode_count};
use super::distinct::{Distinct, Seed};
use super::fingerprint_memo::FingerprintMemo;
use super::gates::Gates;
use super::journal::{Name, Names};
use super::limit_hits::{Limit, LimitHits};
pub use super::prior::Prior;
pub use super::route_set::RouteSet;
use super::routes::{RouteId, RouteMap, ServerId};
use super::table::{Table, block_bytes};
use super::word::Word;
use crate::event::verdict::Verdict;
use crate::event::{Certificate, Event};
use crate::limits::{
    CLAIMED_CERTIFICATES, DEPARTED_ISSUERS_MAX, DN_BYTES_MAX, SHARED_ISSUERS_MAX,
    VERIFIED_CERTIFICATES, WORD_BYTES_MAX,
};

/// What one certificate did.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct CertificateUse {
    /// Its subject, log escaping undone; empty when it has none.
    #[n(0)]
    #[cbor(encode_with = "encode_dn", decode_with = "decode_dn")]
    pub subject_dn: Arc<[u8]>,
    /// Its issuer, alike.
    #[n(1)]
    #[cbor(encode_with = "encode_dn", decode_with = "decode_dn")]
    pub issuer_dn: Arc<[u8]>,
    /// When it ends, seconds since 1970; `None` when not logged.
    #[n(2)]
    pub not_after_seconds: Option<i64>,
    /// Its requests.
    #[n(3)]
    pub verdicts: VerdictCounts,
    /// Why it was refused or forbidden.
    #[n(4)]
    pub reasons: ReasonCounts,
    /// When it was seen at all.
    #[n(5)]
    pub seen: Seen,
    /// When it verified, whatever happened then.
    #[n(6)]
    pub proven: Seen,
    /// When it was let in.
    #[n(7)]
    pub let_in: Seen,
    /// What it met at each server.
    #[n(8)]
    pub gates: Gates,
    /// How many addresses it came from.
    #[n(9)]
    pub addresses: Distinct,
    /// The address that it came from first.
    #[n(10)]
    pub first_address: Option<(Option<UnixMillis>, Word)>,
    /// The routes that let it in.
    #[n(11)]
    pub routes_let_in: RouteSet,
    /// The routes that refused it.
    #[n(12)]
    pub routes_refused: RouteSet,
    /// From its start to its end, in seconds; 0 when not logged.
    #[n(13)]
    #[cbor(default)]
    pub lifetime_seconds: u32,
}

impl CertificateUse {
    /// Whether it verified here at `since` or later: only then its name is known.
    pub fn is_known(&self, since: Option<UnixMillis>) -> bool {
        self.is_proven() && self.proven.last >= since
    }

    /// Whether it ever verified here.
    pub fn is_proven(&self) -> bool {
        let proves = |verdict| {
            matches!(verdict, Verdict::Verified | Verdict::Forbidden | Verdict::Misdirected)
        };
        self.verdicts.iter().any(|(verdict, count)| proves(verdict) && count > 0)
    }

    /// How many routes it was seen on.
    pub fn route_count(&self) -> u64 {
        let mut seen = self.routes_let_in.clone();
        seen.merge(&self.routes_refused);
        seen.count()
    }

    /// Whether a line can tell nothing new of its names and its end.
    #[inline]
    fn is_complete(&self, key: &CertificateKey) -> bool {
        key.is_fingerprint
            && self.not_after_seconds.is_some()
            && !self.subject_dn.is_empty()
            && !self.issuer_dn.is_empty()
    }

    /// Takes in what is not known yet: another source may log less, or first. Returns by how many
    /// bytes the entry grew, and whether anything was new.
    fn complete(
        &mut self,
        certificate: &Certificate<'_>,
        key: &CertificateKey,
        dns: &mut Dns,
    ) -> (usize, bool) {
        let mut grown = 0;
        let known_end = self.not_after_seconds;
        if self.subject_dn.is_empty() && certificate.subject_dn.is_some() {
            self.subject_dn = dns.text(certificate.subject_dn);
            grown += dn_bytes(&self.subject_dn);
        }
        if self.issuer_dn.is_empty() && certificate.issuer_dn.is_some() {
            self.issuer_dn = dns.issuer(certificate.issuer_dn);
            grown += dn_bytes(&self.issuer_dn);
        }
        // Without a fingerprint a renewal goes on under the same key, and ends later.
        if !key.is_fingerprint || self.not_after_seconds.is_none() {
            let not_after = certificate.not_after.and_then(time_stamp::parse_certificate_time);
            self.not_after_seconds = self.not_after_seconds.max(not_after);
            let not_before = certificate.not_before.and_then(time_stamp::parse_certificate_time);
            if let Some((start, end)) = not_before.zip(not_after) {
                self.lifetime_seconds = u32::try_from(end.saturating_sub(start)).unwrap_or(0);
            }
        }
        (grown, grown > 0 || self.not_after_seconds != known_end)
    }

    fn named(subject_dn: Arc<[u8]>, issuer_dn: Arc<[u8]>) -> CertificateUse {
        CertificateUse {
            subject_dn,
            issuer_dn,
            not_after_seconds: None,
            verdicts: VerdictCounts::default(),
            reasons: ReasonCounts::default(),
            seen: Seen::default(),
            proven: Seen::default(),
            let_in: Seen::default(),
            gates: Gates::default(),
            addresses: Distinct::default(),
            first_address: None,
            routes_let_in: RouteSet::default(),
            routes_refused: RouteSet::default(),
            lifetime_seconds: 0,
        }
    }

    /// Counts an event and returns by how many bytes the entry grew, or shrank.
    fn record(
        &mut self,
        event: &Event<'_>,
        (route, server): (RouteId, ServerId),
        proven: bool,
        address: Option<u64>,
    ) -> isize {
        self.verdicts.add(event.verdict);
        self.seen.add(event.time);
        let mut grown = address.map_or(0, |hash| self.addresses.insert(hash));
        let mut moved = 0;
        if let Some(addr) = event.remote_addr {
            moved += self.take_first_address(event.time, addr);
        }
        if proven {
            self.proven.add(event.time);
        }
        if event.verdict.is_denial() {
            grown += self.routes_refused.insert(route);
        }
        if matches!(event.verdict, Verdict::Verified | Verdict::FailedOpen) {
            grown += self.routes_let_in.insert(route);
            self.let_in.add(event.time);
        }
        if let Some(reason) = event.reason {
            grown += self.reasons.add(reason, 1);
        }
        moved += self.gates.record(event, server);
        grown.cast_signed() + moved
    }

    fn take_first_address(&mut self, time: Option<UnixMillis>, addr: &[u8]) -> isize {
        // Lines come nearly in the order of time.
        if let (Some((Some(first), _)), Some(time)) = (&self.first_address, time)
            && *first < time
        {
            return 0;
        }
        if self
            .first_address
            .as_ref()
            .is_some_and(|(first, known)| (*first, &**known) <= (time, addr))
        {
            return 0;
        }
        let before = self.first_address.as_ref().map_or(0, |(_, known)| known.owned_bytes());
        let known = Word::from(addr.get(..WORD_BYTES_MAX).unwrap_or(addr));
        let owned = known.owned_bytes();
        self.first_address = Some((time, known));
        owned.cast_signed() - before.cast_signed()
    }

    /// Adds all of `other`, whose routes are numbered by `map` here; returns as `record` does.
    fn merge(&mut self, other: &CertificateUse, map: &RouteMap) -> isize {
        let before = self.owned_bytes();
        if self.subject_dn.is_empty() {
            self.subject_dn = Arc::clone(&other.subject_dn);
        }
        if self.issuer_dn.is_empty() {
            self.issuer_dn = Arc::clone(&other.issuer_dn);
        }
        self.not_after_seconds = self.not_after_seconds.max(other.not_after_seconds);
        self.lifetime_seconds = self.lifetime_seconds.max(other.lifetime_seconds);
        self.verdicts.merge(&other.verdicts);
        for (mine, theirs) in [
            (&mut self.seen, &other.seen),
            (&mut self.proven, &other.proven),
            (&mut self.let_in, &other.let_in),
        ] {
            mine.merge(theirs);
        }
        self.gates.merge_as(&other.gates, map);
        self.reasons.merge(&other.reasons);
        self.addresses.merge(&other.addresses);
        if let Some((time, addr)) = &other.first_address {
            self.take_first_address(*time, addr);
        }
        self.routes_let_in.merge_as(&other.routes_let_in, &map.routes);
        self.routes_refused.merge_as(&other.routes_refused, &map.routes);
        self.owned_bytes().cast_signed() - before.cast_signed()
    }

    fn owned_bytes(&self) -> usize {
        // DNs are shared, so each of its holders is charged for them: too much rather than too little.
        let address = self.first_address.as_ref().map_or(0, |(_, addr)| addr.owned_bytes());
        let sets = self.routes_let_in.owned_bytes() + self.routes_refused.owned_bytes();
        dn_bytes(&self.subject_dn)
            + dn_bytes(&self.issuer_dn)
            + address
            + self.gates.owned_bytes()
            + sets
            + self.reasons.owned_bytes()
            + self.addresses.owned_bytes()
    }
}

fn encode_dn<C, W: Write>(
    dn: &[u8],
    e: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), encode::Error<W::Error>> {
    e.bytes(dn)?.ok()
}

fn decode_dn<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Arc<[u8]>, decode::Error> {
    Ok(d.bytes()?.into())
}

/// What a DN owns, in bytes: its text behind two counts of its holders. The empty one is shared by all.
fn dn_bytes(dn: &Arc<[u8]>) -> usize {
    if dn.is_empty() { 0 } else { block_bytes(2 * size_of::<usize>() + dn.len()) }
}

/// What the certificates of an issuer did that are no longer in a table.
#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub struct Departed {
    /// Their requests.
    #[cbor(n(0), decode_with = "decode_count")]
    pub requests: u64,
    /// Those that were refused.
    #[cbor(n(1), decode_with = "decode_count")]
    pub denials: u64,
    /// How many certificates; one that came back and left again counts twice.
    #[cbor(n(2), decode_with = "decode_count")]
    pub certificates: u64,
    /// When one was last seen.
    #[n(3)]
    pub seen: Seen,
}

/// Makes DNs of what the log has: unescaped, and cut at a bound.
#[derive(Debug)]
struct Dns {
    escape: Escape,
    cut: u64,
    /// Of one value always: the hash is part of the name that labels and reports show.
    seed: Seed,
    last_issuers: Vec<Arc<[u8]>>,
}

impl Dns {
    fn text(&mut self, dn: Option<&[u8]>) -> Arc<[u8]> {
        let Some(dn) = dn else { return Arc::default() };
        let dn = self.escape.undo(dn);
        match dn.split_at_checked(DN_BYTES_MAX) {
            Some((head, rest)) if !rest.is_empty() => {
                self.cut += 1;
                let hash = self.seed.hash(rest);
                Arc::from([head, format!("...{hash:016x}").as_bytes()].concat())
            }
            _ => Arc::from(&*dn),
        }
    }

    /// Certificates of few issuers come in turns; a short memory shares nearly all of the names.
    fn issuer(&mut self, dn: Option<&[u8]>) -> Arc<[u8]> {
        // One that was cut is not among them as it was logged.
        let undone = self.escape.undo(dn.unwrap_or_default());
        if let Some(known) = self.last_issuers.iter().find(|known| ***known == *undone) {
            return Arc::clone(known);
        }
        let dn = self.text(dn);
        if dn.len() <= DN_BYTES_MAX {
            self.remember_issuer(&dn);
        }
        dn
    }

    /// Makes a name that is among the last issuers the very same text.
    fn share_issuer(&mut self, dn: &mut Arc<[u8]>) {
        match self.last_issuers.iter().find(|known| **known == *dn) {
            Some(known) => *dn = Arc::clone(known),
            None => self.remember_issuer(dn),
        }
    }

    fn remember_issuer(&mut self, dn: &Arc<[u8]>) {
        if self.last_issuers.len() >= SHARED_ISSUERS_MAX {
            self.last_issuers.remove(0);
        }
        self.last_issuers.push(Arc::clone(dn));
    }
}

/// Under which certificate an event was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) key: CertificateKey,
    /// What a journal calls it.
    pub(super) name: Option<Name>,
    pub(super) prior: Prior,
}

/// All certificates.
#[derive(Debug)]
pub struct Certificates {
    seed: Seed,
    verified: Entries,
    claimed: Entries,
    departed: HashMap<Arc<[u8]>, Departed, RandomState>,
    dns: Dns,
    memo: FingerprintMemo,
    keeps_prior: bool,
}

impl Certificates {
    /// Empty tables.
    pub fn new(seed: Seed) -> Certificates {
        Certificates {
            verified: Table::new(VERIFIED_CERTIFICATES),
            claimed: Table::new(CLAIMED_CERTIFICATES),
            departed: HashMap::default(),
            dns: Dns {
                escape: Escape::default(),
                cut: 0,
                seed: Seed::new(0),
                last_issuers: Vec::new(),
            },
            memo: FingerprintMemo::default(),
            keeps_prior: false,
            seed,
        }
    }

    /// Counts an event under its certificate; says which one that is, and its name among `names`.
    pub(super) fn record(
        &mut self,
        event: &Event<'_>,
        place: (RouteId, ServerId),
        address: Option<u64>,
        limits: &mut LimitHits,
        names: Option<&mut Names>,
    ) -> Option<Noted> {
        let certificate = event.certificate.as_ref()?;
        let Certificates { seed, verified, claimed, dns, memo, keeps_prior, .. } = self;
        let logged = certificate.fingerprint.and_then(|logged| logged.as_array::<40>());
        let remembered = logged.and_then(|logged| memo.find(logged));
        let (key, hint) = match remembered {
            Some(known) => {
                (CertificateKey { bytes: known.bytes, is_fingerprint: true }, Some(known.place))
            }
            None => (CertificateKey::of(certificate, seed)?, None),
        };
        let proven = certificate.proven;
        let mut is_new = false;
        let mut prior = Prior::default();
        let mut change = |entry: &mut CertificateUse| {
            let mut grown = 0;
            if !entry.is_complete(&key) {
                dns.escape = event.escape;
                (grown, is_new) = entry.complete(certificate, &key, dns);
            }
            if *keeps_prior {
                prior = Prior::of(entry, event, place);
            }
            ((), grown.cast_signed() + entry.record(event, place, proven, address))
        };
        let hint = hint.filter(|hint| verified.is_at(*hint, &key));
        let (table, stands_at) = if let Some(known) = hint.or_else(|| verified.place(&key)) {
            verified.change_at(known, &mut change);
            if let Some(logged) = logged.filter(|_| hint.is_none() && key.is_fingerprint) {
                memo.remember(logged, &key, known);
            }
            (verified, known)
        } else {
            if proven {
                prove(&key, claimed, verified);
            }
            let table = if proven { verified } else { claimed };
            let place = match table.place(&key) {
                Some(known) => {
                    table.change_at(known, &mut change);
                    known
                }
                None => {
                    let mut entry = CertificateUse::named(Arc::default(), Arc::default());
                    let ((), owned) = change(&mut entry);
                    table.add(key, entry, owned.unsigned_abs())
                }
            };
            (table, place)
        };
        // Before anything leaves: then entries move.
        let name = names.zip(table.mark_mut(stands_at)).map(|(names, mark)| {
            let name = names.of(mark);
            Name { is_new: name.is_new || is_new, ..name }
        });
        if self.dns.cut > 0 {
            limits.add(Limit::DnBytes, std::mem::take(&mut self.dns.cut));
        }
        self.evict_if_over(limits);
        Some(Noted { key, name, prior })
    }

    /// Whether [`Prior`] is worked out for each event.
    pub(super) fn keep_prior(&mut self, keep: bool) {
        self.keeps_prior = keep;
    }

    /// Adds a certificate as an image has it; those seen least recently are to be added first.
    pub(super) fn restore(&mut self, key: CertificateKey, mut entry: CertificateUse) {
        self.dns.share_issuer(&mut entry.issuer_dn);
        let owned = entry.owned_bytes();
        let table = if entry.is_proven() { &mut self.verified } else { &mut self.claimed };
        if table.place(&key).is_none() {
            table.add(key, entry, owned);
        }
    }

    /// Adds what left the tables, as an image has it.
    pub(super) fn restore_departed(&mut self, issuer: &[u8], departed: Departed) {
        self.departed.insert(issuer.into(), departed);
    }

    /// Every certificate, of each table the least recently seen first.
    pub(super) fn iter_oldest_first(
        &self,
    ) -> impl Iterator<Item = (&CertificateKey, &CertificateUse)> {
        self.verified.iter_oldest_first().chain(self.claimed.iter_oldest_first())
    }

    #[inline]
    fn evict_if_over(&mut self, limits: &mut LimitHits) {
        if self.verified.is_over() || self.claimed.is_over() {
            self.evict(limits);
        }
    }

    fn evict(&mut self, limits: &mut LimitHits) {
        for (table, limit) in [
            (&mut self.verified, Limit::VerifiedCertificates),
            (&mut self.claimed, Limit::ClaimedCertificates),
        ] {
            while let Some((_, entry)) = table.evict(|_, entry| entry.owned_bytes()) {
                limits.hit(limit);
                depart(&mut self.departed, &entry, limits);
            }
        }
    }

    /// Adds all of `other`, whose routes are numbered by `map` here.
    pub fn merge(&mut self, other: &Certificates, map: &RouteMap, limits: &mut LimitHits) {
        // The least recently seen first, so that the order of leaving is kept.
        for (key, theirs) in
            other.claimed.iter_oldest_first().chain(other.verified.iter_oldest_first())
        {
            let change = |mine: &mut CertificateUse| ((), mine.merge(theirs, map));
            let proven = theirs.is_proven();
            if proven {
                prove(key, &mut self.claimed, &mut self.verified);
            }
            if self.verified.change(key, change).is_some()
                || !proven && self.claimed.change(key, change).is_some()
            {
                self.evict_if_over(limits);
                continue;
            }
            let names = [&theirs.subject_dn, &theirs.issuer_dn].map(Arc::clone);
            let [subject_dn, issuer_dn] = names;
            let mut entry = CertificateUse::named(subject_dn, issuer_dn);
            entry.merge(theirs, map);
            let owned = entry.owned_bytes();
            let table = if proven { &mut self.verified } else { &mut self.claimed };
            table.add(*key, entry, owned);
            self.evict_if_over(limits);
        }
        for (issuer, theirs) in &other.departed {
            let mine = departed_entry(&mut self.departed, issuer, limits);
            mine.requests += theirs.requests;
            mine.denials += theirs.denials;
            mine.certificates += theirs.certificates;
            mine.seen.merge(&theirs.seen);
        }
    }

    /// Every certificate still in a table.
    pub fn iter(&self) -> impl Iterator<Item = (&CertificateKey, &CertificateUse)> {
        self.verified.iter().chain(self.claimed.iter())
    }

    /// The certificate of a key.
    pub fn find(&self, key: &CertificateKey) -> Option<&CertificateUse> {
        self.verified.peek(key).or_else(|| self.claimed.peek(key))
    }

    /// What has left the tables, by issuer.
    pub fn departed(&self) -> impl Iterator<Item = (&[u8], &Departed)> {
        self.departed.iter().map(|(issuer, departed)| (&**issuer, departed))
    }
}

type Entries = Table<CertificateKey, CertificateUse>;

/// Moves a certificate that has just verified to the known ones.
fn prove(key: &CertificateKey, claimed: &mut Entries, verified: &mut Entries) {
    if let Some(entry) = claimed.remove(key, CertificateUse::owned_bytes) {
        let owned = entry.owned_bytes();
        verified.add(*key, entry, owned);
    }
}

type DepartedIssuers = HashMap<Arc<[u8]>, Departed, RandomState>;

fn depart(departed: &mut DepartedIssuers, entry: &CertificateUse, limits: &mut LimitHits) {
    let issuer = departed_entry(departed, &entry.issuer_dn, limits);
    issuer.requests += entry.verdicts.requests();
    issuer.denials += entry.verdicts.denials();
    issuer.certificates += 1;
    issuer.seen.merge(&entry.seen);
}

fn departed_entry<'a>(
    departed: &'a mut DepartedIssuers,
    issuer: &Arc<[u8]>,
    limits: &mut LimitHits,
) -> &'a mut Departed {
    let full = departed.len() >= DEPARTED_ISSUERS_MAX && !departed.contains_key(issuer);
    limits.hit_if(full, Limit::Issuers);
    let issuer = if full { Arc::from(super::counts::OTHER_NAME) } else { Arc::clone(issuer) };
    departed.entry(issuer).or_default()
}
