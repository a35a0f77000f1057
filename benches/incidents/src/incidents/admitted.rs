//! Who should not have been let in.

use crate::certificate::Authority;
use crate::client::Pace;
use crate::expected::About;
use crate::incidents::minutes;
use crate::request::{Chain, Fate};
use crate::server::{Route, Server};
use crate::time::{DAY, HOUR, MINUTE, Rhythm, SECOND};
use crate::world::World;

const UPLOADS: Route = Route { server: Server::Uploads, method: "POST", path: "/uploads" };
const DEVICES: Route = Route { server: Server::Api, method: "GET", path: "/devices/{n}" };
const TRANSFERS: Route = Route { server: Server::Api, method: "GET", path: "/transfers/{n}" };

/// `optional_no_ca` without a rule that looks at the result: a self-signed certificate is let in.
pub(super) fn failed_open(world: &mut World, at: u64) {
    let address = world.outside();
    let subject_dn = "CN=document-intake,O=logistics";
    let certificate = world.strange_certificate(subject_dn, Authority::Itself, at);
    for nth in 0..3 {
        let at = at + nth * 40 * SECOND;
        world.stranger(at, Server::Uploads, &address, Some(certificate), ("POST", UPLOADS.path));
    }
    let about = About {
        server: Server::Uploads.name().to_owned(),
        route: UPLOADS.path.to_owned(),
        remote_addr: address.to_string(),
        ..world.about(certificate)
    };
    let rule = "certificate_failed_open";
    world.expect("failed_open", rule, "page", minutes(at, 5), about);
}

/// An identity that was declared retired calls again, and is let in.
pub(super) fn retired_identity(world: &mut World, at: u64) {
    let client = world.subject_of_incident("old-gateway", Authority::Issuing1, TRANSFERS, 60);
    world.call(&client, minutes(at, 30));
    world.retired.push(client.subject_dn.clone());
    let about =
        About { server: Server::Api.name().to_owned(), ..world.about(client.certificate_at(at)) };
    world.expect("retired_identity", "retired_admitted", "page", minutes(at, 5), about);
}

/// An older revocation list is put back: whom the newer one had refused is let in.
pub(super) fn revoked_let_in(world: &mut World, at: u64) {
    let client = world.subject_of_incident("till-stolen", Authority::Issuing1, DEVICES, 90);
    let certificate = client.certificate_at(at);
    let let_in = at + 50 * MINUTE;
    world.certificate_mut(certificate).revoked.push(at..let_in);
    world.call_always_until(&client, at + 2 * HOUR);
    let about = About { server: Server::Api.name().to_owned(), ..world.about(certificate) };
    let name = "revoked_let_in";
    world.expect(name, "revoked_certificate_used", "ticket", minutes(at, 10), about.clone());
    world.expect(name, "retired_admitted", "page", minutes(let_in, 10), about);
}

/// One of two machines was not given the renewed certificate; its session lives on past the end.
pub(super) fn resumed_past_its_end(world: &mut World, at: u64) {
    let mut client = world.subject_of_incident("loyalty-service", Authority::Issuing1, DEVICES, 30);
    let old = world.issue(&client.subject_dn, Authority::Issuing1, at - 30 * DAY..at);
    client.shown.clear();
    client.show(0, Some(old), Chain::Whole);
    let mut second = client.clone();
    second.number = world.next_number();
    second.addresses = vec!["10.60.200.9".into()];
    // Early enough that the old one was never about to end without a successor.
    let renewed = world.renewal(&client, at - 15 * DAY);
    second.show(0, Some(renewed), Chain::Whole);
    client.show(at + 20 * MINUTE, Some(renewed), Chain::Whole);
    client.fates.push((minutes(at, 20), Fate::Resumed));
    world.call_always(&client);
    world.call_always(&second);
    let about = About { server: Server::Api.name().to_owned(), ..world.about(old) };
    world.expect("resumed_past_its_end", "expired_admitted", "page", minutes(at, 5), about);
}

/// A key was published: the certificate is used from ever more networks.
pub(super) fn shared_certificate(world: &mut World, at: u64) {
    let client = world.subject_of_incident("price-crawler", Authority::Issuing1, TRANSFERS, 60);
    world.call_always(&client);
    let mut leaked = client.clone();
    leaked.number = world.next_number();
    for nth in 0..7 {
        leaked.addresses = vec![format!("198.21.{}.{}", 10 + nth, 5 + nth).into()];
        leaked.pace = Pace::Steady { gap: 2 * MINUTE, rhythm: Rhythm::Even };
        world.call(&leaked, minutes(at + nth * 6 * MINUTE, 60));
    }
    let about = world.about(client.certificate_at(at));
    world.expect("shared_certificate", "certificate_shared", "ticket", minutes(at, 45), about);
}
