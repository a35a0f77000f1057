//! Nothing that clients send makes the agent grow beyond its bounds: it reads lines of which each has
//! another certificate, name, path and address, and keeps what belongs here.
//!
//! `GATELOG_CARDINALITY` is how many different certificates are sent, 40,000 without it. The figures
//! are printed: `GATELOG_CARDINALITY=10000000 cargo test --release --test cardinality -- --nocapture`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test says so by failing, and how far it came"
)]

mod lines;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gatelog::clock::Clock;
use lines::{Attack, CLIENTS, Format, ROUTES};

/// Different certificates without the variable: enough to fill every table.
const CERTIFICATES_DEFAULT: u64 = 60_000;

/// What the agent may take, whatever is sent to it. Of an unoptimised program more pages are its own code.
const RESIDENT_BYTES_MAX: u64 = if cfg!(debug_assertions) { 70 << 20 } else { 64 << 20 };

/// The largest page of `/metrics`.
const PAGE_BYTES_MAX: usize = 2_000_000;

/// Certificates that are written before the agent is waited for.
const PIECE_CERTIFICATES: u64 = 10_000;

/// One line in so many hostile ones is of a client that belongs here.
const GENUINE_EVERY: u64 = 8;

/// One request in so many hostile ones has no certificate.
const NAMELESS_EVERY: u64 = 16;

/// One line in so many hostile ones is longer than any that is kept.
const ENDLESS_EVERY: u64 = 50_000;

/// How long a piece may take to be counted.
const WAIT_MAX: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(50);

/// Bounds that these lines hit; `reasons` is met only after some hundred thousand certificates.
const LIMITS: [&str; 10] = [
    "line_bytes",
    "routes",
    "routes_of_refused",
    "route_bytes",
    "verified_certificates",
    "claimed_certificates",
    "addresses",
    "dn_bytes",
    "issuers",
    "refused_certificates",
];

/// A log that is written and rotated by renaming.
struct Log {
    path: PathBuf,
    format: Format,
    file: File,
    text: Vec<u8>,
    rotations: u32,
}

/// What was written.
#[derive(Default)]
struct Written {
    bytes: u64,
    parsed: u64,
    unparsed: u64,
    genuine: u64,
    failures: u64,
    first_of_connection: u64,
}

impl Log {
    fn new(path: PathBuf, format: Format) -> Log {
        let file = File::create(&path).unwrap();
        Log { path, format, file, text: Vec::new(), rotations: 0 }
    }

    /// Adds a hostile line and what comes with it.
    fn add(&mut self, attack: Attack, number: u64, written: &mut Written) {
        let Log { text, format, .. } = self;
        written.failures += u64::from(lines::hostile(text, *format, attack, number));
        written.parsed += 1;
        written.first_of_connection += 1;
        if number.is_multiple_of(GENUINE_EVERY) {
            self.add_genuine(number, written);
        }
        let Log { text, format, .. } = self;
        if number.is_multiple_of(NAMELESS_EVERY) {
            lines::nameless(text, *format, number);
            written.parsed += 1;
            written.failures += 1;
            written.first_of_connection += 1;
        }
        if number.is_multiple_of(ENDLESS_EVERY) {
            text.extend_from_slice(&b"x".repeat(300_000));
            text.push(b'\n');
            written.unparsed += 1;
        }
    }

    /// Adds the next line of a client that belongs here.
    fn add_genuine(&mut self, number: u64, written: &mut Written) {
        lines::genuine(&mut self.text, self.format, number, written.genuine);
        written.first_of_connection += u64::from(written.genuine.is_multiple_of(10));
        written.genuine += 1;
        written.parsed += 1;
    }

    fn write(&mut self, written: &mut Written) {
        self.file.write_all(&self.text).unwrap();
        written.bytes += self.text.len() as u64;
        self.text.clear();
    }

    /// Moves the file away, as logrotate does; all of it has been read.
    fn rotate(&mut self) {
        self.rotations += 1;
        let rotated = self.path.with_extension(self.rotations.to_string());
        fs::rename(&self.path, &rotated).unwrap();
        self.file = File::create(&self.path).unwrap();
        fs::remove_file(rotated).unwrap();
    }
}

/// The agent, stopped when it goes.
struct Agent {
    child: Child,
    address: String,
}

impl Agent {
    fn start(directory: &Path, logs: &[&str]) -> Agent {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .args(["run", "--from", "beginning", "--listen", "127.0.0.1:0"])
            .args(["--state-dir", "state"])
            .args(logs)
            .current_dir(directory)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            Some(line.split_once("http://")?.1.split_once('/')?.0.to_owned())
        });
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Agent { child, address: address.unwrap() }
    }

    fn page(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Waits until all of these bytes are counted, and returns the page that says so.
    fn counts(&self, bytes: u64) -> String {
        let clock = Clock::system();
        loop {
            let page = self.page();
            let counted = sum(&page, "log_bytes_total", "");
            if counted == bytes {
                return page;
            }
            assert!(counted < bytes, "{counted} bytes are counted of {bytes}");
            assert!(clock.monotonic().since_start() < WAIT_MAX, "{counted} of {bytes} bytes");
            std::thread::sleep(PAUSE);
        }
    }

    /// Resident memory in bytes: as it is, or at its highest.
    fn resident_bytes(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        1024 * line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The sum of the series of a family that have this label.
fn sum(page: &str, family: &str, label: &str) -> u64 {
    let start = format!("gatelog_{family}{{");
    let series = page.lines().filter(|line| line.starts_with(&start) && line.contains(label));
    series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

/// What is at its highest at any time.
#[derive(Default)]
struct Most {
    page_bytes: usize,
    resident_bytes: u64,
}

#[test]
fn whatever_is_sent_the_agent_stays_small() {
    let certificates = std::env::var("GATELOG_CARDINALITY");
    let certificates = certificates.map_or(CERTIFICATES_DEFAULT, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut logs = [("edge.log", Format::Extended), ("json.log", Format::Json)]
        .map(|(name, format)| Log::new(directory.path().join(name), format));
    let agent = Agent::start(directory.path(), &["edge.log", "json.log"]);
    let clock = Clock::system();
    let (mut written, mut most, mut page) = (Written::default(), Most::default(), String::new());
    // They were there before.
    (0..CLIENTS).for_each(|_| logs[0].add_genuine(0, &mut written));
    logs[0].write(&mut written);
    agent.counts(written.bytes);
    let said_every = (certificates / 20).max(PIECE_CERTIFICATES);
    let mut number = 0;
    while number < certificates {
        let end = certificates.min(number + PIECE_CERTIFICATES);
        let mut attack = Attack::Refused;
        while number < end {
            attack = match 4 * number / certificates {
                0 => Attack::Refused,
                1 => Attack::Verified,
                _ => Attack::Mixed,
            };
            // Eighths of each kind, in both formats.
            logs[usize::try_from(number / 8 % 2).unwrap()].add(attack, number, &mut written);
            number += 1;
        }
        logs.iter_mut().for_each(|log| log.write(&mut written));
        page = agent.counts(written.bytes);
        most.page_bytes = most.page_bytes.max(page.len());
        most.resident_bytes = agent.resident_bytes("VmHWM:");
        logs.iter_mut().for_each(Log::rotate);
        if number % said_every < PIECE_CERTIFICATES || number == certificates {
            eprintln!(
                "{attack:?} until {number} certificates, {} MB read, {:.1} s: resident {:.1} MiB, at its highest {:.1}; \
                 /metrics {} bytes",
                written.bytes / 1_000_000,
                clock.monotonic().since_start().as_secs_f64(),
                mib(agent.resident_bytes("VmRSS:")),
                mib(most.resident_bytes),
                page.len()
            );
        }
    }
    for limit in page.lines().filter(|line| line.starts_with("gatelog_limit_hits_total")) {
        eprintln!("{limit}");
    }
    counts_are_exact(&page, &written);
    let hit = |limit: &&str| sum(&page, "limit_hits_total", &format!("\"{limit}\"")) > 0;
    let unhit: Vec<_> = LIMITS.iter().filter(|limit| !hit(limit)).collect();
    assert!(unhit.is_empty(), "bounds that were not hit: {unhit:?}");
    assert!(most.page_bytes < PAGE_BYTES_MAX, "a page of {} bytes", most.page_bytes);
    let most_bytes = most.resident_bytes;
    assert!(most_bytes <= RESIDENT_BYTES_MAX, "{:.1} MiB are resident", mib(most_bytes));
}

/// Totals are exact, and what belongs here is still told apart.
fn counts_are_exact(page: &str, written: &Written) {
    assert_eq!(sum(page, "log_lines_total", "\"parsed\""), written.parsed);
    assert_eq!(sum(page, "log_lines_total", "\"unparsed\""), written.unparsed);
    assert_eq!(sum(page, "requests_total", ""), written.parsed);
    assert_eq!(sum(page, "verify_failures_total", ""), written.failures);
    assert_eq!(sum(page, "connections_total", ""), written.first_of_connection);
    for nth in 0..ROUTES {
        let label = format!("route=\"{}\",verdict=\"verified\"", lines::route(nth));
        let expected = (written.genuine + ROUTES - 1 - nth) / ROUTES;
        assert_eq!(sum(page, "requests_total", &label), expected, "{label}");
    }
    // The page shows the hundred that end soonest, which are theirs.
    let family = "client_certificate_not_after_timestamp_seconds";
    for client in 0..CLIENTS.min(100) {
        let fingerprint = lines::fingerprint(client);
        assert!(sum(page, family, &fingerprint) > 0, "{fingerprint} is not among them");
    }
}

fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap()) / 1024.0
}
