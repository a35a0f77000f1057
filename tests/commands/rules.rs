//! What the configuration says of rules takes effect: `gatelog backtest` with it.

use std::fs;

use super::program::{Ended, objects, run};

const FORMAT: &str = "$msec $server_name $status $ssl_client_verify \"$ssl_client_s_dn\" $ssl_client_fingerprint \"$request\" \"$upstream_addr\"";

/// A client that is let in for an hour and refused for ten minutes, every ten seconds.
fn log() -> String {
    let line = |index: u32| {
        let (status, verify, upstream) = match index {
            ..360 => (200, "SUCCESS", "10.0.0.1:80"),
            _ => (400, "FAILED:certificate has expired", "-"),
        };
        let seconds = 1_795_305_600 + index * 10;
        let fingerprint = "b2b279f3".repeat(5);
        format!(
            "{seconds}.000 api {status} {verify} \"CN=checkout-service,O=payments\" {fingerprint} \
             \"GET /payments/1 HTTP/1.1\" \"{upstream}\"\n"
        )
    };
    (0..420).map(line).collect()
}

/// The changes of alerts, one a line: rule, state, labels.
fn backtest(config: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("gatelog.toml"), config).unwrap();
    fs::write(directory.path().join("a.log"), log()).unwrap();
    let arguments = ["backtest", "--config", "gatelog.toml", "--log-format", FORMAT, "a.log"];
    let ended = run(directory.path(), &arguments);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let shown = objects(&ended.out).into_iter().map(|change| {
        let text = |key: &str| change[key].as_str().unwrap().to_owned();
        let labels = change["labels"].as_object().unwrap();
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
            .collect();
        format!("{} {} {}", text("state"), labels.join(" "), text("summary"))
    });
    shown.collect()
}

#[test]
fn rules_of_the_file() {
    let found = backtest(
        r#"
        [rules]
        builtin = false
        [[identity]]
        subject = "CN=checkout*"
        owner = "team-payments"
        labels.area = "eu"
        [[rule]]
        name = "expired"
        kind = "count"
        where = { class = "expired", cn = "checkout-*", fingerprint = "B2:B2:79:F3", owner = "team-*", known = true }
        by = ["cn"]
        window = "1m"
        threshold = 3
        for = "1m"
        severity = "page"
        labels.team = "payments"
        annotations.summary = "{{ $labels.cn }} of {{ $labels.owner }} in {{ $labels.area }}"
        [[rule]]
        name = "never"
        kind = "count"
        where = { class = "!expired", verdict = "!verified" }
        threshold = 1
        "#,
    );
    let labels = "alertname=expired area=eu cn=checkout-service owner=team-payments severity=page \
                  team=payments checkout-service of team-payments in eu";
    assert_eq!(found, [format!("pending {labels}"), format!("firing {labels}")]);
}

#[test]
fn built_in_rules_are_adjusted() {
    let alerts = |config: &str| -> Vec<String> {
        let firing = backtest(config).into_iter().filter(|line| line.starts_with("firing "));
        firing.map(|line| line.split(" severity=").next().unwrap().to_owned()).collect()
    };
    let locked_out = "firing alertname=known_client_locked_out".to_owned();
    let as_they_are = alerts("");
    assert!(as_they_are.iter().any(|line| line.starts_with(&locked_out)), "{as_they_are:?}");
    assert_eq!(alerts("rules.builtin = false"), [""; 0]);
    let disabled = alerts("[rules]\ndisable = ['known_client_locked_out']");
    assert!(!disabled.iter().any(|line| line.starts_with(&locked_out)), "{disabled:?}");
    let alone = backtest(
        "[rules]\nbuiltin = false\n[rules.known_client_locked_out]\nenable = true\n\
         severity = 'ticket'\nlabels.team = 'x'\nannotations.summary = '{{ $labels.team }}'",
    );
    let firing = alone.iter().find(|line| line.starts_with("firing ")).unwrap();
    assert!(firing.contains(" severity=ticket ") && firing.ends_with(" team=x x"), "{firing}");
}

/// What `check` says of a configuration with tests beside it.
fn check(config: &str, tests: &str) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("gatelog.toml"), config).unwrap();
    fs::write(directory.path().join("gatelog.test.toml"), tests).unwrap();
    fs::write(directory.path().join("a.log"), log()).unwrap();
    run(directory.path(), &["check", "--config", "gatelog.toml"])
}

#[test]
fn the_example_of_tests_passes() {
    let ended = check("", include_str!("../../config/gatelog.test.toml"));
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("\ngatelog.test.toml: 1 test, all as expected\n"), "{}", ended.out);
}

#[test]
fn tests_beside_the_configuration() {
    let config = r#"
        [[rule]]
        name = "expired"
        kind = "count"
        where.class = "expired"
        by = ["cn"]
        threshold = 3
        window = "1m"
        for = "1m"
        labels.team = "x"
    "#;
    let expect = |at: &str, rule: &str, rest: &str| {
        format!("[[test.expect]]\nat = '{at}'\nrule = '{rule}'\n{rest}\n")
    };
    let of_log = |expected: &[String]| {
        let head = format!("[[test]]\nname = 't'\nlog_format = '{FORMAT}'\nlog = 'a.log'\n");
        head + &expected.concat()
    };
    let good = of_log(&[
        expect("59m", "expired", "state = 'inactive'"),
        expect("61m", "expired", "state = 'pending'"),
        expect("63m", "expired", "labels = { cn = 'checkout-service', team = 'x' }"),
        expect("2026-11-22T01:09:50Z", "expired", ""),
        expect("2h", "expired", "state = 'resolved'"),
        expect("2h", "expired", "state = 'inactive'"),
        expect("63m", "log_silent", "state = 'inactive'"),
        expect(
            "80m",
            "known_client_locked_out",
            "labels.subject_dn = 'CN=checkout-service,O=payments'",
        ),
    ]);
    let ended = check(config, &good);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("gatelog.test.toml: 1 test, all as expected"), "{}", ended.out);

    let bad = of_log(&[
        expect("59m", "expired", ""),
        expect("63m", "expired", "state = 'resolved'"),
        expect("63m", "expired", "labels.team = 'y'"),
        expect("63m", "expired", "state = 'inactive'"),
    ]);
    let ended = check(config, &bad);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let (_, shown) = ended.out.split_once("gatelog.test.toml: ").unwrap();
    let titles: Vec<&str> = shown.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(
        titles,
        [
            "error: test `t`: `expired` is not firing at 2026-11-22T00:59:00.000Z",
            "error: test `t`: `expired` is not resolved at 2026-11-22T01:03:00.000Z",
            "error: test `t`: `expired` is not firing at 2026-11-22T01:03:00.000Z",
            "error: test `t`: `expired` is not inactive at 2026-11-22T01:03:00.000Z",
        ]
    );
    for expected in [
        "1 test, 1 not as expected\n",
        " --> gatelog.test.toml:5:1\n",
        "^^^^^^^^^^^^^^^ found no alert\n",
        "found one that is firing\n",
        r#"firing {alertname="expired", cn="checkout-service", severity="ticket", team="x"}"#,
    ] {
        assert!(shown.contains(expected), "no {expected} in {shown}");
    }
}

#[test]
fn tests_that_cannot_be_run() {
    let check_failure = |test: &str, expected: &str| {
        let expect = "[[test.expect]]\nat = '0s'\nrule = 'log_silent'\nstate = 'inactive'\n";
        let ended = check("", &format!("[[test]]\nname = 't'\n{test}\n{expect}"));
        assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains(expected), "no {expected} in {}", ended.out);
    };
    check_failure("lines = 'nonsense'", "test `t`: no known log_format fits its lines");
    check_failure("log = 'none.log'", "test `t`: cannot read `none.log`: No such file");
    check_failure("log = 'a.log'\nlog_format = '$status$status'", "test `t`: ");
    check_failure("lines = ''\nlog_format = '$msec $status'", "test `t`: its lines tell no time");
    check_failure(
        "log_format = '$msec $status $ssl_client_verify'\nlines = \"1.000 200 SUCCESS\\n1.000 x SUCCESS\"",
        "test `t`: its line 2 gives no event",
    );
    let ended = check("", "[[test]]\nname = 't'\nlines = 5\n");
    assert_eq!(ended.code, 2, "{}", ended.out);
    assert!(ended.err.contains("--> gatelog.test.toml:3:9"), "{}", ended.err);
}
