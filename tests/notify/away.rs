//! Servers that fail: every alert arrives all the same, in order, under one id.

use std::collections::BTreeMap;
use std::time::Duration;

use gatelog::clock::Clock;
use gatelog::notify::Outcome;

use crate::running::{Running, alert, now, resolved};
use crate::server::{Got, OK, Reply, Server};
use crate::webhook::config;

/// Sends three alerts and their ends to a server that fails as `fails` says for its first requests, and
/// checks that all arrived as they should.
#[track_caller]
fn check(what: &str, more: &str, fails: impl Fn(usize) -> Option<Reply> + Send + Sync + 'static) {
    let server = Server::start(move |_, before| fails(before).unwrap_or(OK));
    let running = Running::start(&config(&server.url(), more));
    let alerts = ["/1", "/2", "/3"].map(|route| alert("a", route, now()));
    alerts.iter().for_each(|alert| running.send("hook", alert));
    alerts.iter().for_each(|alert| running.send("hook", &resolved(alert)));
    running.comes_to("hook", Outcome::Delivered, 6);
    assert!(running.count("hook", Outcome::Failed) > 0, "{what}");
    let settled = running.stop();
    assert_eq!(settled.len(), 6, "{what}: {settled:?}");
    in_order(what, &server.got());
}

/// Of each group the firing comes first, and nothing has two ids.
fn in_order(what: &str, got: &[Got]) {
    let mut statuses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut ids: BTreeMap<(String, String), String> = BTreeMap::new();
    for got in got {
        let body = got.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let (group, status) = (text(&body["groupKey"]), text(&body["status"]));
        let id = got.header("webhook-id").to_owned();
        let known = ids.entry((group.clone(), status.clone())).or_insert(id.clone());
        assert_eq!(*known, id, "{what}");
        statuses.entry(group).or_default().push(status);
    }
    assert_eq!(statuses.len(), 3, "{what}");
    for statuses in statuses.values() {
        let end = statuses.iter().position(|status| status == "resolved").unwrap();
        assert!(end > 0 && statuses[end..].iter().all(|status| status == "resolved"), "{what}");
    }
}

#[test]
fn failures_of_the_server() {
    let first = |reply: fn() -> Reply| move |before| (before < 3).then(reply);
    check("500", "", first(|| Reply::Answer(500, "", "oh")));
    check("redirect", "", first(|| Reply::Answer(302, "Location: http://127.0.0.1:1/\r\n", "")));
    check("404", "", first(|| Reply::Answer(404, "", "")));
    check("no answer", "", first(|| Reply::Close));
    check("late", "timeout = \"200ms\"", first(|| Reply::Late(Duration::from_secs(2))));
    check("500 now and then", "", |before| {
        before.is_multiple_of(2).then_some(Reply::Answer(503, "", ""))
    });
    check("headers of 500 and no more", "", first(|| Reply::CloseAfterHeaders(500)));
}

/// The status is the answer; words that are missing are not waited for.
#[test]
fn taken_is_taken_whatever_the_body_is() {
    for reply in [|| Reply::CloseAfterHeaders(200), || Reply::Endless] {
        let server = Server::start(move |_, _| reply());
        let running = Running::start(&config(&server.url(), ""));
        running.send("hook", &alert("a", "/", now()));
        running.comes_to("hook", Outcome::Delivered, 1);
        assert_eq!((running.count("hook", Outcome::Failed), server.got().len()), (0, 1));
    }
}

#[test]
fn retry_after_is_honoured() {
    let clock = Clock::system();
    let server = Server::start(|_, before| match before {
        0 => Reply::Answer(429, "Retry-After: 2\r\n", ""),
        _ => OK,
    });
    let running = Running::start(&config(&server.url(), ""));
    running.send("hook", &alert("a", "/", now()));
    server.gets(1);
    let start = clock.monotonic();
    server.gets(2);
    let waited = clock.monotonic().since(start);
    assert!(waited > Duration::from_millis(1900) && waited < Duration::from_secs(6), "{waited:?}");
}

/// A redirect would be followed to where a secret should not go.
#[test]
fn redirects_are_not_followed() {
    let other = Server::start(|_, _| OK);
    let location: &'static str = format!("Location: {}/\r\n", other.url()).leak();
    let server = Server::start(move |_, _| Reply::Answer(307, location, ""));
    let running = Running::start(&config(&server.url(), ""));
    running.send("hook", &alert("a", "/", now()));
    server.gets(2);
    assert!(other.got().is_empty());
    assert_eq!(running.count("hook", Outcome::Delivered), 0);
}

/// Nobody is waited for by others.
#[test]
fn a_slow_receiver_holds_up_no_other() {
    let slow = Server::start(|_, _| Reply::Late(Duration::from_secs(10)));
    let quick = Server::start(|_, _| OK);
    let text = config(&slow.url(), "") + &config(&quick.url(), "").replace("\"hook\"", "\"quick\"");
    let running = Running::start(&text);
    for name in ["hook", "quick"] {
        (0..20).for_each(|n| running.send(name, &alert("a", &format!("/{n}"), now())));
    }
    running.comes_to("quick", Outcome::Delivered, 20);
    assert_eq!(running.count("hook", Outcome::Delivered), 0);
    let clock = Clock::system();
    assert_eq!(running.stop().len(), 20);
    // The request on its way is given up after its grace.
    assert!(clock.monotonic().since_start() < Duration::from_secs(5));
}
