//! Who was never let in and tries.

use crate::certificate::Authority;
use crate::expected::About;
use crate::incidents::minutes;
use crate::ordinary::OFFICE;
use crate::request::Chain;
use crate::server::{Route, Server};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use crate::world::World;

const ORDERS: (&str, &str) = ("POST", "/orders");

/// A certificate that nobody has ever seen here, ended long ago, every 20 seconds.
pub(super) fn stranger_retrying(world: &mut World, at: u64) {
    let calls = (0..120).map(|nth| at + nth * 20 * SECOND).collect();
    retrying(world, at, "stranger_retrying", calls, 15 * MINUTE);
}

/// The same every ten minutes: never many in a short time.
pub(super) fn stranger_retrying_slowly(world: &mut World, at: u64) {
    let calls = (0..48).map(|nth| at + nth * 10 * MINUTE).collect();
    retrying(world, at, "stranger_retrying_slowly", calls, 6 * HOUR);
}

fn retrying(world: &mut World, at: u64, name: &'static str, calls: Vec<u64>, within: u64) {
    let ended = at - 60 * DAY;
    let subject_dn = "CN=meter-0815,O=unknown";
    let validity = ended - 365 * DAY..ended;
    let certificate = world.issue(subject_dn, Authority::Issuing1, validity);
    let address = world.outside();
    for at in calls {
        world.stranger(at, Server::Api, &address, Some(certificate), ORDERS);
    }
    let about = About {
        server: Server::Api.name().to_owned(),
        remote_addr: address.to_string(),
        ..world.about(certificate)
    };
    world.expect(name, "fingerprint_denied_repeatedly", "ticket", at..at + within, about);
}

/// Somebody elsewhere has a certificate with the name of a client of ours, which is well.
pub(super) fn impostor(world: &mut World, at: u64) {
    const PAYOUTS: Route = Route { server: Server::Api, method: "GET", path: "/payouts/{n}" };
    let real = world.subject_of_incident("payout-service", Authority::Issuing1, PAYOUTS, 30);
    world.call_always(&real);
    let subject_dn = real.subject_dn.clone();
    let certificate = world.strange_certificate(&subject_dn, Authority::Foreign, at);
    let mut other = real;
    other.number = world.next_number();
    other.addresses = vec![world.outside()];
    other.show(0, Some(certificate), Chain::Whole);
    world.call(&other, minutes(at, 30));
    let about = About {
        server: Server::Api.name().to_owned(),
        remote_addr: other.addresses.first().map(|it| it.to_string()).unwrap_or_default(),
        ..world.about(certificate)
    };
    world.expect("impostor", "fingerprint_denied_repeatedly", "ticket", minutes(at, 15), about);
}

/// A dozen certificates from one address.
pub(super) fn certificate_stuffing(world: &mut World, at: u64) {
    let address = world.outside().to_string();
    stuffing(world, at, "certificate_stuffing", &address, (12, 30 * SECOND));
}

/// More of them, behind the address from which the office is let in at the same time.
pub(super) fn stuffing_from_the_office(world: &mut World, at: u64) {
    stuffing(world, at, "stuffing_from_the_office", OFFICE, (28, 18 * SECOND));
}

fn stuffing(
    world: &mut World,
    at: u64,
    name: &'static str,
    address: &str,
    (count, gap): (u64, u64),
) {
    for nth in 0..count {
        let subject_dn = format!("CN=device-{},O=logistics", world.random.below(10_000));
        let certificate = world.strange_certificate(&subject_dn, Authority::Foreign, at);
        let at = at + nth * gap;
        world.stranger(at, Server::Api, &address.into(), Some(certificate), ORDERS);
    }
    let about = About { remote_addr: address.to_owned(), ..About::default() };
    world.expect(name, "address_tries_certificates", "ticket", minutes(at, 10), about);
}

/// Goes through the payments without any certificate.
pub(super) fn knocking_without_certificate(world: &mut World, at: u64) {
    let address = world.outside();
    for nth in 0..200 {
        let path = format!("/payments/{}", 40_000_000 + nth);
        world.stranger(at + nth * 3 * SECOND, Server::Api, &address, None, ("GET", &path));
    }
    let about = About { remote_addr: address.to_string(), ..About::default() };
    let (name, rule) = ("knocking_without_certificate", "address_refused_repeatedly");
    world.expect(name, rule, "ticket", minutes(at, 10), about);
}
