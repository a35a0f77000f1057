use gatelog_parsers::line::LineParser;
use gatelog_parsers::log_format::LogFormat;
use gatelog_parsers::recognise::MTLS_EXTENDED;

use super::*;
use crate::event::Judge;
use crate::event::judge::JudgeSettings;
use crate::event::route::{Patterns, Router};
use crate::event::server::Servers;
use crate::event::verdict::Verdict;
use crate::ledger::Ledger;
use crate::ledger::distinct::Seed;
use crate::limits::METRICS_CERTIFICATES_MAX;
use crate::reader::{Reader, TimeRange};
use crate::source::Line;

/// 22 Nov 2026 11:51:17 UTC.
const START: i64 = 1_795_348_277_000;

/// Counts lines, written as what varies in them.
struct Scene {
    ledger: Ledger,
    reader: Reader,
    router: Router,
}

/// What varies in a line.
#[derive(Clone, Copy)]
struct Said<'a> {
    time: i64,
    verify: &'a str,
    subject_dn: &'a str,
    fingerprint: &'a str,
    upstream: &'a str,
    path: &'a str,
}

const GOOD: Said<'static> = Said {
    time: START,
    verify: "SUCCESS",
    subject_dn: "CN=a",
    fingerprint: "-",
    upstream: "-",
    path: "/",
};

impl Scene {
    fn new() -> Scene {
        let parser = LineParser::new(&LogFormat::parse(MTLS_EXTENDED.as_bytes()).unwrap());
        let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let judge = Judge::new(&parser, servers, JudgeSettings::default());
        Scene {
            ledger: Ledger::new(Seed::new(1), 10_000),
            reader: Reader::new(parser, judge, TimeRange::default()),
            router: Router::new(Patterns::default()),
        }
    }

    fn line(&mut self, said: Said<'_>) {
        let Said { time, verify, subject_dn, fingerprint, upstream, path } = said;
        let status = if verify == "SUCCESS" { 200 } else { 400 };
        let (seconds, millis) = (time / 1000, time % 1000);
        let text = format!(
            "10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] \"GET {path} HTTP/1.1\" {status} 3 \"-\" \"a\" \
             client_verify={verify} client_dn=\"{subject_dn}\" client_fp={fingerprint} \
             upstream_addr=\"{upstream}\" upstream_status=\"-\" request_time=0.000 \
             upstream_response_time=\"-\" ssl_protocol=TLSv1.3 ssl_cipher=C issuer_dn=\"CN=i\" \
             serial=1 v_start=\"Nov 22 11:51:15 2026 GMT\" v_end=\"Nov 22 11:51:15 2027 GMT\" \
             v_remain=364 session_reused=. server_name=s server_port=443 sni=\"s\" host=\"s\" \
             request_id=0a connection=1 connection_requests=1 msec={seconds}.{millis:03}"
        );
        let line = Line { bytes: text.as_bytes(), line_number: 1, ..Line::default() };
        assert!(self.reader.count(&line, &mut self.ledger, &self.router), "{text}");
    }

    fn page(&self, now: i64) -> String {
        let source = SourceFigures {
            name: "edge".to_owned(),
            lines: self.reader.counts(),
            last_event: self.reader.last_time(),
            ..SourceFigures::default()
        };
        let snapshot = Snapshot::new(&self.ledger, vec![source], now);
        String::from_utf8(Metrics::new().unwrap().page(snapshot, true).unwrap()).unwrap()
    }

    /// The series of a family, without its prefix.
    fn series(&self, family: &str, now: i64) -> Vec<String> {
        let page = self.page(now);
        let start = format!("gatelog_{family}{{");
        let of_it = page.lines().filter_map(|line| line.strip_prefix(&start));
        of_it.map(|line| line.replace('}', "")).collect()
    }
}

#[test]
fn families_have_names_of_their_own() {
    let names: Vec<_> = family::ALL.iter().map(|family| family.name).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
    assert!(names.iter().all(|name| name.starts_with("gatelog_")));
    assert!(Metrics::new().is_ok());
}

#[test]
fn known_label_sets_start_at_zero() {
    let mut scene = Scene::new();
    assert!(
        scene
            .page(START)
            .contains("gatelog_log_lines_total{source=\"edge\",outcome=\"unparsed\"} 0\n")
    );
    assert!(scene.series("log_last_event_timestamp_seconds", START).is_empty(), "unknown, not 0");
    assert_eq!(
        scene.series("log_gaps_total", START),
        ["truncated", "unreadable", "deleted", "dropped_by_kernel", "buffer_full"]
            .map(|reason| format!("source=\"edge\",reason=\"{reason}\" 0"))
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    scene.line(GOOD);
    assert_eq!(scene.series("requests_total", START).len(), Verdict::COUNT);
    assert_eq!(
        scene.series("connections_total", START),
        [
            "server=\"s\",outcome=\"failed\" 0",
            "server=\"s\",outcome=\"other\" 0",
            "server=\"s\",outcome=\"verified\" 1"
        ]
    );
    assert_eq!(
        scene.series("forbidden_requests_total", START),
        [
            "server=\"s\",route=\"/\",reason=\"policy\" 0",
            "server=\"s\",route=\"/\",reason=\"policy_or_application\" 0"
        ]
    );
    assert_eq!(scene.series("log_last_event_timestamp_seconds", START).len(), 1);
}

/// prometheus' own types take these for one series.
#[test]
fn series_are_told_apart_by_every_byte() {
    let mut scene = Scene::new();
    for subject_dn in ["CN=ab", "CN=a", "b"] {
        scene.line(Said { verify: "FAILED:certificate has expired", subject_dn, ..GOOD });
    }
    let mut paths = vec!["/GET2/xx", "/GET/2xx", "/GET2x/x"];
    for path in &paths {
        scene.line(Said { path, ..GOOD });
    }
    paths.push("/");
    assert_eq!(scene.series("denied_fingerprint_requests", START).len(), 3);
    assert_eq!(scene.series("requests_total", START).len(), Verdict::COUNT * paths.len());
}

/// What reads the same once it is escaped is one series; two would cost the whole scrape.
#[test]
fn no_series_stands_twice() {
    let mut scene = Scene::new();
    for upstream in ["unix:/\u{200B}", "unix:/\\xE2\\x80\\x8B"] {
        scene.line(Said { upstream, ..GOOD });
    }
    for subject_dn in ["CN=\\xE2\\x80\\x8B", "CN=\\x5CxE2\\x5Cx80\\x5Cx8B"] {
        scene.line(Said { subject_dn, ..GOOD });
        scene.line(Said { subject_dn, verify: "FAILED:certificate revoked", ..GOOD });
    }
    let page = scene.page(START);
    let mut labels: Vec<_> = page.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    labels.retain(|(labels, _)| !labels.starts_with('#'));
    let all = labels.len();
    labels.sort_unstable();
    labels.dedup_by_key(|(labels, _)| *labels);
    assert_eq!(labels.len(), all);
    let upstreams = scene.series("upstream_requests_total", START);
    assert_eq!(upstreams.len(), Verdict::COUNT);
    assert!(upstreams.iter().any(|series| series.ends_with(" 2")), "{upstreams:?}");
}

#[test]
fn the_last_hour_falls_while_the_log_is_quiet() {
    let mut scene = Scene::new();
    let fingerprint = "b2b279f36e5659cfddf7868eec97131e076d4e65";
    scene.line(Said { fingerprint, ..GOOD });
    let verify = "FAILED:certificate has expired";
    scene.line(Said { fingerprint, verify, ..GOOD });
    scene.line(Said { verify, subject_dn: "CN=stranger", ..GOOD });
    let check = |now: i64, expected: &[&str]| {
        assert_eq!(scene.series("denied_fingerprint_requests", now), expected);
    };
    let both = [
        "fingerprint=\"\",subject_dn=\"CN=stranger\",identity=\"claimed\" 1",
        "fingerprint=\"b2b279f36e5659cfddf7868eec97131e076d4e65\",subject_dn=\"CN=a\",identity=\"verified\" 1",
    ];
    check(START, &both);
    check(START + 59 * 60_000, &both);
    check(START + 60 * 60_000, &[]);
}

#[test]
fn ends_are_of_certificates_known_for_thirty_days() {
    let mut scene = Scene::new();
    scene.line(GOOD);
    scene.line(Said { subject_dn: "CN=b", verify: "FAILED:certificate revoked", ..GOOD });
    let family = "client_certificate_not_after_timestamp_seconds";
    let day = 86_400_000;
    let expected = ["fingerprint=\"\",subject_dn=\"CN=a\" 1826884275"];
    assert_eq!(scene.series(family, START + 30 * day), expected);
    assert!(scene.series(family, START + 30 * day + 1).is_empty());
}

#[test]
fn certificates_are_bounded_and_the_same_at_each_scrape() {
    let mut scene = Scene::new();
    for number in 0..METRICS_CERTIFICATES_MAX + 20 {
        let fingerprint = format!("{number:040x}");
        let said = Said { fingerprint: &fingerprint, ..GOOD };
        scene.line(said);
        scene.line(Said { verify: "FAILED:certificate revoked", ..said });
    }
    for family in ["denied_fingerprint_requests", "client_certificate_not_after_timestamp_seconds"]
    {
        let first = scene.series(family, START);
        assert_eq!(first.len(), METRICS_CERTIFICATES_MAX);
        assert_eq!(first, scene.series(family, START));
        assert!(first[0].contains(&format!("{:040x}", 0)), "the first of those that are equal");
    }
}
