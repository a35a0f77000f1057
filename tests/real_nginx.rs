//! A real nginx, real clients, and the agent between them: what `/metrics` says is held against
//! what each client did, on TLS 1.2 and 1.3.
//!
//! Needs nginx, openssl and curl, which `make test` installs; without them it says so and passes,
//! unless `CI` is set.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says so by failing, or why it was skipped"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long the agent may take to count the last request, in tries of [`TRY_EVERY`].
const TRIES_MAX: usize = 100;
const TRY_EVERY: Duration = Duration::from_millis(100);

/// A lab whose nginx is stopped when it goes.
struct Lab {
    directory: tempfile::TempDir,
    ports: BTreeMap<String, String>,
}

impl Lab {
    /// `None` when a tool is missing.
    fn start() -> Option<Lab> {
        let directory = tempfile::tempdir().unwrap();
        for port_base in
            (21_000..29_000).step_by(10).skip(usize::try_from(std::process::id() % 700).unwrap())
        {
            let output =
                script(&["start", directory.path().to_str().unwrap(), &port_base.to_string()]);
            let text = String::from_utf8(output.stdout).unwrap();
            match output.status.code() {
                Some(0) => {
                    let pair = |line: &str| {
                        line.split_once(' ').map(|(s, p)| (s.to_owned(), p.to_owned()))
                    };
                    return Some(Lab { directory, ports: text.lines().filter_map(pair).collect() });
                }
                Some(4) => {}
                Some(3) if std::env::var_os("CI").is_none() => {
                    eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
                    return None;
                }
                _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            }
        }
        panic!("no ten free ports");
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// One request; returns the status.
    fn hit(&self, server: &str, certificate: &str, tls: &str, path: &str) -> String {
        let directory = self.directory.path().to_str().unwrap();
        let output = script(&["hit", directory, server, certificate, tls, path]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        script(&["stop", self.directory.path().to_str().unwrap()]);
    }
}

fn script(arguments: &[&str]) -> std::process::Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/lab.sh");
    Command::new(script).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The agent, stopped when it goes.
struct Agent {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
    /// Where it listens for syslog over UDP.
    udp: Option<String>,
}

impl Agent {
    fn start(lab: &Lab) -> Agent {
        Agent::start_with(lab, &["--from", "beginning", &lab.path("extended.log")])
    }

    fn start_with(lab: &Lab, arguments: &[&str]) -> Agent {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .args(["run", "--state-dir", "none", "--listen", "127.0.0.1:0", "--nginx-conf"])
            .arg(lab.path("nginx.conf"))
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut udp = None;
        let address = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            if let Some((_, listen)) = line.split_once("listen=udp:") {
                udp = listen.split(' ').next().map(str::to_owned);
            }
            Some(line.split_once("http://")?.1.split_once('/')?.0.to_owned())
        });
        let log = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.for_each(|line| said.lock().unwrap().push_str(&format!("{}\n", line.unwrap())));
        });
        Agent { child, address: address.unwrap(), log, udp }
    }

    /// One that listens.
    fn listening(lab: &Lab, name: &str, listen: &str) -> Agent {
        let config = lab.path(&format!("{name}.toml"));
        std::fs::write(&config, format!("[[source]]\nlisten = \"{listen}\"\n")).unwrap();
        Agent::start_with(lab, &["--config", &config])
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The samples of a family, summed over all labels but these.
    fn sums(&self, family: &str, labels: &[&str]) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for line in self.get("/metrics").lines() {
            let Some(rest) = line.strip_prefix(family).and_then(|rest| rest.strip_prefix('{'))
            else {
                continue;
            };
            let (pairs, value) = rest.rsplit_once("} ").unwrap();
            let label = |name: &&str| {
                let start = format!("{name}=\"");
                let text = pairs.split(",").find_map(|pair| pair.strip_prefix(&start)).unwrap();
                text.trim_end_matches('"').to_owned()
            };
            let key = labels.iter().map(label).collect::<Vec<_>>().join(" ");
            *sums.entry(key).or_default() += value.parse::<u64>().unwrap();
        }
        sums.retain(|_, sum| *sum > 0);
        sums
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const GOOD: [&str; 6] = ["good", "ledger", "dn-comma", "dn-newline", "dn-inject", "dn-empty"];

/// Certificates that do not verify, and why; those that `optional_no_ca` lets in first.
const BAD: [(&str, &str); 7] = [
    ("selfsigned", "depth_zero_self_signed_cert"),
    ("untrusted", "unable_to_verify_leaf_signature"),
    ("untrustedchain", "self_signed_cert_in_chain"),
    ("nochain", "unable_to_verify_leaf_signature"),
    ("expired", "cert_has_expired"),
    ("notyet", "cert_not_yet_valid"),
    ("wrongeku", "invalid_purpose"),
];
const BAD_LET_IN: usize = 4;

/// What a client of this server should be counted as: verdict and reason.
fn expected(server: &str, certificate: &str) -> (&'static str, &'static str) {
    let bad = BAD.iter().position(|(name, _)| *name == certificate);
    let reason = bad.and_then(|index| BAD.get(index)).map_or("", |(_, reason)| *reason);
    match (server, certificate) {
        ("off", _) => ("anonymous", ""),
        ("optional-no-ca", "-") => ("anonymous", ""),
        ("optional-no-ca", _) if bad.is_some_and(|index| index < BAD_LET_IN) => {
            ("failed_open", reason)
        }
        (_, "-") => ("missing", "no_certificate"),
        ("stale-crl", _) if bad.is_none() => ("rejected", "crl_has_expired"),
        // With a CRL configured, nginx names the missing list of a foreign issuer first.
        ("crl", "selfsigned" | "untrustedchain") => ("rejected", "unable_to_get_crl"),
        ("crl", "revoked") => ("rejected", "cert_revoked"),
        _ if bad.is_some() => ("rejected", reason),
        _ => ("verified", ""),
    }
}

/// Which certificates are sent to which server.
fn cases() -> Vec<(&'static str, &'static str)> {
    let mut cases = Vec::new();
    let bad = BAD.iter().map(|(name, _)| *name);
    let all: Vec<_> = ["-"].into_iter().chain(GOOD).chain(bad).collect();
    for server in ["on", "optional", "optional-no-ca", "off", "courtesy200", "courtesy302", "crl"] {
        cases.extend(all.iter().map(|certificate| (server, *certificate)));
    }
    cases.extend([
        ("crl", "revoked"),
        ("stale-crl", "-"),
        ("stale-crl", "good"),
        ("stale-crl", "ledger"),
    ]);
    cases.extend([("proxy", "-"), ("proxy", "good"), ("proxy", "expired")]);
    cases
}

#[test]
fn metrics_say_what_the_clients_did() {
    let Some(lab) = Lab::start() else { return };
    let agent = Agent::start(&lab);
    let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |server: &str, verdict: &str, reason: &str| {
        *verdicts.entry(format!("{server}.lab {verdict}")).or_default() += 1;
        if !reason.is_empty() && verdict != "forbidden" {
            *reasons.entry(format!("{server}.lab {reason}")).or_default() += 1;
        }
    };
    let mut hits = 0;
    for tls in ["1.2", "1.3"] {
        for (server, certificate) in cases() {
            let status = lab.hit(server, certificate, tls, "/payments/7");
            let (verdict, reason) = expected(server, certificate);
            let shown = match (server, verdict) {
                ("courtesy200", _) | (_, "verified" | "anonymous" | "failed_open") => "200",
                ("courtesy302", _) => "302",
                ("optional", "missing") => "403",
                _ => "400",
            };
            assert_eq!(status, shown, "{server} {certificate} {tls}");
            count(server, verdict, reason);
            hits += 1;
        }
        assert_eq!(lab.hit("on", "ledger", tls, "/admin"), "403");
        count("on", "forbidden", "policy");
        assert_eq!(lab.hit("proxy", "good", tls, "/forbidden"), "403");
        count("proxy", "verified", "");
        hits += 2;
    }
    let plain = format!("http://127.0.0.1:{}/plain", lab.ports["on"]);
    assert!(
        Command::new("curl").args(["-s", "-o", "/dev/null", &plain]).status().unwrap().success()
    );
    count("on", "not_tls", "");

    wait_for(&agent, hits + 1);
    assert_eq!(agent.sums("gatelog_requests_total", &["server", "verdict"]), verdicts);
    assert_eq!(agent.sums("gatelog_verify_failures_total", &["server", "reason"]), reasons);
    let policy = BTreeMap::from([("on.lab policy".to_owned(), 2)]);
    assert_eq!(agent.sums("gatelog_forbidden_requests_total", &["server", "reason"]), policy);
    let by_version = agent.sums("gatelog_tls_requests_total", &["tls_protocol"]);
    let half = hits / 2;
    assert_eq!(
        by_version,
        BTreeMap::from([("TLSv1.2".to_owned(), half), ("TLSv1.3".to_owned(), half)])
    );
    // Every client came on a connection of its own.
    let connections = agent.sums("gatelog_connections_total", &["outcome"]);
    let failed: u64 = reasons.values().sum();
    assert_eq!(connections.values().sum::<u64>(), hits + 1);
    assert_eq!(connections["failed"], failed);
    // Only those that were let in reached the upstream; its own 403 is none of the gate's.
    let upstream = format!("proxy.lab 127.0.0.1:{} verified", lab.ports["upstream"]);
    let reached = agent.sums("gatelog_upstream_requests_total", &["server", "upstream", "verdict"]);
    assert_eq!(reached, BTreeMap::from([(upstream, 4)]));
    assert_eq!(agent.get("/readyz"), "ok\n");
}

/// nginx writes the file and sends the same over UDP and over a unix socket: three agents agree.
#[test]
fn syslog_says_what_the_file_says() {
    let Some(lab) = Lab::start() else { return };
    let file = Agent::start_with(&lab, &[&lab.path("extended.log")]);
    let socket = format!("unix:{}", lab.path("syslog.sock"));
    let udp = Agent::listening(&lab, "udp", "udp:127.0.0.1:0");
    let unix = Agent::listening(&lab, "unix", &socket);
    let agents = [&file, &udp, &unix];
    let conf = std::fs::read_to_string(lab.path("nginx.conf")).unwrap();
    let udp_server = udp.udp.as_deref().unwrap();
    let logs = format!(
        "access_log syslog:server={udp_server},tag=edge_1,facility=auth,severity=notice extended;
         access_log syslog:server={socket},nohostname extended;
         error_log {} info;
         error_log syslog:server={udp_server} info;
         error_log syslog:server={socket},nohostname info;
         access_log",
        lab.path("http-error.log")
    );
    std::fs::write(lab.path("nginx.conf"), conf.replacen("access_log", &logs, 1)).unwrap();
    let directory = lab.directory.path().to_str().unwrap();
    assert!(script(&["reload", directory]).status.success());
    let is_warm = |agent: &Agent| !agent.sums("gatelog_requests_total", &["server"]).is_empty();
    for _ in 0..TRIES_MAX {
        lab.hit("off", "-", "1.3", "/warm");
        std::thread::sleep(TRY_EVERY);
        if is_warm(&udp) {
            break;
        }
    }
    // The worker of the old configuration has taken some of those.
    let requests = |agent: &Agent| agent.sums("gatelog_requests_total", &["server"]);
    let before = agents.map(|agent| requests(agent).values().sum::<u64>());

    let mut hits = 0;
    for tls in ["1.2", "1.3"] {
        for (server, certificate) in cases() {
            lab.hit(server, certificate, tls, "/payments/7");
            hits += 1;
        }
    }
    // Longer than a message of the error log can be, which nginx cuts; an access line is whole.
    lab.hit("on", "good", "1.3", &format!("/{}", "x".repeat(7000)));
    hits += 1;
    for (agent, before) in agents.iter().zip(before) {
        wait_for(agent, before + hits);
    }
    let verdicts = |agent: &Agent| {
        let mut sums = agent.sums("gatelog_requests_total", &["server", "route", "verdict"]);
        sums.retain(|labels, _| !labels.contains("/warm"));
        sums
    };
    assert_eq!(verdicts(&file).values().sum::<u64>(), hits);
    assert_eq!(verdicts(&udp), verdicts(&file));
    assert_eq!(verdicts(&unix), verdicts(&file));
    let of = |agent: &Agent, family| agent.sums(family, &["server", "reason"]);
    let failures = "gatelog_verify_failures_total";
    assert_eq!(of(&udp, failures), of(&file, failures));
    assert_eq!(of(&unix, failures), of(&file, failures));
    let errors = std::fs::read(lab.path("http-error.log")).unwrap();
    let errors = errors.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!(errors > 50, "{errors}");
    for agent in [&udp, &unix] {
        let lines = agent.sums("gatelog_log_lines_total", &["outcome"]);
        assert_eq!(lines["error_log"], errors);
        assert_eq!(lines.get("unparsed"), None);
        assert!(agent.sums("gatelog_log_gaps_total", &["reason"]).is_empty());
        assert_eq!(agent.get("/readyz"), "ok\n");
    }

    // nginx notices a killed agent with the next message, and opens the new one's socket with the one
    // behind it.
    drop(unix);
    let unix = Agent::listening(&lab, "unix", &socket);
    for _ in 0..3 {
        lab.hit("on", "good", "1.3", "/again");
    }
    wait_for(&unix, 2);
}

/// Waits until as many requests are counted.
fn wait_for(agent: &Agent, requests: u64) {
    for _ in 0..TRIES_MAX {
        let counted: u64 = agent.sums("gatelog_requests_total", &["server"]).values().sum();
        if counted == requests {
            return;
        }
        assert!(counted < requests, "{counted} counted of {requests}");
        std::thread::sleep(TRY_EVERY);
    }
    panic!("the agent has not counted {requests} requests");
}

/// nginx writes a log of all requests and one of refused ones (`if=$denied`). The latter alone counts
/// what was refused and no connection; both together are noticed by `$request_id`.
#[test]
fn a_denial_log_is_no_log_of_all_requests() {
    let Some(lab) = Lab::start() else { return };
    let source = |name: &str, scope: &str| {
        let path = lab.path(&format!("{name}.log"));
        format!("[[source]]\nname = \"{name}\"\npaths = [\"{path}\"]\nscope = \"{scope}\"\n")
    };
    let config = |name: &str, text: String| {
        std::fs::write(lab.path(name), text).unwrap();
        lab.path(name)
    };
    let denials = config("denials.toml", source("denied", "denials"));
    let both = config("both.toml", source("extended", "all") + &source("denied", "denials"));
    let denials = Agent::start_with(&lab, &["--config", &denials]);
    let both = Agent::start_with(&lab, &["--config", &both]);
    let (mut passed, mut failed) = (0, 0);
    for tls in ["1.2", "1.3"] {
        for certificate in ["good", "ledger", "expired", "selfsigned", "-"] {
            for server in ["on", "courtesy200"] {
                let verdict = expected(server, certificate).0;
                lab.hit(server, certificate, tls, "/payments/7");
                // A page for those without a certificate looks like any other to `map`.
                let logged = verdict == "rejected" || verdict == "missing" && server == "on";
                failed += u64::from(logged);
                passed += u64::from(!logged);
            }
        }
    }
    wait_for(&denials, failed);
    wait_for(&both, passed + 2 * failed);
    let of_denials: u64 = denials.sums("gatelog_verify_failures_total", &["server"]).values().sum();
    assert_eq!(of_denials, failed);
    assert!(!denials.get("/metrics").contains("gatelog_connections_total{"));
    assert_eq!(denials.get("/readyz"), "ok\n");
    // Every client came on a connection of its own, and none is counted twice.
    let connections: u64 = both.sums("gatelog_connections_total", &["outcome"]).values().sum();
    assert_eq!(connections, passed + failed);
    let warning = "both carry the same requests, which count twice";
    let said = || both.log.lock().unwrap().matches(warning).count();
    for _ in 0..TRIES_MAX {
        if said() > 0 {
            break;
        }
        std::thread::sleep(TRY_EVERY);
    }
    assert_eq!(said(), 1, "{}", both.log.lock().unwrap());
    assert_eq!(both.get("/readyz"), "ok\n");
    assert!(!denials.log.lock().unwrap().contains(warning));
}
