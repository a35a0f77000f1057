//! `gatelog report`, as a user runs it: over the corpus, and over small logs that tell a story.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const EXTENDED: &str = "tests/corpus/nginx-mtls-extended.log";
const CONF: &str = "tests/corpus/nginx.conf";

fn gatelog(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap()
}

fn report(arguments: &[&str]) -> String {
    let output = gatelog(&[&["report"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&report(&[&["--format", "json"], arguments].concat())).unwrap()
}

fn counts(value: &Value) -> BTreeMap<String, u64> {
    let entries = value.as_object().unwrap().iter();
    entries.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

/// What labels.tsv says of the requests, by the rules of design for a log with `$upstream_addr`.
fn expected_verdicts() -> BTreeMap<String, u64> {
    let labels = std::fs::read_to_string("tests/corpus/labels.tsv").unwrap();
    let mut verdicts = BTreeMap::new();
    for row in labels.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>()) {
        let [id, _, expected, served, status, ..] = row.as_slice() else { panic!("{row:?}") };
        let verdict = match (*expected, *served, *status) {
            _ if *id == "-" => continue,
            ("no-cert", "yes", _) => "anonymous",
            ("no-cert", ..) => "missing",
            ("policy-denied", ..) => "forbidden",
            ("plaintext", ..) => "not_tls",
            (_, _, "421") => "misdirected",
            (denied, "yes", _) if denied.starts_with("denied") => "failed_open",
            (denied, ..) if denied.starts_with("denied") => "rejected",
            _ => "verified",
        };
        *verdicts.entry(verdict.to_owned()).or_default() += 1;
    }
    verdicts
}

#[test]
fn the_corpus_in_json() {
    let report = json(&[EXTENDED]);
    let verdicts = counts(&report["verdicts"]);
    assert_eq!(verdicts, expected_verdicts());
    assert_eq!(report["lines"], serde_json::json!({"read": 421, "parsed": 421, "unparsed": 0}));
    assert_eq!(report["requests"], 421);
    assert_eq!(report["schema"], 1);
    assert_eq!(report["log_format"], "mtls_extended");
    assert_eq!(report["truncated"], serde_json::json!({}));
    let routes = report["routes"].as_array().unwrap();
    let sum = |key: &str| routes.iter().map(|route| route[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("requests"), 421);
    assert_eq!(sum("connections"), report["connections"].as_u64().unwrap());
    let denials = verdicts["rejected"] + verdicts["missing"] + verdicts["forbidden"];
    assert_eq!(sum("denials"), denials);
    let sources = report["sources"].as_array().unwrap();
    let of_sources: u64 = sources.iter().map(|source| source["requests"].as_u64().unwrap()).sum();
    assert_eq!(of_sources, 421);
    let timeline: u64 = report["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["requests"].as_u64().unwrap())
        .sum();
    assert_eq!(timeline, 421);
    let order: Vec<_> = routes
        .iter()
        .map(|route| (route["denials"].as_u64(), route["requests"].as_u64()))
        .collect();
    assert!(order.is_sorted_by(|a, b| a >= b));
}

/// The number of different certificates, addresses and issuers is what certs.tsv and the log say.
#[test]
fn certificates_of_the_corpus() {
    let report = json(&[EXTENDED]);
    let log = std::fs::read_to_string(EXTENDED).unwrap();
    let mut requests: BTreeMap<String, u64> = BTreeMap::new();
    for line in log.lines() {
        // The last one: what clients wrote into their agents and referers stands before it.
        let behind = line.rsplit("client_fp=").next().unwrap();
        let fingerprint = behind.split(' ').next().unwrap();
        *requests.entry(fingerprint.to_owned()).or_default() += 1;
    }
    requests.remove("-");
    let found = report["fingerprints"].as_array().unwrap().iter();
    let found: BTreeMap<String, u64> = found
        .map(|c| {
            (c["fingerprint_sha1"].as_str().unwrap().to_owned(), c["requests"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, requests);
}

/// None of the refusals that a page with status 200 or 302 hid is called a failure of the gate, and
/// those that the gate let in are.
#[test]
fn nginx_conf_tells_what_a_server_demands() {
    let with = counts(&json(&[EXTENDED, "--nginx-conf", CONF])["verdicts"]);
    assert_eq!(with, expected_verdicts());
    let text = report(&[EXTENDED, "--nginx-conf", CONF]);
    assert!(text.starts_with("A bad certificate got in: 16 requests on 8 routes"), "{text}");
}

fn snapshot(name: &str, found: &str) {
    let path = Path::new("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name} differs; UPDATE_SNAPSHOTS=1 accepts it:\n{found}");
}

#[test]
fn the_corpus_as_text() {
    snapshot("report-corpus.txt", &report(&[EXTENDED, "--nginx-conf", CONF]));
    let colored = report(&[EXTENDED, "--nginx-conf", CONF, "--color", "always"]);
    assert!(colored.contains("\x1b[31mexpired\x1b[0m"));
}

/// A log of the extended format, line by line.
struct Log {
    directory: tempfile::TempDir,
    text: String,
    connection: u32,
}

/// Who came: a name, a digit that makes its certificate, an address.
type Client = (&'static str, char, &'static str);

const CHECKOUT: Client = ("checkout-service", 'b', "10.0.0.1");
const LEDGER: Client = ("ledger-service", '9', "10.0.0.2");

impl Log {
    fn new() -> Log {
        Log { directory: tempfile::tempdir().unwrap(), text: String::new(), connection: 0 }
    }

    /// A request at a time of 22 Nov 2026.
    fn request(&mut self, time: &str, client: Client, verify: &str, status: u16, path: &str) {
        let (name, digit, addr) = client;
        self.connection += 1;
        let (dn, fingerprint) = match verify {
            "NONE" => ("-".to_owned(), "-".to_owned()),
            _ => (format!("CN={name},O=payments"), digit.to_string().repeat(40)),
        };
        let issuer = if verify == "NONE" { "-" } else { "CN=Issuing CA 1,O=lab" };
        writeln!(
            self.text,
            "{addr} - - [22/Nov/2026:{time} +0000] \"GET {path} HTTP/1.1\" {status} 3 \"-\" \"curl\" \
             client_verify={verify} client_dn=\"{dn}\" client_fp={fingerprint} upstream_addr=\"-\" \
             upstream_status=\"-\" request_time=0.000 upstream_response_time=\"-\" \
             ssl_protocol=TLSv1.3 ssl_cipher=TLS_AES_256_GCM_SHA384 issuer_dn=\"{issuer}\" \
             serial=- v_start=\"-\" v_end=\"-\" v_remain=- session_reused=. \
             server_name=api.example.com server_port=443 sni=\"-\" host=\"-\" request_id=- \
             connection={} connection_requests=1 msec=-",
            self.connection
        )
        .unwrap();
    }

    fn write(&self) -> PathBuf {
        let path = self.directory.path().join("mtls.log");
        std::fs::write(&path, &self.text).unwrap();
        path
    }

    fn report(&self) -> String {
        let path = self.write();
        report(&[path.to_str().unwrap()]).replace(path.to_str().unwrap(), "mtls.log")
    }
}

#[test]
fn a_log_without_fingerprint_and_cipher_tells_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("names.log");
    let line = |minute, year| {
        format!(
            "[22/Nov/2026:10:0{minute}:00 +0000] 200 SUCCESS \"CN=a\" \"Nov 22 11:51:15 {year} GMT\" TLSv1.3\n"
        )
    };
    std::fs::write(&path, line(0, 2026) + &line(1, 2027)).unwrap();
    let format = "[$time_local] $status $ssl_client_verify \"$ssl_client_s_dn\" \"$ssl_client_v_end\" $ssl_protocol";
    let report = json(&["--log-format", format, path.to_str().unwrap()]);
    assert_eq!(counts(&report["tls_protocols"]), BTreeMap::from([("TLSv1.3".to_owned(), 2)]));
    assert!(counts(&report["tls_ciphers"]).is_empty());
    let certificates = report["fingerprints"].as_array().unwrap();
    assert_eq!(certificates.len(), 1, "renewed under the same name");
    assert_eq!(certificates[0]["not_after"], "2027-11-22T11:51:15Z");
}

#[test]
fn servers_beyond_the_bound_are_counted_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("many.log");
    let lines = (0..1003).map(|server| format!("s{server} 200 NONE\n")).collect::<String>();
    std::fs::write(&path, lines).unwrap();
    let format = "$server_name $status $ssl_client_verify";
    let report = json(&["--log-format", format, path.to_str().unwrap()]);
    assert_eq!(counts(&report["limits"])["servers"], 3);
    assert_eq!(report["requests"], 1003);
}

/// A client that has renewed its certificate is one client.
#[test]
fn known_clients_of_a_route_are_subjects() {
    let mut log = Log::new();
    let (name, _, address) = CHECKOUT;
    for digit in ['b', 'd'] {
        log.request("11:50:10", (name, digit, address), "SUCCESS", 200, "/payments/7");
        log.request("11:50:11", (name, digit, address), "SUCCESS", 403, "/payments/7");
    }
    log.request("11:50:12", LEDGER, "SUCCESS", 200, "/payments/7");
    let report = json(&[log.write().to_str().unwrap()]);
    let route = &report["routes"][0];
    assert_eq!((&route["known_clients"], &route["known_refused"]), (&2.into(), &1.into()));
}

#[test]
fn a_clean_day_is_three_lines() {
    let mut log = Log::new();
    for minute in 10..50 {
        log.request(&format!("10:{minute}:00"), CHECKOUT, "SUCCESS", 200, "/payments/7");
        log.request(&format!("10:{minute}:30"), LEDGER, "SUCCESS", 200, "/ledger");
    }
    let expected = "\
All is well: 2 clients, none refused.
22 Nov 2026 10:10:00 to 10:49:30 UTC. 80 requests over TLS, 0 refused.
Failed verification: 0% of connections, 0% of requests.
";
    assert_eq!(log.report(), expected);
}

#[test]
fn a_known_client_is_locked_out_and_a_stranger_borrows_its_name() {
    let mut log = Log::new();
    for second in 10..40 {
        log.request(&format!("11:50:{second}"), CHECKOUT, "SUCCESS", 200, "/payments/7");
        log.request(&format!("11:50:{second}"), LEDGER, "SUCCESS", 200, "/ledger");
    }
    for second in 10..30 {
        let expired = "FAILED:certificate has expired";
        log.request(&format!("11:51:{second}"), CHECKOUT, expired, 400, "/payments/7");
        log.request(&format!("11:59:{second}"), LEDGER, "SUCCESS", 200, "/ledger");
    }
    let stranger = ("ledger-service", 'f', "198.51.100.9");
    let unverified = "FAILED:unable to verify the first certificate";
    log.request("11:52:00", stranger, unverified, 400, "/ledger");
    log.request("11:58:00", stranger, unverified, 400, "/ledger");
    log.request("11:59:00", ("", '-', "192.0.2.1"), "NONE", 400, "/");
    snapshot("report-locked-out.txt", &log.report());
}

/// The renewed certificate came without its intermediate, from the client's usual address.
#[test]
fn a_new_certificate_from_a_known_address_is_the_known_client() {
    let mut log = Log::new();
    log.request("11:50:00", LEDGER, "SUCCESS", 200, "/ledger");
    let renewed = ("ledger-service", 'e', LEDGER.2);
    for second in 10..13 {
        let chain = "FAILED:unable to verify the first certificate";
        log.request(&format!("11:56:{second}"), renewed, chain, 400, "/ledger");
    }
    let text = log.report();
    assert!(text.starts_with("1 known client is locked out, on their side."), "{text}");
    assert!(text.contains("\"ledger-service\" claims  eeeeeeee"), "{text}");
    assert!(!text.contains("STRANGERS"), "{text}");
}

/// A certificate of somebody else's CA is a stranger's, also from the client's address and with the
/// client's name; and what the real client then does says nothing of it.
#[test]
fn an_impostor_beside_the_real_client_is_a_stranger() {
    let mut log = Log::new();
    let impostor = ("checkout-service", 'f', CHECKOUT.2);
    log.request("11:50:00", CHECKOUT, "SUCCESS", 200, "/payments/7");
    for second in 10..15 {
        let chain = "FAILED:unable to verify the first certificate";
        log.request(&format!("11:56:{second}"), impostor, chain, 400, "/payments/7");
    }
    log.request("11:59:00", CHECKOUT, "SUCCESS", 200, "/payments/7");
    let foreign = |line: &str| {
        let issuer =
            if line.contains("ffffffff") { "CN=Rogue CA" } else { "CN=Issuing CA 1,O=lab" };
        line.replace("CN=Issuing CA 1,O=lab", issuer) + "\n"
    };
    log.text = log.text.lines().map(foreign).collect();
    let text = log.report();
    assert!(text.starts_with("No known client is locked out."), "{text}");
    assert!(text.contains("\n\"checkout-service\"  11:56"), "{text}");
    assert!(text.contains("5  10.0.0.1; the real one is fine"), "{text}");
    assert!(!text.contains("OVER"), "{text}");
    assert!(text.contains("A stranger: "), "{text}");
}

/// To be let in by one server says nothing of another, which may still refuse everybody.
#[test]
fn each_server_is_a_gate_of_its_own() {
    let mut log = Log::new();
    log.request("11:50:00", CHECKOUT, "SUCCESS", 200, "/payments/7");
    log.request("11:51:00", CHECKOUT, "FAILED:CRL has expired", 400, "/stale");
    log.text = log.text.lines().fold(String::new(), |text, line| {
        let server = if line.contains("/stale") { "stale.example.com" } else { "api.example.com" };
        text + &line.replace("api.example.com", server) + "\n"
    });
    log.request("11:52:00", CHECKOUT, "SUCCESS", 200, "/payments/7");
    let text = log.report();
    assert!(text.starts_with("1 known client is locked out, on our side."), "{text}");
    assert!(text.contains("CRL expired, our side: stale.example.com /stale"), "{text}");
    assert!(text.contains("us: put a fresh CRL"), "{text}");
}

#[test]
fn our_own_crl_replaces_the_clients_it_locks_out() {
    let mut log = Log::new();
    let digits = ['1', '2', '3', '4'];
    let client = |digit| ("service", digit, "10.0.0.1");
    let names = ["a-service", "b-service", "c-service", "d-service"];
    for (digit, name) in digits.into_iter().zip(names) {
        log.request("02:59:00", (name, client(digit).1, "10.0.0.1"), "SUCCESS", 200, "/x");
    }
    for (digit, name) in digits.into_iter().zip(names) {
        log.request("03:00:00", (name, digit, "10.0.0.1"), "FAILED:CRL has expired", 400, "/x");
    }
    let text = log.report();
    let headline =
        "Everyone is refused on api.example.com. Our side: CRL expired. No bad certificate got in.";
    assert!(text.starts_with(headline), "{text}");
    assert!(text.contains("4 of 4 known clients"), "{text}");
    assert!(text.contains("us: put a fresh CRL"), "{text}");
}

#[test]
fn what_a_client_wrote_is_shown_escaped() {
    let mut log = Log::new();
    let hostile = ("<img src=x>\\x1B[31m\\xE2\\x80\\xAE", 'f', "203.0.113.77");
    log.request("02:40:00", hostile, "FAILED:certificate has expired", 400, "/\\x1B]0;x\\x07");
    let text = log.report();
    assert!(text.contains(r"<img src=x>\x1B[31m\xE2\x80\xAE"), "{text}");
    assert!(text.contains(r"/\x1B]0;x\x07"), "{text}");
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
}

#[test]
fn two_runs_print_the_same_bytes() {
    for format in ["text", "json"] {
        let arguments = ["--format", format, EXTENDED, "tests/corpus/nginx-mtls.json.log"];
        assert_eq!(report(&arguments), report(&arguments));
    }
}

#[test]
fn a_format_without_the_certificate_gives_no_report() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let line = r#"10.0.0.1 - - [22/Nov/2026:11:51:17 +0000] "GET / HTTP/1.1" 200 3 "-" "a""#;
    std::fs::write(&path, format!("{line}\n")).unwrap();
    let output = gatelog(&["report", path.to_str().unwrap()]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("log_format `combined` has no $ssl_client_verify"), "{stderr}");
    assert!(stderr.contains("client_verify=$ssl_client_verify"), "{stderr}");
}

/// Strangers may make a fifth of the routes, however many genuine ones come in between.
#[test]
fn routes_of_refused_requests_keep_to_their_share() {
    let mut log = Log::new();
    let letters = |n: u8| [n / 26, n % 26].map(|digit| char::from(b'a' + digit));
    let path = |kind: &str, n: u8| format!("/{kind}-{}", String::from_iter(letters(n)));
    let expired = "FAILED:certificate has expired";
    for n in 0..120 {
        log.request("10:00:00", LEDGER, expired, 400, &path("early", n));
    }
    for n in 0..150 {
        log.request("10:00:01", CHECKOUT, "SUCCESS", 200, &path("genuine", n));
        log.request("10:00:02", LEDGER, expired, 400, &path("late", n));
    }
    let path = log.write();
    let report = json(&[path.to_str().unwrap()]);
    let of = |kind: &str| {
        let routes = report["routes"].as_array().unwrap().iter();
        routes.filter(|route| route["route"].as_str().unwrap().starts_with(kind)).count()
    };
    assert_eq!([of("/early"), of("/late"), of("/genuine")], [100, 0, 150]);
    assert_eq!(report["limits"]["routes_of_refused"], 170);
    assert_eq!(report["requests"], 420);
}
