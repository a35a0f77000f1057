//! Names of real certificates, and names nobody would write.

use std::borrow::Cow;

use gatelog_parsers::distinguished_name::{Value, attribute, parse};
use proptest::prelude::*;

/// Subject and issuer of each certificate in the logs of `tests/corpus`, as nginx writes them.
const CERTS: &str = include_str!("../../tests/corpus/certs.tsv");

/// CN and O, written out by hand from how the certificates were made.
#[test]
fn the_names_of_real_certificates_are_read() {
    let long_o = "o".repeat(60);
    let expected: [(&str, Option<&str>, Option<&str>); 12] = [
        ("dn-attrs", Some("attrs"), Some("ops")),
        ("dn-comma", Some(r#"svc "edge" \back\slash"#), Some("Acme, Inc.; <Ops>")),
        ("dn-empty", None, None),
        ("dn-eq", Some("# lead,=trail "), Some("a=b=c")),
        ("dn-inject", Some(r#"x" client_verify=SUCCESS client_dn="CN=admin"#), Some("ops")),
        ("dn-long", Some("long"), Some(long_o.as_str())),
        ("dn-multi", Some("multi"), Some("ops")),
        ("dn-newline", Some("evil\nclient_verify=SUCCESS\t\u{1}end"), Some("ops")),
        ("dn-utf8", Some("Gr\u{f6}\u{df}e-支払い-\u{1f600}"), Some("Städtische Werke")),
        ("good", Some("checkout-service"), Some("payments")),
        ("ledger", Some("ledger-service"), Some("payments")),
        ("server", Some("gate.internal"), None),
    ];
    let mut found = 0;
    for row in CERTS.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (name, subject, issuer) = (columns[0], columns[5], columns[6]);
        let rdns = parse(subject.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(rdns.is_empty(), name == "dn-empty");
        assert!(attribute(issuer.as_bytes(), "CN").is_some(), "{name}");
        let Some((_, cn, o)) = expected.iter().find(|(expected, ..)| *expected == name) else {
            continue;
        };
        assert_eq!(attribute(subject.as_bytes(), "CN").as_deref(), cn.map(str::as_bytes));
        assert_eq!(attribute(subject.as_bytes(), "O").as_deref(), o.map(str::as_bytes));
        if name == "dn-long" {
            assert!(attribute(subject.as_bytes(), "OU").unwrap().starts_with(b"unit-12-xx"));
        }
        found += 1;
    }
    assert_eq!(found, expected.len());
}

/// As OpenSSL writes a value under `XN_FLAG_RFC2253`.
fn escape_as_openssl(value: &[u8]) -> String {
    let mut escaped = String::new();
    for (index, &byte) in value.iter().enumerate() {
        let is_edge = index == 0 || index + 1 == value.len();
        let is_special = b",+\"\\<>;".contains(&byte)
            || (byte == b'#' && index == 0)
            || (byte == b' ' && is_edge);
        if is_special {
            escaped.push('\\');
        }
        if (b' '..=b'~').contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("\\{byte:02X}"));
        }
    }
    escaped
}

proptest! {
    #[test]
    fn an_escaped_value_comes_back(
        cn in prop::collection::vec(any::<u8>(), 0..40),
        o in r#"[ -~]{0,40}"#,
        separator in prop::sample::select(vec![",", "+"]),
    ) {
        let (written, other) = (escape_as_openssl(&cn), escape_as_openssl(o.as_bytes()));
        let dn = format!("OU=x,CN={written}{separator}O={other}");
        prop_assert_eq!(attribute(dn.as_bytes(), "CN"), Some(Cow::Borrowed(&cn[..])));
        prop_assert_eq!(attribute(dn.as_bytes(), "O"), Some(Cow::Borrowed(o.as_bytes())));
        let rdns = parse(dn.as_bytes()).unwrap();
        let values: Vec<_> = rdns
            .into_iter()
            .flat_map(|rdn| rdn.attributes)
            .map(|attribute| (attribute.kind, attribute.value))
            .collect();
        prop_assert_eq!(values, vec![
            ("OU", Value::Text(Cow::Borrowed(b"x"))),
            ("CN", Value::Text(cn.into())),
            ("O", Value::Text(o.into_bytes().into())),
        ]);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        dn in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            r#"/?([CNO2.=,+\\" #/x0A]{0,6}=?){0,8}"#.prop_map(String::into_bytes),
        ],
    ) {
        match parse(&dn) {
            Err(error) => prop_assert!((1..=dn.len() + 1).contains(&error.column)),
            Ok(rdns) => {
                let mut all = rdns.iter().flat_map(|rdn| &rdn.attributes);
                let is_cn = |kind: &str| kind.eq_ignore_ascii_case("CN");
                let first = all.find(|attribute| is_cn(attribute.kind)).map(|attribute| {
                    match &attribute.value {
                        Value::Text(text) => text.to_vec(),
                        Value::Hex(hex) => hex.to_vec(),
                    }
                });
                prop_assert_eq!(attribute(&dn, "CN").map(Cow::into_owned), first);
            }
        }
    }
}
