//! Ordinary traffic: some 45 clients that are let in, and the public.

use std::rc::Rc;

use crate::certificate::Authority;
use crate::client::{Client, Pace};
use crate::request::{Chain, Fate, Manner, Request};
use crate::server::{ROUTES, Route, Server};
use crate::time::{DAY, HISTORY_END, HOUR, LOG_START, MINUTE, Rhythm, SECOND};
use crate::world::World;

/// The office, behind one address.
pub const OFFICE: &str = "203.0.113.10";

/// Where tests run.
pub const TEST_RUNNER: &str = "10.30.0.7";

/// Services with what they call.
const SERVICES: [(&str, Authority, &[Server]); 19] = [
    ("inventory-service", Authority::Issuing1, &[Server::Api]),
    ("shipping-service", Authority::Issuing1, &[Server::Api]),
    ("fraud-score", Authority::Issuing1, &[Server::Api]),
    ("notification-service", Authority::Issuing1, &[Server::Api]),
    ("pricing", Authority::Issuing1, &[Server::Api]),
    ("catalogue", Authority::Issuing1, &[Server::Api]),
    ("tax-rates", Authority::Issuing1, &[Server::Api]),
    ("identity-service", Authority::Issuing1, &[Server::Api, Server::Uploads]),
    ("clearing", Authority::Issuing2, &[Server::Api, Server::Ledger]),
    ("settlement", Authority::Issuing2, &[Server::Ledger]),
    ("statement-service", Authority::Issuing2, &[Server::Ledger, Server::Uploads]),
    ("bookkeeping", Authority::Issuing2, &[Server::Ledger]),
    ("treasury", Authority::Issuing2, &[Server::Ledger]),
    ("audit-export", Authority::Issuing2, &[Server::Ledger]),
    ("dunning", Authority::Issuing2, &[Server::Api, Server::Ledger]),
    ("deploy-robot", Authority::Issuing1, &[Server::Admin]),
    ("flag-sync", Authority::Issuing1, &[Server::Admin]),
    ("user-sync", Authority::Issuing1, &[Server::Admin, Server::Api]),
    ("document-intake", Authority::Issuing1, &[Server::Uploads]),
];

/// Routes of everyday use of these servers.
pub fn routes(servers: &[Server]) -> Vec<Route> {
    ROUTES.into_iter().filter(|route| servers.contains(&route.server)).collect()
}

/// Adds all of it.
pub fn add(world: &mut World) {
    services(world);
    renewals(world);
    short_lived(world);
    odd_names(world);
    jobs(world);
    laptops(world);
    fleets(world);
    partners(world);
    public(world);
}

fn services(world: &mut World) {
    const TLS_1_2: (&str, &str) = ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256");
    for (name, authority, servers) in SERVICES {
        let mut client = world.client(name, authority, &routes(servers));
        if world.random.chance(2_500) {
            client.manner.protocol = "HTTP/2.0";
        }
        if world.random.chance(1_500) {
            client.manner.tls = TLS_1_2;
        }
        let machines = 1 + world.random.below(3);
        client.addresses = (1..=machines).map(|nth| machine(&client, nth)).collect();
        world.call_always(&client);
    }
}

/// A second, third machine beside that of a client's first address.
fn machine(client: &Client, nth: u64) -> Rc<str> {
    let first = client.addresses.first().cloned().unwrap_or_default();
    let network = first.rsplit_once('.').map_or("10.60.0", |it| it.0);
    format!("{network}.{}", 20 + nth).into()
}

/// Renewed while the log is written, by the same issuer: for a while the old and the new certificate
/// are in use side by side. The old one of the last would soon be due, had it no successor.
fn renewals(world: &mut World) {
    let names = ["rates-feed", "refund-service", "order-service", "mandates"];
    for (nth, name) in names.into_iter().enumerate() {
        let at = LOG_START + (8 + 9 * nth as u64) * HOUR + world.random.below(HOUR);
        let mut client = world.client(name, Authority::Issuing1, &routes(&[Server::Api]));
        if nth == 3 {
            let not_after = at + 14 * DAY + 2 * HOUR;
            let old = world.issue(
                &client.subject_dn,
                Authority::Issuing1,
                not_after - 397 * DAY..not_after,
            );
            client.shown.clear();
            client.show(0, Some(old), Chain::Whole);
        }
        let mut second = client.clone();
        second.number = world.next_number();
        second.addresses = vec![machine(&client, 2)];
        let renewed = world.renewal(&client, at);
        client.show(at, Some(renewed), Chain::Whole);
        second.show(at + 25 * MINUTE, Some(renewed), Chain::Whole);
        world.call_always(&client);
        world.call_always(&second);
    }
}

/// Of a mesh: each certificate lives for two hours and is renewed after one, machine by machine.
fn short_lived(world: &mut World) {
    let routes = routes(&[Server::Api]);
    let mut client = world.client("mesh-sidecar", Authority::Issuing1, &routes);
    for nth in 1..=3 {
        client.number = world.next_number();
        client.addresses = vec![machine(&client, nth)];
        client.shown.clear();
        let mut from = LOG_START - HOUR + nth * 9 * MINUTE;
        while from < world.end {
            let subject_dn = client.subject_dn.clone();
            let certificate =
                world.issue(&subject_dn, Authority::Issuing1, from - MINUTE..from + 2 * HOUR);
            client.show(from, Some(certificate), Chain::Whole);
            from += HOUR;
        }
        world.call_always(&client);
    }
}

/// Names with what RFC 2253 escapes, and without a CN.
fn odd_names(world: &mut World) {
    for subject_dn in [
        "CN=svc \\\"edge\\\",O=Acme\\, Inc.\\; \\<Ops\\>",
        "CN=Caf\\C3\\A9 Kasse 4,OU=Filiale Z\\C3\\BCrich,O=Example",
        "OU=scale-7,O=logistics",
    ] {
        let mut client = world.client("odd", Authority::Issuing1, &routes(&[Server::Api]));
        let from = LOG_START - 20 * DAY;
        let certificate = world.issue(subject_dn, Authority::Issuing1, from..from + 397 * DAY);
        client.shown.clear();
        client.show(0, Some(certificate), Chain::Whole);
        world.call_always(&client);
    }
}

/// Once an hour.
fn jobs(world: &mut World) {
    for name in ["invoice-batch", "ledger-close", "report-batch", "archive-batch"] {
        let (authority, server) = match name {
            "ledger-close" => (Authority::Issuing2, Server::Ledger),
            "archive-batch" => (Authority::Issuing1, Server::Uploads),
            _ => (Authority::Issuing1, Server::Api),
        };
        let mut client = world.client(name, authority, &routes(&[server]));
        let minute = world.random.below(60);
        let requests = 20 + world.random.below(40);
        client.pace = Pace::Hourly { minute, requests, gap: 700 };
        world.call_always(&client);
    }
}

/// By day, from the office, from home and on the way.
fn laptops(world: &mut World) {
    let all = routes(&[Server::Admin, Server::Api]);
    for nth in 1..=9 {
        let name = format!("laptop-{nth:02}");
        let mut client = world.client(&name, Authority::Issuing1, &all);
        client.manner = Manner {
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Firefox/133.0",
            protocol: "HTTP/2.0",
            ..client.manner
        };
        let home = format!("198.18.{nth}.{}", 2 + world.random.below(200));
        client.addresses = vec![OFFICE.into(), OFFICE.into(), OFFICE.into(), home.into()];
        if nth == 9 {
            let on_the_way = (1..=4).map(|network| format!("198.19.{network}.77").into());
            client.addresses.extend(on_the_way);
        }
        client.stay = 2 * HOUR;
        client.pace = Pace::Steady { gap: 70 * SECOND, rhythm: Rhythm::Working };
        // Their browser opens a connection in advance now and then; a rule refuses them sometimes.
        for hour in 8..18 {
            let at = HISTORY_END - DAY + hour * HOUR + world.random.below(50 * MINUTE);
            for at in [at, at + DAY] {
                let mut request = world.request(&client, at);
                (request.method, request.path) = ("", String::new());
                (request.fate, request.pool) = (Fate::Preconnected, None);
                world.requests.push(request);
                if world.random.chance(2_000) {
                    let request = world.request(&client, at + MINUTE);
                    world.requests.push(Request { fate: Fate::Forbidden, ..request });
                }
            }
        }
        world.call_always(&client);
    }
}

/// Many behind one address; one behind many addresses.
fn fleets(world: &mut World) {
    for nth in 1..=6 {
        let name = format!("till-{nth:02}");
        let mut client = world.client(&name, Authority::Issuing1, &routes(&[Server::Api]));
        client.addresses = vec!["203.0.113.50".into()];
        client.pace = Pace::Steady { gap: MINUTE, rhythm: Rhythm::Daily };
        world.call_always(&client);
    }
    for (name, network) in [("web-frontend", 40), ("mobile-backend", 44)] {
        let mut client = world.client(name, Authority::Issuing1, &routes(&[Server::Api]));
        let addresses = (0..30).map(|nth| format!("10.{network}.{}.{}", nth % 3, 10 + nth));
        client.addresses = addresses.map(Rc::from).collect();
        world.call_always(&client);
    }
    let mut client = world.client("search", Authority::Issuing1, &routes(&[Server::Api]));
    client.addresses = vec!["2001:db8:7::15".into(), "2001:db8:7::16".into()];
    // Longer-lived than is the custom today.
    let from = LOG_START - 100 * DAY;
    let certificate = world.issue(&client.subject_dn, Authority::Issuing1, from..from + 825 * DAY);
    client.shown.clear();
    client.show(0, Some(certificate), Chain::Whole);
    world.call_always(&client);
}

fn partners(world: &mut World) {
    for nth in 1..=5 {
        let name = format!("partner-{nth}");
        let mut client = world.client(&name, Authority::Partner, &routes(&[Server::Partner]));
        client.addresses = vec![format!("192.0.2.{}", 20 + nth).into()];
        client.pace = Pace::Steady { gap: 40 * SECOND, rhythm: Rhythm::Business };
        world.call_always(&client);
    }
}

/// Whoever looks at the public pages.
fn public(world: &mut World) {
    let span = LOG_START..world.end;
    let moments = Rhythm::Daily.moments(&mut world.random, 6 * SECOND, span.start, span.end);
    for at in moments {
        let address = format!("198.20.{}.{}", world.random.below(250), world.random.below(250));
        let path = world.random.pick(&["/", "/", "/assets/app.js"]);
        world.stranger(at, Server::Portal, &address.into(), None, ("GET", path));
    }
}
