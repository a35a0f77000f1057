//! What was known of a certificate before an event: rules ask whether it is known, not whether it is by now.

use gatelog_parsers::time_stamp::UnixMillis;

use super::certificates::CertificateUse;
use super::routes::{RouteId, ServerId};
use crate::event::Event;
use crate::event::reason::Reason;
use crate::event::verdict::Verdict;

/// What was known of a certificate before an event. Nothing, of one that was not in the tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prior {
    /// When it last verified.
    pub proven_last: Option<UnixMillis>,
    /// When it was last let in, anywhere.
    pub let_in_last: Option<UnixMillis>,
    /// Whether the server of the event had ever let it in. Asked for refusals only.
    pub was_let_in_here: bool,
    /// Whether the route of the event had ever let it in. Asked for refusals only.
    pub was_let_in_on_route: bool,
    /// Whether it was refused as revoked.
    pub was_revoked: bool,
    /// Whether the event comes from the network of its first event.
    pub is_first_network: bool,
    /// Its end, in seconds since 1970; as the event tells it, if nothing did before.
    pub not_after_seconds: Option<i64>,
    /// From its start to its end, in seconds; 0 when not logged.
    pub lifetime_seconds: u32,
}

impl Prior {
    /// `entry` has taken in the names and the end that the event tells, and nothing else.
    pub(super) fn of(
        entry: &CertificateUse,
        event: &Event<'_>,
        place: (RouteId, ServerId),
    ) -> Prior {
        let (route, server) = place;
        let is_refused = event.verdict != Verdict::Verified;
        let let_in_here = || {
            let gate = entry.gates.iter().find(|gate| gate.server == server);
            gate.is_some_and(|gate| gate.let_in.last.is_some())
        };
        let first = entry.first_address.as_ref().map(|(_, addr)| network(addr));
        Prior {
            proven_last: entry.proven.last,
            let_in_last: entry.let_in.last,
            was_let_in_here: is_refused && let_in_here(),
            was_let_in_on_route: is_refused && entry.routes_let_in.has(route),
            was_revoked: entry.reasons.of(Reason::CertRevoked) > 0,
            is_first_network: event.remote_addr.map(network) == first,
            not_after_seconds: entry.not_after_seconds,
            lifetime_seconds: entry.lifetime_seconds,
        }
    }
}

/// As much of an address as its network is told by: /24 of IPv4, about /56 of IPv6 as nginx writes it.
/// What is no address is its own network.
pub fn network(addr: &[u8]) -> &[u8] {
    if let Some(dot) = memchr::memrchr(b'.', addr) {
        return addr.get(..dot).unwrap_or(addr);
    }
    let fourth = addr.iter().enumerate().filter(|(_, byte)| **byte == b':').nth(3);
    let Some((end, _)) = fourth else { return addr };
    let third = addr.get(..end).unwrap_or(addr);
    // Of the fourth group only the first half belongs to a /56.
    let start = memchr::memrchr(b':', third).map_or(0, |colon| colon + 1);
    let length = end - start;
    addr.get(..if length > 2 { end - 2 } else { start }).unwrap_or(addr)
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn networks() {
        let check = |a: &str, b: &str, same: bool| {
            assert_eq!(network(a.as_bytes()) == network(b.as_bytes()), same, "{a} {b}");
        };
        check("10.0.0.1", "10.0.0.254", true);
        check("10.0.0.1", "10.0.1.1", false);
        check("2001:db8:1:ab00::1", "2001:db8:1:abff::9", true);
        check("2001:db8:1:ab00::1", "2001:db8:1:ac00::1", false);
        check("2001:db8:1:1::1", "2001:db8:1:ff::1", true);
        check("2001:db8::1", "2001:db8::2", false);
        check("unix:", "unix:", true);
        check("", "", true);
    }
}
