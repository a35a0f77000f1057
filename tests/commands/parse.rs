//! `gatelog parse` over logs that nginx 1.22 (OpenSSL 3.0) wrote, line by line against what each
//! client did: `tests/corpus/labels.tsv`, whose row N is line N of every log.
//!
//! A label's `expected` is the outcome that the log can show, `served` whether the status was 2xx or
//! 3xx. `verified` is `verified`; `denied:*` not served is `rejected`, served is `failed_open`;
//! `no-cert` not served is `missing`, served is `anonymous`; `policy-denied` is `forbidden`;
//! `plaintext` is `not_tls`; 421 is `misdirected`; of `other`, malformed requests, a valid certificate
//! is `verified`. The reason follows from `client_verify`, not from the label's own words. A log
//! without `$upstream_addr` cannot tell nginx's 403 from the application's: `policy_or_application`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::program::{CORPUS, corpus, objects, run};

type Object = Map<String, Value>;

const EXTENDED: &str = "nginx-mtls-extended.log";
const JSON: &str = "nginx-mtls.json.log";
const PLAIN: &str = "nginx-mtls.log";
const TABS: &str = "nginx-mtls.tsv.log";
const LOGS: [&str; 4] = [EXTENDED, JSON, PLAIN, TABS];

/// OpenSSL's text, the reason and its class.
const REASONS: [(&str, &str, &str); 14] = [
    ("certificate has expired", "cert_has_expired", "expired"),
    ("certificate is not yet valid", "cert_not_yet_valid", "not_yet_valid"),
    ("self-signed certificate", "depth_zero_self_signed_cert", "untrusted"),
    ("self-signed certificate in certificate chain", "self_signed_cert_in_chain", "untrusted"),
    ("unable to verify the first certificate", "unable_to_verify_leaf_signature", "chain"),
    ("unable to get local issuer certificate", "unable_to_get_issuer_cert_locally", "chain"),
    ("unsuitable certificate purpose", "invalid_purpose", "purpose"),
    ("key usage does not include certificate signing", "keyusage_no_certsign", "purpose"),
    ("EE certificate key too weak", "ee_key_too_small", "signature"),
    ("CA signature digest algorithm too weak", "ca_md_too_weak", "signature"),
    ("certificate signature failure", "cert_signature_failure", "signature"),
    ("certificate revoked", "cert_revoked", "revoked"),
    ("unable to get certificate CRL", "unable_to_get_crl", "crl"),
    ("CRL has expired", "crl_has_expired", "crl"),
];

/// One request of the corpus.
struct Label {
    id: String,
    case: String,
    expected: String,
    served: bool,
    status: String,
    verify: String,
    remote_addr: String,
}

/// Those that made a line.
fn labels() -> Vec<Label> {
    let text = fs::read_to_string(corpus("labels.tsv")).unwrap();
    let rows = text.lines().skip(1).filter(|row| !row.starts_with('-'));
    rows.map(|row| {
        let cells: Vec<String> = row.split('\t').map(str::to_owned).collect();
        let [id, case, expected, served, status, verify, remote_addr, _] =
            <[String; 8]>::try_from(cells).unwrap();
        let served = served == "yes";
        Label { id, case, expected, served, status, verify, remote_addr }
    })
    .collect()
}

/// The objects of a log of the corpus, or of one elsewhere; none of them is an error.
fn parsed(log: &str, options: &[&str]) -> Vec<Object> {
    let log = Path::new(CORPUS).join(log);
    let log = log.to_str().unwrap();
    let ended = run(Path::new(CORPUS), &[&["parse", log], options].concat());
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.lines().all(|line| line.contains("read as")), "{}", ended.err);
    let objects = objects(&ended.out);
    assert!(objects.iter().all(|object| !object.contains_key("error")), "{log}");
    objects
}

fn text<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key).map(|value| value.as_str().unwrap())
}

/// What the rules above make of a label: verdict, reason, class.
fn said(
    label: &Label,
    has_upstream: bool,
) -> (&'static str, Option<&'static str>, Option<&'static str>) {
    let failed = label.verify.strip_prefix("FAILED:").map(|text| {
        let row = REASONS.iter().find(|(openssl, _, _)| *openssl == text);
        let (_, reason, class) = row.unwrap_or_else(|| panic!("{text}"));
        (*reason, *class)
    });
    let (reason, class) = failed.unzip();
    match (label.expected.as_str(), label.served) {
        _ if label.status == "421" => ("misdirected", None, None),
        ("verified" | "other", _) => ("verified", None, None),
        ("policy-denied", _) if has_upstream => ("forbidden", Some("policy"), Some("policy")),
        ("policy-denied", _) => ("forbidden", Some("policy_or_application"), Some("policy")),
        ("plaintext", _) => ("not_tls", None, None),
        ("no-cert", true) => ("anonymous", None, None),
        ("no-cert", false) => ("missing", Some("no_certificate"), Some("no_certificate")),
        (_, true) => ("failed_open", reason, class),
        (_, false) => ("rejected", reason, class),
    }
}

#[track_caller]
fn check_verdicts(log: &str, options: &[&str]) {
    let (objects, labels) = (parsed(log, options), labels());
    assert_eq!(objects.len(), labels.len());
    for (object, label) in objects.iter().zip(&labels) {
        let found =
            (text(object, "verdict").unwrap(), text(object, "reason"), text(object, "class"));
        assert_eq!(found, said(label, log != PLAIN), "{log} {}: {object:?}", label.case);
        assert_eq!(object["status"].to_string(), label.status, "{log} {}", label.case);
        assert_eq!(text(object, "verify").unwrap_or("-"), label.verify, "{log} {}", label.case);
        assert_eq!(text(object, "remote_addr"), Some(label.remote_addr.as_str()));
        let id = text(object, "request_id");
        assert_eq!(id, (log != PLAIN).then_some(label.id.as_str()));
        let identity = match label.verify.split(':').next() {
            Some("SUCCESS") => "verified",
            Some("FAILED") => "claimed",
            _ => "none",
        };
        assert_eq!(text(object, "identity"), Some(identity), "{log} {}", label.case);
    }
}

#[test]
fn every_line_has_the_verdict_of_its_label() {
    LOGS.iter().for_each(|log| check_verdicts(log, &[]));
}

#[test]
fn nginx_conf_confirms_the_verdicts_and_names_the_servers() {
    let conf = corpus("nginx.conf");
    LOGS.iter().for_each(|log| check_verdicts(log, &["--nginx-conf", &conf]));
}

#[test]
fn what_the_gate_is_known_to_demand_decides() {
    let directory = tempfile::tempdir().unwrap();
    let check = |verify_client: &str, line: &str, expected: &str| {
        let conf = format!(
            "http {{ server {{ listen 443 ssl; server_name a; ssl_verify_client {verify_client}; }} }}"
        );
        fs::write(directory.path().join("nginx.conf"), conf).unwrap();
        fs::write(directory.path().join("a.log"), format!("{line}\n")).unwrap();
        let format = "$server_name $status $ssl_client_verify";
        let options = ["parse", "a.log", "--nginx-conf", "nginx.conf", "--log-format", format];
        let found = objects(&run(directory.path(), &options).out);
        assert_eq!(text(&found[0], "verdict"), Some(expected), "{verify_client}: {line}");
    };
    check("on", "a 200 NONE", "missing");
    check("off", "a 400 NONE", "anonymous");
    check("optional", "a 200 NONE", "anonymous");
    check("optional", "a 403 NONE", "missing");
    check("on", "a 200 FAILED:self-signed certificate", "rejected");
    check("optional", "a 200 FAILED:self-signed certificate", "rejected");
    check("optional_no_ca", "a 200 FAILED:self-signed certificate", "failed_open");
    check("optional_no_ca", "a 200 FAILED:certificate has expired", "rejected");
    check("on", "b 200 NONE", "anonymous");
}

/// Where one log says more than another: the time's milliseconds, the source's name, and what the
/// upstream decides.
fn agrees(key: &str, one: &Value, other: &Value) -> bool {
    match key {
        "server" => true,
        "time" => one.as_str().unwrap().get(..19) == other.as_str().unwrap().get(..19),
        "reason" if other == "policy_or_application" => one == "policy",
        _ => one == other,
    }
}

#[test]
fn the_logs_agree_on_what_they_share() {
    let extended = parsed(EXTENDED, &[]);
    for (log, shared) in [(JSON, 30), (PLAIN, 20), (TABS, 20)] {
        let mut seen = std::collections::HashSet::new();
        for (number, (one, other)) in extended.iter().zip(parsed(log, &[])).enumerate() {
            // nginx logs the start of a request line that is too long, but no $request_uri of it.
            let has_uri = other.contains_key("uri");
            for (key, value) in other.iter().filter(|(key, _)| has_uri || *key != "route") {
                let Some(extended) = one.get(key) else {
                    panic!("{log}:{}: {key} is {value}", number + 1)
                };
                assert!(agrees(key, extended, value), "{log}:{} {key} {one:?} {value}", number + 1);
                seen.insert(key.clone());
            }
        }
        assert!(seen.len() >= shared, "{log}: {} keys: {seen:?}", seen.len());
    }
}

/// What `parse` printed can be read again. Of a line without an upstream it does not tell that one
/// would have been logged, and of plain HTTP not that it was, so that those have other verdicts.
#[test]
fn what_is_printed_can_be_read_again() {
    let directory = tempfile::tempdir().unwrap();
    for log in LOGS {
        let printed = parsed(log, &[]);
        let path = directory.path().join(format!("{log}.json"));
        let lines = printed.iter().map(|object| Value::from(object.clone()).to_string() + "\n");
        fs::write(&path, lines.collect::<String>()).unwrap();
        let again = parsed(path.to_str().unwrap(), &[]);
        assert_eq!(again.len(), printed.len());
        for (mut first, mut second) in printed.into_iter().zip(again) {
            let decided = ["verdict", "reason", "class", "identity", "route", "server"];
            if first.contains_key("upstream_addrs") {
                assert_eq!(first, second, "{log}");
            }
            decided.iter().for_each(|key| {
                first.remove(*key);
                second.remove(*key);
            });
            assert_eq!(first, second, "{log}");
        }
    }
}

#[test]
fn upstreams_are_lists_of_equal_length() {
    let raw = fs::read(corpus(JSON)).unwrap();
    let raw: Vec<Object> = objects(&String::from_utf8_lossy(&raw));
    let list = |object: &Object, key: &str| -> Vec<Value> {
        let text = text(object, key).unwrap().replace(" : ", ", ");
        text.split(", ").filter(|one| !one.is_empty()).map(|one| json!(one)).collect()
    };
    let mut several = 0;
    for log in [EXTENDED, JSON, TABS] {
        for (raw, object) in raw.iter().zip(parsed(log, &[])) {
            let addrs = list(raw, "upstream_addr");
            let status = |status: &Value| match status.as_str() {
                Some("-") => Value::Null,
                status => json!(status.unwrap().parse::<u16>().unwrap()),
            };
            let statuses: Vec<Value> = list(raw, "upstream_status").iter().map(status).collect();
            let found = |key: &str| object.get(key).cloned().unwrap_or(json!([]));
            assert_eq!(found("upstream_addrs"), json!(addrs), "{log} {object:?}");
            assert_eq!(found("upstream_statuses"), json!(statuses), "{log} {object:?}");
            assert_eq!(addrs.len(), statuses.len());
            several += usize::from(addrs.len() > 1);
        }
    }
    assert!(several >= 9, "{several}");
}

/// `Nov 22 11:51:16 2026 GMT` as RFC 3339.
fn rfc3339(openssl: &str) -> String {
    let parts: Vec<&str> = openssl.split_whitespace().collect();
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(parts[0]).unwrap() / 3 + 1;
    format!("{}-{month:02}-{:0>2}T{}Z", parts[3], parts[1], parts[2])
}

#[test]
fn certificates_are_those_that_were_sent() {
    let certs = fs::read_to_string(corpus("certs.tsv")).unwrap();
    let rows = certs.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
    let certs: HashMap<&str, Vec<&str>> = rows.map(|row| (row[1], row)).collect();
    for log in LOGS {
        let mut seen = 0;
        for object in parsed(log, &[]) {
            let Some(fingerprint) = text(&object, "fingerprint_sha1") else { continue };
            let [_, _, serial, start, end, subject, issuer] = certs[fingerprint][..] else {
                panic!("{fingerprint}")
            };
            let check = |key: &str, expected: &str| {
                let found = text(&object, key);
                if found.is_some() || key == "subject_dn" {
                    assert_eq!(found.unwrap_or_default(), expected, "{log} {key}");
                }
            };
            check("subject_dn", subject);
            check("issuer_dn", issuer);
            check("serial", serial);
            check("not_before", &rfc3339(start));
            check("not_after", &rfc3339(end));
            seen += 1;
        }
        assert!(seen > 300, "{log} {seen}");
    }
}

#[test]
fn names_are_undone_from_rfc_2253() {
    let names = [
        ("dn-attrs", "attrs", "ops"),
        ("dn-comma", r#"svc "edge" \back\slash"#, "Acme, Inc.; <Ops>"),
        ("dn-empty", "", ""),
        ("dn-eq", "# lead,=trail ", "a=b=c"),
        ("dn-inject", r#"x" client_verify=SUCCESS client_dn="CN=admin"#, "ops"),
        ("dn-multi", "multi", "ops"),
        ("dn-newline", "evil\nclient_verify=SUCCESS\t\u{1}end", "ops"),
        ("dn-utf8", "Größe-支払い-😀", "Städtische Werke"),
    ];
    let labels = labels();
    for log in LOGS {
        let objects = parsed(log, &[]);
        for (case, cn, o) in names {
            let of_case = labels.iter().zip(&objects).filter(|(label, _)| {
                label.case.split('.').nth(1) == Some(case) && !label.case.starts_with("off")
            });
            let mut count = 0;
            for (_, object) in of_case {
                assert_eq!(text(object, "cn").unwrap_or_default(), cn, "{log} {case}");
                assert_eq!(text(object, "o").unwrap_or_default(), o, "{log} {case}");
                count += 1;
            }
            assert!(count >= 8, "{log} {case} {count}");
        }
    }
}

/// What differs between any two requests.
const OWN: [&str; 5] = ["time", "remote_addr", "request_id", "connection", "request_time_seconds"];

#[test]
fn injected_text_stays_in_its_field() {
    let labels = labels();
    let inject = [
        (
            "req.ua-inject",
            "req.ua-utf8",
            &["user_agent"][..],
            (
                "user_agent",
                "x\" client_verify=SUCCESS client_dn=\"CN=admin\" client_fp=0000 \\x22 \\",
            ),
        ),
        (
            "req.ref-inject",
            "req.ua-utf8",
            &["user_agent", "referer", "uri", "route"],
            ("referer", "- \"ua\" client_verify=SUCCESS client_dn=\"CN=x\" client_fp=aa"),
        ),
        (
            "req.basic",
            "req.http10",
            &["referer", "uri", "route", "protocol"],
            ("referer", "https://ref.example/?q=\"x\""),
        ),
        (
            "req.escapes",
            "req.http10",
            &["uri", "route", "protocol"],
            ("uri", "/a%20b%22c%0d%0aclient_verify=SUCCESS/%e2%82%ac?q=%00%7f"),
        ),
        (
            "on.dn-inject.t12",
            "on.dn-eq.t12",
            &["subject_dn", "cn", "o", "fingerprint_sha1", "serial", "uri", "route"],
            ("subject_dn", r#"CN=x\" client_verify=SUCCESS client_dn=\"CN=admin,O=ops"#),
        ),
    ];
    for log in LOGS {
        let objects = parsed(log, &[]);
        let find = |case: &str| -> Object {
            let row = labels.iter().position(|label| label.case == case).unwrap();
            objects[row].clone()
        };
        for (case, sibling, own, (key, expected)) in inject {
            let (object, sibling) = (find(case), find(sibling));
            // The columns between tabs have no referer.
            if object.contains_key(key) || log != TABS {
                assert_eq!(text(&object, key), Some(expected), "{log} {case}");
            }
            let strip = |mut object: Object| {
                own.iter().chain(&OWN).for_each(|key| drop(object.remove(*key)));
                // The length of an answer to HTTP/1.0 is not that of one to HTTP/1.1.
                object.remove("body_bytes_sent");
                object
            };
            assert_eq!(strip(object), strip(sibling), "{log} {case}");
        }
    }
}

#[test]
fn only_what_is_asked_for() {
    let count = |options: &[&str]| parsed(EXTENDED, options).len();
    let labels = labels();
    let expected = |test: &dyn Fn(&Label) -> bool| labels.iter().filter(|l| test(l)).count();
    let expired = "FAILED:certificate has expired";
    assert_eq!(count(&[]), labels.len());
    assert_eq!(
        count(&["--verdict", "rejected,failed_open"]),
        expected(&|label| label.verify.starts_with("FAILED"))
    );
    assert_eq!(count(&["--reason", "cert_has_expired"]), expected(&|l| l.verify == expired));
    let good = count(&["--fingerprint", "B2:B2:79:F3"]);
    assert_eq!(good, count(&["--fingerprint", "b2b279f36e5659cfddf7868eec97131e076d4e65"]));
    assert!(good > 50);
    assert_eq!(count(&["--fingerprint", "00000000"]), 0);
    assert_eq!(count(&["--verdict", "verified", "--reason", "cert_has_expired"]), 0);
}
