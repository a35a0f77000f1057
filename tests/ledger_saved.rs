//! A ledger that was saved, as an image and the journal after it, is the ledger that there was.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use std::io::Write as _;
use std::ops::Range;
use std::sync::LazyLock;

use gatelog::event::Judge;
use gatelog::event::judge::JudgeSettings;
use gatelog::event::route::{Patterns, Router};
use gatelog::event::server::Servers;
use gatelog::ledger::Ledger;
use gatelog::ledger::distinct::Seed;
use gatelog::ledger::image::ImageReader;
use gatelog::ledger::limit_hits::Limit;
use gatelog::ledger::replay::Replay;
use gatelog::reader::{LineCounts, Reader, TimeRange};
use gatelog::show::metrics::{Metrics, Snapshot};
use gatelog::show::report_json::ReportJson;
use gatelog::show::report_text::ReportText;
use gatelog::show::summary::Summary;
use gatelog::show::text_table::Terminal;
use gatelog::source::Line;
use gatelog_parsers::line::LineParser;
use gatelog_parsers::log_format::LogFormat;
use gatelog_parsers::recognise::MTLS_EXTENDED;
use generate_log::{Format, Generator, Sizes};
use proptest::prelude::*;
use proptest::sample::Index;

/// Few, so that the bound is met.
const ROUTES_MAX: usize = 20;

/// A ledger, the way to count in it, and what would be on a disk.
struct Agent {
    reader: Reader,
    router: Router,
    ledger: Ledger,
    image: Vec<Vec<u8>>,
    journal: Vec<Vec<u8>>,
}

impl Agent {
    fn new() -> Agent {
        let parser = LineParser::new(&LogFormat::parse(MTLS_EXTENDED.as_bytes()).unwrap());
        let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let judge = Judge::new(&parser, servers, JudgeSettings::default());
        let mut ledger = Ledger::new(Seed::new(7), ROUTES_MAX);
        let image = image(&ledger);
        ledger.keep_journal(true);
        Agent {
            reader: Reader::new(parser, judge, TimeRange::default()),
            router: Router::new(Patterns::default()),
            ledger,
            image,
            journal: Vec::new(),
        }
    }

    fn count(&mut self, bytes: &[u8], cut: bool) {
        let line = Line { bytes, cut, line_number: 1, ..Line::default() };
        self.reader.count(&line, &mut self.ledger, &self.router);
    }

    /// Saves what was counted since.
    fn commit(&mut self) {
        self.journal.push(self.ledger.journal().unwrap().take(Vec::new()));
    }

    /// Saves everything, and begins a journal anew.
    fn checkpoint(&mut self) {
        self.image = image(&self.ledger);
        self.journal.clear();
        self.ledger.keep_journal(true);
    }

    /// What another process would find on the disk.
    fn restored(&self) -> Ledger {
        let mut ledger = from_image(&self.image);
        let mut replay = Replay::default();
        for piece in &self.journal {
            replay.take(piece, &mut ledger).unwrap();
        }
        ledger
    }

    /// Is killed, and goes on with what was saved.
    fn restart(&mut self) {
        self.ledger = self.restored();
        self.ledger.keep_journal(true);
    }
}

fn image(ledger: &Ledger) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    ledger
        .image(|part| {
            parts.push(part);
            Ok(())
        })
        .unwrap();
    parts
}

fn from_image(parts: &[Vec<u8>]) -> Ledger {
    let mut reader = ImageReader::default();
    parts.iter().for_each(|part| reader.take(part).unwrap());
    reader.finish().unwrap()
}

fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn generated(seed: u64, count: usize) -> Vec<u8> {
    let sizes = Sizes { certificates: 300, paths: 100, ..Sizes::default() };
    Generator::new(seed, sizes, Format::Extended).lines(count)
}

#[test]
fn an_image_is_the_ledger() {
    for log in [generated(1, 20_000), include_bytes!("corpus/nginx-mtls-extended.log").to_vec()] {
        let mut agent = Agent::new();
        lines(&log).for_each(|line| agent.count(line, false));
        let parts = image(&agent.ledger);
        let restored = from_image(&parts);
        assert!(image(&restored) == parts);
        assert_eq!(restored.certificates.iter().count(), agent.ledger.certificates.iter().count());
        assert_eq!(restored.verdicts(), agent.ledger.verdicts());
        assert!(restored.limits.iter().any(|(limit, hits)| limit == Limit::Routes && hits > 0));
    }
}

#[test]
fn a_cut_image_is_none() {
    let mut agent = Agent::new();
    lines(&generated(1, 3_000)).for_each(|line| agent.count(line, false));
    let parts = image(&agent.ledger);
    let whole = parts.concat();
    for end in (0..whole.len() - 1).step_by(997).chain([whole.len() - 1]) {
        let mut reader = ImageReader::default();
        let taken = reader.take(&whole[..end]);
        assert!(taken.is_err() || reader.finish().is_err(), "{end} of {}", whole.len());
    }
}

/// Certificates, addresses and routes beyond every bound: the entries that leave do so alike.
#[test]
fn beyond_the_bounds() {
    let mut agent = Agent::new();
    let mut line = Vec::new();
    for number in 0..60_000_u64 {
        line.clear();
        // Most are strangers with long names; some come back, and some of those are let in then.
        let client = match number % 7 {
            0 => number / 14,
            // Still there, while others have left and made it move.
            1 | 2 => number - number % 3001,
            _ => number,
        };
        let (verify, status) = match client % 5 {
            0 => ("SUCCESS", 200),
            1 if number % 2 == 0 => ("SUCCESS", 403),
            _ => ("FAILED:certificate has expired", 400),
        };
        let name = "x".repeat(usize::try_from(client % 900).unwrap());
        write!(
            line,
            "10.{}.{}.{} - - [22/Nov/2026:11:51:17 +0000] \"GET /p{}/{} HTTP/1.1\" {status} 3 \"-\" \
             \"a\" client_verify={verify} client_dn=\"CN={client}{name}\" client_fp={client:040x} \
             upstream_addr=\"10.0.0.{}:80\" upstream_status=\"-\" request_time=0.000 \
             upstream_response_time=\"-\" ssl_protocol=TLSv1.3 ssl_cipher=C{} issuer_dn=\"CN=i{}\" \
             serial=- v_start=\"-\" v_end=\"Nov 22 11:51:15 2027 GMT\" v_remain=- session_reused=. \
             server_name=s{} server_port=443 sni=\"-\" host=\"-\" request_id=- connection=1 \
             connection_requests=1 msec={}.000",
            client % 3, client / 250 % 250, client % 250, number % 50, number % 3, client / 12 % 60,
            client / 12 % 40, client % 1500, client % 12, 1_795_000_000 + number / 20,
        )
        .unwrap();
        agent.count(&line, number % 997 == 0);
        if number % 1000 == 999 {
            agent.commit();
        }
        if number == 30_000 {
            agent.checkpoint();
        }
    }
    for limit in [
        Limit::Routes,
        Limit::Upstreams,
        Limit::TlsCiphers,
        Limit::ClaimedCertificates,
        Limit::DnBytes,
        Limit::LineBytes,
    ] {
        assert!(
            agent.ledger.limits.iter().any(|(known, hits)| known == limit && hits > 0),
            "{limit:?}"
        );
    }
    let parts = image(&agent.ledger);
    assert!(image(&agent.restored()) == parts);
    // The bounds count as they did: what comes now makes the same leave.
    let mut other = Agent::new();
    other.ledger = from_image(&parts);
    for agent in [&mut agent, &mut other] {
        lines(&generated(3, 20_000)).for_each(|line| agent.count(line, false));
    }
    assert!(image(&agent.ledger) == image(&other.ledger));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Count(u8),
    Commit,
    Checkpoint,
    Kill,
    RoutesMax(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<u8>().prop_map(Step::Count),
        4 => Just(Step::Commit),
        1 => Just(Step::Checkpoint),
        2 => Just(Step::Kill),
        1 => (1..60u8).prop_map(Step::RoutesMax),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_kill_goes_back_to_what_was_saved(steps in prop::collection::vec(step(), 1..40), seed in 0u64..20) {
        let log = [generated(seed, 3_000), include_bytes!("corpus/nginx-mtls-extended.log").to_vec()];
        let log = log.concat();
        let mut lines = lines(&log).cycle();
        let mut agent = Agent::new();
        let mut saved = agent.image.clone();
        for step in steps {
            match step {
                Step::Count(count) => {
                    for number in 0..count {
                        agent.count(lines.next().unwrap(), number == 200);
                    }
                }
                Step::Commit => {
                    agent.commit();
                    saved = image(&agent.ledger);
                    prop_assert!(image(&agent.restored()) == saved);
                }
                Step::Checkpoint => {
                    agent.checkpoint();
                    saved = image(&agent.ledger);
                }
                Step::Kill => {
                    agent.restart();
                    prop_assert!(image(&agent.ledger) == saved);
                }
                Step::RoutesMax(most) => agent.ledger.set_routes_max(most.into()),
            }
        }
    }
}

/// What a disk, a fault of ours or another version may do to stored bytes.
#[derive(Clone, Debug)]
enum Damage {
    /// Another byte.
    Byte(Index, u8),
    /// Another number, or length, in the head of an item.
    Number(Index, u64),
    /// Bytes that stand somewhere else too.
    Copy(Index, Index, u8),
    Remove(Index, u8),
    Cut(Index),
}

impl Damage {
    fn on(&self, bytes: &mut Vec<u8>) {
        let range = |at: &Index, length: u8| {
            let start = at.index(bytes.len() + 1);
            start..(start + usize::from(length)).min(bytes.len())
        };
        match self {
            Damage::Byte(at, byte) => {
                let at = at.index(bytes.len() + 1);
                bytes.get_mut(at).into_iter().for_each(|known| *known = *byte);
            }
            Damage::Number(at, number) => {
                let at = at.index(heads(bytes).len().max(1));
                *bytes = with_number(bytes, at, *number);
            }
            Damage::Copy(at, to, length) => {
                let copy = bytes.get(range(at, *length)).unwrap_or_default().to_vec();
                let to = to.index(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            Damage::Remove(at, length) => drop(bytes.drain(range(at, *length))),
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        }
    }
}

/// Where the heads of CBOR items are that hold a number or a length, and of which major type.
fn heads(bytes: &[u8]) -> Vec<(Range<usize>, u8)> {
    let mut heads = Vec::new();
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        let (major, argument) = (first >> 5, first & 31);
        let argument_bytes = if let 24..28 = argument { 1 << (argument - 24) } else { 0 };
        let end = at + 1 + argument_bytes;
        let number = bytes.get(at + 1..end).unwrap_or_default().iter();
        let number = number.fold(0, |number, byte| number << 8 | usize::from(*byte));
        let number = if argument < 24 { argument.into() } else { number };
        if major < 6 && end <= bytes.len() {
            heads.push((at..end, major));
        }
        at = if let 2 | 3 = major { end.saturating_add(number) } else { end };
    }
    heads
}

fn damage() -> impl Strategy<Value = Damage> {
    let number = prop_oneof![
        0..3u64,
        (0..64u32).prop_map(|bits| 1 << bits),
        (0..64u32).prop_map(|bits| u64::MAX >> bits),
        any::<u64>(),
    ];
    prop_oneof![
        8 => (any::<Index>(), number).prop_map(|(at, number)| Damage::Number(at, number)),
        1 => any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => any::<(Index, Index, u8)>().prop_map(|(at, to, length)| Damage::Copy(at, to, length)),
        1 => any::<(Index, u8)>().prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

/// A ledger that counts, merges, is shown and saved as any other.
fn assert_usable(mut ledger: Ledger, log: &[u8]) {
    let mut agent = Agent::new();
    lines(log).take(50).for_each(|line| agent.count(line, false));
    agent.ledger.merge(&ledger);
    let merged = std::mem::replace(&mut agent.ledger, Ledger::new(Seed::new(7), ROUTES_MAX));
    ledger.keep_journal(true);
    agent.ledger = ledger;
    lines(log).for_each(|line| agent.count(line, false));
    for ledger in [&merged, &agent.ledger] {
        let parts = image(ledger);
        assert_eq!(from_image(&parts).verdicts(), ledger.verdicts());
        let summary = Summary::new(ledger);
        let counts = LineCounts::default();
        serde_json::to_string(&ReportJson::new(&summary, counts, None)).unwrap();
        let terminal = Terminal { columns: 100, color: false, utf8: true };
        ReportText { summary: &summary, lines: counts, logs: "x.log", has_conf: false }
            .render(&terminal);
        let snapshot = Snapshot::new(ledger, Vec::new(), 1_795_000_000_000);
        Metrics::new().unwrap().page(snapshot, true).unwrap();
    }
}

/// An image, the journal behind it, and lines that go on: few, so that damage hits each kind of item.
fn stored() -> &'static (Vec<u8>, Vec<u8>, Vec<u8>) {
    static STORED: LazyLock<(Vec<u8>, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
        let corpus = lines(include_bytes!("corpus/nginx-mtls-extended.log"));
        let log = corpus.step_by(7).take(14).collect::<Vec<_>>().join(&b'\n');
        let mut agent = Agent::new();
        lines(&log).take(10).for_each(|line| agent.count(line, false));
        agent.checkpoint();
        agent.ledger.set_routes_max(30);
        lines(&log).skip(10).for_each(|line| agent.count(line, false));
        agent.ledger.hit_if(true, Limit::LineBytes);
        agent.commit();
        (agent.image.concat(), agent.journal.concat(), log)
    });
    &STORED
}

/// Reads a ledger, if it is one, and uses it.
fn read_and_use(image: &[u8], journal: &[u8], log: &[u8]) {
    let mut reader = ImageReader::default();
    if reader.take(image).is_ok()
        && let Ok(mut ledger) = reader.finish()
    {
        // What stands before the damage is recorded.
        let _replayed = Replay::default().take(journal, &mut ledger);
        assert_usable(ledger, log);
    }
}

/// Each number and length in turn, as large as they can be: sums that overflow, memory that is not
/// there, lists that go on for ever.
#[test]
fn no_number_is_trusted() {
    let (image, journal, log) = stored();
    for at in 0..heads(image).len() {
        read_and_use(&with_number(image, at, u64::MAX), journal, log);
    }
    for at in 0..heads(journal).len() {
        read_and_use(image, &with_number(journal, at, u64::MAX), log);
    }
}

fn with_number(bytes: &[u8], at: usize, number: u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((range, major)) = heads(&bytes).get(at).cloned() {
        bytes.splice(range, [&[major << 5 | 27][..], &number.to_be_bytes()].concat());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_bytes_are_an_error_or_a_ledger(
        of_image in prop::collection::vec(damage(), 0..3),
        of_journal in prop::collection::vec(damage(), 0..3),
    ) {
        let (mut image, mut journal, log) = stored().clone();
        of_image.iter().for_each(|damage| damage.on(&mut image));
        of_journal.iter().for_each(|damage| damage.on(&mut journal));
        read_and_use(&image, &journal, &log);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_ledger(bytes: Vec<u8>) {
        let mut reader = ImageReader::default();
        let _image = reader.take(&bytes);
        let _ledger = reader.finish();
        let mut ledger = from_image(&[stored().0.clone()]);
        let _replayed = Replay::default().take(&bytes, &mut ledger);
    }
}
