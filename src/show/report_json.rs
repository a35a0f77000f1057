//! A report for programs: `gatelog report --format json`, schema 1.
//!
//! Lists stand by denials, then requests, descending, then name, and end at [`LIST_ENTRIES_MAX`];
//! `truncated` counts the rest. Zeros are left out, what is unknown is `null`. The same counts give
//! the same bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gatelog_parsers::time_stamp::UnixMillis;
use serde::Serialize;

use super::summary::{CertificateRow, Summary};
use super::time::{rfc3339, rfc3339_millis};
use crate::ledger::counts::{ReasonCounts, VerdictCounts};
use crate::ledger::{AddressUse, RouteId, RouteUse};
use crate::limits::LIST_ENTRIES_MAX;
use crate::reader::LineCounts;

type Counts = BTreeMap<String, u64>;

/// The report.
#[derive(Debug, Serialize)]
pub struct ReportJson {
    schema: u32,
    first_time: Option<String>,
    last_time: Option<String>,
    log_format: Option<String>,
    lines: LinesJson,
    requests: u64,
    connections: Option<u64>,
    verdicts: BTreeMap<&'static str, u64>,
    reasons: Counts,
    tls_protocols: Counts,
    tls_ciphers: Counts,
    limits: BTreeMap<&'static str, u64>,
    routes: Vec<RouteJson>,
    fingerprints: Vec<CertificateJson>,
    sources: Vec<SourceJson>,
    issuers: Vec<IssuerJson>,
    timeline: Vec<BucketJson>,
    truncated: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Serialize)]
struct LinesJson {
    read: u64,
    parsed: u64,
    unparsed: u64,
}

#[derive(Debug, Serialize)]
struct RouteJson {
    server: String,
    route: String,
    requests: u64,
    denials: u64,
    verdicts: BTreeMap<&'static str, u64>,
    reasons: Counts,
    failure_ratio: Option<f64>,
    connections: Option<u64>,
    failed_connections: Option<u64>,
    known_clients: u64,
    known_refused: u64,
    upstreams: Counts,
}

#[derive(Debug, Serialize)]
struct CertificateJson {
    fingerprint_sha1: Option<String>,
    identity: &'static str,
    subject_dn: Option<String>,
    issuer_dn: Option<String>,
    requests: u64,
    denials: u64,
    reasons: Counts,
    sources: u64,
    routes: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    not_after: Option<String>,
}

#[derive(Debug, Serialize)]
struct SourceJson {
    remote_addr: String,
    requests: u64,
    denials: u64,
    fingerprints: u64,
}

#[derive(Debug, Serialize)]
struct IssuerJson {
    issuer_dn: Option<String>,
    requests: u64,
    denials: u64,
    identities: u64,
    last_seen: Option<String>,
}

#[derive(Debug, Serialize)]
struct BucketJson {
    time: String,
    /// `None` where no source tells of all requests.
    requests: Option<u64>,
    failures: u64,
}

impl ReportJson {
    /// The report of a summary; `log_format` is what the lines were read by.
    pub fn new(summary: &Summary<'_>, lines: LineCounts, log_format: Option<String>) -> ReportJson {
        let ledger = summary.ledger;
        let verdicts = ledger.verdicts();
        let mut truncated = BTreeMap::new();
        let connections: u64 = ledger.routes.iter().map(|(_, r)| r.connections.requests()).sum();
        let mut reasons = ReasonCounts::default();
        ledger.routes.iter().for_each(|(_, route)| {
            reasons.merge(&route.reasons);
        });
        let (tls_protocols, tls_ciphers) = tls(summary);
        let hits = ledger.limits.iter().filter(|(_, hits)| *hits > 0);
        ReportJson {
            schema: 1,
            first_time: ledger.seen.first.map(time),
            last_time: ledger.seen.last.map(time),
            log_format,
            lines: LinesJson { read: lines.read(), parsed: lines.parsed, unparsed: lines.unparsed },
            requests: verdicts.requests(),
            connections: ledger.has_connections.then_some(connections),
            verdicts: verdict_counts(&verdicts),
            reasons: reason_counts(&reasons),
            tls_protocols,
            tls_ciphers,
            limits: hits.map(|(limit, hits)| (limit.as_str(), hits)).collect(),
            routes: list("routes", routes(summary), &mut truncated),
            fingerprints: list("fingerprints", certificates(summary), &mut truncated),
            sources: list("sources", sources(summary), &mut truncated),
            issuers: list("issuers", issuers(summary), &mut truncated),
            timeline: list("timeline", timeline(summary), &mut truncated),
            truncated,
        }
    }
}

fn time(time: UnixMillis) -> String {
    if time.rem_euclid(1000) == 0 { rfc3339(time.div_euclid(1000)) } else { rfc3339_millis(time) }
}

fn text(bytes: &[u8]) -> String {
    crate::escape::utf8_text(bytes).into_owned()
}

fn text_or_null(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| text(bytes))
}

fn list<T>(name: &'static str, mut all: Vec<T>, truncated: &mut BTreeMap<&str, usize>) -> Vec<T> {
    let rest = all.len().saturating_sub(LIST_ENTRIES_MAX);
    if rest > 0 {
        truncated.insert(name, rest);
    }
    all.truncate(LIST_ENTRIES_MAX);
    all
}

fn verdict_counts(verdicts: &VerdictCounts) -> BTreeMap<&'static str, u64> {
    let some = verdicts.iter().filter(|(_, count)| *count > 0);
    some.map(|(verdict, count)| (verdict.as_str(), count)).collect()
}

fn reason_counts(reasons: &ReasonCounts) -> Counts {
    reasons.iter().map(|(reason, count)| (reason.as_str().to_owned(), count)).collect()
}

/// Requests by TLS version and by cipher, over all servers.
fn tls(summary: &Summary<'_>) -> (Counts, Counts) {
    let (mut protocols, mut ciphers) = (Counts::new(), Counts::new());
    for (_, protocol, cipher, count) in summary.ledger.tls.iter() {
        *protocols.entry(text(protocol)).or_default() += count;
        *ciphers.entry(text(cipher)).or_default() += count;
    }
    // One of them may not be logged.
    protocols.remove("");
    ciphers.remove("");
    (protocols, ciphers)
}

fn routes(summary: &Summary<'_>) -> Vec<RouteJson> {
    let mut routes: Vec<_> = summary.ledger.routes.iter().collect();
    routes.sort_by_key(|(_, r)| {
        (Reverse((r.verdicts.denials(), r.verdicts.requests())), &r.server, &r.route)
    });
    routes.into_iter().map(|(id, route)| route_json(summary, id, route)).collect()
}

fn route_json(summary: &Summary<'_>, id: RouteId, route: &RouteUse) -> RouteJson {
    let (known_clients, known_refused) = summary.known_on(id);
    let of = |count: u64| summary.ledger.has_connections.then_some(count);
    let upstreams = route.upstreams.iter();
    RouteJson {
        server: route.server.to_string(),
        route: route.route.to_string(),
        requests: route.verdicts.requests(),
        denials: route.verdicts.denials(),
        verdicts: verdict_counts(&route.verdicts),
        reasons: reason_counts(&route.reasons),
        failure_ratio: ratio(route.failures_of_all()),
        connections: of(route.connections.requests()),
        failed_connections: of(route.connections.failures()),
        known_clients,
        known_refused,
        upstreams: upstreams.map(|(addr, counts)| (text(addr), counts.requests())).collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts beyond 2^53 is close enough")]
fn ratio((part, whole): (u64, u64)) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn certificates(summary: &Summary<'_>) -> Vec<CertificateJson> {
    let mut rows: Vec<_> = summary.certificates.iter().collect();
    rows.sort_by_key(|row| {
        let verdicts = &row.uses.verdicts;
        let order = Reverse((verdicts.denials(), verdicts.requests()));
        (order, !row.key.is_fingerprint, row.key.bytes)
    });
    rows.into_iter().map(certificate_json).collect()
}

fn certificate_json(row: &CertificateRow<'_>) -> CertificateJson {
    let uses = row.uses;
    CertificateJson {
        fingerprint_sha1: row.key.fingerprint_sha1(),
        identity: if uses.is_proven() { "verified" } else { "claimed" },
        subject_dn: text_or_null(&uses.subject_dn),
        issuer_dn: text_or_null(&uses.issuer_dn),
        requests: uses.verdicts.requests(),
        denials: uses.verdicts.denials(),
        reasons: reason_counts(&uses.reasons),
        sources: uses.addresses.count(),
        routes: uses.route_count(),
        first_seen: uses.seen.first.map(time),
        last_seen: uses.seen.last.map(time),
        not_after: uses.not_after_seconds.map(rfc3339),
    }
}

fn sources(summary: &Summary<'_>) -> Vec<SourceJson> {
    let addresses = summary.ledger.addresses.iter();
    let mut sources: Vec<(&[u8], &AddressUse)> =
        addresses.map(|(addr, uses)| (&**addr, uses)).collect();
    sources.sort_by_key(|(addr, uses)| {
        (Reverse((uses.verdicts.denials(), uses.verdicts.requests())), *addr)
    });
    let json = |(addr, uses): (&[u8], &AddressUse)| SourceJson {
        remote_addr: text(addr),
        requests: uses.verdicts.requests(),
        denials: uses.verdicts.denials(),
        fingerprints: uses.certificates.count(),
    };
    sources.into_iter().map(json).collect()
}

/// What the certificates of one issuer did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IssuerUse {
    pub(super) requests: u64,
    pub(super) denials: u64,
    pub(super) certificates: u64,
    pub(super) known: u64,
    pub(super) last_seen: Option<UnixMillis>,
}

/// Every issuer, by denials, requests and name.
pub(super) fn issuer_uses<'a>(summary: &Summary<'a>) -> Vec<(&'a [u8], IssuerUse)> {
    let mut issuers: BTreeMap<&[u8], IssuerUse> = BTreeMap::new();
    for row in &summary.certificates {
        let issuer = issuers.entry(&row.uses.issuer_dn).or_default();
        issuer.requests += row.uses.verdicts.requests();
        issuer.denials += row.uses.verdicts.denials();
        issuer.certificates += 1;
        issuer.known += u64::from(row.known);
        issuer.last_seen = issuer.last_seen.max(row.uses.seen.last);
    }
    for (name, departed) in summary.ledger.certificates.departed() {
        let issuer = issuers.entry(name).or_default();
        issuer.requests += departed.requests;
        issuer.denials += departed.denials;
        issuer.certificates += departed.certificates;
        issuer.last_seen = issuer.last_seen.max(departed.seen.last);
    }
    let mut issuers: Vec<_> = issuers.into_iter().collect();
    issuers.sort_by_key(|(name, uses)| (Reverse((uses.denials, uses.requests)), *name));
    issuers
}

fn issuers(summary: &Summary<'_>) -> Vec<IssuerJson> {
    let json = |(issuer, uses): (&[u8], IssuerUse)| IssuerJson {
        issuer_dn: text_or_null(issuer),
        requests: uses.requests,
        denials: uses.denials,
        identities: uses.certificates,
        last_seen: uses.last_seen.map(time),
    };
    issuer_uses(summary).into_iter().map(json).collect()
}

fn timeline(summary: &Summary<'_>) -> Vec<BucketJson> {
    let json = |bucket: &crate::ledger::timeline::Bucket| BucketJson {
        time: rfc3339(bucket.start_seconds),
        requests: (bucket.requests > 0).then_some(bucket.requests),
        failures: bucket.failures,
    };
    summary.ledger.timeline.buckets().iter().map(json).collect()
}
