//! A client: its certificates over time, where it calls from, what it calls, how often.

use std::ops::Range;
use std::rc::Rc;

use generate_log::random::Random;

use crate::certificate::{Authority, Certificate, CertificateId};
use crate::request::{Chain, Fate, Manner, Request};
use crate::server::Route;
use crate::time::{DAY, HOUR, LOG_START, MINUTE, Rhythm, SECOND};
use crate::world::World;

/// How often a client calls.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Every `gap` milliseconds on average where the rhythm is busiest.
    Steady {
        /// The gap.
        gap: u64,
        /// How it follows the day.
        rhythm: Rhythm,
    },
    /// A job: so many requests, `gap` milliseconds apart, at this minute of each hour.
    Hourly {
        /// The minute.
        minute: u64,
        /// The requests.
        requests: u64,
        /// The gap.
        gap: u64,
    },
}

/// What a client shows from some moment on.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The moment.
    pub from: u64,
    /// The certificate, if any.
    pub certificate: Option<CertificateId>,
    /// What comes with it.
    pub chain: Chain,
}

/// Somebody with a subject of its own.
#[derive(Clone, Debug)]
pub struct Client {
    /// Unlike any other's.
    pub number: u64,
    /// RFC 2253 text.
    pub subject_dn: String,
    /// What it shows, by time.
    pub shown: Vec<Shown>,
    /// At least one.
    pub addresses: Vec<Rc<str>>,
    /// How long it stays at one address, in milliseconds; 0: each call from any of them.
    pub stay: u64,
    /// At least one.
    pub routes: Vec<Route>,
    /// How it calls.
    pub manner: Manner,
    /// Whether it keeps its connections.
    pub keeps_alive: bool,
    /// How often it calls.
    pub pace: Pace,
    /// What nginx or the client does otherwise at times.
    pub fates: Vec<(Range<u64>, Fate)>,
}

impl Client {
    /// What it shows at this moment.
    pub fn shown_at(&self, at: u64) -> (Option<CertificateId>, Chain) {
        let shown = self.shown.iter().rev().find(|it| it.from <= at);
        shown.map_or((None, Chain::Whole), |it| (it.certificate, it.chain))
    }

    /// From now on it shows this.
    pub fn show(&mut self, from: u64, certificate: Option<CertificateId>, chain: Chain) {
        self.shown.push(Shown { from, certificate, chain });
        self.shown.sort_by_key(|it| it.from);
    }

    /// The certificate it shows at this moment, which it has.
    pub fn certificate_at(&self, at: u64) -> CertificateId {
        self.shown_at(at).0.unwrap_or(CertificateId(0))
    }
}

/// Some user agents of programs.
const PROGRAMS: [&str; 6] = [
    "Go-http-client/1.1",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Apache-HttpClient/5.4.1 (Java/21.0.5)",
    "ReactorNetty/1.2.1",
    "axios/1.7.9",
];

impl World {
    /// A client with this name in `CN` and a certificate of a year that is some months old.
    pub fn client(&mut self, name: &str, authority: Authority, routes: &[Route]) -> Client {
        let number = self.next_number();
        let unit = self.random.pick(&["payments", "banking", "logistics", "platform"]);
        let subject_dn = format!("CN={name},O={unit}");
        let not_before = LOG_START - (30 + self.random.below(250)) * DAY;
        let certificate = self.issue(&subject_dn, authority, not_before..not_before + 397 * DAY);
        let address = format!("10.{}.{}.{}", 60 + number / 200, number % 200, 2 + number % 250);
        let gap = (10 + self.random.below(30)) * SECOND;
        Client {
            number,
            subject_dn,
            shown: vec![Shown { from: 0, certificate: Some(certificate), chain: Chain::Whole }],
            addresses: vec![address.into()],
            stay: 0,
            routes: routes.to_vec(),
            manner: Manner::program(self.random.pick(&PROGRAMS)),
            keeps_alive: true,
            pace: Pace::Steady { gap, rhythm: Rhythm::Daily },
            fates: Vec::new(),
        }
    }

    /// A new certificate.
    pub fn issue(
        &mut self,
        subject_dn: &str,
        authority: Authority,
        validity_millis: Range<u64>,
    ) -> CertificateId {
        let certificate =
            Certificate::new(&mut self.random, subject_dn, authority, validity_millis);
        self.certificates.push(certificate);
        CertificateId(self.certificates.len() - 1)
    }

    /// A certificate for the same client by the same issuer, a year long.
    pub fn renewal(&mut self, client: &Client, at: u64) -> CertificateId {
        let authority = self.certificate(client.certificate_at(at)).authority;
        let from = at - 10 * MINUTE;
        self.issue(&client.subject_dn, authority, from..from + 397 * DAY)
    }

    /// Makes the client's certificates short-lived: each lives a day and is renewed after half of it,
    /// until the last one, which ends at `end` and is not.
    pub fn make_short_lived(&mut self, client: &mut Client, end: u64) {
        let authority = self.certificate(client.certificate_at(0)).authority;
        client.shown.clear();
        let mut not_after = end;
        loop {
            let not_before = not_after - DAY;
            let certificate = self.issue(&client.subject_dn, authority, not_before..not_after);
            let is_first = not_before <= LOG_START;
            let from = if is_first { 0 } else { not_before };
            client.show(from, Some(certificate), Chain::Whole);
            if is_first {
                return;
            }
            not_after -= DAY / 2;
        }
    }

    /// All calls of a client in this time.
    pub fn call(&mut self, client: &Client, during: Range<u64>) {
        for at in self.moments(client.pace, &during) {
            let request = self.request(client, at);
            self.requests.push(request);
        }
    }

    /// All calls of a client that was there from the beginning: one on each route in the first minutes,
    /// so that everybody is known.
    pub fn call_always(&mut self, client: &Client) {
        self.call_always_until(client, self.end);
    }

    /// The same for one that calls no more from some moment on.
    pub fn call_always_until(&mut self, client: &Client, until: u64) {
        for route in &client.routes {
            let at = LOG_START + self.random.below(15 * MINUTE);
            let request = self.request_on(client, route, at);
            self.requests.push(Request { fate: Fate::Answered(200), ..request });
        }
        self.call(client, LOG_START + 15 * MINUTE..until);
    }

    fn moments(&mut self, pace: Pace, during: &Range<u64>) -> Vec<u64> {
        match pace {
            Pace::Steady { gap, rhythm } => {
                rhythm.moments(&mut self.random, gap, during.start, during.end)
            }
            Pace::Hourly { minute, requests, gap } => {
                let hours = during.start / HOUR..=during.end / HOUR;
                let starts = hours.map(|hour| hour * HOUR + minute * MINUTE);
                let all = starts.flat_map(|start| (0..requests).map(move |nth| start + nth * gap));
                let jitter = self.random.below(SECOND);
                all.map(|at| at + jitter).filter(|at| during.contains(at)).collect()
            }
        }
    }

    /// One call, as the client is at this moment.
    pub fn request(&mut self, client: &Client, at: u64) -> Request {
        let route = *self.random.pick_ref(&client.routes);
        self.request_on(client, &route, at)
    }

    fn request_on(&mut self, client: &Client, route: &Route, at: u64) -> Request {
        let count = client.addresses.len();
        let index = match at.checked_div(client.stay) {
            Some(stays) => Random::new(stays + client.number).index(count),
            None => self.random.index(count),
        };
        let remote_addr = client.addresses.get(index).cloned().unwrap_or_default();
        let (certificate, chain) = client.shown_at(at);
        let pool = (client.number << 32) + ((index as u64) << 8) + route.server as u64;
        let other = client.fates.iter().find(|(during, _)| during.contains(&at));
        Request {
            at,
            server: route.server,
            remote_addr,
            manner: client.manner,
            method: route.method,
            path: filled(&mut self.random, route.path),
            certificate,
            chain,
            pool: client.keeps_alive.then_some(pool),
            fate: other.map_or_else(|| answer(&mut self.random, route.method), |it| it.1),
        }
    }
}

/// What an upstream answers: mostly that all is well.
fn answer(random: &mut Random, method: &str) -> Fate {
    Fate::Answered(match random.below(1000) {
        0..4 => 502,
        4..7 => 500,
        7..12 => 499,
        12..20 => 429,
        20..45 => 404,
        _ if method == "POST" => 201,
        _ => 200,
    })
}

/// A path with its identifiers.
pub fn filled(random: &mut Random, path: &str) -> String {
    let path = path.replace("{n}", &(1_000_000 + random.below(90_000_000)).to_string());
    if !path.contains("{u}") {
        return path;
    }
    let uuid = [8, 4, 4, 4, 12].map(|digits| random.hex(digits, false)).join("-");
    path.replace("{u}", &uuid)
}
