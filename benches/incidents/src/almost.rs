//! What comes near to an incident and is none, in every log: a little less than the definitions of the
//! built-in rules ask for, each by somebody who does nothing else.

use crate::certificate::Authority;
use crate::client::Pace;
use crate::ordinary::routes;
use crate::request::{Chain, Fate, Request};
use crate::server::{LogFile, Route, Server};
use crate::time::{DAY, HISTORY_END, HOUR, LOG_START, MINUTE, Rhythm, SECOND};
use crate::world::{Mark, World};

const AUDITS: Route = Route { server: Server::Admin, method: "GET", path: "/admin/audits/{n}" };

/// Adds all of it, once on the day of the history and once on the day after.
pub fn add(world: &mut World) {
    forbidden(world);
    early_renewals(world);
    for midnight in [HISTORY_END - DAY, HISTORY_END] {
        few_certificates(world, midnight);
        few_knocks(world, midnight);
        few_retries(world, midnight);
        few_misdirected(world, midnight);
        few_networks(world, midnight);
        little_garbage(world, midnight);
        outage(world, midnight);
        // When no incident of this log can go on.
        let silent = midnight + 18 * HOUR + world.random.below(HOUR);
        world.silences.push((LogFile::Partner, silent..silent + 12 * MINUTE));
    }
}

fn some_time(world: &mut World, midnight: u64) -> u64 {
    midnight + world.random.below(22 * HOUR)
}

/// Somebody has four certificates to try.
fn few_certificates(world: &mut World, midnight: u64) {
    let at = some_time(world, midnight);
    let address = world.outside();
    for nth in 0..4 {
        let name = format!("CN=spare-{},O=banking", world.random.hex(5, false));
        let certificate = world.strange_certificate(&name, Authority::Foreign, at);
        let at = at + nth * 2 * MINUTE;
        world.stranger(at, Server::Api, &address, Some(certificate), ("GET", "/rates"));
    }
}

/// Somebody tries payments without a certificate, and stops.
fn few_knocks(world: &mut World, midnight: u64) {
    let at = some_time(world, midnight);
    let address = world.outside();
    for nth in 0..90 {
        let path = format!("/payments/{}", 50_000_000 + nth);
        world.stranger(at + nth * 5 * SECOND, Server::Api, &address, None, ("GET", &path));
    }
}

/// Nobody's client gives up after some tries.
fn few_retries(world: &mut World, midnight: u64) {
    let at = some_time(world, midnight);
    let address = world.outside();
    let ended = LOG_START - 3 * DAY;
    let name = format!("CN=trial-{},O=logistics", world.random.hex(4, false));
    let certificate = world.issue(&name, Authority::Issuing1, ended - 90 * DAY..ended);
    for nth in 0..8 {
        let at = at + nth * 90 * SECOND;
        world.stranger(at, Server::Api, &address, Some(certificate), ("POST", "/orders"));
    }
}

/// A browser confuses two servers and learns.
fn few_misdirected(world: &mut World, midnight: u64) {
    let at = some_time(world, midnight);
    let address = world.outside();
    for nth in 0..4 {
        let at = at + nth * 2 * MINUTE;
        world.stranger(at, Server::Ledger, &address, None, ("GET", "/ledger/entries"));
        if let Some(request) = world.requests.last_mut() {
            request.fate = Fate::Misdirected;
        }
    }
}

/// A tablet on a train.
fn few_networks(world: &mut World, midnight: u64) {
    let at = some_time(world, midnight);
    let name = format!("tablet-{}", midnight / DAY % 10);
    let client = world.client(&name, Authority::Issuing1, &routes(&[Server::Api]));
    world.call_always(&client);
    let mut moving = client;
    for nth in 0..4 {
        moving.number = world.next_number();
        moving.addresses = vec![world.outside()];
        moving.pace = Pace::Steady { gap: MINUTE, rhythm: Rhythm::Even };
        let from = at + nth * 10 * MINUTE;
        world.call(&moving, from..from + 10 * MINUTE);
    }
}

/// Something has written into the log, and was stopped.
fn little_garbage(world: &mut World, midnight: u64) {
    const GARBAGE: &[u8] = b"Broken pipe\n";
    let at = some_time(world, midnight);
    for nth in 0..40 {
        world.marks.push((at + nth * 5 * SECOND, Mark::Scrap(LogFile::Edge, GARBAGE)));
    }
}

/// The upstreams of a server are down for a quarter of an hour: whoever is verified gets a 502.
fn outage(world: &mut World, midnight: u64) {
    let at = some_time(world, midnight);
    let during = at..at + 15 * MINUTE;
    for request in &mut world.requests {
        let is_answered = matches!(request.fate, Fate::Answered(_));
        if request.server == Server::Api && is_answered && during.contains(&request.at) {
            request.fate = Fate::Answered(502);
        }
    }
}

/// Somebody who may is told twice a day that he may not, four times in a quarter of an hour.
fn forbidden(world: &mut World) {
    let mut client = world.client("auditor", Authority::Issuing1, &[AUDITS]);
    client.pace = Pace::Steady { gap: 5 * MINUTE, rhythm: Rhythm::Even };
    world.call_always(&client);
    for midnight in [HISTORY_END - DAY, HISTORY_END] {
        let at = some_time(world, midnight);
        for nth in 0..4 {
            let request = world.request(&client, at + nth * 4 * MINUTE);
            world.requests.push(Request { fate: Fate::Forbidden, ..request });
        }
    }
}

/// Two machines are given certificates whose first second has not come yet: refused twice each.
fn early_renewals(world: &mut World) {
    let at = HISTORY_END + world.random.below(20 * HOUR);
    for name in ["early-1", "early-2"] {
        let mut client = world.client(name, Authority::Issuing1, &routes(&[Server::Api]));
        let from = at + 40 * SECOND;
        let renewed = world.issue(&client.subject_dn, Authority::Issuing1, from..from + 90 * DAY);
        for nth in 0..2 {
            let mut request = world.request(&client, at + nth * 15 * SECOND);
            (request.certificate, request.chain) = (Some(renewed), Chain::Whole);
            world.requests.push(request);
        }
        client.show(from + SECOND, Some(renewed), Chain::Whole);
        world.call_always(&client);
    }
}
