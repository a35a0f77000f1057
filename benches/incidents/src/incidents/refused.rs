//! Clients of ours that are refused, or soon will be.

use crate::certificate::Authority;
use crate::client::{Client, Pace};
use crate::expected::{About, Expected};
use crate::incidents::{hours, minutes, template};
use crate::request::{Chain, Manner};
use crate::server::{Route, Server};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use crate::world::World;

const CHECKOUTS: Route = Route { server: Server::Api, method: "POST", path: "/checkouts/{n}" };
const STATEMENTS: Route = Route { server: Server::Api, method: "GET", path: "/statements/{n}" };
const EXPORTS: Route = Route { server: Server::Ledger, method: "GET", path: "/exports/{n}" };
const DEVICES: Route = Route { server: Server::Admin, method: "GET", path: "/admin/devices/{n}" };

/// When a certificate that lives for a day has a third of its life left.
const LAST_THIRD: u64 = DAY / 3;

fn about(world: &World, client: &Client, route: Route, at: u64) -> About {
    About {
        server: route.server.name().to_owned(),
        route: template(route),
        remote_addr: client.addresses.first().map(|it| it.to_string()).unwrap_or_default(),
        ..world.about(client.certificate_at(at))
    }
}

/// What renews short-lived certificates has stopped: a warning first, then a busy client is locked out.
pub(super) fn expired(world: &mut World, at: u64) {
    let mut client =
        world.subject_of_incident("checkout-service", Authority::Issuing1, CHECKOUTS, 15);
    world.make_short_lived(&mut client, at);
    let known = about(world, &client, CHECKOUTS, at);
    let renewed = world.renewal(&client, at + 70 * MINUTE);
    client.show(at + 70 * MINUTE, Some(renewed), Chain::Whole);
    world.call_always(&client);
    let warned = minutes(at - LAST_THIRD, 60);
    world.expect("expired", "certificate_expiring", "ticket", warned, known.clone());
    world.expect("expired", "known_client_locked_out", "page", minutes(at, 5), known);
}

/// A job that runs once an hour was deployed anew, without the intermediate: refused run after run.
pub(super) fn chain_lost_by_job(world: &mut World, at: u64) {
    let mut client =
        world.subject_of_incident("nightly-export", Authority::Issuing1, CHECKOUTS, 60);
    let minute = at / MINUTE % 60;
    client.pace = Pace::Hourly { minute, requests: 3, gap: 30 * SECOND };
    let certificate = client.certificate_at(at);
    let deployed = at - at % MINUTE;
    client.show(deployed, Some(certificate), Chain::Leaf);
    client.show(deployed + 5 * HOUR, Some(certificate), Chain::Whole);
    world.call_always(&client);
    let known = about(world, &client, CHECKOUTS, at);
    let rule = "known_client_locked_out";
    world.expect("chain_lost_by_job", rule, "page", minutes(deployed, 65), known);
}

/// The renewed certificate is a new one for the gate; its name and address are those of a known client.
pub(super) fn renewed_without_intermediate(world: &mut World, at: u64) {
    let mut client = world.subject_of_incident("ledger-service", Authority::Issuing2, EXPORTS, 20);
    let renewed = world.renewal(&client, at);
    client.show(at, Some(renewed), Chain::Leaf);
    client.show(at + 45 * MINUTE, Some(renewed), Chain::Whole);
    world.call_always(&client);
    let claimed = about(world, &client, EXPORTS, at);
    let (name, rule) = ("renewed_without_intermediate", "known_client_locked_out");
    world.expect(name, rule, "page", minutes(at, 10), claimed);
}

/// Four of the nine clients of a route were given their certificates in the same minute.
pub(super) fn certificates_of_one_day(world: &mut World, at: u64) {
    for nth in 1..=9 {
        let name = format!("branch-{nth}");
        let mut client = world.subject_of_incident(&name, Authority::Issuing1, STATEMENTS, 30);
        if nth <= 4 {
            world.make_short_lived(&mut client, at + nth * SECOND);
            let fixed = at + 60 * MINUTE;
            let renewed = world.renewal(&client, fixed);
            client.show(fixed, Some(renewed), Chain::Whole);
        }
        world.call_always(&client);
    }
    let name = "certificates_of_one_day";
    let route = About {
        server: Server::Api.name().to_owned(),
        route: template(STATEMENTS),
        ..About::default()
    };
    let warned = minutes(at - LAST_THIRD, 60);
    world.expect(name, "certificate_expiring", "ticket", warned, About::default());
    world.expect(name, "route_failure_ratio", "page", minutes(at, 15), route);
}

/// Since a deployment none of those who may call a route sends a certificate.
pub(super) fn fleet_without_certificates(world: &mut World, at: u64) {
    const ARCHIVES: Route = Route { server: Server::Ledger, method: "GET", path: "/archives/{n}" };
    for nth in 1..=4 {
        let name = format!("archiver-{nth}");
        let mut client = world.subject_of_incident(&name, Authority::Issuing2, ARCHIVES, 25);
        let certificate = client.certificate_at(at);
        client.show(at, None, Chain::Whole);
        client.show(at + 50 * MINUTE, Some(certificate), Chain::Whole);
        world.call_always(&client);
    }
    let about = About {
        server: Server::Ledger.name().to_owned(),
        route: template(ARCHIVES),
        ..About::default()
    };
    let name = "fleet_without_certificates";
    world.expect(name, "route_lockout", "page", minutes(at, 15), about);
}

/// Reported lost and revoked; it knocks every five minutes, for ten hours.
pub(super) fn revoked_laptop(world: &mut World, at: u64) {
    let mut client = world.subject_of_incident("laptop-17", Authority::Issuing1, DEVICES, 300);
    client.manner = Manner::program("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Firefox/133.0");
    let certificate = client.certificate_at(at);
    world.certificate_mut(certificate).revoked.push(at..u64::MAX);
    world.call_always_until(&client, at + 10 * HOUR);
    let known = about(world, &client, DEVICES, at);
    let rule = "revoked_certificate_used";
    world.expect("revoked_laptop", rule, "ticket", minutes(at, 15), known);
}

/// A certificate enters its last 14 days without a successor; that of another client, which has
/// one in use already, does so too and must not be named.
pub(super) fn certificate_ends_soon(world: &mut World, at: u64) {
    const NAME: &str = "certificate_ends_soon";
    let not_after = at + 14 * DAY;
    let mut clients = ["warehouse-link", "voucher-service"].map(|name| {
        let mut client = world.subject_of_incident(name, Authority::Issuing1, CHECKOUTS, 120);
        let validity = not_after - 397 * DAY..not_after;
        let certificate = world.issue(&client.subject_dn, Authority::Issuing1, validity);
        client.shown.clear();
        client.show(0, Some(certificate), Chain::Whole);
        client
    });
    for (nth, client) in clients.iter_mut().enumerate() {
        let about = about(world, client, CHECKOUTS, at);
        if nth == 0 {
            world.expect(NAME, "certificate_expiring", "ticket", hours(at, 1), about);
            world.call_always(client);
        } else {
            let mut second = client.clone();
            second.number = world.next_number();
            let renewed = world.renewal(client, at - 5 * HOUR);
            second.show(at - 5 * HOUR, Some(renewed), Chain::Whole);
            world.call_always(client);
            world.call_always(&second);
            let (rule, severity) = ("-", "-");
            let (start, end) = (at, world.end);
            world.expected.push(Expected {
                incident: NAME,
                start,
                end,
                rule,
                severity,
                messages: 0,
                about: About { subject_dn: about.subject_dn, ..About::default() },
            });
        }
    }
}
