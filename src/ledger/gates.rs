//! What one certificate met at the gate of each server: one may let it in while another refuses it.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::counts::{Seen, decode_count};
use super::routes::{RouteMap, ServerId};
use super::table::block_bytes;
use super::timeline::Timeline;
use crate::event::Event;
use crate::event::reason::Reason;
use crate::event::verdict::Verdict;
use crate::limits::REFUSAL_BUCKETS_MAX;

/// The servers that a certificate was sent to; one for most of them, which is kept in place, and few
/// for nearly all, so that a short list serves.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub struct Gates {
    #[n(0)]
    first: Option<GateUse>,
    #[n(1)]
    others: Box<[GateUse]>,
}

/// What happened at one server's gate.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct GateUse {
    /// The server.
    #[n(0)]
    pub server: ServerId,
    /// When the certificate verified and was let in.
    #[n(1)]
    pub let_in: Seen,
    /// What went wrong, if anything did.
    #[n(2)]
    pub trouble: Option<Box<Trouble>>,
}

/// What went wrong at one server's gate.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Trouble {
    /// Rejections.
    #[cbor(n(0), decode_with = "decode_count")]
    pub rejected: u64,
    /// When.
    #[n(1)]
    pub rejected_at: Seen,
    /// Rejections over time.
    #[n(2)]
    pub rejections: Timeline,
    /// The reason of the latest failure.
    #[n(3)]
    #[cbor(encode_with = "encode_last_reason", decode_with = "decode_last_reason")]
    pub last_reason: Option<(Option<UnixMillis>, Reason)>,
    /// Requests that were let in although the certificate did not verify.
    #[cbor(n(4), decode_with = "decode_count")]
    pub failed_open: u64,
    /// When.
    #[n(5)]
    pub failed_open_at: Seen,
}

impl Trouble {
    fn new() -> Trouble {
        Trouble {
            rejected: 0,
            rejected_at: Seen::default(),
            rejections: Timeline::new(REFUSAL_BUCKETS_MAX),
            last_reason: None,
            failed_open: 0,
            failed_open_at: Seen::default(),
        }
    }
}

impl Gates {
    /// Every server that the certificate was sent to.
    pub fn iter(&self) -> impl Iterator<Item = &GateUse> {
        self.first.iter().chain(&self.others)
    }

    /// Counts an event of this server; returns by how many bytes the list grew, or shrank.
    pub(super) fn record(&mut self, event: &Event<'_>, server: ServerId) -> isize {
        let (gate, mut grown) = self.entry(server);
        match event.verdict {
            Verdict::Verified => gate.let_in.add(event.time),
            Verdict::Rejected | Verdict::FailedOpen => {
                if gate.trouble.is_none() {
                    grown += block_bytes(size_of::<Trouble>()).cast_signed();
                }
                let trouble = gate.trouble.get_or_insert_with(|| Box::new(Trouble::new()));
                grown += trouble.record(event);
            }
            _ => {}
        }
        grown
    }

    /// Adds all of `other`, whose servers are numbered by `map` here.
    pub(super) fn merge_as(&mut self, other: &Gates, map: &RouteMap) {
        for theirs in other.iter() {
            let (mine, _) = self.entry(map.server(theirs.server));
            mine.let_in.merge(&theirs.let_in);
            if let Some(theirs) = &theirs.trouble {
                let mine = mine.trouble.get_or_insert_with(|| Box::new(Trouble::new()));
                mine.rejected += theirs.rejected;
                mine.rejected_at.merge(&theirs.rejected_at);
                mine.rejections.merge(&theirs.rejections);
                mine.last_reason = mine.last_reason.max(theirs.last_reason);
                mine.failed_open += theirs.failed_open;
                mine.failed_open_at.merge(&theirs.failed_open_at);
            }
        }
    }

    /// What it owns, in bytes.
    pub(super) fn owned_bytes(&self) -> usize {
        let trouble = |gate: &GateUse| {
            let trouble = gate.trouble.as_ref();
            trouble.map_or(0, |t| block_bytes(size_of::<Trouble>()) + t.rejections.owned_bytes())
        };
        block_bytes(std::mem::size_of_val(&*self.others)) + self.iter().map(trouble).sum::<usize>()
    }

    /// The gate of a server, and by how many bytes the list grew for it.
    fn entry(&mut self, server: ServerId) -> (&mut GateUse, isize) {
        let is_first = self.first.as_ref().is_none_or(|gate| gate.server == server);
        let mut grown = 0;
        if !is_first && self.others.iter().all(|gate| gate.server != server) {
            let mut others = std::mem::take(&mut self.others).into_vec();
            others.reserve_exact(1);
            others.push(GateUse::new(server));
            self.others = others.into();
            let bytes = |gates: usize| block_bytes(gates * size_of::<GateUse>()).cast_signed();
            grown = bytes(self.others.len()) - bytes(self.others.len() - 1);
        }
        let Gates { first, others } = self;
        let other = others.iter_mut().find(|gate| !is_first && gate.server == server);
        (other.unwrap_or_else(|| first.get_or_insert_with(|| GateUse::new(server))), grown)
    }
}

impl GateUse {
    fn new(server: ServerId) -> GateUse {
        GateUse { server, let_in: Seen::default(), trouble: None }
    }
}

impl Trouble {
    fn record(&mut self, event: &Event<'_>) -> isize {
        if let Some(reason) = event.reason {
            self.last_reason = self.last_reason.max(Some((event.time, reason)));
        }
        if event.verdict == Verdict::FailedOpen {
            self.failed_open += 1;
            self.failed_open_at.add(event.time);
            return 0;
        }
        self.rejected += 1;
        self.rejected_at.add(event.time);
        event.time.map_or(0, |time| self.rejections.add(time, true))
    }
}

fn encode_last_reason<C, W: Write>(
    reason: &Option<(Option<UnixMillis>, Reason)>,
    e: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), encode::Error<W::Error>> {
    e.encode(reason.map(|(time, reason)| (time, reason.as_str())))?.ok()
}

fn decode_last_reason<'b, C>(
    d: &mut Decoder<'b>,
    _: &mut C,
) -> Result<Option<(Option<UnixMillis>, Reason)>, decode::Error> {
    let Some((time, name)) = d.decode::<Option<(Option<UnixMillis>, &str)>>()? else {
        return Ok(None);
    };
    let reason = Reason::from_name(name);
    Ok(Some((time, reason.ok_or_else(|| decode::Error::message("unknown reason"))?)))
}
