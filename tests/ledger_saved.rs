//! A ledger that was saved, as an image and the journal after it, is the ledger that there was.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use std::io::Write as _;

use gatelog::event::Judge;
use gatelog::event::judge::JudgeSettings;
use gatelog::event::route::{Patterns, Router};
use gatelog::event::server::Servers;
use gatelog::ledger::Ledger;
use gatelog::ledger::distinct::Seed;
use gatelog::ledger::image::ImageReader;
use gatelog::ledger::limit_hits::Limit;
use gatelog::ledger::replay::Replay;
use gatelog::reader::{Reader, TimeRange};
use gatelog::source::Line;
use gatelog_parsers::line::LineParser;
use gatelog_parsers::log_format::LogFormat;
use gatelog_parsers::recognise::MTLS_EXTENDED;
use generate_log::{Format, Generator, Sizes};
use proptest::prelude::*;

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
