//! What was recorded in a ledger since its image was taken, event by event, in few bytes.
//!
//! Recording the same events in the ledger of the image gives the ledger that there was: see
//! [`super::replay`]. So a ledger need not be saved as a whole each time that something is counted.
//!
//! An event names its route by its place in the ledger, and its certificate and address by numbers
//! that they are given: see [`Names`]. Before the first event that names one, and when an event tells
//! something new of it, an entry says what it is; so does one for each context, of which there are
//! few. A journal can be cut between any two calls; its pieces one after the other are the journal.

use foldhash::fast::RandomState;
use gatelog_parsers::time_stamp::UnixMillis;
use hashbrown::HashMap;
use minicbor::bytes::ByteSlice;
use minicbor::{Encode, Encoder};

use super::journal_entry::{
    ADDRESS, CERTIFICATE, CONTEXT, CertificateEntry, Context, LIMIT_HIT, RESET, ROUTE, ROUTES_MAX,
    escape_number, flag,
};
use super::limit_hits::Limit;
use super::routes::{RouteId, Routes};
use crate::event::reason::Reason;
use crate::event::{Certificate, Event, Scope};
use crate::limits::{JOURNAL_CONTEXTS_MAX, JOURNAL_NAMED_BYTES_MAX};

/// Where the ledger has counted an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stand {
    pub(super) route: RouteId,
    pub(super) certificate: Option<Name>,
    pub(super) address: Option<Name>,
}

/// What a journal calls a certificate or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// From 0 after each reset.
    pub(super) number: u64,
    /// It has not been said yet what that is, or not all of it.
    pub(super) is_new: bool,
}

/// Gives out names. An entry's is kept in its mark, which goes with it when the table moves it.
#[derive(Debug)]
pub(super) struct Names {
    /// Marks below are of names that were forgotten.
    first: u64,
    next: u64,
}

impl Default for Names {
    fn default() -> Self {
        // A mark of 0 is none.
        Names { first: 1, next: 1 }
    }
}

impl Names {
    /// The name of the entry with this mark.
    #[inline]
    pub(super) fn of(&mut self, mark: &mut u64) -> Name {
        let is_new = *mark < self.first;
        if is_new {
            *mark = self.next;
            self.next += 1;
        }
        Name { number: *mark - self.first, is_new }
    }

    fn forget(&mut self) {
        self.first = self.next;
    }
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
    /// The number of each context, by its bytes.
    contexts: HashMap<Box<[u8]>, u32, RandomState>,
    context: Vec<u8>,
    /// Bytes of what was named since the last reset.
    named_bytes: usize,
}

impl Journal {
    /// To be called before an event is counted, and named.
    #[inline]
    pub(super) fn begin_event(&mut self, names: &mut Names) {
        if !self.has_begun
            || self.named_bytes > JOURNAL_NAMED_BYTES_MAX
            || self.contexts.len() >= JOURNAL_CONTEXTS_MAX
        {
            names.forget();
            self.reset();
        }
    }

    /// Adds an event that the ledger has just counted.
    pub(super) fn add(&mut self, event: &Event<'_>, routes: &Routes, stand: &Stand) {
        let context = self.name_context(event);
        let route = routes.as_worked_out(stand.route);
        if route.is_none() && self.routes.mark(stand.route.index()) {
            self.name(ROUTE, stand.route.index() as u64, bytes(routes.name(stand.route)));
        }
        if let Some((certificate, name)) = event.certificate.as_ref().zip(stand.certificate)
            && name.is_new
        {
            self.name_certificate(event, certificate, name);
        }
        if let Some((addr, name)) = event.remote_addr.zip(stand.address)
            && name.is_new
        {
            self.name(ADDRESS, name.number, bytes(addr));
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
        self.routes.0.clear();
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
        let number = u32::try_from(self.contexts.len()).unwrap_or(u32::MAX);
        self.contexts.insert(self.context.as_slice().into(), number);
        self.named_bytes += self.context.len();
        self.put((CONTEXT, number, &context));
        number
    }

    fn name_certificate(&mut self, event: &Event<'_>, of: &Certificate<'_>, name: Name) {
        let entry = CertificateEntry {
            fingerprint: of.fingerprint,
            subject_dn: of.subject_dn,
            issuer_dn: of.issuer_dn,
            not_after: of.not_after,
            escape: escape_number(event.escape),
        };
        self.name(CERTIFICATE, name.number, entry);
    }

    fn name(&mut self, kind: u8, number: u64, what: impl Encode<()>) {
        let before = self.bytes.len();
        self.put((kind, number, what));
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
        let flags = [
            (event.time.is_some(), flag::TIME),
            (stand.certificate.is_some(), flag::CERTIFICATE),
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
        for name in stand.certificate.iter().chain(&stand.address) {
            put(&mut self.bytes, name.number);
        }
    }

    fn put(&mut self, value: impl Encode<()>) {
        put(&mut self.bytes, value);
    }
}

/// Of which routes it has been said what they are, a flag each.
#[derive(Debug, Default)]
struct Named(Vec<bool>);

impl Named {
    /// Marks a route; returns whether it was not marked before.
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
