//! What must wake nobody, in every log.

use std::rc::Rc;

use crate::certificate::Authority;
use crate::client::Pace;
use crate::ordinary::{TEST_RUNNER, routes};
use crate::request::{Chain, Fate, Manner, Request};
use crate::server::{LogFile, Server};
use crate::time::{DAY, HISTORY_END, HOUR, LOG_START, MINUTE, Rhythm, SECOND};
use crate::world::{Mark, World};

/// Adds all of it.
pub fn add(world: &mut World) {
    health_checks(world);
    scanners(world);
    strangers(world);
    wrong_protocols(world);
    slow_retries(world);
    test_of_refusals(world);
    restarts(world);
    torn_lines(world);
}

/// Where a log that was kept back comes all at once: lines of five hours before.
pub fn add_replay(world: &mut World) {
    let at = HISTORY_END + 11 * HOUR + world.random.below(4 * HOUR);
    world.marks.push((at, Mark::Replay(at - 6 * HOUR..at - 5 * HOUR)));
}

/// Every ten seconds on three servers from one address, and every minute from outside; nobody has a
/// certificate.
fn health_checks(world: &mut World) {
    let inside: Rc<str> = "10.0.0.5".into();
    for (nth, server) in [Server::Api, Server::Admin, Server::Ledger].into_iter().enumerate() {
        let mut at = LOG_START + 3 * SECOND * nth as u64;
        while at < world.end {
            world.stranger(at, server, &inside, None, ("GET", "/health"));
            at += 10 * SECOND + world.random.below(40);
        }
    }
    for outside in ["203.0.113.201", "192.0.2.201", "198.51.100.201"] {
        let outside: Rc<str> = outside.into();
        let mut at = LOG_START + world.random.below(MINUTE);
        while at < world.end {
            world.stranger(at, Server::Api, &outside, None, ("HEAD", "/health"));
            world.stranger(at + 200, Server::Portal, &outside, None, ("HEAD", "/"));
            at += MINUTE + world.random.below(SECOND);
        }
    }
}

/// Each from an address of its own; twice a day one with a long list.
fn scanners(world: &mut World) {
    const PATHS: [&str; 8] = [
        "/",
        "/robots.txt",
        "/favicon.ico",
        "/.env",
        "/wp-login.php",
        "/.git/config",
        "/actuator/health",
        "/cgi-bin/luci",
    ];
    for at in span_moments(world, 25 * MINUTE) {
        let address = world.outside();
        let server = world.random.pick(&[Server::Api, Server::Portal, Server::Partner]);
        let count = 1 + world.random.below(7);
        for nth in 0..count {
            let path = world.random.pick(&PATHS);
            world.stranger(at + nth * 900, server, &address, None, ("GET", path));
        }
    }
    for at in span_moments(world, 12 * HOUR) {
        let address = world.outside();
        for nth in 0..160 {
            let path =
                format!("/old-{}/{}.php", world.random.below(40), world.random.hex(5, false));
            world.stranger(at + nth * 3 * SECOND, Server::Api, &address, None, ("GET", &path));
        }
    }
}

/// Who tries once or twice, with a certificate of their own making or of a CA of their own.
fn strangers(world: &mut World) {
    for at in span_moments(world, 50 * MINUTE) {
        let address = world.outside();
        let name = world.random.hex(6, false);
        let authority = world.random.pick(&[Authority::Itself, Authority::Foreign]);
        let certificate = world.strange_certificate(&format!("CN=localhost-{name}"), authority, at);
        let server = world.random.pick(&[Server::Api, Server::Ledger, Server::Partner]);
        for nth in 0..1 + world.random.below(2) {
            let at = at + nth * 7 * SECOND;
            world.stranger(at, server, &address, Some(certificate), ("GET", "/"));
        }
    }
}

/// TLS bytes where plain HTTP is spoken, plain HTTP where TLS is, and connections without a request.
fn wrong_protocols(world: &mut World) {
    const HELLO: &str = "\u{16}\u{3}\u{1}";
    for at in span_moments(world, 10 * MINUTE) {
        let address = world.outside();
        let (server, fate, method, path) = match world.random.below(4) {
            0 => (Server::Plain, Fate::NotTls, HELLO, ""),
            1 => (Server::Plain, Fate::Answered(301), "GET", "/"),
            2 => (Server::Api, Fate::NotTls, "GET", "/"),
            _ => (Server::Api, Fate::Preconnected, "", ""),
        };
        world.stranger(at, server, &address, None, (method, path));
        if let Some(request) = world.requests.last_mut() {
            request.fate = fate;
        }
    }
}

/// One client of nobody knows whom, with a certificate that ended long ago.
fn slow_retries(world: &mut World) {
    let address = world.outside();
    let ended = LOG_START - 40 * DAY;
    let certificate = world.issue(
        "CN=forgotten-probe,O=logistics",
        Authority::Issuing1,
        ended - 365 * DAY..ended,
    );
    let mut at = LOG_START + 20 * MINUTE;
    while at < world.end {
        world.stranger(at, Server::Api, &address, Some(certificate), ("POST", "/orders"));
        at += 40 * MINUTE;
    }
}

/// Every hour a test asks whether the gate refuses what it should, under the name and from the address
/// of a client that is let in before and after.
fn test_of_refusals(world: &mut World) {
    let mut client = world.client("ci-runner", Authority::Issuing1, &routes(&[Server::Api]));
    client.addresses = vec![TEST_RUNNER.into()];
    client.pace = Pace::Hourly { minute: 40, requests: 40, gap: 2 * SECOND };
    client.manner = Manner::program("python-requests/2.32.3");
    let ended = LOG_START - 10 * DAY;
    let subject_dn = client.subject_dn.clone();
    let expired = world.issue(&subject_dn, Authority::Issuing1, ended - 30 * DAY..ended);
    let foreign = world.strange_certificate(&subject_dn, Authority::Foreign, LOG_START);
    for hour in LOG_START / HOUR..world.end / HOUR {
        let at = hour * HOUR + 40 * MINUTE;
        for (nth, shown) in [Some(expired), Some(foreign), None].into_iter().enumerate() {
            let request = world.request(&client, at + (11 + 20 * nth as u64) * SECOND);
            let certificate = shown;
            let chain = Chain::Whole;
            world.requests.push(Request { certificate, chain, pool: None, ..request });
        }
    }
    world.call_always(&client);
}

/// nginx is started anew once a day; a few who wait for an answer give up.
fn restarts(world: &mut World) {
    for hour in [5, 15, 29, 39] {
        let at = LOG_START + hour * HOUR + world.random.below(50 * MINUTE);
        world.marks.push((at, Mark::Restart));
        let before = at - 3 * SECOND..at;
        for request in &mut world.requests {
            let is_answered = matches!(request.fate, Fate::Answered(_));
            if before.contains(&request.at) && is_answered && request.certificate.is_some() {
                request.fate = Fate::Answered(499);
            }
        }
    }
}

/// What a full disk has left of a line, now and then.
fn torn_lines(world: &mut World) {
    const TORN: &[u8] = b"10.60.3.4 - - [23/Nov/2026:04:11:52 +0000] \"GET /payments/1\n";
    for at in span_moments(world, 5 * HOUR) {
        world.marks.push((at, Mark::Scrap(LogFile::Edge, TORN)));
    }
}

fn span_moments(world: &mut World, gap: u64) -> Vec<u64> {
    Rhythm::Even.moments(&mut world.random, gap, LOG_START, world.end)
}
