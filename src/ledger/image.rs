//! The whole ledger as bytes, and back.
//!
//! An image is a row of parts, each a row of items in CBOR (RFC 8949): a number that tells the kind,
//! then the value. Structs are arrays whose fields have numbers, so that a later version can add
//! fields at their ends and still read what an earlier one wrote. Parts are handed out as they are
//! made, so that no more than one is in memory. Caches are not in it. Equal ledgers give equal bytes.

use minicbor::{Decode, Decoder, Encode, Encoder};

use super::certificates::{CertificateKey, CertificateUse, Departed};
use super::counts::{Count, Seen};
use super::distinct::Seed;
use super::limit_hits::LimitHits;
use super::routes::{RouteUse, Routes};
use super::timeline::Timeline;
use super::tls::TlsCounts;
use super::word::Word;
use super::{AddressUse, Ledger};
use crate::limits::{IMAGE_PART_BYTES, ROUTES_MAX};

/// What a part nearly always fits in, so that its memory need not grow.
const PART_ROOM_BYTES: usize = IMAGE_PART_BYTES + 4096;

const HEAD: u8 = 0;
const ROUTE: u8 = 1;
const CERTIFICATE: u8 = 2;
const DEPARTED: u8 = 3;
const ADDRESS: u8 = 4;
const MINUTE: u8 = 5;
const END: u8 = 6;
/// Bytes of somebody else, who is saved together with the ledger.
const BESIDE: u8 = 7;

/// What there is one of; what is large is borrowed where it is written.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Head<Limits = LimitHits, Time = Timeline, Tls = TlsCounts> {
    #[n(0)]
    seed: u64,
    #[n(1)]
    routes_max: u64,
    #[n(2)]
    seen: Seen,
    #[n(3)]
    has_connections: bool,
    #[n(4)]
    limits: Limits,
    #[n(5)]
    timeline: Time,
    #[n(6)]
    tls: Tls,
    #[n(7)]
    latest_minute: Option<i64>,
    #[n(8)]
    reasons: u64,
}

/// Why bytes are not an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// An item is damaged or of a kind that this version does not know.
    #[error("damaged: {0}")]
    Item(#[from] minicbor::decode::Error),
    /// The first item or the last is missing.
    #[error("cut: its {0} is missing")]
    Cut(&'static str),
    /// A number that no ledger has.
    #[error("damaged: {0}")]
    Number(&'static str),
}

/// Whoever takes the parts wants no more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Collects items and hands out what makes a part.
struct Parts<F> {
    bytes: Vec<u8>,
    take: F,
}

impl<F: FnMut(Vec<u8>) -> Result<(), Refused>> Parts<F> {
    fn add(&mut self, kind: u8, value: &impl Encode<()>) -> Result<(), Refused> {
        let mut encoder = Encoder::new(&mut self.bytes);
        // A vector takes everything, and none of our types refuses.
        let encoded = encoder.u8(kind).and_then(|encoder| encoder.encode(value));
        encoded.map_err(|_| Refused)?;
        if self.bytes.len() < IMAGE_PART_BYTES { Ok(()) } else { self.hand_out() }
    }

    fn hand_out(&mut self) -> Result<(), Refused> {
        let room = Vec::with_capacity(PART_ROOM_BYTES);
        (self.take)(std::mem::replace(&mut self.bytes, room))
    }
}

impl Ledger {
    /// Hands out the image, part by part, each a little longer than [`IMAGE_PART_BYTES`] at most.
    ///
    /// # Errors
    /// When `take` wants no more.
    pub fn image(&self, take: impl FnMut(Vec<u8>) -> Result<(), Refused>) -> Result<(), Refused> {
        self.image_with(|_| Ok(()), take)
    }

    /// The same, with what somebody puts beside it: row by row, each about as long as a part at most.
    ///
    /// # Errors
    /// When `take` wants no more.
    pub fn image_with(
        &self,
        beside: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<(), Refused>) -> Result<(), Refused>,
        take: impl FnMut(Vec<u8>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let mut parts = Parts { bytes: Vec::with_capacity(PART_ROOM_BYTES), take };
        parts.add(HEAD, &self.head())?;
        for (_, route) in self.routes.iter() {
            parts.add(ROUTE, route)?;
        }
        for certificate in self.certificates.iter_oldest_first() {
            parts.add(CERTIFICATE, &certificate)?;
        }
        let mut departed: Vec<_> = self.certificates.departed().collect();
        departed.sort_by_key(|(issuer, _)| *issuer);
        for (issuer, departed) in departed {
            parts.add(DEPARTED, &(<&minicbor::bytes::ByteSlice>::from(issuer), departed))?;
        }
        for address in self.addresses.iter_oldest_first() {
            parts.add(ADDRESS, &address)?;
        }
        for (minute, keys) in self.refused.minutes() {
            let mut keys: Vec<(CertificateKey, u64)> = keys.iter().map(|(k, n)| (*k, *n)).collect();
            keys.sort_unstable();
            parts.add(MINUTE, &(minute, keys))?;
        }
        beside(&mut |row| parts.add(BESIDE, &<&minicbor::bytes::ByteSlice>::from(row)))?;
        parts.add(END, &())?;
        parts.hand_out()
    }

    fn head(&self) -> Head<&LimitHits, &Timeline, &TlsCounts> {
        Head {
            seed: self.seed.value(),
            routes_max: self.routes.max() as u64,
            seen: self.seen,
            has_connections: self.has_connections,
            limits: &self.limits,
            timeline: &self.timeline,
            tls: &self.tls,
            latest_minute: self.refused.latest_minute(),
            reasons: self.routes.reasons() as u64,
        }
    }
}

/// Makes a ledger of the parts of its image.
#[derive(Debug, Default)]
pub struct ImageReader {
    ledger: Option<Ledger>,
    routes: Vec<RouteUse>,
    reasons: u64,
    has_ended: bool,
    beside: Vec<Vec<u8>>,
}

impl ImageReader {
    /// Takes the next part, in the order in which they were handed out.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn take(&mut self, part: &[u8]) -> Result<(), ImageError> {
        let mut decoder = Decoder::new(part);
        while decoder.position() < part.len() {
            match decoder.u8()? {
                HEAD => {
                    let head: Head = decoder.decode()?;
                    self.reasons = head.reasons;
                    self.ledger = Some(from_head(head)?);
                }
                ROUTE => self.routes.push(decoder.decode()?),
                END => {
                    decoder.decode::<()>()?;
                    self.has_ended = true;
                }
                BESIDE => self.beside.push(decoder.bytes()?.to_vec()),
                kind => take_entry(self.ledger.as_mut(), kind, &mut decoder)?,
            }
        }
        Ok(())
    }

    /// What stood beside the ledger, row by row; empty when it is asked for again.
    pub fn take_beside(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.beside)
    }

    /// The ledger.
    ///
    /// # Errors
    /// When parts are missing.
    pub fn finish(self) -> Result<Ledger, ImageError> {
        let mut ledger = self.ledger.ok_or(ImageError::Cut("beginning"))?;
        if !self.has_ended {
            return Err(ImageError::Cut("end"));
        }
        // Lists over servers are as long as the highest number of one.
        let servers_max = self.routes.len();
        if self.routes.iter().any(|route| route.server_id.index() >= servers_max) {
            return Err(ImageError::Number("more servers than routes"));
        }
        let reasons = usize::try_from(self.reasons).unwrap_or(usize::MAX);
        ledger.routes = Routes::restore(ledger.routes.max(), reasons, self.routes);
        Ok(ledger)
    }
}

fn from_head(head: Head) -> Result<Ledger, ImageError> {
    let routes_max = usize::try_from(head.routes_max).ok().filter(|max| *max <= ROUTES_MAX);
    let routes_max = routes_max.ok_or(ImageError::Number("more routes than there may be"))?;
    let mut ledger = Ledger::new(Seed::new(head.seed), routes_max);
    ledger.seen = head.seen;
    ledger.has_connections = head.has_connections;
    ledger.limits = head.limits;
    ledger.timeline = head.timeline;
    ledger.tls = head.tls;
    if let Some(minute) = head.latest_minute {
        ledger.refused.advance(minute.saturating_mul(60_000));
    }
    Ok(ledger)
}

fn take_entry(
    ledger: Option<&mut Ledger>,
    kind: u8,
    decoder: &mut Decoder<'_>,
) -> Result<(), ImageError> {
    let ledger = ledger.ok_or(ImageError::Cut("beginning"))?;
    match kind {
        CERTIFICATE => {
            let (key, entry): (CertificateKey, CertificateUse) = decoder.decode()?;
            ledger.certificates.restore(key, entry);
        }
        DEPARTED => {
            let (issuer, departed): (&minicbor::bytes::ByteSlice, Departed) = decoder.decode()?;
            ledger.certificates.restore_departed(issuer, departed);
        }
        ADDRESS => {
            let (addr, entry): (Word, AddressUse) = decoder.decode()?;
            let owned = addr.owned_bytes() + entry.certificates.owned_bytes();
            if ledger.addresses.place(&addr).is_none() {
                ledger.addresses.add(addr, entry, owned);
            }
        }
        MINUTE => {
            let (minute, keys): (i64, Vec<(CertificateKey, Count)>) = decoder.decode()?;
            for (key, Count(count)) in keys {
                ledger.refused.add(key, minute.saturating_mul(60_000), count);
            }
        }
        _ => return Err(minicbor::decode::Error::message("unknown kind of item").into()),
    }
    Ok(())
}
