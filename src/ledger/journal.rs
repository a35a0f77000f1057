//! What was recorded in a ledger since its image was taken, event by event, in few bytes.
//!
//! Recording the same events in the ledger of the image gives the ledger that there was: see
//! [`super::replay`]. So a ledger need not be saved as a whole each time that something is counted.
//!
//! An event names its route, certificate and address by their places in the ledger. Before the first
//! event that names one, and when an event tells something new of it, an entry says what it is; so
//! does one for each context, of which there are few. A journal can be cut between any two calls; its
//! pieces one after the other are the journal.

use foldhash::fast::RandomState;
use gatelog_parsers::time_stamp::UnixMillis;
use hashbrown::HashMap;
use minicbor::bytes::ByteSlice;
use minicbor::{Encode, Encoder};

use super::certificates::Noted;
use super::journal_entry::{
    ADDRESS, CLAIMED, CONTEXT, CertificateEntry, Context, LIMIT_HIT, RESET, ROUTE, ROUTES_MAX,
    VERIFIED, escape_number, flag,
};
use super::limit_hits::Limit;
use super::routes::{RouteId, Routes};
use super::table::Place;
use crate::event::reason::Reason;
use crate::event::{Certificate, Event, Scope};
use crate::limits::{JOURNAL_CONTEXTS_MAX, JOURNAL_NAMED_BYTES_MAX};

/// Where the ledger has counted an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    pub(super) route: RouteId,
    pub(super) certificate: Option<Noted>,
    /// The place of its address, and whether it is new there.
    pub(super) address: Option<(Place, bool)>,
}

/// The journal of a ledger, from when it was begun.
#[derive(Debug, Default)]
pub struct Journal {
    bytes: Vec<u8>,
    events: u64,
    /// Whether its first entry was written.
    has_begun: bool,
    last_time: UnixMillis,
    routes: Named,
    verified: Named,
    claimed: Named,
    addresses: Named,
    /// The number of each context, by its bytes.
    contexts: HashMap<Box<[u8]>, u32, RandomState>,
    context: Vec<u8>,
    /// Bytes of what was named since the last reset.
    named_bytes: usize,
}

impl Journal {
    /// Adds an event that the ledger has just counted.
    pub(super) fn add(&mut self, event: &Event<'_>, routes: &Routes, stand: &Stand) {
        if !self.has_begun || self.named_bytes > JOURNAL_NAMED_BYTES_MAX {
            self.reset();
        }
        let context = self.name_context(event);
        let route = routes.as_worked_out(stand.route);
        if route.is_none() && self.routes.mark(stand.route.index()) {
            self.name(ROUTE, stand.route.index(), bytes(routes.name(stand.route)));
        }
        let certificate = event.certificate.as_ref().zip(stand.certificate);
        if let Some((certificate, noted)) = certificate {
            self.name_certificate(event, certificate, noted);
        }
        if let Some(((place, is_new), addr)) = stand.address.zip(event.remote_addr)
            && (self.addresses.mark(place.index()) || is_new)
        {
            self.name(ADDRESS, place.index(), bytes(addr));
        }
        self.add_event(event, context, route, stand);
        self.events += 1;
    }

    /// Adds a hit of a bound that no event has made.
    pub(super) fn add_limit_hit(&mut self, limit: Limit) {
        self.put((LIMIT_HIT, limit.as_str()));
    }

    /// Adds that there is another bound on routes.
    pub(super) fn add_routes_max(&mut self, routes_max: usize) {
        self.put((ROUTES_MAX, routes_max as u64));
    }

    /// Bytes written since they were last taken.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many events it holds since it was begun.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Takes the bytes written since this was last called; `empty` serves for the next ones.
    pub fn take(&mut self, mut empty: Vec<u8>) -> Vec<u8> {
        empty.clear();
        std::mem::replace(&mut self.bytes, empty)
    }

    fn reset(&mut self) {
        self.has_begun = true;
        self.last_time = 0;
        self.named_bytes = 0;
        self.contexts.clear();
        for named in [&mut self.routes, &mut self.verified, &mut self.claimed, &mut self.addresses]
        {
            named.0.clear();
        }
        self.put((RESET,));
    }

    fn name_context(&mut self, event: &Event<'_>) -> u32 {
        let context = Context {
            server: event.server,
            is_other_server: event.is_other_server,
            tls_protocol: event.tls_protocol,
            tls_cipher: event.tls_cipher,
            upstream_addr: event.upstream_addr,
            reason: event.reason.map(Reason::as_str),
            suspected: event.suspected,
            is_partial: event.scope == Scope::Denials,
        };
        self.context.clear();
        put(&mut self.context, &context);
        if let Some(number) = self.contexts.get(self.context.as_slice()) {
            return *number;
        }
        if self.contexts.len() >= JOURNAL_CONTEXTS_MAX {
            self.reset();
        }
        let number = u32::try_from(self.contexts.len()).unwrap_or(u32::MAX);
        self.contexts.insert(self.context.as_slice().into(), number);
        self.named_bytes += self.context.len();
        self.put((CONTEXT, number, &context));
        number
    }

    fn name_certificate(&mut self, event: &Event<'_>, of: &Certificate<'_>, noted: Noted) {
        let (named, kind) = match noted.is_claimed {
            false => (&mut self.verified, VERIFIED),
            true => (&mut self.claimed, CLAIMED),
        };
        if named.mark(noted.place.index()) || noted.is_new {
            let entry = CertificateEntry {
                fingerprint: of.fingerprint,
                subject_dn: of.subject_dn,
                issuer_dn: of.issuer_dn,
                not_after: of.not_after,
                escape: escape_number(event.escape),
            };
            self.name(kind, noted.place.index(), entry);
        }
    }

    fn name(&mut self, kind: u8, index: usize, what: impl Encode<()>) {
        let before = self.bytes.len();
        self.put((kind, index as u64, what));
        self.named_bytes += self.bytes.len() - before;
    }

    fn add_event(
        &mut self,
        event: &Event<'_>,
        context: u32,
        route: Option<(&[u8], bool)>,
        stand: &Stand,
    ) {
        let proven = event.certificate.is_some_and(|certificate| certificate.proven);
        let claimed = stand.certificate.is_some_and(|noted| noted.is_claimed);
        let flags = [
            (event.time.is_some(), flag::TIME),
            (stand.certificate.is_some(), flag::CERTIFICATE),
            (claimed, flag::CLAIMED),
            (proven, flag::PROVEN),
            (stand.address.is_some(), flag::ADDRESS),
            (event.first_of_connection.is_some(), flag::CONNECTION),
            (event.first_of_connection == Some(true), flag::FIRST),
            (route.is_some(), flag::ROUTE_NAME),
        ];
        let flags = flags.iter().filter(|(has, _)| *has).fold(0, |flags, (_, flag)| flags | flag);
        put(&mut self.bytes, event.verdict.index() as u64);
        put(&mut self.bytes, flags);
        if let Some(time) = event.time {
            put(&mut self.bytes, time.wrapping_sub(self.last_time));
            self.last_time = time;
        }
        put(&mut self.bytes, context);
        match route {
            Some((name, cut)) => self.put((bytes(name), cut)),
            None => put(&mut self.bytes, stand.route.index() as u64),
        }
        if let Some(noted) = stand.certificate {
            put(&mut self.bytes, noted.place.index() as u64);
        }
        if let Some((place, _)) = stand.address {
            put(&mut self.bytes, place.index() as u64);
        }
    }

    fn put(&mut self, value: impl Encode<()>) {
        put(&mut self.bytes, value);
    }
}

/// Which places have been said what they are, a flag each.
#[derive(Debug, Default)]
struct Named(Vec<bool>);

impl Named {
    /// Marks a place; returns whether it was not marked before.
    #[inline]
    fn mark(&mut self, index: usize) -> bool {
        if self.0.len() <= index {
            self.0.resize(index + 1, false);
        }
        self.0.get_mut(index).is_some_and(|named| !std::mem::replace(named, true))
    }
}

fn put(bytes: &mut Vec<u8>, value: impl Encode<()>) {
    let written = Encoder::new(bytes).encode(value).is_ok();
    debug_assert!(written, "a vector takes everything");
}

fn bytes(text: &[u8]) -> &ByteSlice {
    text.into()
}
