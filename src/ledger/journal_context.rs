//! The numbers that a journal gives to contexts: what events have in common beside their route,
//! certificate and address. There are few different ones, so that each is written once.

use foldhash::fast::RandomState;
use gatelog_parsers::short::are_same;
use hashbrown::HashMap;
use minicbor::Encoder;

use super::journal_entry::Context;
use crate::event::reason::Reason;
use crate::event::{Event, Scope};

/// Contexts that are found by comparing, each in a slot that the ends of its texts choose; a power of
/// two. Another one in the same slot takes it and makes both slower only.
const RECENT_MAX: usize = 1024;

const _: () = assert!(RECENT_MAX.is_power_of_two());

/// All contexts since the journal's last reset.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// By their bytes.
    numbers: HashMap<Box<[u8]>, u32, RandomState>,
    bytes: Vec<u8>,
    recent: Vec<Option<Recent>>,
}

/// A context as an event had it.
#[derive(Debug)]
struct Recent {
    number: u32,
    server: Box<str>,
    tls_protocol: Option<Box<[u8]>>,
    tls_cipher: Option<Box<[u8]>>,
    upstream_addr: Option<Box<[u8]>>,
    others: (bool, Option<Reason>, bool, Scope),
}

impl Contexts {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.recent.clear();
    }

    /// The number of an event's context, and the context itself if it is new.
    #[inline]
    pub(super) fn number<'a>(&mut self, event: &Event<'a>) -> (u32, Option<Context<'a>>) {
        let slot = slot(event);
        match self.recent.get(slot) {
            Some(Some(recent)) if recent.is_of(event) => (recent.number, None),
            _ => self.look_up(event, slot),
        }
    }

    fn look_up<'a>(&mut self, event: &Event<'a>, slot: usize) -> (u32, Option<Context<'a>>) {
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
        self.bytes.clear();
        let written = Encoder::new(&mut self.bytes).encode(&context).is_ok();
        debug_assert!(written, "a vector takes everything");
        let known = self.numbers.get(self.bytes.as_slice()).copied();
        let number = known.unwrap_or_else(|| {
            let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            self.numbers.insert(self.bytes.as_slice().into(), number);
            number
        });
        self.recent.resize_with(RECENT_MAX, || None);
        if let Some(recent) = self.recent.get_mut(slot) {
            *recent = Some(Recent::of(event, number));
        }
        (number, known.is_none().then_some(context))
    }
}

impl Recent {
    fn of(event: &Event<'_>, number: u32) -> Recent {
        Recent {
            number,
            server: event.server.into(),
            tls_protocol: event.tls_protocol.map(Box::from),
            tls_cipher: event.tls_cipher.map(Box::from),
            upstream_addr: event.upstream_addr.map(Box::from),
            others: others(event),
        }
    }

    #[inline]
    fn is_of(&self, event: &Event<'_>) -> bool {
        let same = |known: &Option<Box<[u8]>>, text: Option<&[u8]>| match (known, text) {
            (Some(known), Some(text)) => are_same(known, text),
            (None, None) => true,
            _ => false,
        };
        self.others == others(event)
            && are_same(self.server.as_bytes(), event.server.as_bytes())
            && same(&self.tls_protocol, event.tls_protocol)
            && same(&self.tls_cipher, event.tls_cipher)
            && same(&self.upstream_addr, event.upstream_addr)
    }
}

/// Where a context would be.
#[inline]
fn slot(event: &Event<'_>) -> usize {
    let ends = |text: &[u8]| match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).rotate_left(29) ^ u64::from_le_bytes(*last)
        }
        _ => text.iter().fold(0, |ends, byte| ends << 8 | u64::from(*byte)),
    };
    let texts = [event.tls_protocol, event.tls_cipher, event.upstream_addr];
    let texts = texts.into_iter().map(Option::unwrap_or_default).map(ends);
    let reason = event.reason.map_or(0, |reason| reason as u64);
    let mixed = texts.fold(ends(event.server.as_bytes()) ^ reason, |mixed, ends| {
        (mixed.rotate_left(31) ^ ends).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    usize::try_from(mixed >> (u64::BITS - RECENT_MAX.trailing_zeros())).unwrap_or(0)
}

fn others(event: &Event<'_>) -> (bool, Option<Reason>, bool, Scope) {
    (event.is_other_server, event.reason, event.suspected, event.scope)
}
