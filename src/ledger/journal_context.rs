//! The numbers that a journal gives to contexts: what events have in common beside their route,
//! certificate and address. There are few different ones, so that each is written once.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::journal::put;
use super::journal_entry::Context;
use crate::event::reason::Reason;
use crate::event::{Event, Scope};

/// Contexts that are known by their digests alone, each in a slot of its own; a power of two. Another
/// one in the same slot takes it and makes both slower only.
const RECENT_MAX: usize = 2048;

const _: () = assert!(RECENT_MAX.is_power_of_two());

/// All contexts since the journal's last reset.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// By their bytes.
    numbers: HashMap<Box<[u8]>, u32, RandomState>,
    bytes: Vec<u8>,
    recent: Vec<Recent>,
    digests: [RandomState; 2],
}

/// What stands for a context: 128 bits of two hashes whose seeds nobody knows. To compare the texts
/// instead would bring four more lines of memory into a cold cache for each event, which was measured
/// to cost a tenth of a line.
type Digest = [u64; 2];

#[derive(Clone, Copy, Debug)]
struct Recent {
    digest: Digest,
    number: u32,
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
        let [first, second] = &self.digests;
        let digest = [digest(first, event), digest(second, event)];
        let slot = slot(&digest);
        match self.recent.get(slot) {
            Some(recent) if recent.digest == digest => (recent.number, None),
            _ => self.look_up(event, slot, digest),
        }
    }

    fn look_up<'a>(
        &mut self,
        event: &Event<'a>,
        slot: usize,
        digest: Digest,
    ) -> (u32, Option<Context<'a>>) {
        let context = Context {
            server: event.server,
            is_other_server: event.is_other_server,
            tls_protocol: event.tls_protocol,
            tls_cipher: event.tls_cipher,
            upstream_addr: event.upstream_addr,
            reason: event.reason.map(Reason::as_str),
            suspected: event.suspected,
            is_partial: event.scope == Scope::Denials,
            source: event.source,
        };
        self.bytes.clear();
        put(&mut self.bytes, &context);
        let known = self.numbers.get(self.bytes.as_slice()).copied();
        let number = known.unwrap_or_else(|| {
            let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
            self.numbers.insert(self.bytes.as_slice().into(), number);
            number
        });
        // The digest of none.
        self.recent.resize(RECENT_MAX, Recent { digest: [0; 2], number: 0 });
        if let Some(recent) = self.recent.get_mut(slot) {
            *recent = Recent { digest, number };
        }
        (number, known.is_none().then_some(context))
    }
}

#[inline]
fn digest(state: &RandomState, event: &Event<'_>) -> u64 {
    let mut hasher = state.build_hasher();
    let texts = [event.tls_protocol, event.tls_cipher, event.upstream_addr];
    let mut lengths = event.server.len() as u64;
    hasher.write(event.server.as_bytes());
    hasher.write(event.source.as_bytes());
    for text in texts {
        // What is not logged is not what is empty.
        hasher.write(text.unwrap_or_default());
        lengths = lengths << 16 | text.map_or(0xffff, |text| text.len() as u64);
    }
    let flags = [event.is_other_server, event.suspected, event.scope == Scope::Denials];
    let flags = flags.iter().fold(0_u64, |flags, flag| flags << 1 | u64::from(*flag));
    let reason = event.reason.map_or(0xffff, |reason| reason as u64);
    hasher.write_u64(lengths);
    hasher.write_u64(event.source.len() as u64);
    hasher.write_u64(flags << 16 | reason);
    hasher.finish()
}

fn slot(digest: &Digest) -> usize {
    let [first, _] = digest;
    usize::try_from(first >> (u64::BITS - RECENT_MAX.trailing_zeros())).unwrap_or(0)
}
