//! Faults on nginx's side, and of clocks.

use crate::certificate::Authority;
use crate::expected::About;
use crate::gate::FaultKind;
use crate::incidents::{minutes, template};
use crate::request::{Chain, Fate, Request};
use crate::server::{Route, Server};
use crate::time::{DAY, MINUTE, SECOND};
use crate::world::World;

const ROLES: Route = Route { server: Server::Admin, method: "GET", path: "/admin/roles/{n}" };
const TICKETS: Route = Route { server: Server::Api, method: "GET", path: "/tickets/{n}" };

/// Everyone on a server is refused, for the reason that `kind` has: one message replaces all others.
fn infrastructure(world: &mut World, at: u64, name: &'static str, kind: FaultKind, server: Server) {
    world.fault(kind, server, minutes(at, 45));
    let about = About { server: server.name().to_owned(), ..About::default() };
    world.expect(name, "verification_infrastructure", "page", minutes(at, 10), about);
}

/// Nobody has renewed the revocation list.
pub(super) fn crl_expired(world: &mut World, at: u64) {
    infrastructure(world, at, "crl_expired", FaultKind::CrlExpired, Server::Ledger);
}

/// Somebody has tidied the trusted bundle.
pub(super) fn root_removed(world: &mut World, at: u64) {
    infrastructure(world, at, "root_removed", FaultKind::RootRemoved, Server::Admin);
}

/// The partners' intermediate has ended; their own certificates have not.
pub(super) fn intermediate_expired(world: &mut World, at: u64) {
    let kind = FaultKind::IntermediateExpired;
    infrastructure(world, at, "intermediate_expired", kind, Server::Partner);
}

/// The issuer's clock is ahead: what it has renewed in one go is not valid yet.
pub(super) fn clock_skew(world: &mut World, at: u64) {
    for nth in 1..=6 {
        let name = format!("sensor-gateway-{nth}");
        let mut client = world.subject_of_incident(&name, Authority::Issuing1, TICKETS, 40);
        let from = at + 40 * MINUTE;
        let renewed = world.issue(&client.subject_dn, Authority::Issuing1, from..from + 90 * DAY);
        client.show(at + nth * 5 * SECOND, Some(renewed), Chain::Whole);
        world.call_always(&client);
    }
    let about = About { server: Server::Api.name().to_owned(), ..About::default() };
    world.expect("clock_skew", "clock_skew", "page", minutes(at, 10), about);
}

/// After a deployment the list of those who may holds one name in the wrong order.
pub(super) fn wrong_map(world: &mut World, at: u64) {
    let mut client = world.subject_of_incident("role-sync", Authority::Issuing1, ROLES, 50);
    client.fates.push((minutes(at, 40), Fate::Forbidden));
    world.call_always(&client);
    let about = About {
        server: Server::Admin.name().to_owned(),
        route: template(ROLES),
        remote_addr: client.addresses.first().map(|it| it.to_string()).unwrap_or_default(),
        ..world.about(client.certificate_at(at))
    };
    world.expect("wrong_map", "policy_denied_known", "ticket", minutes(at, 15), about);
}

/// An HTTP/2 client sends requests for one server over a connection to another one.
pub(super) fn wrong_coalescing(world: &mut World, at: u64) {
    let mut client = world.subject_of_incident("browser-kiosk", Authority::Issuing1, TICKETS, 60);
    client.manner.protocol = "HTTP/2.0";
    world.call_always(&client);
    for nth in 0..9 {
        let request = world.request(&client, at + nth * 50 * SECOND);
        world.requests.push(Request { fate: Fate::Misdirected, server: Server::Admin, ..request });
    }
    let about =
        About { server: Server::Admin.name().to_owned(), ..world.about(client.certificate_at(at)) };
    world.expect("wrong_coalescing", "misdirected_requests", "ticket", minutes(at, 10), about);
}
