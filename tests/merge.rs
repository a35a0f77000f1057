//! The ledger merges: any split of a log, merged in any order, equals the whole.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use gatelog::event::judge::JudgeSettings;
use gatelog::event::route::{Patterns, Router};
use gatelog::event::server::Servers;
use gatelog::event::{Judge, Scope};
use gatelog::ledger::Ledger;
use gatelog::ledger::distinct::Seed;
use gatelog::reader::{LineCounts, Reader, TimeRange};
use gatelog::show::report_json::ReportJson;
use gatelog::show::report_text::ReportText;
use gatelog::show::summary::Summary;
use gatelog::show::text_table::Terminal;
use gatelog::source::Line;
use gatelog_parsers::line::LineParser;
use gatelog_parsers::log_format::LogFormat;
use gatelog_parsers::recognise::MTLS_EXTENDED;
use proptest::prelude::*;

const ROUTES_MAX: usize = 500;

fn count<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Ledger {
    let parser = LineParser::new(&LogFormat::parse(MTLS_EXTENDED.as_bytes()).unwrap());
    let [mut reader, mut denials_reader] = [Scope::All, Scope::Denials].map(|scope| {
        let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let judge = Judge::new(&parser, servers, JudgeSettings { scope, ..Default::default() });
        Reader::new(parser.clone(), judge, TimeRange::default())
    });
    let router = Router::new(Patterns::default());
    let mut ledger = Ledger::new(Seed::new(7), ROUTES_MAX);
    for bytes in lines {
        let line = Line { bytes, line_number: 1, ..Line::default() };
        // Some sources log nothing but denials.
        let is_partial = memchr::memmem::find(bytes, b"/p1/").is_some();
        let reader = if is_partial { &mut denials_reader } else { &mut reader };
        assert!(reader.count(&line, &mut ledger, &router), "{}", bytes.escape_ascii());
    }
    ledger
}

/// Everything that leaves a ledger: both reports, and the refused of the last hour.
fn shown(ledger: &Ledger) -> String {
    let summary = Summary::new(ledger);
    let lines = LineCounts::default();
    let json = serde_json::to_string(&ReportJson::new(&summary, lines, None)).unwrap();
    let terminal = Terminal { columns: 100, color: false, utf8: true };
    let text =
        ReportText { summary: &summary, lines, logs: "x.log", has_conf: false }.render(&terminal);
    let mut refused = ledger.refused.top(0, 1000);
    refused.sort_unstable();
    format!("{json}\n{text}\n{refused:?}")
}

/// Merges the parts of `lines` that `places` puts each line into, from the part `first` on.
fn merged(lines: &[Vec<u8>], places: &[usize], parts: usize, first: usize) -> Ledger {
    let mut whole = Ledger::new(Seed::new(7), ROUTES_MAX);
    for part in (0..parts).map(|part| (part + first) % parts) {
        let of_part =
            lines.iter().zip(places.iter().cycle()).filter(|(_, place)| **place % parts == part);
        whole.merge(&count(of_part.map(|(line, _)| line.as_slice())));
    }
    whole
}

#[test]
fn the_corpus_in_two_halves() {
    let log = include_bytes!("corpus/nginx-mtls-extended.log");
    // One DN is longer than is kept: beyond a bound, the hits depend on the split.
    let is_kept =
        |line: &&[u8]| !line.is_empty() && memchr::memmem::find(line, b"dn-long").is_none();
    let lines = log.split(|&byte| byte == b'\n').filter(is_kept);
    let lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
    let whole = shown(&count(lines.iter().map(Vec::as_slice)));
    for first in 0..2 {
        assert_eq!(shown(&merged(&lines, &[0, 1], 2, first)), whole);
    }
}

/// A line of few servers, routes, certificates and addresses, at any time of four days.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let client = (0u8..6, 0u8..40, 0u8..4);
    let request = (0u8..3, 0u8..6, 0i64..4 * 86_400, 1u8..3);
    (client, request, any::<bool>()).prop_map(|((certificate, addr, verify), (server, path, second, nth), upstream)| {
        let (verify, status) = match verify {
            0 => ("SUCCESS", if certificate == 3 { 403 } else { 200 }),
            1 => ("FAILED:certificate has expired", 400),
            2 => ("FAILED:self-signed certificate", if certificate == 2 { 200 } else { 400 }),
            _ => ("NONE", if path == 0 { 200 } else { 400 }),
        };
        let sent = |text: String| if verify == "NONE" { "-".to_owned() } else { text };
        let dn = sent(format!("CN=client-{},O=x", certificate / 2));
        // One is known by its name alone, so that its renewals share an entry; of another a source
        // tells that logs less.
        let (by_name, in_short) = (certificate == 5, certificate == 4 && nth == 1);
        let unless = |unset, text: String| if unset { "-".to_owned() } else { text };
        let fingerprint = unless(by_name, sent(format!("{certificate:040x}")));
        let issuer = unless(in_short, dn.clone());
        let year = if by_name { 2027 + u16::from(path) } else { 2027 };
        let end = unless(in_short, sent(format!("Nov 22 11:51:15 {year} GMT")));
        let upstream = if upstream { "10.0.0.1:80, 10.0.0.2:80" } else { "-" };
        let msec = 1_795_000_000 + second;
        format!(
            "10.0.0.{addr} - - [22/Nov/2026:11:51:17 +0000] \"GET /p{path}/{second} HTTP/1.1\" {status} 3 \
             \"-\" \"a\" client_verify={verify} client_dn=\"{dn}\" client_fp={fingerprint} \
             upstream_addr=\"{upstream}\" upstream_status=\"-\" request_time=0.000 \
             upstream_response_time=\"-\" ssl_protocol=TLSv1.3 ssl_cipher=C{nth} issuer_dn=\"{issuer}\" \
             serial=- v_start=\"-\" v_end=\"{end}\" v_remain=- session_reused=. server_name=s{server} \
             server_port=443 sni=\"-\" host=\"-\" request_id=- connection=1 \
             connection_requests={nth} msec={msec}.000"
        )
        .into_bytes()
    })
}

proptest! {
    #[test]
    fn any_split_in_any_order(
        lines in proptest::collection::vec(line(), 1..300),
        places in proptest::collection::vec(0usize..100, 1..50),
        parts in 1usize..6,
        first in 0usize..6,
    ) {
        let whole = shown(&count(lines.iter().map(Vec::as_slice)));
        prop_assert_eq!(shown(&merged(&lines, &places, parts, first)), whole);
    }
}
