//! `[[receiver]]` in the configuration file, from the outside.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "in helpers of tests a failure is the report"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use gatelog::config::receiver::{
    Authorization, ClientCertificate, Receiver, ReceiverKind, Shape, Sink,
};
use gatelog::config::{Config, parse};

fn environment(name: &str) -> Option<OsString> {
    (name == "CREDENTIALS_DIRECTORY").then(|| "/run/c".into())
}

#[track_caller]
fn valid(text: &str) -> Vec<Receiver> {
    let config: Config = parse("gatelog.toml", text.as_bytes(), &environment)
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    config.receivers
}

/// Checks the problems of a text, one a line: `line:column: title: label`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let problems = parse("f", text.as_bytes(), &environment).expect_err(text);
    let found = problems.to_string();
    let found: Vec<&str> = found.lines().map(|line| line.strip_prefix("f:").unwrap()).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn every_key_has_its_effect() {
    let receivers = valid(
        r#"
        [[receiver]]
        name = "am"
        kind = "alertmanager"
        urls = ["http://127.0.0.1:9093", "https://am.internal/x/"]
        resend = "30s"
        timeout = "5s"
        basic_auth = "me"
        password_file = "${CREDENTIALS_DIRECTORY}/password"
        ca_file = "/ca.pem"
        client_cert = "/c.pem"
        client_key = "/c.key"
        allow_link_local = true
        where = { severity = ["page"], route = "/payments/*" }
        [[receiver]]
        name = "hook"
        kind = "webhook"
        url = "https://hooks.example/services/secret"
        repeat = "1h"
        shape = "slack"
        signing_secret_file = ["/a", "${CREDENTIALS_DIRECTORY}/b"]
        bearer_token_file = "/token"
        [[receiver]]
        name = "plain"
        kind = "webhook"
        url = "http://[::1]:1"
        signing_secret_file = "/a"
        [[receiver]]
        name = "file"
        kind = "jsonl"
        path = "${CREDENTIALS_DIRECTORY}/denials"
        [[receiver]]
        name = "out"
        kind = "jsonl"
        path = "stdout"
        [[receiver]]
        name = "log"
        kind = "jsonl"
        path = "syslog:unix:/dev/log"
        "#,
    );
    let [am, hook, plain, file, out, log] = &receivers[..] else { panic!("{receivers:?}") };
    let ReceiverKind::Alertmanager(it) = &am.kind else { panic!("{am:?}") };
    assert_eq!(it.urls.iter().map(|url| url.port()).collect::<Vec<_>>(), [9093, 443]);
    assert_eq!(it.resend, Duration::from_secs(30));
    assert_eq!(it.http.timeout, Duration::from_secs(5));
    let password_file = "/run/c/password".into();
    let basic = Authorization::Basic { user: "me".to_owned(), password_file };
    assert_eq!(it.http.authorization, Some(basic));
    assert_eq!(it.http.ca_file, Some("/ca.pem".into()));
    let (certificate_file, key_file) = (PathBuf::from("/c.pem"), PathBuf::from("/c.key"));
    let certificate = ClientCertificate { certificate_file, key_file };
    assert_eq!(it.http.client_certificate, Some(certificate));
    assert!(it.http.allow_link_local);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let page = [label("route", "/payments/{id}"), label("severity", "page")];
    assert!(am.filter.matches(&page));
    assert!(!am.filter.matches(&page[..1]));

    let ReceiverKind::Webhook(it) = &hook.kind else { panic!("{hook:?}") };
    assert_eq!((it.repeat, it.shape), (Duration::from_secs(3600), Shape::Slack));
    assert_eq!(it.signing_secret_files, [PathBuf::from("/a"), PathBuf::from("/run/c/b")]);
    let bearer = Authorization::Bearer { token_file: "/token".into() };
    assert_eq!(it.http.authorization, Some(bearer));
    assert!(!format!("{hook:?}").contains("secret\""), "{hook:?}");
    assert!(!format!("{hook:?}").contains("services"), "{hook:?}");
    assert!(hook.filter.matches(&page));

    let ReceiverKind::Webhook(it) = &plain.kind else { panic!("{plain:?}") };
    assert_eq!((it.repeat, it.shape), (Duration::from_secs(4 * 3600), Shape::Alertmanager));
    assert_eq!((it.url.host(), it.url.port(), it.url.is_tls()), ("::1", 1, false));
    assert_eq!(it.http.timeout, Duration::from_secs(15));
    assert_eq!(it.signing_secret_files, [PathBuf::from("/a")]);
    let sinks = [file, out, log].map(|receiver| receiver.kind.clone());
    let expected =
        [Sink::File("/run/c/denials".into()), Sink::Stdout, Sink::Syslog("/dev/log".into())];
    assert_eq!(sinks, expected.map(ReceiverKind::Jsonl));
}

#[test]
fn what_is_missing() {
    check(
        "[[receiver]]",
        &[
            "1:1: no `name` in `[[receiver]]`: expected `name = \"alertmanager\"`",
            "1:1: no `kind` in `[[receiver]]`: expected `kind = \"alertmanager\"`",
        ],
    );
    let no_kind = "2:8: `kind` in receiver `a` cannot be `slack`: expected \"alertmanager\", \
                   \"webhook\" or \"jsonl\"";
    check("[[receiver]]\nkind = 'slack'\nname = 'a'", &[no_kind]);
    let start = |kind: &str| format!("[[receiver]]\nname = 'a'\nkind = '{kind}'\n");
    let urls = "1:1: no `urls` in receiver `a`: expected `urls = [\"http://127.0.0.1:9093\"]`";
    check(&start("alertmanager"), &[urls]);
    check(&(start("alertmanager") + "urls = []"), &[urls]);
    check(
        &(start("alertmanager") + "urls = 5"),
        &[
            "4:8: `urls` in receiver `a` has the wrong type: expected an array, found a whole number: put it into `[` and `]`",
        ],
    );
    let url = "1:1: no `url` in receiver `a`: expected `url = \"https://hooks.example/gatelog\"`";
    check(&start("webhook"), &[url]);
    let path =
        "1:1: no `path` in receiver `a`: expected `path = \"/var/log/gatelog/denials.jsonl\"`";
    check(&start("jsonl"), &[path]);
    let webhook = start("webhook") + "url = 'http://a'\n";
    check(
        &(webhook.clone() + "basic_auth = 'me'"),
        &[
            "1:1: no `password_file` in receiver `a`: expected `password_file = \"${CREDENTIALS_DIRECTORY}/password\"`",
        ],
    );
    check(
        &(webhook.clone() + "password_file = '/p'"),
        &["1:1: no `basic_auth` in receiver `a`: expected `basic_auth = \"USER\"`"],
    );
    check(
        &(webhook.clone() + "client_key = '/p'"),
        &["1:1: no `client_cert` in receiver `a`: expected `client_cert = \"FILE.pem\"`"],
    );
    check(
        &(webhook + "client_cert = '/p'"),
        &["1:1: no `client_key` in receiver `a`: expected `client_key = \"FILE.pem\"`"],
    );
}

#[test]
fn what_is_out_of_place() {
    let start = |kind: &str| format!("[[receiver]]\nname = 'a'\nkind = '{kind}'\n");
    check(
        &(start("alertmanager") + "urls = ['http://a']\nurl = 'http://a'\nrepeat = '1h'"),
        &[
            "5:7: `url` in receiver `a` is out of place: expected `urls = [\"...\"]`, one for each member",
            "6:10: `repeat` in receiver `a` is out of place: expected none: this kind of receiver does not have it",
        ],
    );
    check(
        &(start("webhook") + "url = 'http://a'\nurls = ['http://a']\npath = '/a'"),
        &[
            "5:8: `urls` in receiver `a` is out of place: expected one: `url = \"...\"`",
            "6:8: `path` in receiver `a` is out of place: expected none: this kind of receiver does not have it",
        ],
    );
    check(
        &(start("jsonl") + "path = 'x'\nwhere = { severity = 'page' }\ntimeout = '1s'"),
        &[
            "5:9: `where` in receiver `a` is out of place: expected none: it takes denials, not alerts",
            "6:11: `timeout` in receiver `a` is out of place: expected none: this kind of receiver does not have it",
        ],
    );
    check(
        "[[receiver]]\nname = 'a'\nkind = 'jsonl'\npath = '1'\n[[receiver]]\nname = 'a'\nkind = 'jsonl'\npath = '2'",
        &["6:8: two receivers are called `a`: also in line 2"],
    );
    check(
        "receiver = 1",
        &["1:12: `receiver` has the wrong type: expected an array of tables: write `[[receiver]]`"],
    );
    check(
        "[[receiver]]\nname = 'a'\nkind = 'jsonl'\npath = 'p'\nsecret = 'x'",
        &["5:1: unknown key `secret` in receiver `a`"],
    );
}

#[test]
fn values_that_mean_nothing() {
    let webhook = |more: &str| {
        format!("[[receiver]]\nname = 'a'\nkind = 'webhook'\nurl = 'http://a'\n{more}")
    };
    check(
        &webhook("repeat = '500ms'\ntimeout = '1m'\nshape = 'slak'"),
        &[
            "5:10: `repeat` in receiver `a` is out of range: expected 1s to 7d",
            "6:11: `timeout` in receiver `a` is out of range: expected 100ms to 30s",
            "7:9: `shape` in receiver `a` cannot be `slak`: did you mean `slack`?",
        ],
    );
    check(
        &webhook(
            "signing_secret_file = '${NOPE}/x'\nbearer_token_file = '/t'\nbasic_auth = 'a:b'\npassword_file = '/p'",
        ),
        &[
            "5:24: `signing_secret_file` in receiver `a` cannot be expanded: `NOPE` is not set in the environment",
            "6:21: `bearer_token_file` beside `basic_auth` in receiver `a`: expected one of the two",
            "7:14: `basic_auth` in receiver `a` is no user's name: expected a name without `:`; the password has a file",
        ],
    );
    check(
        &webhook("signing_secret_file = 5"),
        &[
            "5:23: `signing_secret_file` in receiver `a` has the wrong type: expected a string or an array of strings, found a whole number",
        ],
    );
    check(
        &webhook("where = { severity = ['page', 5], '1x' = 'a', cn = [], o = true }"),
        &[
            "5:31: `severity` in `where` of receiver `a` has the wrong type: expected a string, found a whole number",
            "5:35: no alert has the label `1x` in `where` of receiver `a`: expected a label that there is",
            "5:52: `cn` in `where` of receiver `a` is empty: expected at least one pattern: this matches nothing",
            "5:60: `o` in `where` of receiver `a` has the wrong type: expected a string or an array of strings, found a boolean",
        ],
    );
    check(
        &webhook("where = 'page'"),
        &["5:9: `where` in receiver `a` has the wrong type: expected a table: `where = { ... }`"],
    );
    let am = "[[receiver]]\nname = 'a'\nkind = 'alertmanager'\n";
    check(
        &format!("{am}urls = ['http://a', 'a:9093', 'http://a', 'http://u:p@b']"),
        &[
            "4:21: `urls` in receiver `a` is no URL that can be used: expected `http://` or `https://`",
            "4:31: `http://a` in receiver `a` would be told twice: also in line 4",
            "4:43: `urls` in receiver `a` is no URL that can be used: expected no user and password; name the files that they are in",
        ],
    );
    check(
        "[[receiver]]\nname = 'a'\nkind = 'jsonl'\npath = 'syslog:udp:1'",
        &["4:8: `path` in receiver `a` is no socket for syslog: expected `syslog:unix:/dev/log`"],
    );
}
