//! Records the events of a [`super::journal`] in the ledger that its image gave.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::bytes::ByteSlice;
use minicbor::data::Type;
use minicbor::{Decoder, decode};

use super::Record;
use super::journal_entry::{
    ADDRESS, CERTIFICATE, CONTEXT, CertificateEntry, Context, ESCAPES, LIMIT_HIT, RESET, ROUTE,
    ROUTES_MAX, TICK, UNPARSED, WAKE, flag,
};
use super::limit_hits::Limit;
use crate::event::judge::Target;
use crate::event::reason::Reason;
use crate::event::route::Router;
use crate::event::verdict::Verdict;
use crate::event::{Certificate, Event, Scope};
use crate::limits::{self, JOURNAL_NAMED_BYTES_MAX};

/// Reads a journal from its beginning, piece by piece.
#[derive(Debug, Default)]
pub struct Replay {
    router: Router,
    last_time: UnixMillis,
    routes: Named,
    /// Certificates and addresses.
    names: Named,
    contexts: Named,
    events: u64,
}

/// What the numbers of a kind stand for, as it was written.
#[derive(Debug, Default)]
struct Named(Vec<Option<Box<[u8]>>>);

/// Highest number that is believed: more names than fit in [`JOURNAL_NAMED_BYTES_MAX`], so that a
/// damaged one does not take all memory.
const NUMBER_MAX: u64 = 1 << 20;

const _: () = assert!(JOURNAL_NAMED_BYTES_MAX / 4 <= 1 << 20, "a name takes four bytes at least");

impl Named {
    fn set(&mut self, number: u64, what: &[u8]) -> Result<(), decode::Error> {
        let index = usize::try_from(number).ok().filter(|_| number <= NUMBER_MAX);
        let index = index.ok_or_else(|| decode::Error::message("a number beyond all names"))?;
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        if let Some(named) = self.0.get_mut(index) {
            *named = Some(what.into());
        }
        Ok(())
    }

    fn get(&self, number: u64) -> Result<&[u8], decode::Error> {
        let named = usize::try_from(number).ok().and_then(|index| self.0.get(index)?.as_deref());
        named.ok_or_else(|| decode::Error::message("a number that was not named"))
    }
}

impl Replay {
    /// Records the next piece, as [`Journal::take`](super::journal::Journal::take) gave it.
    ///
    /// # Errors
    /// Damaged bytes; what stands before them is recorded.
    pub fn take(&mut self, piece: &[u8], into: &mut impl Record) -> Result<(), decode::Error> {
        let mut d = Decoder::new(piece);
        while d.position() < piece.len() {
            match d.datatype()? {
                Type::Array => self.take_entry(&mut d, into)?,
                _ => self.take_event(&mut d, into)?,
            }
        }
        Ok(())
    }

    /// How many events were recorded.
    pub fn events(&self) -> u64 {
        self.events
    }

    fn take_entry(
        &mut self,
        d: &mut Decoder<'_>,
        into: &mut impl Record,
    ) -> Result<(), decode::Error> {
        d.array()?;
        match d.u8()? {
            RESET => *self = Replay { events: self.events, ..Replay::default() },
            ROUTE => self.routes.set(d.u64()?, d.bytes()?)?,
            ADDRESS => self.names.set(d.u64()?, d.bytes()?)?,
            CERTIFICATE => self.names.set(d.u64()?, item(d)?)?,
            CONTEXT => self.contexts.set(d.u64()?, item(d)?)?,
            LIMIT_HIT => into.ledger().limits.hit_if(true, limit(d.str()?)?),
            ROUTES_MAX => {
                let most = usize::try_from(d.u64()?).ok();
                let most = most.filter(|most| *most <= limits::ROUTES_MAX);
                let beyond = || decode::Error::message("more routes than there may be");
                into.ledger().routes.set_max(most.ok_or_else(beyond)?);
            }
            UNPARSED => into.unparsed(d.str()?),
            TICK => into.tick(d.i64()?),
            WAKE => into.wake(d.str()?, d.i64()?),
            _ => return Err(decode::Error::message("unknown kind of entry")),
        }
        Ok(())
    }

    fn take_event(
        &mut self,
        d: &mut Decoder<'_>,
        into: &mut impl Record,
    ) -> Result<(), decode::Error> {
        let verdict = Verdict::ALL.get(usize::from(d.u8()?)).copied();
        let verdict = verdict.ok_or_else(|| decode::Error::message("unknown verdict"))?;
        let flags = d.u8()?;
        let has = |flag| flags & flag != 0;
        let mut time = None;
        if has(flag::TIME) {
            self.last_time = self.last_time.wrapping_add(d.i64()?);
            time = Some(self.last_time);
        }
        let context: Context<'_> = minicbor::decode(self.contexts.get(d.u64()?)?)?;
        let (name, cut) = if has(flag::ROUTE_NAME) {
            let (name, cut): (&ByteSlice, bool) = d.decode()?;
            (&**name, cut)
        } else {
            (self.routes.get(d.u64()?)?, false)
        };
        let certificate: Option<CertificateEntry<'_>> = match has(flag::CERTIFICATE) {
            true => Some(minicbor::decode(self.names.get(d.u64()?)?)?),
            false => None,
        };
        let remote_addr = match has(flag::ADDRESS) {
            true => Some(self.names.get(d.u64()?)?),
            false => None,
        };
        let escape = certificate.as_ref().map_or(0, |certificate| usize::from(certificate.escape));
        let event = Event {
            time,
            server: context.server,
            is_other_server: context.is_other_server,
            target: Target::Route { name, cut },
            verdict,
            reason: context.reason.map(reason).transpose()?,
            certificate: certificate.map(|entry| Certificate {
                proven: has(flag::PROVEN),
                fingerprint: entry.fingerprint,
                subject_dn: entry.subject_dn,
                issuer_dn: entry.issuer_dn,
                not_before: entry.not_before,
                not_after: entry.not_after,
            }),
            remote_addr,
            upstream_addr: context.upstream_addr,
            tls_protocol: context.tls_protocol,
            tls_cipher: context.tls_cipher,
            first_of_connection: has(flag::CONNECTION).then_some(has(flag::FIRST)),
            suspected: context.suspected,
            // Whether two sources carry the same requests is asked of new lines only.
            source: context.source,
            request_id: None,
            scope: if context.is_partial { Scope::Denials } else { Scope::All },
            escape: ESCAPES.get(escape).copied().unwrap_or_default(),
        };
        into.record(&event, &self.router);
        self.events += 1;
        Ok(())
    }
}

/// The bytes of the next item.
fn item<'b>(d: &mut Decoder<'b>) -> Result<&'b [u8], decode::Error> {
    let start = d.position();
    d.skip()?;
    Ok(d.input().get(start..d.position()).unwrap_or_default())
}

fn reason(name: &str) -> Result<Reason, decode::Error> {
    Reason::from_name(name).ok_or_else(|| decode::Error::message("unknown reason"))
}

fn limit(name: &str) -> Result<Limit, decode::Error> {
    Limit::from_name(name).ok_or_else(|| decode::Error::message("unknown bound"))
}
