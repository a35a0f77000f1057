//! What a rule can ask of one event: its values, and what is known beside its line.

use std::borrow::Cow;

use gatelog_parsers::distinguished_name::attribute;
use gatelog_parsers::time_stamp::UnixMillis;
use gatelog_parsers::variable::contacted_upstreams;

use super::field::Field;
use super::identity::{Identities, Rotations};
use super::memory::{FirstProof, Memory, network_hash};

use super::traits::Traits;
use crate::event::Event;
use crate::event::reason::{Class, Reason};
use crate::event::verdict::Verdict;
use crate::ledger::certificates::CertificateUse;
use crate::ledger::{CertificateKey, KNOWN_MILLIS, Ledger, Prior, Recorded};

/// A certificate from a public CA lives for 398 days at most (CA/Browser Forum, Baseline Requirements,
/// section 6.3.2).
const LIFETIME_SECONDS_MAX: u32 = 398 * 86_400;

/// How long ago a client may have been let in, for a refusal of the gate to be a surprise.
const ADMITTED_MILLIS: i64 = 7 * 86_400_000;

/// Words in the names of public CAs that give a certificate to anybody who owns a domain.
const PUBLIC_CAS: [&[u8]; 17] = [
    b"Let's Encrypt",
    b"Internet Security Research Group",
    b"ISRG",
    b"DigiCert",
    b"Sectigo",
    b"COMODO",
    b"GlobalSign",
    b"GoDaddy",
    b"Starfield",
    b"Amazon",
    b"Google Trust Services",
    b"Entrust",
    b"IdenTrust",
    b"ZeroSSL",
    b"Buypass",
    b"SSL.com",
    b"Actalis",
];

/// An event and what is known of it.
pub(super) struct Facts<'a> {
    pub(super) event: &'a Event<'a>,
    pub(super) recorded: Recorded,
    pub(super) ledger: &'a Ledger,
    pub(super) time: UnixMillis,
    pub(super) traits: Traits,
    /// Who the client is: the hash of its subject, or of its certificate's key where it has none; 0 without a
    /// certificate. Worked out for refusals and where it is asked for.
    pub(super) client: u64,
    /// The hash of the address; 0 without one.
    pub(super) address: u64,
    identities: &'a Identities,
}

/// Around an event.
pub(super) struct Around<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) identities: &'a Identities,
    pub(super) rotations: &'a Rotations,
    /// Whether the log has gone on for long enough to compare with the past.
    pub(super) has_learnt: bool,
    /// Some client waits to be verified again: whose event it is must be known.
    pub(super) wants_client: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn of(
        event: &'a Event<'a>,
        time: UnixMillis,
        recorded: Recorded,
        memory: &mut Memory,
        around: &Around<'a>,
    ) -> Facts<'a> {
        let Around { ledger, identities, .. } = *around;
        let address = event.remote_addr.map_or(0, |addr| ledger.seed().hash(addr));
        let (traits, client) = (Traits::NONE, 0);
        let mut facts =
            Facts { event, recorded, ledger, time, traits, client, address, identities };
        if let Some((key, prior)) = recorded.certificate {
            facts.traits |= Traits::CERTIFICATE;
            match event.verdict {
                Verdict::Verified => facts.see_admitted(&key, &prior, memory, around),
                _ => facts.see_refused(&key, &prior, memory),
            }
        } else if event.verdict == Verdict::Missing {
            facts.traits |= Traits::ROUTE_REQUIRES.when(facts.route_requires());
        }
        facts.traits |= Traits::SUSPECTED.when(event.suspected);
        facts
    }

    fn see_admitted(
        &mut self,
        key: &CertificateKey,
        prior: &Prior,
        memory: &mut Memory,
        around: &Around<'_>,
    ) {
        let known = prior.proven_last.is_some_and(|last| last >= self.time - KNOWN_MILLIS);
        let is_over =
            |end: i64| prior.not_after_seconds.is_some_and(|not_after| not_after < end / 1000);
        self.traits |= Traits::KNOWN.when(known)
            | Traits::EXPIRED.when(is_over(self.time))
            | Traits::REVOKED_BEFORE.when(prior.was_revoked)
            | Traits::LONG_LIVED.when(prior.lifetime_seconds > LIFETIME_SECONDS_MAX)
            | Traits::OLD_TLS.when(matches!(self.event.tls_protocol, Some(b"TLSv1" | b"TLSv1.1")));
        let day = |time: UnixMillis| time.div_euclid(86_400_000);
        let is_first_today = prior.proven_last.is_none_or(|last| day(last) != day(self.time));
        if is_first_today || around.wants_client || around.identities.has_retired() {
            let Some(entry) = self.ledger.certificates.find(key) else { return };
            self.client = client_of(self.ledger, key, entry);
            self.traits |= Traits::RETIRED.when(around.identities.is_retired(&entry.subject_dn));
            if is_first_today {
                let first = memory.prove(self.ledger, key, entry);
                self.see_first(entry, first, prior, around);
            }
        }
        if !prior.is_first_network && prior.proven_last.is_some() {
            self.see_network(key, memory, around);
        }
    }

    fn see_first(
        &mut self,
        entry: &CertificateUse,
        first: FirstProof,
        prior: &Prior,
        around: &Around<'_>,
    ) {
        if !around.has_learnt || prior.proven_last.is_some() {
            return;
        }
        let is_public =
            PUBLIC_CAS.iter().any(|name| memchr::memmem::find(&entry.issuer_dn, name).is_some());
        let is_rotation = first.issuer_before.is_some_and(|before| {
            around
                .rotations
                .has(|from, to| self.ledger.seed().hash(from) == before && *to == *entry.issuer_dn)
        });
        self.traits |= Traits::NEW_ISSUER.when(first.is_new_issuer)
            | Traits::PUBLIC_CA.when(is_public)
            | Traits::CHANGED_ISSUER.when(first.issuer_before.is_some() && !is_rotation);
    }

    fn see_network(&mut self, key: &CertificateKey, memory: &mut Memory, around: &Around<'_>) {
        let Some(addr) = self.event.remote_addr else { return };
        let entry = self.ledger.certificates.find(key);
        let first = entry.and_then(|entry| entry.first_address.as_ref());
        let first = first.map_or(0, |(_, first)| network_hash(self.ledger, first));
        let key = self.ledger.seed().hash_key(key);
        let is_new = memory.is_new_network(key, network_hash(self.ledger, addr), first);
        self.traits |= Traits::NEW_NETWORK.when(is_new && around.has_learnt);
    }

    fn see_refused(&mut self, key: &CertificateKey, prior: &Prior, memory: &Memory) {
        let Some(entry) = self.ledger.certificates.find(key) else { return };
        self.client = client_of(self.ledger, key, entry);
        let known = prior.proven_last.is_some_and(|last| last >= self.time - KNOWN_MILLIS);
        let admitted = prior.was_let_in_on_route
            && prior.let_in_last.is_some_and(|last| last >= self.time - ADMITTED_MILLIS);
        self.traits |= Traits::KNOWN.when(known) | Traits::ADMITTED_HERE.when(admitted);
        let address = self.event.remote_addr.and_then(|addr| self.ledger.address(addr));
        let is_shared = address.is_some_and(|it| it.verdicts.of(Verdict::Verified) > 0);
        self.traits |= Traits::SHARED_ADDRESS.when(is_shared);
        if known {
            self.traits |= Traits::CLIENT.when(prior.was_let_in_here);
        } else if let Some(proven) = memory.subject(self.ledger, self.client, self.time) {
            // Of one that comes from many addresses not all are kept.
            let is_usual = proven.addresses.contains(self.address).unwrap_or(is_shared);
            self.traits |= Traits::CLAIMS | Traits::CLIENT.when(is_usual);
        }
        self.traits |= Traits::OPERATORS.when(self.is_operators(known, prior));
    }

    /// Whether the fault is in what nginx was given: by its nature, or because the very certificate that
    /// verified here does not any more and has not ended.
    fn is_operators(&self, known: bool, prior: &Prior) -> bool {
        let Some(reason) = self.event.reason else { return false };
        let has_time_left =
            prior.not_after_seconds.is_some_and(|not_after| not_after > self.time / 1000);
        match reason.class() {
            Class::Crl => true,
            Class::Expired => has_time_left,
            Class::Untrusted | Class::Chain => known && prior.was_let_in_here,
            _ => matches!(reason, Reason::OutOfMem | Reason::InvalidCall),
        }
    }

    fn route_requires(&self) -> bool {
        let route = self.ledger.routes.of(self.recorded.route);
        route.is_some_and(|route| {
            route.verdicts.of(Verdict::Verified) > 0 && route.verdicts.of(Verdict::Anonymous) == 0
        })
    }

    /// The value of a field; empty when the event has none. Names are unescaped bytes.
    pub(super) fn value(&self, field: Field) -> Cow<'a, [u8]> {
        let event = self.event;
        let logged = |value: Option<&'a [u8]>| Cow::Borrowed(value.unwrap_or_default());
        let text = |text: &'static str| Cow::Borrowed(text.as_bytes());
        match field {
            Field::Verdict => text(event.verdict.as_str()),
            Field::Reason => text(event.reason.map_or("", Reason::as_str)),
            Field::Class => text(event.reason.map_or("", |reason| reason.class().as_str())),
            Field::Server => Cow::Borrowed(event.server.as_bytes()),
            Field::Route => {
                let route = self.ledger.routes.of(self.recorded.route);
                Cow::Borrowed(route.map_or(&[][..], |route| route.route.as_bytes()))
            }
            Field::SubjectDn => self.dn(|entry| &entry.subject_dn),
            Field::IssuerDn => self.dn(|entry| &entry.issuer_dn),
            Field::Cn => self.attribute("CN"),
            Field::O => self.attribute("O"),
            Field::Fingerprint => {
                let key = self.recorded.certificate.map(|(key, _)| key);
                let fingerprint = key.and_then(|key| key.fingerprint_sha1());
                fingerprint.map_or(Cow::default(), |hex| Cow::Owned(hex.into_bytes()))
            }
            Field::RemoteAddr => logged(event.remote_addr),
            Field::TlsProtocol => logged(event.tls_protocol),
            Field::TlsCipher => logged(event.tls_cipher),
            Field::Upstream => {
                let upstreams = event.upstream_addr.map(contacted_upstreams);
                logged(upstreams.and_then(Iterator::last))
            }
            Field::Known => text(if self.traits.has(Traits::KNOWN) { "true" } else { "false" }),
            Field::Source => Cow::Borrowed(event.source.as_bytes()),
            Field::Owner => {
                let subject = self.dn(|entry| &entry.subject_dn);
                let owner = self.identities.of(&subject).and_then(|it| it.owner.as_deref());
                Cow::Owned(owner.unwrap_or_default().as_bytes().to_vec())
            }
        }
    }

    /// The hash of the certificate's issuer; 0 without one.
    pub(super) fn issuer(&self) -> u64 {
        self.entry().map_or(0, |entry| self.ledger.seed().hash(&entry.issuer_dn))
    }

    fn entry(&self) -> Option<&'a CertificateUse> {
        self.ledger.certificates.find(&self.recorded.certificate?.0)
    }

    fn dn(&self, of: fn(&CertificateUse) -> &[u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(self.entry().map_or(&[][..], of))
    }

    fn attribute(&self, kind: &str) -> Cow<'a, [u8]> {
        let subject = self.entry().map(|entry| &*entry.subject_dn);
        subject.and_then(|subject| attribute(subject, kind)).unwrap_or_default()
    }
}

/// Who a certificate belongs to: the hash of its subject, else of itself.
pub(super) fn client_of(ledger: &Ledger, key: &CertificateKey, entry: &CertificateUse) -> u64 {
    match entry.subject_dn.is_empty() {
        true => ledger.seed().hash_key(key),
        false => ledger.seed().hash(&entry.subject_dn),
    }
}
