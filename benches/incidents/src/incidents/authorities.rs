//! Certificates of issuers that are new here, or new for somebody.

use crate::certificate::Authority;
use crate::incidents::minutes;
use crate::request::Chain;
use crate::server::{Route, Server};
use crate::time::{DAY, HOUR};
use crate::world::World;

const COUPONS: Route = Route { server: Server::Api, method: "GET", path: "/coupons/{n}" };

/// The first certificate of an issuer of ours that nobody has used before.
pub(super) fn new_issuer(world: &mut World, at: u64) {
    first_of(world, at, "new_issuer", "ticket", Authority::Issuing3);
}

/// A public CA has found its way into the trusted bundle: anybody can have such a certificate.
pub(super) fn public_authority(world: &mut World, at: u64) {
    first_of(world, at, "public_authority", "page", Authority::Public);
}

fn first_of(
    world: &mut World,
    at: u64,
    name: &'static str,
    severity: &'static str,
    authority: Authority,
) {
    let client = world.subject_of_incident("coupon-service", authority, COUPONS, 40);
    world.call(&client, at..at + 3 * HOUR);
    let about = world.about(client.certificate_at(at));
    world.expect(name, "issuer_first_admitted", severity, minutes(at, 5), about);
}

/// A known client comes with a certificate of another of our issuers, which nobody has announced.
pub(super) fn changed_issuer(world: &mut World, at: u64) {
    let mut client = world.subject_of_incident("gift-cards", Authority::Issuing1, COUPONS, 30);
    let other = world.issue(&client.subject_dn, Authority::Issuing2, at - DAY..at + 89 * DAY);
    client.show(at, Some(other), Chain::Whole);
    world.call_always(&client);
    let about = world.about(other);
    world.expect("changed_issuer", "subject_changed_issuer", "ticket", minutes(at, 5), about);
}
