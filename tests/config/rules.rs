//! Rules, identities, announced changes of issuers and silences in the configuration.

use std::time::Duration;

use gatelog::config::rule_tests::{At, RuleTests, TestLog};
use gatelog::rules::rule::Per;
use gatelog::rules::{Field, Identity, Kind, Severity, State};

use super::{check, valid};

/// A rule with these lines behind its name, in one table.
fn rule(lines: &str) -> String {
    format!("[[rule]]\nname = 'r'\n{lines}")
}

#[test]
fn every_kind_with_its_keys() {
    let config = valid(
        r#"
        [[rule]]
        name = "payments_failures"
        kind = "ratio"
        where = { verdict = ["rejected", "missing"], route = "/payments/*", known = true }
        by = ["server", "route"]
        window = "10m"
        per = "connection"
        threshold = 0.05
        min_requests = 20
        min_clients = 2
        times_baseline = 3
        for = "1m"
        keep_firing_for = "90s"
        severity = "page"
        labels.team = "payments"
        labels.area = "eu"
        annotations = { summary = "{{ $labels.team }} {{ $labels.server }} {{ $value }}", side = "x" }
        [[rule]]
        name = "many"
        kind = "count"
        threshold = 1
        [[rule]]
        name = "everywhere"
        kind = "distinct"
        by = ["fingerprint"]
        of = "remote_addr"
        threshold = 5
        [[rule]]
        name = "new"
        kind = "first_seen"
        of = "issuer_dn"
        [[rule]]
        name = "ends"
        kind = "expiring"
        within = "14d"
        share_of_lifetime = 0.33
        [[rule]]
        name = "gone"
        kind = "absent"
        times_usual_gap = 5
        window = "10s"
        "#,
    );
    let rules = &config.rules.rules;
    let names: Vec<&str> = rules.iter().map(|rule| &*rule.name).collect();
    assert_eq!(names, ["payments_failures", "many", "everywhere", "new", "ends", "gone"]);
    let kinds: Vec<Kind> = rules.iter().map(|rule| rule.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            Kind::Ratio {
                per: Per::Connection,
                threshold: 0.05,
                min_requests: 20,
                min_clients: 2,
                times_baseline: 3.0,
            },
            Kind::Count { threshold: 1 },
            Kind::Distinct { of: Field::RemoteAddr, threshold: 5 },
            Kind::FirstSeen { of: Field::IssuerDn },
            Kind::Expiring { within_millis: 14 * 86_400_000, share_of_lifetime: 0.33 },
            Kind::Absent { times_usual_gap: 5.0 },
        ]
    );
    let [first, second, ..] = &rules[..] else { panic!("{rules:?}") };
    let conditions: Vec<(Field, &[String])> = first.filter.conditions().collect();
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        conditions,
        [
            (Field::Known, &texts(&["true"])[..]),
            (Field::Route, &texts(&["/payments/*"])[..]),
            (Field::Verdict, &texts(&["rejected", "missing"])[..]),
        ]
    );
    assert_eq!(first.by, [Field::Server, Field::Route]);
    assert_eq!(first.severity, Severity::Page);
    let millis = [first.window_millis, first.for_millis, first.keep_firing_for_millis];
    assert_eq!(millis, [600_000, 60_000, 90_000]);
    let labels = [("area", "eu"), ("team", "payments")];
    assert_eq!(first.labels, labels.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let annotations: Vec<&str> = first.annotations.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(annotations, ["side", "summary"]);
    assert_eq!(second.severity, Severity::Ticket);
    let millis = [second.window_millis, second.for_millis, second.keep_firing_for_millis];
    assert_eq!(millis, [300_000, 0, 0]);
    assert_eq!(config.rules.rules[5].window_millis, 10_000);
}

#[test]
fn keys_of_another_kind() {
    check(
        &rule("kind = 'count'\nthreshold = 5\nof = 'cn'\nper = 'request'\nwithin = '1d'"),
        &[
            "5:6: `of` in rule `r` does nothing in kind count: it belongs to kind distinct or first_seen",
            "6:7: `per` in rule `r` does nothing in kind count: it belongs to kind ratio",
            "7:10: `within` in rule `r` does nothing in kind count: it belongs to kind expiring",
        ],
    );
    check(
        &rule("kind = 'first_seen'\nof = 'cn'\nthreshold = 1"),
        &[
            "5:13: `threshold` in rule `r` does nothing in kind first_seen: it belongs to kind ratio or count or distinct",
        ],
    );
}

#[test]
fn what_a_rule_must_have() {
    check(
        "[[rule]]\n[[rule]]\nname = 'a'\nkind = 'ratio'\n[[rule]]\nname = 'b'\nkind = 'distinct'\n\
         [[rule]]\nname = 'c'\nkind = 'expiring'\n[[rule]]\nname = 'd'\nkind = 'cuont'",
        &[
            "1:1: a rule has no `name`: expected `name = \"...\"`, the label `alertname` of its alerts",
            "1:1: no `kind` in `[[rule]]`: expected one of ratio, count, distinct, first_seen, expiring, absent",
            "2:1: no `where` in rule `a`, which is of kind ratio: expected which events are to have a share: that of all is always 1",
            "2:1: no `threshold` in rule `a`: expected a share, such as `threshold = 0.05`",
            "5:1: no `of` in rule `b`: expected a field, such as `of = \"remote_addr\"`",
            "5:1: no `threshold` in rule `b`: expected a whole number, such as `threshold = 10`",
            "8:1: no `within` in rule `c`: expected `within = \"14d\"`",
            "13:8: `kind` in rule `d` cannot be `cuont`: did you mean `count`?",
        ],
    );
    check(
        "[[rule]]\nname = 'a'\nkind = 'absent'\n[[rule]]\nname = 'a'\nkind = 'absent'\n[[rule]]\n\
         name = 'clock_skew'\nkind = 'absent'",
        &[
            "5:8: two rules are called `a`: also in line 2",
            "8:8: `clock_skew` is the name of a built-in rule: expected another one; `[rules.clock_skew]` adjusts the built-in one",
        ],
    );
    // What stood there and was no good is not missing as well.
    check(
        &rule("kind = 5"),
        &["3:8: `kind` in rule `r` has the wrong type: expected a string, found a whole number"],
    );
    check(
        &rule("kind = 'ratio'\nthreshold = '5%'\nwhere = 'rejected'"),
        &[
            "4:13: `threshold` in rule `r` has the wrong type: expected a number, found a string",
            "5:9: `where` in rule `r` has the wrong type: expected a table: `where = { ... }`",
        ],
    );
}

#[test]
fn numbers_and_durations_that_cannot_be() {
    check(
        &rule(
            "kind = 'absent'\nwindow = '9s'\nfor = '31d'\nkeep_firing_for = '5'\ntimes_usual_gap = -1",
        ),
        &[
            "4:10: `window` in rule `r` is impossible: expected 10s to 30d",
            "5:7: `for` in rule `r` is out of range: expected 0s to 30d",
            "6:19: `keep_firing_for` in rule `r` is no duration: expected a unit of ms, s, m, h or d behind the number",
            "7:19: `times_usual_gap` in rule `r` is out of range: expected 0 to 1000",
        ],
    );
    for (window, millis) in [("10s", 10_000), ("30d", 30 * 86_400_000)] {
        let config = valid(&rule(&format!("kind = 'absent'\nwindow = '{window}'")));
        assert_eq!(config.rules.rules[0].window_millis, millis);
    }
    check(
        &rule("kind = 'absent'\nwindow = '43201m'\ntimes_usual_gap = inf"),
        &[
            "4:10: `window` in rule `r` is impossible: expected 10s to 30d",
            "5:19: `times_usual_gap` in rule `r` is out of range: expected 0 to 1000",
        ],
    );
    let ratio = |lines: &str| rule(&format!("kind = 'ratio'\nwhere.known = true\n{lines}"));
    for (threshold, label) in [
        ("0", "expected more than 0, at most 1"),
        ("nan", "expected more than 0, at most 1"),
        ("-0.1", "expected more than 0, at most 1"),
        ("5", "expected more than 0, at most 1; 5% is `0.05`"),
        ("9223372036854775807", "expected more than 0, at most 1"),
    ] {
        check(
            &ratio(&format!("threshold = {threshold}")),
            &[&format!("5:13: `threshold` in rule `r` is out of range: {label}")],
        );
    }
    valid(&ratio("threshold = 1"));
    check(
        &ratio(
            "threshold = 99999999999999999999\nmin_requests = 0\nmin_clients = -1\nper = 'client'",
        ),
        &[
            "5:13: `threshold` in rule `r` has the wrong type: expected a number that fits into 64 bits",
            "6:16: `min_requests` in rule `r` is out of range: expected 1 to 1000000000",
            "7:15: `min_clients` in rule `r` is out of range: expected 0 to 64",
            "8:7: `per` in rule `r` cannot be `client`: expected \"request\" or \"connection\"",
        ],
    );
    check(
        &rule("kind = 'distinct'\nof = 'cn'\nthreshold = 65"),
        &["5:13: `threshold` in rule `r` is out of range: expected 1 to 64"],
    );
    check(
        &rule("kind = 'first_seen'\nof = 'cn'\nfor = '5m'"),
        &[
            "5:7: `for` in rule `r` is impossible: expected less than its `window`: a value is new for no longer",
        ],
    );
    valid(&rule("kind = 'first_seen'\nof = 'cn'\nfor = '5m'\nwindow = '10m'"));
    check(
        &rule(
            "kind = 'expiring'\nwithin = '1d'\nwhere.server = 'a'\nwhere.cn = 'a'\nby = ['o', 'route']",
        ),
        &[
            "5:7: `server` in `where` of rule `r` is nothing that a certificate has: kind expiring knows subject_dn, cn, o, issuer_dn, fingerprint, owner",
            "7:12: `route` in `by` of rule `r` is nothing that a certificate has: kind expiring knows subject_dn, cn, o, issuer_dn, fingerprint, owner",
        ],
    );
    for (threshold, problem) in [
        ("0", "is out of range: expected 1 to 1000000000"),
        ("2.5", "has a fraction: expected a whole number: kind count counts"),
    ] {
        check(
            &rule(&format!("kind = 'count'\nthreshold = {threshold}")),
            &[&format!("4:13: `threshold` in rule `r` {problem}")],
        );
    }
}

#[test]
fn values_that_no_event_has() {
    let count = |lines: &str| rule(&format!("kind = 'count'\nthreshold = 1\n{lines}"));
    check(
        &count(
            "where = { verdict = ['rejcted', 'missing', '!*open*', 'x*'], known = 'yes', rout = '/x', colour = 1 }",
        ),
        &[
            "5:22: `verdict` in `where` of rule `r` can never be `rejcted`: did you mean `rejected`?",
            "5:55: `verdict` in `where` of rule `r` can never be `x*`: expected a value that there is",
            "5:70: `known` in `where` of rule `r` can never be `yes`: expected a value that there is",
            "5:77: unknown key `rout` in `where` of rule `r`: did you mean `route`?",
            "5:90: unknown key `colour` in `where` of rule `r`",
        ],
    );
    check(
        &count("where.verdict = true\nwhere.cn = [1, 'a']\nwhere.o = []\nwhere.reason = 5"),
        &[
            "5:17: `verdict` in `where` of rule `r` has the wrong type: expected a string or an array of strings, found a boolean",
            "6:13: `cn` in `where` of rule `r` has the wrong type: expected a string, found a whole number",
            "7:11: `o` in `where` of rule `r` is empty: expected at least one pattern: this matches nothing",
            "8:16: `reason` in `where` of rule `r` has the wrong type: expected a string or an array of strings, found a whole number",
        ],
    );
    check(
        &count(
            "where.fingerprint = ['zz', 'B2:B2:79:F3']\nwhere.remote_addr = '10.0.0.0/8'\nwhere.subject_dn = '/O=payments/CN=x'\nwhere.issuer_dn = '!CN = a'",
        ),
        &[
            "5:22: `fingerprint` in `where` of rule `r` can never be `zz`: expected hex digits",
            "6:21: `remote_addr` in `where` of rule `r` can never be `10.0.0.0/8`: expected an address, or a glob such as `10.0.*`",
            "7:21: `subject_dn` in `where` of rule `r` is no name as nginx logs it: expected RFC 2253, the other way round: `CN=x,O=payments`, not `/O=payments/CN=x`",
            "8:21: `issuer_dn` in `where` of rule `r` is no name as nginx logs it: expected no spaces around `=` and `,`; see `openssl x509 -nameopt RFC2253`",
        ],
    );
    let config =
        valid(&count("where.reason = ['', 'crl_*', '!other']\nwhere.fingerprint = '!B2B279F3'"));
    let conditions: Vec<String> =
        config.rules.rules[0].filter.conditions().map(|(_, texts)| texts.join(" ")).collect();
    assert_eq!(conditions, ["!b2b279f3*", " crl_* !other"]);
    check(
        &format!(
            "[[identity]]\nsubject = 'CN=a'\nowner = 'team-a'\n{}",
            count("where.owner = ['', 'team-a', 'team-b']")
        ),
        &["8:30: `owner` in `where` of rule `r` can never be `team-b`: did you mean `team-a`?"],
    );
    check(
        &count("by = ['server', 'rout', 'server']\nseverity = 'pgae'"),
        &[
            "5:17: `by` in rule `r` cannot be `rout`: did you mean `route`?",
            "5:25: `by` in rule `r` has `server` twice: expected each label once",
            "6:12: `severity` in rule `r` cannot be `pgae`: did you mean `page`?",
        ],
    );
    check(
        &rule("kind = 'first_seen'\nby = ['cn']\nof = 'cn'"),
        &[
            "5:6: `of` in rule `r` is in `by` too: expected another field: a group has one value of it",
        ],
    );
}

#[test]
fn labels_and_annotations() {
    let count = |lines: &str| {
        let identity = "[[identity]]\nsubject = 'CN=a'\nlabels.team = 'x'\n";
        format!("{identity}{}", rule(&format!("kind = 'count'\nthreshold = 1\n{lines}")))
    };
    check(
        &count(
            "by = ['server']\n[rule.labels]\nserver = 'a'\nroute = 'ok'\nseverity = 'page'\n1a = 'x'\n__a = 'x'\nb = ''\nc = 1\nd = \"\\n\"",
        ),
        &[
            "10:1: the label `server` in `labels` of rule `r` is taken: expected another name: it is in `by`",
            "12:1: the label `severity` in `labels` of rule `r` is taken: expected another name: gatelog sets it",
            "13:1: `1a` in `labels` of rule `r` is no name of a label: expected letters, digits and `_`, no digit first, not `__` first",
            "14:1: `__a` in `labels` of rule `r` is no name of a label: expected letters, digits and `_`, no digit first, not `__` first",
            "15:5: `b` in `labels` of rule `r` is no value of a label: expected text; an empty label is none",
            "16:5: `c` in `labels` of rule `r` has the wrong type: expected a string, found a whole number",
            "17:5: `d` in `labels` of rule `r` is no value of a label: expected no control characters",
        ],
    );
    check(
        &count(
            "by = ['server']\nlabels.area = 'eu'\n[rule.annotations]\nsummary = '{{ $labels.server }} {{ $labels.servr }} {{ $labels.team }} {{ $labels.area }}'\nside = '{{ $labels.route }}'\nadvice = 'a {{ $valu }}'\ndescription = '''{{ $value'''\nrunbook = 'x'",
        ),
        &[
            "11:44: `summary` in `annotations` of rule `r` asks for the label `servr`, which there is not: did you mean `server`?",
            "12:20: `side` in `annotations` of rule `r` asks for the label `route`, which there is not: expected `route` in `by`",
            "13:13: `advice` in `annotations` of rule `r` is no template: expected `$labels.NAME`, `$value` or `$advice`",
            "14:15: `description` in `annotations` of rule `r` is no template: expected `}}` after this",
            "15:1: unknown key `runbook` in `annotations` of rule `r`",
        ],
    );
    check(
        &count("labels = 'x'\nannotations = ['x']\nsummary = 'x'"),
        &[
            "8:10: `labels` in rule `r` has the wrong type: expected a table: `labels = { ... }`",
            "9:15: `annotations` in rule `r` has the wrong type: expected a table: `annotations = { ... }`",
            "10:1: unknown key `summary` in rule `r`: it belongs in `annotations = { ... }`",
        ],
    );
}

#[test]
fn built_in_rules_by_name() {
    let config = valid(
        "[rules]\nbuiltin = false\ndisable = ['tls_deprecated', 'log_silent']\nlearning = '0s'\n\
         [rules.known_client_locked_out]\nseverity = 'ticket'\nwindow = '1h'\nfor = '1m'\n\
         keep_firing_for = '2m'\nthreshold = 5\nlabels.team = 'x'\n\
         annotations.summary = '{{ $labels.owner }} {{ $labels.subject_dn }} {{ $labels.team }}'\n\
         [rules.certificate_long_lived]\nenable = true\n[rules.log_silent]\nwindow = '1d'",
    );
    assert!(!config.rules.builtin);
    assert_eq!(config.rules.learning, Duration::ZERO);
    let adjusted: Vec<(&str, Option<bool>)> =
        config.rules.adjusted.iter().map(|it| (it.name, it.enable)).collect();
    assert_eq!(
        adjusted,
        [
            ("certificate_long_lived", Some(true)),
            ("known_client_locked_out", None),
            ("log_silent", Some(false)),
            ("tls_deprecated", Some(false)),
        ]
    );
    let locked_out = &config.rules.adjusted[1];
    assert_eq!(locked_out.severity, Some(Severity::Ticket));
    assert_eq!(locked_out.threshold, Some(5.0));
    assert_eq!(locked_out.window_millis, Some(3_600_000));
    assert_eq!(locked_out.for_millis, Some(60_000));
    assert_eq!(locked_out.keep_firing_for_millis, Some(120_000));
    assert_eq!((locked_out.labels.len(), locked_out.annotations.len()), (1, 1));
    check(
        "[rules]\ndisable = ['tls_depricated', 'log_silent', 'log_silent']\nlearning = '31d'\n\
         buildin = true\nwindow = '5m'\n[rules.clock_skw]\n[rules.log_silent]\nenable = true\n\
         threshold = 0\nwindow = '1s'\nwidnow = '1h'\nlabels.server = 'x'\n\
         annotations.summary = '{{ $labels.x }}'\n[rules]",
        &["14:2: duplicate key `rules`"],
    );
    check(
        "[rules]\ndisable = ['tls_depricated', 'log_silent', 'log_silent']\nlearning = '31d'\n\
         buildin = true\nwindow = '5m'\nclock_skew = false\n[rules.clock_skw]\n[rules.log_silent]\n\
         enable = true\nthreshold = 1\nwindow = '1s'\nwidnow = '1h'\nlabels.source = 'x'\n\
         annotations.summary = '{{ $labels.x }}'\n[rules.log_unparsed]\nthreshold = 'x'\n\
         labels = { a = 1, severity = 'x' }",
        &[
            "2:12: `disable` in `[rules]` cannot be `tls_depricated`: did you mean `tls_deprecated`?",
            "2:44: `disable` in `[rules]` has `log_silent` twice: also in line 2",
            "3:12: `learning` in `[rules]` is out of range: expected 0s to 30d",
            "4:1: unknown key `buildin` in `[rules]`: did you mean `builtin`?",
            "5:1: unknown key `window` in `[rules]`: it belongs in `[rules.NAME]` or `[[rule]]`",
            "6:14: `clock_skew` in `[rules]` has the wrong type: expected one table: `[rules.clock_skew]`",
            "7:8: unknown key `clock_skw` in `[rules]`: did you mean `clock_skew`?",
            "9:10: `log_silent` is enabled here and disabled in `[rules]`: expected one of the two",
            "10:13: `threshold` in `[rules.log_silent]` is out of range: expected none: this rule has no threshold",
            "11:10: `window` in `[rules.log_silent]` is impossible: expected 10s to 30d",
            "12:1: unknown key `widnow` in `[rules.log_silent]`: did you mean `window`?",
            "13:8: the label `source` in `labels` of `[rules.log_silent]` is taken: expected another name: it is in `by`",
            "14:35: `summary` in `annotations` of `[rules.log_silent]` asks for the label `x`, which there is not: expected a label that the alert has",
            "16:13: `threshold` in `[rules.log_unparsed]` has the wrong type: expected a number, found a string",
            "17:16: `a` in `labels` of `[rules.log_unparsed]` has the wrong type: expected a string, found a whole number",
            "17:19: the label `severity` in `labels` of `[rules.log_unparsed]` is taken: expected another name: gatelog sets it",
        ],
    );
}

#[test]
fn identities_and_rotations() {
    let config = valid(
        "[[identity]]\nsubject = 'CN=checkout-service,O=payments'\nowner = 'team-payments'\n\
         retired = true\nlabels = { team = 'payments' }\n[[identity]]\nsubject = '*,O=payments'\n\
         [[rotation]]\nfrom = 'CN=CA 1'\nto = 'CN=CA 2'",
    );
    let expected = Identity {
        subject: "CN=checkout-service,O=payments".into(),
        owner: Some("team-payments".into()),
        is_retired: true,
        labels: vec![("team".into(), "payments".into())],
    };
    assert_eq!(config.identities.of(b"CN=checkout-service,O=payments"), Some(&expected));
    assert_eq!(config.identities.of(b"CN=x,O=payments").unwrap().subject, "*,O=payments");
    assert!(config.rotations.has(|from, to| from == b"CN=CA 1" && to == b"CN=CA 2"));
    check(
        "[[identity]]\n[[identity]]\nsubject = 'CN=a'\nowner = ''\nretierd = true\nlabels.cn = 'x'\n\
         [[identity]]\nsubject = 'CN=a'\n[[identity]]\nsubject = 'O = payments, CN = x'\n\
         [[identity]]\nsubject = ''\n[[identity]]\nsubject = 5\n[[identity]]\nsubject = 'CN=a,O'",
        &[
            "1:1: an identity has no `subject`: expected `subject = \"CN=checkout-service,O=payments\"`",
            "4:9: `owner` in identity `CN=a` is no name: expected at least one character",
            "5:1: unknown key `retierd` in `[[identity]]`: did you mean `retired`?",
            "6:8: the label `cn` in `labels` of identity `CN=a` is taken: expected another name: gatelog sets it",
            "8:11: two identities have the subject `CN=a`: also in line 3",
            "10:12: `subject` in `[[identity]]` is no name as nginx logs it: expected no spaces around `=` and `,`; see `openssl x509 -nameopt RFC2253`",
            "12:12: `subject` in `[[identity]]` is no name as nginx logs it: expected a name such as `CN=checkout-service,O=payments`",
            "14:11: `subject` in `[[identity]]` has the wrong type: expected a string, found a whole number",
            "16:18: `subject` in `[[identity]]` is no name as nginx logs it: column 7: expected = after attribute type",
        ],
    );
    check(
        "[[rotation]]\nfrom = 'CN=a'\n[[rotation]]\nfrom = '/CN=a'\nto = 'CN=a'\n[[rotation]]\n\
         from = 'CN=a'\nto = 'CN=a'",
        &[
            "1:1: no `to` in `[[rotation]]`: expected the subject of a CA, such as `CN=Issuing CA 1,O=payments`",
            "4:9: `from` in `[[rotation]]` is no name as nginx logs it: expected RFC 2253, the other way round: `CN=x,O=payments`, not `/O=payments/CN=x`",
            "6:1: `from` and `to` in `[[rotation]]` are the same: expected two issuers",
        ],
    );
    let globs = |count: usize| -> String {
        (0..count).map(|index| format!("[[identity]]\nsubject = '*,O={index}'\n")).collect()
    };
    assert_eq!(valid(&globs(256)).identities.as_slice().len(), 256);
    check(
        &globs(257),
        &["514:11: too many `[[identity]]` whose `subject` is a glob: expected at most 256"],
    );
}

#[test]
fn silences() {
    let config = valid(
        "[[silence]]\nwhere = { alertname = 'log_*', team = ['x', 'y'], severity = '!page' }\n\
         from = '2026-12-01T00:00:00Z'\nuntil = '2026-12-01T06:00:00+01:00'\ncomment = 'staging'\n\
         [[rule]]\nname = 'r'\nkind = 'absent'\nlabels.team = 'x'",
    );
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels = [label("alertname", "log_silent"), label("team", "y")];
    let silenced = |labels: &[_], now| config.silences.silences(labels, now);
    let from = 1_796_083_200_000;
    assert_eq!(silenced(&labels, from), Some(0));
    assert_eq!(silenced(&labels, from - 1), None);
    assert_eq!(silenced(&labels, from + 5 * 3_600_000 - 1), Some(0));
    assert_eq!(silenced(&labels, from + 5 * 3_600_000), None);
    assert_eq!(silenced(&labels[..1], from), None);
    check(
        "[[silence]]\n[[silence]]\nwhere = { alertname = 'log_slient', team = 'x', severty = 'page' }\n\
         from = '2026-12-01'\nuntil = 2026-12-01T00:00:00Z\n[[silence]]\nwhere.severity = 'high'\n\
         from = '2026-12-01T00:00:00Z'\nuntil = '2026-12-01T00:00:00Z'\ncoment = ''",
        &[
            "1:1: no `where` in `[[silence]]`: expected which alerts, such as `where = { alertname = \"log_silent\" }`",
            "1:1: no `until` in `[[silence]]`: expected its end, such as `until = \"2026-12-01T06:00:00Z\"`",
            "3:23: `alertname` in `where` of `[[silence]]` can never be `log_slient`: did you mean `log_silent`?",
            "3:37: no alert has the label `team` in `where` of `[[silence]]`: expected a label that there is",
            "3:49: no alert has the label `severty` in `where` of `[[silence]]`: did you mean `severity`?",
            "4:8: `from` in `[[silence]]` is no time: expected a time like `2026-12-01T06:00:00Z` or with an offset",
            "5:9: `until` in `[[silence]]` has the wrong type: expected a string, found a date or time",
            "7:18: `severity` in `where` of `[[silence]]` can never be `high`: expected a value that there is",
            "9:9: `until` in `[[silence]]` is not after `from`: expected a later time",
            "10:1: unknown key `coment` in `[[silence]]`: did you mean `comment`?",
        ],
    );
}

#[test]
fn lists_of_rules_are_bounded() {
    let rules = |count: usize| -> String {
        (0..count).map(|index| format!("[[rule]]\nname = 'r{index}'\nkind = 'absent'\n")).collect()
    };
    assert_eq!(valid(&rules(200)).rules.rules.len(), 200);
    check(&rules(201), &["601:1: too many `[[rule]]`: expected at most 200"]);
    let patterns = |count: usize| {
        rule(&format!("kind = 'absent'\nwhere.cn = [{}]", vec!["'a'"; count].join(", ")))
    };
    valid(&patterns(64));
    check(
        &patterns(65),
        &["4:333: `cn` in `where` of rule `r` is too long: expected at most 64 entries"],
    );
    let pattern =
        |length: usize| rule(&format!("kind = 'absent'\nwhere.cn = '{}'", "a".repeat(length)));
    valid(&pattern(512));
    check(
        &pattern(513),
        &["4:12: a pattern of `cn` in `where` of rule `r` is too long: expected at most 512 bytes"],
    );
    let labels = |count: usize| {
        let labels: Vec<String> = (0..count).map(|index| format!("l{index:02} = 'x'")).collect();
        rule(&format!("kind = 'absent'\nlabels = {{ {} }}", labels.join(", ")))
    };
    valid(&labels(32));
    check(&labels(33), &["4:364: too many labels in `labels` of rule `r`: expected at most 32"]);
}

#[test]
fn tests_of_rules() {
    let config = valid(&rule("kind = 'absent'"));
    let parse = |text: &str| RuleTests::parse("t".into(), text.as_bytes().to_vec(), &config);
    let tests = parse(
        "[[test]]\nname = 'a'\nlines = 'x'\nlearning = '5m'\n[[test.expect]]\nat = '5m'\nrule = 'r'\n\
         labels.cn = 'x'\n[[test.expect]]\nat = '1970-01-01T00:00:01Z'\nrule = 'log_silent'\n\
         state = 'inactive'\n[[test]]\nname = 'b'\nlog = 'x.log'\n[[test.expect]]\nat = '0s'\n\
         rule = 'r'\nstate = 'pending'",
    );
    let tests = tests.unwrap().tests;
    let [a, b] = &tests[..] else { panic!("{tests:?}") };
    assert_eq!(
        (a.log.clone(), a.learning),
        (TestLog::Lines("x".into()), Some(Duration::from_secs(300)))
    );
    assert_eq!((b.log.clone(), b.learning), (TestLog::File("x.log".into()), None));
    let expected: Vec<_> =
        a.expect.iter().chain(&b.expect).map(|it| (it.at, it.rule.as_str(), it.state)).collect();
    assert_eq!(
        expected,
        [
            (At::After(300_000), "r", Some(State::Firing)),
            (At::Time(1000), "log_silent", None),
            (At::After(0), "r", Some(State::Pending)),
        ]
    );
    assert_eq!(a.expect[0].labels, [("cn".to_owned(), "x".to_owned())]);

    let problems = parse(
        "[[test]]\n[[test]]\nname = 'a'\nlines = ''\nlog = 'x'\nlog_format = 'a b'\nlearning = '31d'\n\
         [[test.expect]]\n[[test.expect]]\nat = '5 m'\nrule = 'log_slient'\nstate = 'fireing'\n\
         labels = { a = 1 }\nlabel = 1\n[[test]]\nname = 'a'\nlines = 5\nexpect = 5\n[rule]\nname = 'x'",
    );
    let problems = problems.unwrap_err().to_string();
    let found: Vec<&str> = problems.lines().map(|line| line.strip_prefix("t:").unwrap()).collect();
    assert_eq!(
        found,
        [
            "1:1: a test has no `name`: expected `name = \"...\"`",
            "1:1: no `lines` and no `log` in `[[test]]`: expected some of a log, or the name of one",
            "1:1: no `[[test.expect]]` in `[[test]]`: expected which alerts there are to be, or not to be",
            "5:7: `log` beside `lines` in test `a`: expected one of the two",
            "6:14: `log_format` in test `a` is no format: expected a name, or a log_format string with at least one `$variable`",
            "7:12: `learning` in test `a` is out of range: expected at most 30d",
            "8:1: no `at` in `[[test.expect]]` of test `a`: expected `at = \"5m\"`",
            "8:1: no `rule` in `[[test.expect]]` of test `a`: expected `rule = \"route_lockout\"`",
            "10:6: `at` in `[[test.expect]]` of test `a` is no time: expected a time after the first line, such as `5m`, or one like `2026-12-01T06:00:00Z`",
            "11:8: `rule` in `[[test.expect]]` of test `a` cannot be `log_slient`: did you mean `log_silent`?",
            "12:9: `state` in `[[test.expect]]` of test `a` cannot be `fireing`: did you mean `firing`?",
            "13:16: `a` in `labels` of `[[test.expect]]` of test `a` has the wrong type: expected a string, found a whole number",
            "14:1: unknown key `label` in `[[test.expect]]` of test `a`: did you mean `labels`?",
            "16:8: two tests are called `a`: also in line 3",
            "17:9: `lines` in test `a` has the wrong type: expected a string, found a whole number",
            "18:10: `expect` in test `a` has the wrong type: expected an array of tables: write `[[test.expect]]`",
            "19:2: unknown key `rule`: it belongs in `[[test.expect]]`",
        ]
    );
}
