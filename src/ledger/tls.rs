//! Requests by server, TLS version and cipher.

use minicbor::{Decode, Decoder, Encode, decode};

use super::counts::{Count, Named, decode_count};
use super::limit_hits::{Limit, LimitHits};
use super::routes::{RouteMap, ServerId};
use crate::event::Event;
use crate::limits::{NAMES_PER_ROUTE_MAX, TLS_CIPHERS_MAX};

/// Requests by TLS version and cipher of each server, of which one may be empty: it is not logged.
/// As many servers as the routes have, each bounded, and all of them together.
#[derive(Debug, Default, Encode, Decode)]
#[cbor(array)]
pub struct TlsCounts {
    #[n(0)]
    servers: Vec<ServerTls>,
    /// Ciphers, summed over servers and TLS versions.
    #[cbor(n(1), decode_with = "decode_ciphers")]
    ciphers: usize,
}

fn decode_ciphers<C>(d: &mut Decoder<'_>, context: &mut C) -> Result<usize, decode::Error> {
    let ciphers = usize::try_from(decode_count(d, context)?);
    ciphers.map_err(|_| decode::Error::message("more ciphers than can be counted"))
}

#[derive(Debug, Default, Encode, Decode)]
#[cbor(array)]
struct ServerTls {
    #[n(0)]
    server: Box<str>,
    #[n(1)]
    protocols: Named<Named<Count>>,
}

impl TlsCounts {
    /// Every server with requests over TLS, TLS version and cipher, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8], &[u8], u64)> {
        self.servers.iter().flat_map(|ServerTls { server, protocols }| {
            protocols.iter().flat_map(move |(protocol, ciphers)| {
                ciphers.iter().map(move |(cipher, count)| (&**server, protocol, cipher, count.0))
            })
        })
    }

    /// Counts an event of this server, if its line tells of TLS.
    pub(super) fn record(&mut self, event: &Event<'_>, server: ServerId, limits: &mut LimitHits) {
        if event.tls_protocol.is_none() && event.tls_cipher.is_none() {
            return;
        }
        let protocol = event.tls_protocol.unwrap_or_default();
        let cipher = event.tls_cipher.unwrap_or_default();
        self.add((server, event.server), protocol, cipher, 1, limits);
    }

    /// Adds all of `other`, whose servers are numbered by `map` here.
    pub(super) fn merge(&mut self, other: &TlsCounts, map: &RouteMap, limits: &mut LimitHits) {
        for (theirs, id) in other.servers.iter().zip(ServerId::all()) {
            let server = (map.server(id), &*theirs.server);
            for (protocol, ciphers) in theirs.protocols.iter() {
                for (cipher, count) in ciphers.iter() {
                    self.add(server, protocol, cipher, count.0, limits);
                }
            }
        }
    }

    fn add(
        &mut self,
        (id, name): (ServerId, &str),
        protocol: &[u8],
        cipher: &[u8],
        requests: u64,
        limits: &mut LimitHits,
    ) {
        let TlsCounts { servers, ciphers: all } = self;
        if servers.len() <= id.index() {
            servers.resize_with(id.index() + 1, ServerTls::default);
        }
        let Some(server) = servers.get_mut(id.index()) else { return };
        if server.server.is_empty() {
            server.server = name.into();
        }
        let has_room = *all < TLS_CIPHERS_MAX;
        let most = |names: usize| if has_room { NAMES_PER_ROUTE_MAX } else { names };
        let most_protocols = most(server.protocols.len());
        let mut full = false;
        full |= server.protocols.change(protocol, most_protocols, |ciphers| {
            let before = ciphers.len();
            full |= ciphers.change(cipher, most(before), |count| count.0 += requests);
            *all += ciphers.len() - before;
        });
        limits.hit_if(full, Limit::TlsCiphers);
    }
}
