//! The agent: its metrics, its readiness, its own log.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use gatelog::clock::Clock;

use crate::agent::{Directory, collect, kill, wait_for};
use crate::lines::{FIELDS, FORMATS, line};
use crate::logs::{all, log};
use crate::safe::{check_metrics, check_text};
use crate::values;

const FINGERPRINT: &[u8] = b"b2b279f36e5659cfddf7868eec97131e076d4e65";
const MSEC: &[u8] = b"1795348277.777";

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// A refused certificate for each hostile DN, now, for they are shown for an hour.
fn refused_certificates() -> Vec<u8> {
    let now = Clock::system().now().0;
    let now = format!("{}.{:03}", now / 1000, now % 1000);
    let field = FIELDS.iter().find(|field| field.variable == "ssl_client_s_dn").unwrap();
    let mut log = Vec::new();
    for (number, (_, value)) in values::all().into_iter().enumerate() {
        let line = line("json", false, Some((field, &value)));
        let line = replace(&line, FINGERPRINT, format!("{number:040x}").as_bytes());
        log.extend(replace(&line, MSEC, now.as_bytes()));
        log.push(b'\n');
    }
    log
}

#[test]
fn metrics_and_log_of_hostile_lines() {
    let directory = Directory::new();
    let mut config = String::from("[routes]\nlimit = 10000\n");
    let mut lines = 0;
    for format in FORMATS {
        let hostile = all(format);
        lines += hostile.len() + 2;
        fs::write(directory.at(&format!("{format}.log")), log(format, &hostile)).unwrap();
        // Without a name in the line, the server is called as the source.
        config += &format!("[[source]]\nname = \"\\u202e{format}\"\npaths = [\"{format}.log\"]\n");
    }
    fs::write(directory.at("dn.log"), refused_certificates()).unwrap();
    let certificates = values::all().len();
    lines += certificates;
    config += "[[source]]\nname = \"\\u202edn\"\npaths = [\"dn.log\"]\n";
    directory.write("g.toml", &config);
    let agent = directory.run(&["--from", "beginning", "--config", "g.toml"]);
    let count = |count: usize| f64::from(u32::try_from(count).unwrap());
    agent.comes_to("log_lines_total", &[], count(lines));
    let page = agent.metrics();
    check_metrics(&page);
    let sum = |family, labels: &[&str]| crate::agent::sum(&page, family, labels);
    let parsed = sum("log_lines_total", &["outcome=\"parsed\""]);
    let refused = all("extended").len() + all("json").len();
    assert!(parsed > count(lines - refused / 2), "{parsed} of {lines}");
    let by_verdict = ["verified", "rejected"]
        .map(|verdict| sum("requests_total", &[&format!("verdict=\"{verdict}\"")]));
    assert!((by_verdict.iter().sum::<f64>() - parsed).abs() < 0.5, "{by_verdict:?} {parsed}");
    let denied = page.lines().filter(|line| line.contains("denied_fingerprint_requests{")).count();
    assert_eq!(denied, certificates, "a series for each certificate");
    check_text("readiness", &agent.is_ready(true));
    check_text("the log", &agent.log());
    assert!(page.contains(r#"log_bytes_total{source="\\xE2\\x80\\xAEdn"}"#), "{page}");
    for (line, level) in agent.log().lines().zip(std::iter::repeat(["INFO ", "WARN ", "ERROR"])) {
        assert!(level.iter().any(|level| line.contains(&format!("Z {level} "))), "{line}");
    }
    assert_eq!(agent.stop(), Some(0));
}

/// Paths that do not exist, or cannot be read, or hold what fits nothing.
#[test]
fn readiness_and_log_of_hostile_names() {
    let directory = Directory::new();
    // With `[` it would be a glob.
    let name = "a\u{1b}]0;forged\u{7}\u{9b}1m\u{202e}\n\"} 1\r.log";
    directory.write("b.log", "");
    let none = format!("none/{name}");
    // From the beginning: it may be there before the agent looks for the first time.
    let agent = directory.run(&["--from", "beginning", &none, name, "b.log"]);
    directory.write(name, "nothing that fits\u{1b}[38;5;99m\n");
    let page = |expected: &str| {
        let found = wait_for(|| {
            let (status, page) = agent.page("/readyz");
            check_text("readiness", &page);
            (status == 503 && page.contains(expected)).then_some(page)
        });
        found.unwrap_or_else(|| panic!("{expected}: {:?}", agent.page("/readyz")))
    };
    page("does not exist yet");
    let said = page("no known log_format fits its lines").replace("\\\\", "\\");
    assert!(said.contains(r"a\x1B]0;forged\x07\xC2\x9B1m\xE2\x80\xAE\x0A"), "{said}");
    fs::remove_file(directory.at(name)).unwrap();
    fs::create_dir(directory.at(name)).unwrap();
    agent.says("is not a regular file");
    fs::create_dir(directory.at("none")).unwrap();
    fs::write(directory.at("none").join(std::ffi::OsStr::from_bytes(b"\xff\x1b.log")), "").unwrap();
    check_metrics(&agent.metrics());
    check_text("the log", &agent.log());
    let log = agent.log();
    assert!(log.lines().all(|line| line.contains("Z ")), "a line that is none of ours: {log}");
    assert_eq!(agent.stop(), Some(0));
}

/// What is reloaded is refused without its words doing any harm.
#[test]
fn a_hostile_configuration_is_refused_safely() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let config = "[[source]]\npaths = [\"a.log\"]\n";
    directory.write("g.toml", config);
    let agent = directory.run(&["--config", "g.toml"]);
    for text in [
        "\"\\u001b[38;5;99m\\u202e\" = 1\n",
        "name = \"\u{202e}\u{9b}\"\nlateness = \"\\u001b[31m\"\n",
        "[[source]]\nname = \"\\u001b\"\npaths = [\"/\\u202e\\n/b.log\"]\n",
    ] {
        directory.write("g.toml", &format!("{text}{config}"));
        let before = agent.log().matches("reload refused").count();
        agent.signal("HUP");
        let refused = || (agent.log().matches("reload refused").count() > before).then_some(());
        assert!(wait_for(refused).is_some(), "{}", agent.log());
    }
    check_text("the log", &agent.log());
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_followed_log_with_a_hostile_name() {
    let directory = Directory::new();
    let name = "a\u{1b}]0;forged\u{7}\u{202e}\n.log";
    let mut command = directory.gatelog(&["parse", "--follow", name]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = collect(child.stdout.take().unwrap());
    let errors = collect(child.stderr.take().unwrap());
    let said = || errors.lock().unwrap().contains("does not exist yet").then_some(());
    assert!(wait_for(said).is_some(), "{}", errors.lock().unwrap());
    fs::write(directory.at(name), log("mtls", &[])).unwrap();
    let printed = || (output.lock().unwrap().lines().count() == 2).then_some(());
    assert!(wait_for(printed).is_some(), "{}", output.lock().unwrap());
    kill(&mut child);
    check_text("parse --follow", &errors.lock().unwrap());
    check_text("parse --follow", &output.lock().unwrap());
}

/// Most memory that the agent may take, whatever a line's length.
const MEMORY_KIB_MAX: u64 = 64 * 1024;

/// The line is a hole in the file, so that it costs no disk.
#[test]
fn a_line_of_a_gibibyte() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let good = log("mtls", &[]);
    let mut file = fs::OpenOptions::new().append(true).open(directory.at("a.log")).unwrap();
    file.write_all(&good).unwrap();
    file.set_len(good.len() as u64 + (1 << 30)).unwrap();
    file.write_all(&[b"\n", good.as_slice()].concat()).unwrap();
    let agent = directory.run(&["--from", "beginning", "a.log"]);
    // It is read at some 100 MB/s where nothing is optimised and the machine is busy.
    let parsed = || agent.sum("log_lines_total", &["outcome=\"parsed\""]);
    let is_over = || wait_for(|| (parsed() > 3.5).then_some(())).is_some();
    assert!((0..6).any(|_| is_over()), "{}", agent.metrics());
    agent.comes_to("log_lines_total", &["outcome=\"unparsed\""], 1.0);
    check_metrics(&agent.metrics());
    let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < MEMORY_KIB_MAX, "{peak_kib} KiB");
    assert_eq!(agent.stop(), Some(0));
}
