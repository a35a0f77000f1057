//! The entries of a journal: what [`super::journal`] writes and [`super::replay`] reads.
//!
//! In CBOR (RFC 8949): an event is a row of values of which the first is a number, its verdict's; any
//! other entry is an array of its kind and its values. The numbers are stored: they never change
//! their meaning.

use gatelog_parsers::escape::Escape;
use minicbor::{Decode, Encode};

// An event: the index of its verdict, its flags, the milliseconds since the event before, the number
// of its context, the place of its route, the names of its certificate and its address, as far as it
// has them.

/// A route: its place, its name.
pub(super) const ROUTE: u8 = 8;
/// A certificate: its name, [`CertificateEntry`].
pub(super) const CERTIFICATE: u8 = 9;
/// An address: its name, its text.
pub(super) const ADDRESS: u8 = 10;
/// A context: its number, [`Context`].
pub(super) const CONTEXT: u8 = 11;
/// Everything that was named is forgotten, and the time before is 0.
pub(super) const RESET: u8 = 12;
/// A bound was hit outside of an event: its name.
pub(super) const LIMIT_HIT: u8 = 13;
/// Another bound on routes.
pub(super) const ROUTES_MAX: u8 = 14;
/// A line gave no event: the name of its source.
pub(super) const UNPARSED: u8 = 15;
/// No event before this time comes any more.
pub(super) const TICK: u8 = 16;
/// Nobody has listened to a source until now: its name, the time.
pub(super) const WAKE: u8 = 17;

/// What an event has, a bit each.
pub(super) mod flag {
    pub(in super::super) const TIME: u8 = 1;
    pub(in super::super) const CERTIFICATE: u8 = 2;
    pub(in super::super) const PROVEN: u8 = 4;
    pub(in super::super) const ADDRESS: u8 = 8;
    /// Whether it is its connection's first request is known.
    pub(in super::super) const CONNECTION: u8 = 16;
    pub(in super::super) const FIRST: u8 = 32;
    /// The route's name as it was worked out, and whether it was cut, instead of a place.
    pub(in super::super) const ROUTE_NAME: u8 = 64;
}

/// What few events differ in.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(super) struct Context<'a> {
    #[b(0)]
    pub(super) server: &'a str,
    #[n(1)]
    pub(super) is_other_server: bool,
    #[cbor(b(2), with = "minicbor::bytes")]
    pub(super) tls_protocol: Option<&'a [u8]>,
    #[cbor(b(3), with = "minicbor::bytes")]
    pub(super) tls_cipher: Option<&'a [u8]>,
    #[cbor(b(4), with = "minicbor::bytes")]
    pub(super) upstream_addr: Option<&'a [u8]>,
    /// By name: the numbers of reasons may change between releases.
    #[b(5)]
    pub(super) reason: Option<&'a str>,
    #[n(6)]
    pub(super) suspected: bool,
    /// Of a source that logs nothing but denials.
    #[n(7)]
    pub(super) is_partial: bool,
    #[b(8)]
    #[cbor(default)]
    pub(super) source: &'a str,
}

/// A certificate as a line had it.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(super) struct CertificateEntry<'a> {
    #[cbor(b(0), with = "minicbor::bytes")]
    pub(super) fingerprint: Option<&'a [u8]>,
    #[cbor(b(1), with = "minicbor::bytes")]
    pub(super) subject_dn: Option<&'a [u8]>,
    #[cbor(b(2), with = "minicbor::bytes")]
    pub(super) issuer_dn: Option<&'a [u8]>,
    #[cbor(b(3), with = "minicbor::bytes")]
    pub(super) not_after: Option<&'a [u8]>,
    /// How its texts are escaped: a place in [`ESCAPES`].
    #[n(4)]
    pub(super) escape: u8,
    #[cbor(b(5), with = "minicbor::bytes")]
    pub(super) not_before: Option<&'a [u8]>,
}

/// The escapings of logs, by their numbers.
pub(super) const ESCAPES: [Escape; 3] = [Escape::Default, Escape::Json, Escape::None];

/// The number of an escaping.
pub(super) fn escape_number(escape: Escape) -> u8 {
    match escape {
        Escape::Default => 0,
        Escape::Json => 1,
        Escape::None => 2,
    }
}
