//! What a webhook gets: signed, repeated, resolved once, in the shape that was asked for.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use gatelog::notify::Outcome;

use crate::running::{Running, alert, notification, now, resolved, wait_for};
use crate::server::{Got, OK, Reply, Server};

pub(crate) fn config(url: &str, more: &str) -> String {
    format!("[[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{url}\"\n{more}\n")
}

/// HMAC-SHA256 by openssl, as base64.
fn hmac(key: &str, content: &[u8]) -> String {
    let script = "openssl dgst -sha256 -mac HMAC -macopt hexkey:\"$1\" -binary | openssl base64 -A";
    let mut openssl = Command::new("sh")
        .args(["-c", script, "sh", key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(content).unwrap();
    String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap()
}

/// A secret file's text for a key of hex digits.
fn secret(key: &str) -> String {
    let script = "printf %s \"$1\" | xxd -r -p | openssl base64 -A";
    let script = script.replace("xxd -r -p", "perl -ne 'print pack(\"H*\", $_)'");
    let output = Command::new("sh").args(["-c", &script, "sh", key]).output().unwrap();
    format!("whsec_{}\n", String::from_utf8(output.stdout).unwrap())
}

fn check_signature(got: &Got, keys: &[&str]) {
    let (id, time) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    let content = [format!("{id}.{time}.").as_bytes(), &got.body].concat();
    let signature = |key: &&str| format!("v1,{}", hmac(key, &content));
    let expected: Vec<String> = keys.iter().map(signature).collect();
    assert_eq!(got.header("webhook-signature"), expected.join(" "));
    let age = now() / 1000 - time.parse::<i64>().unwrap();
    assert!((0..10).contains(&age), "{age}");
}

/// Secrets are read for each request: a new one holds at once, beside the old one.
#[test]
fn it_is_signed_by_each_secret() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (old, new) = ("0123456789abcdef".repeat(3), "fedcba9876543210".repeat(4));
    fs::write(at("a"), secret(&old)).unwrap();
    fs::write(at("b"), secret(&old)).unwrap();
    let server = Server::start(|_, before| if before == 1 { Reply::Close } else { OK });
    let files = format!("signing_secret_file = [{:?}, {:?}]", at("a"), at("b"));
    let running = Running::start(&config(&(server.url() + "/hook?x=y"), &files));
    let firing = alert("a", "/", now());
    running.send("hook", &firing);
    let got = server.gets(1);
    assert_eq!(got[0].line, "POST /hook?x=y HTTP/1.1");
    assert_eq!(got[0].header("host"), server.address.to_string());
    assert_eq!(got[0].header("content-type"), "application/json");
    assert!(got[0].header("user-agent").starts_with("gatelog/"));
    check_signature(&got[0], &[&old, &old]);
    fs::write(at("b"), secret(&new)).unwrap();
    running.send("hook", &resolved(&firing));
    let got = server.gets(3);
    for got in &got[1..] {
        check_signature(got, &[&old, &new]);
        assert_eq!(got.header("webhook-id"), format!("{}-resolved", firing.id()));
    }
    assert_eq!(got[0].header("webhook-id"), notification(&firing).id);
    assert!(!got[0].header("webhook-id").contains('.'));
    running.comes_to("hook", Outcome::Delivered, 2);
    let settled: Vec<String> = running.stop().into_iter().map(|it| it.id).collect();
    assert_eq!(settled, [notification(&firing).id, format!("{}-resolved", firing.id())]);
}

#[test]
fn it_is_told_again_while_it_fires_and_once_when_it_is_over() {
    let server = Server::start(|_, _| OK);
    let running = Running::start(&config(&server.url(), "repeat = \"1s\""));
    let firing = alert("a", "/", now());
    running.send("hook", &firing);
    running.send("hook", &firing);
    let ids: Vec<String> =
        server.gets(3).iter().map(|got| got.header("webhook-id").to_owned()).collect();
    assert_eq!(ids[0], notification(&firing).id);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    running.send("hook", &resolved(&firing));
    running.comes_to("hook", Outcome::Delivered, 2);
    let count = server.got().len();
    std::thread::sleep(Duration::from_millis(2500));
    let got = server.got();
    assert_eq!(got.len(), count);
    assert_eq!(got[count - 1].json()["status"], "resolved");
    assert!(got[..count - 1].iter().all(|got| got.json()["status"] == "firing"));
}

#[test]
fn passwords_and_tokens_are_shown_and_kept_out_of_sight() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("password"), "open sesame\n").unwrap();
    fs::write(at("token"), "abc.def\n").unwrap();
    let check = |more: &str, expected: &str| {
        let server = Server::start(|_, _| OK);
        let running = Running::start(&config(&server.url(), more));
        running.send("hook", &alert("a", "/", now()));
        assert_eq!(server.gets(1)[0].header("authorization"), expected);
    };
    // printf 'me:open sesame' | base64
    let basic = format!("basic_auth = \"me\"\npassword_file = {:?}", at("password"));
    check(&basic, "Basic bWU6b3BlbiBzZXNhbWU=");
    check(&format!("bearer_token_file = {:?}", at("token")), "Bearer abc.def");
    check("", "");

    let server = Server::start(|_, _| OK);
    let token = format!("bearer_token_file = {:?}", at("late"));
    let running = Running::start(&config(&server.url(), &token));
    running.send("hook", &alert("a", "/", now()));
    running.comes_to("hook", Outcome::Failed, 1);
    assert!(server.got().is_empty());
    fs::write(at("late"), "x").unwrap();
    assert_eq!(server.gets(1)[0].header("authorization"), "Bearer x");
}

#[test]
fn chats_get_messages() {
    for (shape, key) in
        [("slack", "blocks"), ("teams", "attachments"), ("mattermost", "attachments")]
    {
        let server = Server::start(|_, _| Reply::Answer(200, "", "ok"));
        let running = Running::start(&config(&server.url(), &format!("shape = \"{shape}\"")));
        running.send("hook", &alert("clock_skew", "/", now()));
        let body = server.gets(1)[0].json();
        assert!(body[key].is_array(), "{body}");
        assert!(body.to_string().contains("FIRING"), "{body}");
    }
}

/// 410: nothing more is sent, and what is left waits for the next start.
#[test]
fn gone_is_gone() {
    let server = Server::start(|_, _| Reply::Answer(410, "", ""));
    let running = Running::start(&config(&server.url(), ""));
    running.send("hook", &alert("a", "/", now()));
    running.comes_to("hook", Outcome::Disabled, 1);
    running.send("hook", &alert("b", "/", now()));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(server.got().len(), 1);
    assert_eq!(running.figures("hook").queue_length, 2);
    assert_eq!(running.stop(), []);
}

/// 400 is about the alert: the next one is sent, also of the same group.
#[test]
fn a_refused_alert_is_left_out_with_its_resolved() {
    let server = Server::start(|got, _| match got.json()["groupLabels"]["route"].as_str() {
        Some("/bad") => Reply::Answer(400, "", "no"),
        _ => OK,
    });
    let running = Running::start(&config(&server.url(), ""));
    let bad = alert("a", "/bad", now());
    running.send("hook", &bad);
    running.send("hook", &alert("a", "/good", now()));
    running.comes_to("hook", Outcome::Refused, 1);
    running.comes_to("hook", Outcome::Delivered, 1);
    running.send("hook", &resolved(&bad));
    let settled = wait_for(|| Some(running.settled()).filter(|settled| !settled.is_empty()));
    assert!(settled.is_some());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.got().len(), 2);
    assert_eq!(running.figures("hook").queue_length, 0);
}
