//! What was recorded in a ledger since its image was taken, event by event, in few bytes.
//!
//! Recording the same events in the ledger of the image gives the ledger that there was: see
//! [`super::replay`]. So a ledger need not be saved as a whole each time that something is counted.
//!
//! An event names its route by its place in the ledger, and its certificate and address by numbers
//! that they are given: see `Names`. Before the first event that names one, and when an event tells
//! something new of it, an entry says what it is; so does one for each context, of which there are
//! few. A journal can be cut between any two calls; its pieces one after the other are the journal.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::bytes::ByteSlice;
use minicbor::{Encode, Encoder};

use super::journal_context::Contexts;
use super::journal_entry::{
    ADDRESS, CERTIFICATE, CONTEXT, CertificateEntry, LIMIT_HIT, RESET, ROUTE, ROUTES_MAX, TICK,
    UNPARSED, WAKE, escape_number, flag,
};
use super::limit_hits::Limit;
use super::routes::{RouteId, Routes};
use crate::event::{Certificate, Event};
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
    contexts: Contexts,
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

    /// Adds that a line of a source gave no event.
    pub fn add_unparsed(&mut self, source: &str) {
        self.put((UNPARSED, source));
    }

    /// Adds that no event before a time comes any more.
    pub fn add_tick(&mut self, now: UnixMillis) {
        self.put((TICK, now));
    }

    /// Adds that nobody has listened to a source until now.
    pub fn add_wake(&mut self, source: &str, now: UnixMillis) {
        self.put((WAKE, source, now));
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
        let (number, new) = self.contexts.number(event);
        if let Some(context) = new {
            let before = self.bytes.len();
            self.put((CONTEXT, number, &context));
            self.named_bytes += self.bytes.len() - before;
        }
        number
    }

    fn name_certificate(&mut self, event: &Event<'_>, of: &Certificate<'_>, name: Name) {
        let entry = CertificateEntry {
            fingerprint: of.fingerprint,
            subject_dn: of.subject_dn,
            issuer_dn: of.issuer_dn,
            not_after: of.not_after,
            escape: escape_number(event.escape),
            not_before: of.not_before,
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
        let has = |has: bool, flag: u8| if has { flag } else { 0 };
        let flags = has(event.time.is_some(), flag::TIME)
            | has(stand.certificate.is_some(), flag::CERTIFICATE)
            | has(proven, flag::PROVEN)
            | has(stand.address.is_some(), flag::ADDRESS)
            | has(event.first_of_connection.is_some(), flag::CONNECTION)
            | has(event.first_of_connection == Some(true), flag::FIRST)
            | has(route.is_some(), flag::ROUTE_NAME);
        let mut numbers = Numbers::default();
        numbers.put(event.verdict.index() as u64);
        numbers.put(u64::from(flags));
        if let Some(time) = event.time {
            numbers.put_signed(time.wrapping_sub(self.last_time));
            self.last_time = time;
        }
        numbers.put(u64::from(context));
        if let Some((name, cut)) = route {
            self.bytes.extend_from_slice(numbers.take());
            put(&mut self.bytes, (bytes(name), cut));
            numbers = Numbers::default();
        } else {
            numbers.put(stand.route.index() as u64);
        }
        for name in stand.certificate.iter().chain(&stand.address) {
            numbers.put(name.number);
        }
        self.bytes.extend_from_slice(numbers.take());
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

/// The numbers of an event in CBOR, written in one go: most of what a journal is. There are at most
/// seven, each of at most nine bytes (RFC 8949, section 3).
#[derive(Default)]
struct Numbers {
    bytes: [[u8; 9]; 7],
    /// Bytes written, as if `bytes` were flat.
    length: usize,
}

impl Numbers {
    #[inline]
    fn put(&mut self, number: u64) {
        self.put_as(0, number);
    }

    #[inline]
    fn put_signed(&mut self, number: i64) {
        match u64::try_from(number) {
            Ok(number) => self.put_as(0, number),
            // -1 is 0 of this kind.
            Err(_) => self.put_as(0x20, !number.cast_unsigned()),
        }
    }

    #[inline]
    fn put_as(&mut self, kind: u8, number: u64) {
        let [.., _, _, _, low] = number.to_be_bytes();
        match number {
            0..24 => self.extend(&[kind | low]),
            24..0x100 => self.extend(&[kind | 24, low]),
            0x100..0x1_0000 => self.extend_wide(kind | 25, number, 2),
            0x1_0000..0x1_0000_0000 => self.extend_wide(kind | 26, number, 4),
            _ => self.extend_wide(kind | 27, number, 8),
        }
    }

    fn extend_wide(&mut self, head: u8, number: u64, width: usize) {
        self.extend(&[head]);
        let bytes = number.to_be_bytes();
        self.extend(bytes.get(bytes.len() - width..).unwrap_or_default());
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) {
        let flat = self.bytes.as_flattened_mut();
        if let Some(room) = flat.get_mut(self.length..self.length + bytes.len()) {
            room.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    fn take(&self) -> &[u8] {
        self.bytes.as_flattened().get(..self.length).unwrap_or_default()
    }
}

/// Appends a value to a vector, which takes everything.
pub(super) fn put(bytes: &mut Vec<u8>, value: impl Encode<()>) {
    let written = Encoder::new(bytes).encode(value).is_ok();
    debug_assert!(written, "a vector takes everything");
}

fn bytes(text: &[u8]) -> &ByteSlice {
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_cbor() {
        let check = |number: i64| {
            let mut numbers = Numbers::default();
            numbers.put_signed(number);
            let mut expected = Vec::new();
            put(&mut expected, number);
            assert_eq!(numbers.take(), expected, "{number}");
        };
        for bits in 0..63 {
            let number = 1_i64 << bits;
            for near in [number - 1, number, number + 1, 1 - number, -number, -1 - number] {
                check(near);
            }
        }
        for edge in [23, 24, 255, 256, 65_535, 65_536, i64::MAX, i64::MIN] {
            check(edge);
        }
    }

    #[test]
    fn seven_of_the_greatest_fit() {
        let mut numbers = Numbers::default();
        (0..7).for_each(|_| numbers.put(u64::MAX));
        assert_eq!(numbers.take().len(), 63);
    }
}
