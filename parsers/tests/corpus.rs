//! The access logs of `tests/corpus`, written by nginx 1.22 for clients of every kind.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in helpers of tests a failure is the report"
)]

use std::collections::{HashMap, HashSet};

use gatelog_parsers::json_line::{self, Kind};
use gatelog_parsers::line::{LineParser, Record, Spans};
use gatelog_parsers::recognise;
use gatelog_parsers::variable::Field;

const LOGS: [(&str, &[u8]); 4] = [
    ("mtls", include_bytes!("../../tests/corpus/nginx-mtls.log")),
    ("mtls_extended", include_bytes!("../../tests/corpus/nginx-mtls-extended.log")),
    ("mtls_json", include_bytes!("../../tests/corpus/nginx-mtls.json.log")),
    ("mtls_tsv", include_bytes!("../../tests/corpus/nginx-mtls.tsv.log")),
];
const LABELS: &str = include_str!("../../tests/corpus/labels.tsv");
const CERTS: &str = include_str!("../../tests/corpus/certs.tsv");

fn lines(log: &'static [u8]) -> impl Iterator<Item = &'static [u8]> {
    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The rows of a table by the column `key`, each as its cells by their column's name.
fn rows(
    table: &'static str,
    key: &str,
) -> HashMap<&'static str, HashMap<&'static str, &'static str>> {
    let mut lines = table.lines();
    let names: Vec<_> = lines.next().unwrap().split('\t').collect();
    let row = |line: &'static str| names.iter().copied().zip(line.split('\t')).collect();
    lines.map(row).map(|row: HashMap<_, _>| (row[key], row)).collect()
}

/// The field's bytes, log escaping undone; nothing where it is unset.
fn text(record: &Record<'_>, field: Field) -> String {
    let value = record.value(field).unwrap_or_default();
    String::from_utf8(record.escape().undo(value).into_owned()).unwrap()
}

fn recognised(name: &str, log: &'static [u8]) -> LineParser {
    let mut parsers = recognise::known_parsers();
    let found = recognise::recognise(lines(log), &parsers).map(|index| parsers.swap_remove(index));
    let found = found.unwrap_or_else(|| panic!("{name} is not recognised"));
    assert_eq!(found.name(), name);
    found
}

#[test]
fn every_line_says_what_its_label_says() {
    let labels = rows(LABELS, "request_id");
    for (name, log) in LOGS {
        let parser = recognised(name, log);
        let mut spans = Spans::default();
        let mut seen = HashSet::new();
        for line in lines(log) {
            let record = parser.parse(line, &mut spans).unwrap_or_else(|error| {
                panic!("{name}: {}", parser.explain(&error, line));
            });
            assert!(!text(&record, Field::Status).is_empty());
            if !parser.has(Field::RequestId) {
                continue;
            }
            let id = text(&record, Field::RequestId);
            let label = labels.get(id.as_str()).unwrap_or_else(|| panic!("{name}: no label {id}"));
            for (column, field) in [
                ("status", Field::Status),
                ("client_verify", Field::SslClientVerify),
                ("remote_addr", Field::RemoteAddr),
                ("server_port", Field::ServerPort),
            ] {
                if parser.has(field) {
                    let expected = if label[column] == "-" { "" } else { label[column] };
                    assert_eq!(text(&record, field), expected, "{name} {id} {column}");
                }
            }
            assert!(seen.insert(id));
        }
        // Where a connection ended without a request there is no line, and no id.
        let expected = if parser.has(Field::RequestId) { labels.len() - 1 } else { 0 };
        assert_eq!(seen.len(), expected, "{name}");
        assert_eq!(lines(log).count(), labels.len() - 1, "{name}");
    }
}

/// The reference format has no id to find a label by, but nginx wrote all logs in one order.
#[test]
fn the_reference_format_agrees_with_the_extended_one() {
    let [(name, log), (extended_name, extended_log), ..] = LOGS;
    let parsers = [recognised(name, log), recognised(extended_name, extended_log)];
    let (mut spans, mut extended_spans) = (Spans::default(), Spans::default());
    let mut compared = 0;
    for (line, extended_line) in lines(log).zip(lines(extended_log)) {
        let record = parsers[0].parse(line, &mut spans).unwrap();
        let extended = parsers[1].parse(extended_line, &mut extended_spans).unwrap();
        for field in Field::ALL.iter().filter(|field| parsers[0].has(**field)) {
            assert_eq!(record.logged(*field), extended.logged(*field), "{field:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 11 * lines(log).count());
}

#[test]
fn names_and_dates_are_those_of_the_certificate() {
    let certs = rows(CERTS, "sha1_of_der");
    for (name, log) in LOGS {
        let parser = recognised(name, log);
        let mut spans = Spans::default();
        let mut seen = HashSet::new();
        for line in lines(log) {
            let record = parser.parse(line, &mut spans).unwrap();
            let fingerprint = text(&record, Field::SslClientFingerprint);
            if fingerprint.is_empty() {
                continue;
            }
            let cert = &certs[fingerprint.as_str()];
            for (column, field) in [
                ("subject_rfc2253", Field::SslClientSDn),
                ("issuer_rfc2253", Field::SslClientIDn),
                ("serial", Field::SslClientSerial),
                ("not_before", Field::SslClientVStart),
                ("not_after", Field::SslClientVEnd),
            ] {
                if parser.has(field) {
                    assert_eq!(text(&record, field), cert[column], "{name} {column}");
                }
            }
            seen.insert(fingerprint);
        }
        assert!(seen.len() > 25, "{name}: {} certificates", seen.len());
    }
}

/// The members of a line, in another order and with white space between.
fn rearranged(line: &[u8], turn: usize) -> Vec<u8> {
    let members: Vec<_> = json_line::members(line).map(Result::unwrap).collect();
    let mut texts: Vec<Vec<u8>> = members
        .iter()
        .map(|member| {
            let value = &line[member.start..member.end];
            let quote: &[u8] = if member.kind == Kind::Text { b"\"" } else { b"" };
            [&b"\""[..], member.key, b"\" :\t", quote, value, quote].concat()
        })
        .collect();
    // A step that shares no divisor with the count visits every member once.
    let step = (2 + turn % 7..).find(|step| is_coprime(*step, texts.len())).unwrap();
    let order: Vec<usize> = (0..texts.len()).map(|i| (i + turn) * step % texts.len()).collect();
    let shuffled: Vec<_> = order.iter().map(|index| std::mem::take(&mut texts[*index])).collect();
    [b" { ", &shuffled.join(&b" , "[..])[..], b" } "].concat()
}

fn is_coprime(a: usize, b: usize) -> bool {
    (2..=a).all(|divisor| !a.is_multiple_of(divisor) || !b.is_multiple_of(divisor))
}

#[test]
fn json_in_another_order_says_the_same() {
    let (name, log) = LOGS[2];
    let by_template = recognised(name, log);
    let parsers = [&by_template, &LineParser::json_by_key()];
    let (mut spans, mut other_spans) = (Spans::default(), Spans::default());
    for (turn, line) in lines(log).enumerate() {
        let record = by_template.parse(line, &mut spans).unwrap();
        let rearranged = rearranged(line, turn);
        for parser in parsers {
            let other = parser.parse(&rearranged, &mut other_spans).unwrap_or_else(|error| {
                panic!("{}", parser.explain(&error, &rearranged));
            });
            for field in Field::ALL {
                assert_eq!(record.logged(*field), other.logged(*field), "{field:?}");
            }
        }
    }
}
