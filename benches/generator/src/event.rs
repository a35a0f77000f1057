//! One request at a time: who, what, when and how it ended.

use crate::population::{Certificate, Route, SERVERS, START_SECONDS, Server, certificates, routes};
use crate::random::{Random, Zipf};

/// Requests a second; it changes every [`RATE_LINES`] lines.
const RATES: [u64; 7] = [5, 20, 100, 500, 1000, 2000, 3000];
const RATE_LINES: u64 = 1000;

/// Kinds of request, each with its share of 10,000; the rest is `Verified`.
const SHARES: [(Kind, u64); 6] = [
    (Kind::Rejected, 150),
    (Kind::Missing, 40),
    (Kind::FailedOpen, 6),
    (Kind::Forbidden, 40),
    (Kind::Anonymous, 100),
    (Kind::NotTls, 5),
];

/// How a request ends at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Verified,
    Rejected,
    Missing,
    FailedOpen,
    Forbidden,
    Anonymous,
    NotTls,
}

/// How many there are of each. All at least 1; `certificates` at least 2.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Routes, at most as many as paths.
    pub routes: usize,
    /// Raw paths without their query.
    pub paths: usize,
    /// Certificates, of which an eighth fails. Zipf's law leaves the rarest out of a short log.
    pub certificates: usize,
}

impl Default for Sizes {
    /// An ordinary day.
    fn default() -> Sizes {
        Sizes { routes: 50, paths: 400, certificates: 400 }
    }
}

/// What one line says. `None` is what nginx logs as `-`, or as nothing in JSON.
#[derive(Debug)]
pub struct Event<'a> {
    /// `$remote_addr`.
    pub remote_addr: &'a str,
    /// `$msec`, in milliseconds.
    pub time_millis: u64,
    /// `$request_method`. Without a path all of what the client sent in place of a request, if anything.
    pub method: &'a str,
    /// The path of `$request_uri`; empty where the client sent no request.
    pub path: &'a str,
    /// Its query with the `?`, or nothing.
    pub query: &'a str,
    /// `$server_protocol`.
    pub protocol: &'a str,
    /// `$status`.
    pub status: u16,
    /// `$body_bytes_sent`.
    pub body_bytes: u64,
    /// `$http_referer`.
    pub referer: Option<&'a str>,
    /// `$http_user_agent`.
    pub user_agent: &'a str,
    /// `$ssl_client_verify`.
    pub verify: Option<&'a str>,
    /// What the client sent.
    pub certificate: Option<&'a Certificate>,
    /// Those tried, with their statuses; the last one answered.
    pub upstreams: &'a [String],
    /// `$request_time`, in milliseconds.
    pub request_millis: u64,
    /// TLS version and cipher.
    pub tls: Option<(&'a str, &'a str)>,
    /// Whether the TLS session was resumed.
    pub is_resumed: bool,
    /// Who was called.
    pub server: &'a Server,
    /// `$request_id`, its two halves.
    pub request_id: [u64; 2],
    /// `$connection`.
    pub connection: u64,
    /// `$connection_requests`.
    pub connection_requests: u64,
}

/// A client's open connection.
#[derive(Clone, Copy, Debug, Default)]
struct Connection {
    number: u64,
    requests: u64,
    is_resumed: bool,
}

/// All requests, one after the other, without end.
#[derive(Debug)]
pub struct Events {
    random: Random,
    routes: Vec<Route>,
    routes_drawn: Zipf,
    valid: Vec<Certificate>,
    valid_drawn: Zipf,
    /// Of the valid certificates.
    open: Vec<Connection>,
    failed: Vec<Certificate>,
    failed_drawn: Zipf,
    /// Indices into `failed` of those that nginx can let through.
    optional: Vec<usize>,
    connections: u64,
    count: u64,
    requests_per_second: u64,
    time_micros: u64,
}

impl Events {
    /// Those that the seed and the sizes fix.
    pub fn new(seed: u64, sizes: Sizes) -> Events {
        let mut random = Random::new(seed);
        let routes = routes(&mut random, sizes.routes, sizes.paths);
        let (valid, failed) = certificates(&mut random, sizes.certificates);
        let is_optional =
            |certificate: &Certificate| certificate.failure.is_some_and(|it| it.is_optional());
        let optional = failed.iter().enumerate();
        let optional = optional.filter(|(_, it)| is_optional(it)).map(|(index, _)| index);
        Events {
            optional: optional.collect(),
            routes_drawn: Zipf::new(routes.len()),
            valid_drawn: Zipf::new(valid.len()),
            open: vec![Connection::default(); valid.len()],
            failed_drawn: Zipf::new(failed.len()),
            routes,
            valid,
            failed,
            random,
            connections: 0,
            count: 0,
            requests_per_second: 0,
            time_micros: START_SECONDS * 1_000_000,
        }
    }

    /// The next request.
    #[expect(
        clippy::indexing_slicing,
        reason = "what is drawn is below the length it is drawn from"
    )]
    pub fn next_event(&mut self) -> Event<'_> {
        self.advance_time();
        let random = &mut self.random;
        let kind = draw_kind(random);
        let route = &self.routes[self.routes_drawn.draw(random)];
        let is_busy = matches!(kind, Kind::Verified | Kind::Forbidden);
        let (certificate, open) = match kind {
            Kind::Verified | Kind::Forbidden => {
                let index = self.valid_drawn.draw(random);
                (Some(&self.valid[index]), self.open.get_mut(index))
            }
            Kind::FailedOpen if !self.optional.is_empty() => {
                (Some(&self.failed[random.pick(&self.optional)]), None)
            }
            Kind::Rejected | Kind::FailedOpen => {
                (Some(&self.failed[self.failed_drawn.draw(random)]), None)
            }
            Kind::Missing | Kind::Anonymous | Kind::NotTls => (None, None),
        };
        let seconds = self.time_micros / 1_000_000;
        let failure = certificate.and_then(|it| it.failure);
        let failure = failure.filter(|failure| failure.from_seconds <= seconds);
        let connection = connect(random, &mut self.connections, open);
        let event = Event {
            remote_addr: match certificate {
                Some(certificate) => random.pick_ref(&certificate.addresses).as_str(),
                None => random.pick(&STRANGERS),
            },
            time_millis: self.time_micros / 1000,
            method: random.pick(route.methods),
            path: random.pick_ref(&route.paths).as_str(),
            query: random.pick(&QUERIES),
            protocol: certificate.map_or("HTTP/1.1", |it| it.protocol),
            status: 200,
            body_bytes: 20 + random.below(4000),
            referer: random.chance(500).then_some("https://portal.example.com/dashboard"),
            user_agent: certificate.map_or("kube-probe/1.31", |it| it.user_agent),
            verify: Some(failure.map_or("SUCCESS", |failure| failure.verify)),
            certificate,
            upstreams: answering(random, &route.upstreams),
            request_millis: random.below(if is_busy { 400 } else { 20 }),
            tls: Some(certificate.map_or(("TLSv1.3", "TLS_AES_256_GCM_SHA384"), |it| it.tls)),
            is_resumed: connection.is_resumed,
            server: route.server,
            request_id: [random.number(), random.number()],
            connection: connection.number,
            connection_requests: connection.requests,
        };
        decide(random, event, kind, failure.is_some())
    }

    fn advance_time(&mut self) {
        if self.count.is_multiple_of(RATE_LINES) {
            self.requests_per_second = self.random.pick(&RATES);
        }
        self.count += 1;
        self.time_micros += self.random.below(2_000_000 / self.requests_per_second);
    }
}

/// Addresses that send no certificate.
const STRANGERS: [&str; 6] =
    ["203.0.113.7", "203.0.113.19", "203.0.113.201", "192.0.2.14", "192.0.2.15", "10.255.0.1"];

const QUERIES: [&str; 8] =
    ["", "", "", "", "", "?page=1&limit=50", "?expand=lines", "?since=2026-11-01&until=2026-11-22"];

fn draw_kind(random: &mut Random) -> Kind {
    let mut at = random.below(10_000);
    for (kind, share) in SHARES {
        if at < share {
            return kind;
        }
        at -= share;
    }
    Kind::Verified
}

/// Nearly always one; sometimes the first one did not answer.
fn answering<'a>(random: &mut Random, both: &'a [String; 2]) -> &'a [String] {
    let [first, second] = both;
    match random.below(500) {
        0 => both,
        at if at % 2 == 0 => std::slice::from_ref(first),
        _ => std::slice::from_ref(second),
    }
}

/// The connection of a request: one that is open serves some 30 requests.
fn connect(random: &mut Random, count: &mut u64, open: Option<&mut Connection>) -> Connection {
    let mut fresh = Connection::default();
    let connection = open.unwrap_or(&mut fresh);
    if connection.number == 0 || random.chance(330) {
        *count += 1;
        let is_resumed = random.chance(3_000);
        *connection = Connection { number: *count, requests: 0, is_resumed };
    }
    connection.requests += 1;
    *connection
}

/// Gives the request the end that its kind asks for.
fn decide<'a>(random: &mut Random, event: Event<'a>, kind: Kind, has_failed: bool) -> Event<'a> {
    let by_nginx = |status, body_bytes, event| Event {
        status,
        body_bytes,
        upstreams: &[],
        request_millis: 0,
        ..event
    };
    match kind {
        Kind::Rejected if has_failed => by_nginx(400, 215, event),
        Kind::Missing => Event { verify: Some("NONE"), ..by_nginx(400, 237, event) },
        Kind::Forbidden => by_nginx(403, 153, event),
        Kind::NotTls => {
            let event = by_nginx(400, 255, event);
            Event { verify: None, tls: None, is_resumed: false, server: &SERVERS[0], ..event }
        }
        Kind::Anonymous => {
            let (path, query, method) = ("/health", "", "GET");
            Event { verify: Some("NONE"), path, query, method, ..event }
        }
        Kind::Verified | Kind::Rejected | Kind::FailedOpen => {
            let status = match random.below(1000) {
                0..4 => 502,
                4..7 => 500,
                7..30 => 404,
                30..80 if event.method != "GET" => 201,
                _ => 200,
            };
            Event { status, ..event }
        }
    }
}
