//! What the configuration says of rules takes effect: `gatelog backtest` with it.

use std::fs;

use super::program::{objects, run};

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
