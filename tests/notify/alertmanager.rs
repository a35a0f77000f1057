//! A real Alertmanager is told of alerts: they appear, stay, and are resolved once.

use std::time::Duration;

use gatelog::notify::{Earlier, Outcome};
use serde_json::{Value, json};

use crate::program::{Alertmanager, free_port};
use crate::running::{Running, alert, notification, now, resolved, wait_for};
use crate::server::{OK, Reply, Server};

fn statuses(told: &Server) -> Vec<String> {
    let status = |got: crate::server::Got| got.json()["status"].as_str().unwrap().to_owned();
    told.got().into_iter().map(status).collect()
}

fn config(urls: &[&str]) -> String {
    let urls = urls.iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "[[receiver]]\nname = \"am\"\nkind = \"alertmanager\"\nresend = \"1s\"\nurls = [{urls}]\n"
    )
}

/// Also when the agent ends and starts in between; and what our own webhook says of an alert is what
/// Alertmanager's says.
#[test]
fn alerts_appear_do_not_flap_and_are_resolved_once() {
    let directory = tempfile::tempdir().unwrap();
    let (told, ours) = (Server::start(|_, _| OK), Server::start(|_, _| OK));
    let am = Alertmanager::start(directory.path(), &told.url(), 0);
    let hook =
        format!("[[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\n", ours.url());
    let config = config(&[&am.url()]) + &hook;
    let running = Running::start(&config);
    let firing = alert("route_lockout", "/payments/{id}", now() - 5_000);
    running.send("am", &firing);
    running.send("hook", &firing);

    let first = told.gets(1).remove(0).json();
    let ours = ours.gets(1).remove(0).json();
    let labels =
        json!({"alertname": "route_lockout", "route": "/payments/{id}", "severity": "page"});
    assert_eq!(first["alerts"][0]["labels"], labels);
    for key in ["labels", "annotations", "status", "generatorURL", "fingerprint"] {
        assert_eq!(first["alerts"][0][key], ours["alerts"][0][key], "{key}");
    }
    for key in [
        "version",
        "groupKey",
        "truncatedAlerts",
        "status",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
    ] {
        assert_eq!(first[key], ours[key], "{key}");
    }
    assert_eq!(keys(&first), keys(&ours));
    assert_eq!(keys(&first["alerts"][0]), keys(&ours["alerts"][0]));
    assert_eq!(first["alerts"][0]["generatorURL"], "http://gate.test:9496/#/alerts");

    running.comes_to("am", Outcome::Resent, 5);
    let known = am.alerts();
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0]["labels"], labels);
    let ids: Vec<String> = running.settled().into_iter().map(|settled| settled.id).collect();
    assert_eq!(ids, [notification(&firing).id.clone(), notification(&firing).id]);
    assert_eq!(running.stop(), []);

    let again = vec![("am".to_owned(), firing.clone())];
    let running = Running::from(&config, Earlier { firing: again, undelivered: Vec::new() }, &[]);
    running.comes_to("am", Outcome::Resent, 3);
    assert_eq!(statuses(&told), ["firing"]);
    running.send("am", &resolved(&firing));
    running.comes_to("am", Outcome::Delivered, 1);
    told.gets(2);
    running.comes_to("am", Outcome::Resent, 6);
    assert_eq!(statuses(&told), ["firing", "resolved"]);
    assert_eq!(am.alerts(), [] as [Value; 0]);
    // It is told for 15 minutes, and kept for as long.
    assert_eq!(running.stop(), []);
}

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[test]
fn a_member_that_is_away_holds_up_no_other_and_learns_of_it_later() {
    let directory = tempfile::tempdir().unwrap();
    let told = Server::start(|_, _| OK);
    let away = free_port();
    let here = Alertmanager::start(&directory.path().join("a"), &told.url(), 0);
    let running = Running::start(&config(&[&format!("http://127.0.0.1:{away}"), &here.url()]));
    let (one, other) = (alert("a", "/1", now()), alert("b", "/2", now()));
    running.send("am", &one);
    running.send("am", &other);
    running.comes_to("am", Outcome::Delivered, 2);
    running.comes_to("am", Outcome::Failed, 2);
    assert_eq!(here.alerts().len(), 2);
    running.send("am", &resolved(&other));
    running.comes_to("am", Outcome::Delivered, 3);
    let late = Alertmanager::start(&directory.path().join("b"), &told.url(), away);
    let knows = wait_for(|| Some(late.alerts()).filter(|alerts| !alerts.is_empty())).unwrap();
    assert_eq!(knows.len(), 1, "{knows:?}");
    assert_eq!(knows[0]["labels"]["alertname"], "a");
}

/// A label that Alertmanager takes for none: its alert is left out, and said, and the others arrive.
#[test]
fn a_bad_alert_is_found_and_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let told = Server::start(|_, _| OK);
    let am = Alertmanager::start(directory.path(), &told.url(), 0);
    let config = config(&[&am.url()]);
    let mut undelivered = Vec::new();
    for number in 0..20 {
        let mut alert = alert("many", &format!("/{number:02}"), now());
        if number == 7 {
            alert.labels.push(("not-a-label".to_owned(), "x".to_owned()));
        }
        undelivered.push(("am".to_owned(), notification(&alert)));
    }
    let bad = undelivered[7].1.id.clone();
    let running = Running::from(&config, Earlier { firing: Vec::new(), undelivered }, &[]);
    running.comes_to("am", Outcome::Delivered, 19);
    running.comes_to("am", Outcome::Refused, 1);
    assert_eq!(am.alerts().len(), 19);
    running.comes_to("am", Outcome::Resent, 19);
    assert_eq!(running.count("am", Outcome::Refused), 1);
    assert_eq!(running.count("am", Outcome::Failed), 0);
    let settled = running.stop();
    let refused: Vec<_> = settled.iter().filter(|it| it.outcome == Outcome::Refused).collect();
    assert_eq!((settled.len(), refused.len()), (20, 1));
    assert_eq!(refused[0].id, bad);
}

/// What takes part of a batch and refuses the rest must not be asked for ever.
#[test]
fn a_server_that_refuses_everything_is_not_asked_again() {
    let server = Server::start(|_, _| Reply::Answer(400, "", "{\"code\":601}"));
    let running = Running::start(&config(&[&server.url()]));
    running.send("am", &alert("a", "/", now()));
    running.comes_to("am", Outcome::Refused, 1);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.got().len(), 1);
    assert_eq!(server.got()[0].line, "POST /api/v2/alerts HTTP/1.1");
    assert_eq!(running.figures("am").queue_length, 0);
}
