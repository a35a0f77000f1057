//! The same seed gives the same bytes, and a log is as its labels say.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use std::collections::{BTreeMap, BTreeSet};

use generate_incidents::expected::Expected;
use generate_incidents::incidents::by_name;
use generate_incidents::play::play;
use generate_incidents::server::LogFile;
use generate_incidents::time::{DAY, HISTORY_END, HOUR, LOG_START};
use generate_incidents::world::World;
use generate_incidents::{INCIDENTS, PACKS, Pack, Scenario, world};

/// The lines of a world's logs.
fn logs(world: World) -> BTreeMap<LogFile, String> {
    let mut logs: BTreeMap<LogFile, Vec<u8>> = BTreeMap::new();
    let mut add = |file: LogFile, line: &[u8]| {
        logs.entry(file).or_default().extend_from_slice(line);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = play(world, &mut add);
    logs.into_iter().map(|(file, bytes)| (file, String::from_utf8(bytes).unwrap())).collect()
}

/// `$msec` of a line, as milliseconds.
fn millis(line: &str) -> Option<u64> {
    line.split_once(" msec=").map(|it| it.1.replace('.', "").parse().unwrap())
}

/// FNV-1a, 64 bits.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    text.bytes().fold(0xCBF2_9CE4_8422_2325, step)
}

#[test]
fn every_incident_can_be_made_alone_and_is_in_one_day() {
    let names: BTreeSet<&str> = INCIDENTS.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), INCIDENTS.len());
    let packed: Vec<&str> =
        PACKS.iter().flat_map(|pack| pack.incidents.iter().map(|it| it.0)).collect();
    assert_eq!(packed.len(), names.len(), "each once");
    assert_eq!(packed.into_iter().collect::<BTreeSet<_>>(), names);
    for pack in PACKS {
        for (name, hour) in pack.incidents {
            let (first, last) = by_name(name).unwrap().hours;
            assert!((first..=last).contains(hour), "{name} at {hour} in {}", pack.name);
        }
        assert!(pack.incidents.is_sorted_by_key(|it| it.1), "{}", pack.name);
    }
    for incident in INCIDENTS {
        let mut world = World::new(1, HISTORY_END + DAY);
        (incident.add)(&mut world, HISTORY_END + incident.hours.0 * HOUR);
        let expected = &world.expected;
        assert!(expected.iter().any(|it| it.rule != "-"), "{}", incident.name);
        for Expected { incident: name, start, end, .. } in expected {
            assert_eq!(*name, incident.name);
            assert!(start < end && (HISTORY_END - 8 * HOUR..world.end).contains(start), "{name}");
        }
        let over = HISTORY_END + (incident.hours.1 + 1 + incident.lasts_hours) * HOUR;
        let last = world.requests.iter().map(|it| it.at).max();
        assert!(last.is_none_or(|last| last < over.max(world.end)), "{}", incident.name);
    }
}

/// The rules that the incidents are for; `upstream_tls_failing` is for nginx's error log.
#[test]
fn every_rule_has_an_incident() {
    const RULES: [&str; 20] = [
        "address_refused_repeatedly",
        "address_tries_certificates",
        "certificate_expiring",
        "certificate_failed_open",
        "certificate_shared",
        "clock_skew",
        "expired_admitted",
        "fingerprint_denied_repeatedly",
        "issuer_first_admitted",
        "known_client_locked_out",
        "log_silent",
        "log_unparsed",
        "misdirected_requests",
        "policy_denied_known",
        "retired_admitted",
        "revoked_certificate_used",
        "route_failure_ratio",
        "route_lockout",
        "subject_changed_issuer",
        "verification_infrastructure",
    ];
    let mut world = World::new(1, HISTORY_END + DAY);
    INCIDENTS.iter().for_each(|it| (it.add)(&mut world, HISTORY_END + it.hours.0 * HOUR));
    let rules: BTreeSet<&str> = world.expected.iter().map(|it| it.rule).collect();
    assert!(rules.iter().filter(|rule| **rule != "-").eq(&RULES), "{rules:?}");
}

#[test]
fn a_clean_day_is_busy_and_in_order() {
    let logs = logs(world(1, Scenario::Clean));
    let edge = &logs[&LogFile::Edge];
    let lines = logs.values().map(|log| log.lines().count()).sum::<usize>();
    assert!((200_000..400_000).contains(&lines), "{lines} lines");
    for log in logs.values() {
        assert!(log.lines().filter_map(millis).is_sorted());
        let first = log.lines().find_map(millis).unwrap();
        assert!((LOG_START..LOG_START + HOUR).contains(&first));
    }
    for noise in [
        "\"GET /health HTTP/1.1\" 400",
        "\"GET /.env HTTP/1.1\" 400",
        "\"\\x16\\x03\\x01\" 400",
        "\"-\" 408",
        "client_verify=- ",
        " 404 ",
        " 429 ",
        " 499 ",
        " 502 ",
        "client_verify=SUCCESS client_dn=\"CN=ci-runner",
        "client_verify=FAILED:certificate has expired client_dn=\"CN=ci-runner",
        "client_verify=FAILED:self-signed certificate client_dn=\"CN=localhost-",
        "client_verify=FAILED:certificate has expired client_dn=\"CN=forgotten-probe",
        " HTTP/2.0\" 403 ",
    ] {
        assert!(edge.contains(noise), "{noise}");
    }
    // Each client's first request is let in; nobody whom nginx has refused is passed on.
    for line in edge.lines().filter(|line| line.contains("client_verify=FAILED")) {
        assert!(line.contains("\" 400 ") && line.contains("upstream_addr=\"-\""), "{line}");
    }
    let night = HISTORY_END + HOUR..HISTORY_END + 5 * HOUR;
    let partner = logs[&LogFile::Partner].lines().filter_map(millis);
    let nightly = partner.filter(|at| night.contains(at)).count();
    assert!((1..60).contains(&nightly), "{nightly} lines in the night");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let of = |seed, name| {
        let logs = logs(world(seed, Scenario::by_name(name).unwrap()));
        logs.into_values().map(|log| hash(&log)).collect::<Vec<_>>()
    };
    let first = of(1, "revoked_let_in");
    assert_eq!(of(1, "revoked_let_in"), first);
    assert_ne!(of(2, "revoked_let_in"), first);
}

#[test]
fn a_replayed_hour_is_there_twice() {
    let logs = logs(world(1, Scenario::Backfilled));
    let mut lines: Vec<&str> = logs[&LogFile::Edge].lines().collect();
    let back: Vec<_> = lines.windows(2).filter(|pair| millis(pair[0]) > millis(pair[1])).collect();
    assert!(back.iter().any(|pair| {
        let [before, after] = [pair[0], pair[1]].map(|line| millis(line).unwrap_or_default());
        before > after + 4 * HOUR && after > 0
    }));
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert!(all - lines.len() > 1000, "{} lines are there twice", all - lines.len());
}

/// What becomes of the incidents, read off the lines.
#[test]
fn incidents_are_in_the_log() {
    let days = PACKS.map(|pack| {
        let world = world(3, Scenario::Many(pack));
        (pack, world.expected.clone(), logs(world))
    });
    let check = |name: &str, verify: &str, within: std::ops::Range<usize>| {
        let is_of = |pack: &Pack| pack.incidents.iter().any(|it| it.0 == name);
        let (_, expected, logs) = days.iter().find(|day| is_of(&day.0)).unwrap();
        let about = &expected.iter().rfind(|it| it.incident == name).unwrap().about;
        let lines = logs.values().flat_map(|log| log.lines());
        let found = lines
            .filter(|line| line.contains(verify))
            .filter(|line| line.contains(&about.server) && line.contains(&about.fingerprint))
            .count();
        assert!(within.contains(&found), "{name}: {found} lines with {verify}");
    };
    check("failed_open", "\" 200 ", 3..4);
    check("failed_open", "client_verify=FAILED:self-signed certificate", 3..4);
    check("expired", "FAILED:certificate has expired", 100..600);
    check("chain_lost_by_job", "FAILED:unable to verify the first certificate", 15..16);
    check("renewed_without_intermediate", "FAILED:unable to verify the first", 80..250);
    check("crl_expired", "FAILED:CRL has expired", 50..2000);
    check("root_removed", "FAILED:unable to get issuer certificate", 50..2000);
    check("intermediate_expired", "FAILED:certificate has expired", 20..2000);
    check("clock_skew", "FAILED:certificate is not yet valid", 100..1000);
    check("revoked_laptop", "FAILED:certificate revoked", 80..160);
    check("resumed_past_its_end", " session_reused=r ", 30..10_000);
    check("wrong_map", "\" 403 ", 20..100);
    check("wrong_coalescing", "\" 421 ", 9..10);
}
