//! The first byte picks a format and one of two games. Even: the rest is a line. Odd: the rest are
//! the values clients choose, between 0xFE bytes; escaped as nginx does and written by the format,
//! each comes back as it was, or the line is refused.

use std::sync::LazyLock;

use gatelog_parsers::escape::Escape;
use gatelog_parsers::line::{LineParser, Spans};
use gatelog_parsers::log_format::{LogFormat, Piece};
use gatelog_parsers::recognise::{self, KNOWN_FORMATS};
use gatelog_parsers::variable::{Field, Shape};

use crate::check_line::{check_line, escaped};

const FURTHER_FORMATS: [&str; 11] = [
    "$remote_user [$time_local] \"$request\"",
    "$ssl_client_verify $ssl_client_fingerprint $status",
    "$http_user_agent $upstream_addr $upstream_status $status",
    "$uri $status $http_x_note",
    "$ssl_client_s_dn, $ssl_client_i_dn, $ssl_client_serial $ssl_client_v_end $status",
    "$request_uri|$http_user_agent|$status",
    "escape=none \"$http_user_agent\" verify=$ssl_client_verify dn=\"$ssl_client_s_dn\" fp=$ssl_client_fingerprint",
    "escape=none $remote_addr - $remote_user [$time_local] \"$request\" $status",
    "escape=json $remote_addr - $remote_user [$time_local] \"$request\" $status\t$http_user_agent",
    r#"escape=json {"log":"{\"uri\":\"$uri\",\"agent\":\"$http_user_agent\",\"status\":$status}"}"#,
    r#"{"agent": "$http_user_agent", "status": $status, "dn": "$ssl_client_s_dn"}"#,
];

static FORMATS: LazyLock<Vec<(LogFormat, LineParser)>> = LazyLock::new(|| {
    let texts = KNOWN_FORMATS.iter().chain(&FURTHER_FORMATS);
    let formats = texts.map(|text| LogFormat::parse(text.as_bytes()).unwrap());
    formats.map(|format| (format.clone(), LineParser::new(&format))).collect()
});
static BY_KEY: LazyLock<LineParser> = LazyLock::new(LineParser::json_by_key);

/// One run.
pub fn run(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    let pick = usize::from(first / 2) % (FORMATS.len() + 1);
    match (FORMATS.get(pick), first % 2) {
        (Some((format, parser)), 0) => check_line(parser, Some(format), rest),
        (Some((format, parser)), _) => check_values(parser, format, rest, pick),
        (None, _) => {
            check_line(&BY_KEY, None, rest);
            recognise::recognise(rest.split(|byte| *byte == b'\n'), std::slice::from_ref(&BY_KEY));
        }
    }
}

fn check_values(parser: &LineParser, format: &LogFormat, chosen: &[u8], pick: usize) {
    let mut chosen = chosen.split(|byte| *byte == 0xfe);
    let mut line = Vec::new();
    let mut values = Vec::new();
    for piece in &format.pieces {
        match piece {
            Piece::Literal(text) => line.extend(text),
            Piece::Variable(name) => {
                let field = Field::from_variable(name.as_bytes());
                let shape = field.map_or(Shape::Text, Field::shape);
                let value = chosen.next().unwrap_or_default();
                let logged = match known_values(shape) {
                    [] => escaped(format.escape, value),
                    known => {
                        let index = usize::from(value.first().copied().unwrap_or_default());
                        escaped(format.escape, known[index % known.len()].as_bytes())
                    }
                };
                line.extend(&logged);
                values.push((name, field, logged, value));
            }
        }
    }
    check_line(parser, Some(format), &line);
    let mut spans = Spans::default();
    let record = match parser.parse(&line, &mut spans) {
        Ok(record) => record,
        Err(error) => {
            // Each end in the formats known by name is certain.
            let known = pick < KNOWN_FORMATS.len();
            assert!(!known, "{}\n{}", parser.explain(&error, &line), line.escape_ascii());
            return;
        }
    };
    if format.escape == Escape::None {
        return;
    }
    for (name, field, logged, value) in values {
        let Some(field) = field else { continue };
        let found = record.logged(field);
        // By its keys, a line is read in part where its template is not.
        if found.is_none() && line.starts_with(b"{") {
            continue;
        }
        assert_eq!(found, Some(&logged[..]), "{name} of {}", line.escape_ascii());
        if field.shape() == Shape::Text && !value.is_empty() {
            assert_eq!(record.escape().undo(&logged), value, "{name}");
        }
    }
}

/// Values that nginx writes for a shape; none for text.
fn known_values(shape: Shape) -> &'static [&'static str] {
    match shape {
        Shape::Text => &[],
        Shape::Token => &["", "GET", "TLSv1.3", "gate.internal", "-"],
        Shape::Address => &["127.0.0.1", "fe80::1", "unix:"],
        Shape::TimeLocal => &["22/Nov/2026:11:51:17 +0000"],
        Shape::TimeIso8601 => &["2026-11-22T11:51:17+00:00"],
        Shape::Status => &["200", "400", "000"],
        Shape::Integer => &["", "0", "200", "18446744073709551615"],
        Shape::Decimal => &["", "0.000", "1795348277.777"],
        Shape::Sha1 => &["", "b2b279f36e5659cfddf7868eec97131e076d4e65"],
        Shape::Hex => &["0af7651916cd43dd8448eb211c80319c"],
        Shape::Serial => &["", "01", "-04D2", "ABAB\\\nABAB"],
        Shape::Verify => &[
            "",
            "NONE",
            "SUCCESS",
            "FAILED:certificate has expired",
            "FAILED:certificate is not yet valid or the system clock is incorrect",
            "FAILED:words of next year",
        ],
        Shape::CertificateTime => {
            &["", "Nov  2 11:51:15 2027 GMT", "Bad time value", "Jan  1 01:01:01.5 5 GMT"]
        }
        Shape::SessionReused => &["", "r", "."],
        Shape::UpstreamAddresses => {
            &["", "127.0.0.1:1", "127.0.0.1:1, unix:/run/x", ", a : ", "127.0.0.1:1 : group"]
        }
        Shape::UpstreamNumbers => &["", "200", "502, 200", "404 : ", "-, 200", "0.001 : -"],
    }
}
