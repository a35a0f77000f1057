//! Who calls and what is called: certificates with all that is fixed about them, servers, routes.

use std::collections::HashSet;

use crate::calendar::{DAY_SECONDS, validity};
use crate::random::Random;

/// Midnight before the first line, 22 November 2026 UTC, in Unix seconds.
pub const START_SECONDS: u64 = 1_795_305_600;

/// Fewest certificates that fail: one of each text below.
pub const FAILING_MIN: usize = FAILED.len();

/// What `$ssl_client_verify` says of a failing certificate in the corpus, and how often there.
const FAILED: [(&str, u64); 14] = [
    ("FAILED:certificate has expired", 34),
    ("FAILED:unable to verify the first certificate", 18),
    ("FAILED:unable to get local issuer certificate", 16),
    ("FAILED:self-signed certificate", 12),
    ("FAILED:unsuitable certificate purpose", 10),
    ("FAILED:certificate is not yet valid", 8),
    ("FAILED:self-signed certificate in certificate chain", 8),
    ("FAILED:key usage does not include certificate signing", 8),
    ("FAILED:certificate signature failure", 8),
    ("FAILED:EE certificate key too weak", 8),
    ("FAILED:CA signature digest algorithm too weak", 8),
    ("FAILED:unable to get certificate CRL", 6),
    ("FAILED:certificate revoked", 2),
    ("FAILED:CRL has expired", 2),
];

const SERVICES: [&str; 16] = [
    "checkout",
    "ledger",
    "inventory",
    "shipping",
    "invoice",
    "fraud-score",
    "customers",
    "notification",
    "settlement",
    "pricing",
    "catalogue",
    "warehouse",
    "tax-rates",
    "identity",
    "clearing",
    "statement",
];
const UNITS: [&str; 6] = ["payments", "banking", "logistics", "risk", "platform", "partners"];
const ISSUERS: [&str; 3] =
    ["CN=Issuing CA 1,O=Example", "CN=Issuing CA 2,O=Example", "CN=Partner CA,OU=PKI,O=Example"];
const ROGUE_ISSUER: &str = "CN=Rogue Issuing CA,O=Not Ours";
const TLS: [(&str, &str); 8] = [
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
    ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
];
/// User agents that are seen in such logs.
const USER_AGENTS: [&str; 10] = [
    "Go-http-client/1.1",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
    "Apache-HttpClient/5.4.1 (Java/21.0.5)",
    "checkout-service/3.14.2 (linux)",
    "axios/1.7.9",
    "ReactorNetty/1.2.1",
    "curl/8.11.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Firefox/133.0",
    "grpc-java-netty/1.69.0",
];

/// What is fixed about one client certificate and its holder.
#[derive(Debug)]
pub struct Certificate {
    /// RFC 2253 text, as OpenSSL gives it.
    pub subject_dn: String,
    /// The same for the issuer.
    pub issuer_dn: String,
    /// 40 upper-case hex digits.
    pub serial: String,
    /// 40 lower-case hex digits.
    pub fingerprint_sha1: String,
    /// As OpenSSL writes it.
    pub not_before: String,
    /// As OpenSSL writes it.
    pub not_after: String,
    /// The same in Unix seconds.
    pub not_after_seconds: u64,
    /// How its verification fails, if it does.
    pub failure: Option<Failure>,
    /// Where it calls from, at least one.
    pub addresses: Vec<String>,
    /// What it calls with.
    pub user_agent: &'static str,
    /// TLS version and cipher.
    pub tls: (&'static str, &'static str),
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: &'static str,
}

/// How the verification of a certificate fails.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// The value of `$ssl_client_verify`.
    pub verify: &'static str,
    /// Before this Unix second it verified.
    pub from_seconds: u64,
}

impl Failure {
    /// Whether nginx can let it through: `ngx_ssl_verify_error_optional`.
    pub fn is_optional(&self) -> bool {
        ["self-signed", "unable to get local issuer", "unable to verify the first"]
            .iter()
            .any(|text| self.verify.contains(text))
    }
}

/// One server of nginx.
#[derive(Debug)]
pub struct Server {
    /// `$server_name`.
    pub name: &'static str,
    /// `$server_port`.
    pub port: u16,
}

/// The servers behind this gate.
pub const SERVERS: [Server; 3] = [
    Server { name: "api.example", port: 443 },
    Server { name: "partner.example", port: 8443 },
    Server { name: "ledger.example", port: 9443 },
];

/// What a group of paths has in common.
#[derive(Debug)]
pub struct Route {
    /// Who serves it.
    pub server: &'static Server,
    /// What it is called with.
    pub methods: &'static [&'static str],
    /// Its raw paths, at least one.
    pub paths: Vec<String>,
    /// Upstreams that answer it.
    pub upstreams: [String; 2],
}

/// Certificates, the valid ones and those that fail (or begin to) apart. Together `count`, at least
/// one each.
pub fn certificates(random: &mut Random, count: usize) -> (Vec<Certificate>, Vec<Certificate>) {
    let failing = (count / 8).max(FAILING_MIN).min(count / 2).max(1);
    let valid: Vec<_> =
        (0..count.saturating_sub(failing).max(1)).map(|rank| certificate(random, rank)).collect();
    let failed = (0..failing).map(|rank| failed_certificate(random, rank, &valid));
    let failed = failed.collect();
    (valid, failed)
}

fn certificate(random: &mut Random, rank: usize) -> Certificate {
    let not_before = START_SECONDS - random.below(300 * DAY_SECONDS) - DAY_SECONDS;
    let not_after = not_before + 397 * DAY_SECONDS;
    let network = random.below(200);
    // The busiest clients are fleets; most certificates have a machine or two.
    let machines = if rank < 8 { 12 } else { 1 + random.below(3) };
    let addresses =
        (0..machines).map(|_| format!("10.{network}.{}.{}", random.below(16), random.below(254)));
    Certificate {
        addresses: addresses.collect(),
        subject_dn: subject(random, rank),
        issuer_dn: random.pick(&ISSUERS).to_owned(),
        serial: random.hex(40, true),
        fingerprint_sha1: random.hex(40, false),
        not_before: validity(not_before),
        not_after: validity(not_after),
        not_after_seconds: not_after,
        failure: None,
        user_agent: random.pick(&USER_AGENTS),
        tls: random.pick(&TLS),
        protocol: random.pick(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/2.0"]),
    }
}

fn subject(random: &mut Random, rank: usize) -> String {
    let service = random.pick(&SERVICES);
    let unit = random.pick(&UNITS);
    match random.below(50) {
        // A few hold what RFC 2253 and then nginx escape.
        0 => format!("CN={service}-{rank},O=Acme\\, Inc. \\C3\\96sterreich,C=AT"),
        1..25 => format!("CN={service}-{rank},O={unit}"),
        25..45 => format!("CN={service}-{rank},OU={unit},O=Example,C=DE"),
        _ => format!("CN={service}-{rank}.prod.internal,OU={unit},O=Example,L=Berlin,C=DE"),
    }
}

/// A certificate that fails, or begins to while the log is written. Some bear the name of a valid one.
fn failed_certificate(random: &mut Random, rank: usize, valid: &[Certificate]) -> Certificate {
    let verify = FAILED.get(rank).map_or_else(|| failed_text(random), |&(text, _)| text);
    let mut certificate = certificate(random, rank);
    let mut failure = Failure { verify, from_seconds: 0 };
    let set_not_after = |certificate: &mut Certificate, seconds| {
        certificate.not_after = validity(seconds);
        certificate.not_after_seconds = seconds;
    };
    match verify.trim_start_matches("FAILED:") {
        "certificate has expired" => {
            let since = random.below(90 * DAY_SECONDS);
            // Every third ends within the first minute of the log: a known client is locked out.
            failure.from_seconds = if rank.is_multiple_of(3) {
                START_SECONDS + since % 60
            } else {
                START_SECONDS - since
            };
            set_not_after(&mut certificate, failure.from_seconds);
        }
        "certificate revoked" => failure.from_seconds = START_SECONDS + random.below(60),
        "certificate is not yet valid" => {
            certificate.not_before = validity(START_SECONDS + 2 * DAY_SECONDS);
            set_not_after(&mut certificate, START_SECONDS + 92 * DAY_SECONDS);
        }
        _ if failure.is_optional() => {
            if random.chance(5_000) {
                certificate.subject_dn.clone_from(&random.pick_ref(valid).subject_dn);
            }
            certificate.issuer_dn = ROGUE_ISSUER.to_owned();
            if verify.ends_with("self-signed certificate") {
                certificate.issuer_dn.clone_from(&certificate.subject_dn);
            }
        }
        _ => {}
    }
    if failure.from_seconds <= START_SECONDS {
        let addresses = 1 + random.below(3);
        certificate.addresses = (0..addresses)
            .map(|_| format!("198.51.{}.{}", random.below(100), random.below(254)))
            .collect();
    }
    certificate.failure = Some(failure);
    certificate
}

fn failed_text(random: &mut Random) -> &'static str {
    let mut at = random.below(FAILED.iter().map(|(_, weight)| weight).sum());
    let text = FAILED.iter().find(|(_, weight)| {
        let found = at < *weight;
        at = at.saturating_sub(*weight);
        found
    });
    text.map_or(FAILED[0].0, |&(text, _)| text)
}

/// This many routes with this many raw paths together. Fewer paths than routes: as many routes.
pub fn routes(random: &mut Random, count: usize, paths: usize) -> Vec<Route> {
    let count = count.min(paths).max(1);
    let mut known = HashSet::new();
    let mut routes: Vec<_> = (0..count).map(|rank| route(random, rank, &mut known)).collect();
    let mut left = paths.saturating_sub(count);
    while left > 0 {
        for (rank, route) in routes.iter_mut().enumerate() {
            if left > 0 && has_identifier(rank) {
                route.paths.push(new_path(random, rank, &mut known));
                left -= 1;
            }
        }
    }
    routes
}

fn route(random: &mut Random, rank: usize, known: &mut HashSet<String>) -> Route {
    let methods: &[&str] = match rank % 4 {
        0 => &["GET", "GET", "PUT"],
        1 => &["GET", "POST"],
        2 => &["POST"],
        _ => &["GET", "GET", "DELETE"],
    };
    let server = SERVERS.get(rank % SERVERS.len()).unwrap_or(&SERVERS[0]);
    let upstreams = [21, 22].map(|host| format!("10.20.{}.{host}:8080", rank % 64));
    Route { server, methods, paths: vec![new_path(random, rank, known)], upstreams }
}

/// Whether the paths of this route hold an identifier, so that there can be many.
fn has_identifier(rank: usize) -> bool {
    rank % 4 != 1
}

fn new_path(random: &mut Random, rank: usize, known: &mut HashSet<String>) -> String {
    loop {
        let path = path(random, rank);
        if known.insert(path.clone()) {
            return path;
        }
    }
}

fn path(random: &mut Random, rank: usize) -> String {
    const RESOURCES: [&str; 16] = [
        "payments",
        "accounts",
        "orders",
        "invoices",
        "customers",
        "shipments",
        "refunds",
        "items",
        "statements",
        "mandates",
        "disputes",
        "balances",
        "products",
        "rates",
        "reports",
        "events",
    ];
    let resource = RESOURCES.get(rank / 4 % RESOURCES.len()).copied().unwrap_or_default();
    let version = 1 + rank / (4 * RESOURCES.len());
    match rank % 4 {
        0 => format!("/v{version}/{resource}/{}", 100_000 + random.below(900_000_000)),
        1 => format!("/v{version}/{resource}"),
        2 => format!("/v{version}/{resource}/{}/confirm", 1_000_000 + random.below(9_000_000)),
        _ => format!("/v{version}/{resource}/{}/history", uuid(random)),
    }
}

fn uuid(random: &mut Random) -> String {
    let groups = [8, 4, 4, 4, 12].map(|digits| random.hex(digits, false));
    groups.join("-")
}
