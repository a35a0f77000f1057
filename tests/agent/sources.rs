//! Lines that come another way than in nginx's own file: syslog, standard input, logs of containers.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use gatelog::limits::{LOOK_INTERVAL_MAX, LOOK_INTERVAL_MIN};

use crate::agent::{Agent, Directory, WAIT_MAX, expired, verified};

const ALL: &str = "requests_total";
const LINES: &str = "log_lines_total";

/// A line of nginx's error log.
const ERROR: &str = "2026/11/22 11:51:17 [info] 7#7: *1 client sent no required SSL certificate";

/// What nginx 1.22 sent: its access log twice, and its error log; see `parsers/tests/wrapped.rs`.
fn datagrams() -> Vec<Vec<u8>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/nginx-syslog.bin");
    let bytes = fs::read(file).unwrap();
    let mut rest = bytes.as_slice();
    let mut datagrams = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (datagram, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        datagrams.push(datagram.to_vec());
        rest = after;
    }
    datagrams
}

/// What `labels.tsv` says of the requests.
fn labelled_verdicts() -> BTreeMap<&'static str, u32> {
    let labels = include_str!("../corpus/labels.tsv");
    let mut verdicts = BTreeMap::new();
    for row in labels.lines().skip(1) {
        let mut columns = row.split('\t');
        let id = columns.next().unwrap();
        let [expected, served, status] = [1, 0, 0].map(|skip| columns.nth(skip).unwrap());
        let verdict = match (expected, served, status) {
            _ if id == "-" => continue,
            ("no-cert", "yes", _) => "anonymous",
            ("no-cert", ..) => "missing",
            ("policy-denied", ..) => "forbidden",
            ("plaintext", ..) => "not_tls",
            (_, _, "421") => "misdirected",
            (denied, "yes", _) if denied.starts_with("denied") => "failed_open",
            (denied, ..) if denied.starts_with("denied") => "rejected",
            _ => "verified",
        };
        *verdicts.entry(verdict).or_default() += 1;
    }
    verdicts
}

/// The port of the source that listens on UDP.
fn udp_port(agent: &Agent) -> u16 {
    let said = agent.says("listen=udp:127.0.0.1:");
    let behind = said.split("listen=udp:127.0.0.1:").nth(1).unwrap();
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn real_datagrams_give_the_verdicts_of_their_labels() {
    let directory = Directory::new();
    directory.write(
        "g.toml",
        "[[source]]\nname = \"udp\"\nlisten = \"udp:127.0.0.1:0\"\n\
         [[source]]\nname = \"unix\"\nlisten = \"unix:s.sock\"\n",
    );
    let agent = directory.run(&["--config", "g.toml"]);
    agent.is_ready(true);
    let (to_udp, to_unix) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UnixDatagram::unbound().unwrap());
    to_udp.connect(("127.0.0.1", udp_port(&agent))).unwrap();
    to_unix.connect(directory.at("s.sock")).unwrap();
    for (index, datagram) in datagrams().iter().enumerate() {
        to_udp.send(datagram).unwrap();
        to_unix.send(datagram).unwrap();
        if index % 100 == 0 {
            // The receive buffer of an ordinary user is small.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    for source in ["udp", "unix"] {
        let label = format!("source=\"{source}\"");
        let line = |outcome: &str| format!("outcome=\"{outcome}\"");
        agent.comes_to(LINES, &[&label, &line("parsed")], 842.0);
        agent.comes_to(LINES, &[&label, &line("error_log")], 451.0);
        agent.comes_to(LINES, &[&label, &line("unparsed")], 0.0);
        agent.comes_to("log_unread_bytes", &[&label], 0.0);
        let bytes: usize = datagrams().iter().map(Vec::len).sum();
        agent.comes_to("log_bytes_total", &[&label], f64::from(u32::try_from(bytes).unwrap()));
        let server = format!("server=\"{source}\"");
        for (verdict, count) in labelled_verdicts() {
            let verdict = format!("verdict=\"{verdict}\"");
            // Each of the streams has every request.
            agent.comes_to(ALL, &[&server, &verdict], f64::from(2 * count));
        }
    }
    agent.comes_to("log_gaps_total", &[], 0.0);
    agent.is_ready(true);
    assert!(directory.at("s.sock").metadata().unwrap().file_type().is_socket());
    // What is on its way when the signal comes is counted still.
    to_unix.send(format!("<190>Nov 22 11:51:17 n: {}", verified("/last")).as_bytes()).unwrap();
    agent.signal("TERM");
    let mut agent = agent;
    assert_eq!(agent.ends().code(), Some(0));
    assert!(agent.says("source=\"unix\" lines_parsed=843").contains("unread_bytes=0"));
    assert!(!directory.at("s.sock").exists());
}

#[test]
fn a_socket_outlives_a_kill_and_a_reload_and_is_not_stolen() {
    let directory = Directory::new();
    directory.write("g.toml", "[[source]]\nlisten = \"unix:s.sock\"\n");
    drop(directory.run(&["--config", "g.toml"]));
    assert!(directory.at("s.sock").exists(), "it was killed");
    let agent = directory.run(&["--config", "g.toml"]);
    agent.is_ready(true);
    let other = ["run", "--state-dir", "none", "--listen", "127.0.0.1:0", "--config", "g.toml"];
    let (code, error) = directory.fails(&other);
    assert_eq!(code, Some(2));
    assert!(error.contains("source `s.sock`: s.sock: another process listens on it"), "{error}");

    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(directory.at("s.sock")).unwrap();
    let send = |line: String| {
        socket.send(format!("<190>Nov 22 11:51:17 vm nginx: {}", line.trim_end()).as_bytes())
    };
    send(verified("/1")).unwrap();
    agent.comes_to(ALL, &[], 1.0);
    directory.write("g.toml", "[[source]]\nname = \"new\"\nlisten = \"unix:s.sock\"\n");
    agent.signal("HUP");
    agent.says("configuration reloaded");
    send(expired("/2")).unwrap();
    agent.comes_to(LINES, &["source=\"new\"", "\"parsed\""], 2.0);
    // What is no message of nginx is counted as what it is.
    socket.send(b"what is this").unwrap();
    socket.send(b"").unwrap();
    agent.comes_to(LINES, &["\"unparsed\""], 2.0);
    // Longer than any line: cut, and counted as such.
    send(verified(&"x".repeat(140 * 1024))).unwrap();
    agent.comes_to(LINES, &["\"unparsed\""], 3.0);
    agent.comes_to("limit_hits_total", &["\"line_bytes\""], 1.0);
    directory.write("g.toml", "[[source]]\npaths = [\"a.log\"]\n");
    agent.signal("HUP");
    agent.says("no longer followed");
    agent.comes_to(LINES, &["source=\"a.log\""], 0.0);
    assert!(!directory.at("s.sock").exists());
    assert_eq!(agent.stop(), Some(0));

    directory.write("s.sock", "");
    directory.write("g.toml", "[[source]]\nlisten = \"unix:s.sock\"\n");
    let (code, error) = directory.fails(&["run", "--listen", "127.0.0.1:0", "--config", "g.toml"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("s.sock: is there already and is no socket"), "{error}");
}

#[test]
fn standard_input_is_read_to_its_end_and_served_on() {
    let directory = Directory::new();
    directory.write("a.log", &verified("/file"));
    let mut command =
        directory.gatelog(&["run", "--listen", "127.0.0.1:0", "--from", "beginning", "a.log", "-"]);
    let mut agent = Agent::start(command.stdin(Stdio::piped()));
    let mut stdin = agent.stdin();
    agent.is_ready(true);
    agent.comes_to(ALL, &["server=\"a.log\""], 1.0);
    let lines = verified("/1") + &expired("/2") + &verified("/3");
    let (head, tail) = lines.split_at(lines.len() - 30);
    stdin.write_all(head.as_bytes()).unwrap();
    agent.comes_to(ALL, &["server=\"stdin\""], 2.0);
    let unfinished = u32::try_from(head.len() - head.rfind('\n').unwrap() - 1).unwrap();
    agent.comes_to("log_unread_bytes", &["stdin"], f64::from(unfinished));
    stdin.write_all(tail.as_bytes()).unwrap();
    agent.comes_to(ALL, &["server=\"stdin\""], 3.0);
    // More than what waits between the two threads: the writer waits, and nothing is lost.
    let many = verified("/many").repeat(1000);
    for _ in 0..40 {
        stdin.write_all(many.as_bytes()).unwrap();
    }
    stdin.write_all(expired("/no newline").trim_end().as_bytes()).unwrap();
    drop(stdin);
    agent.comes_to(ALL, &["server=\"stdin\"", "\"verified\""], 40_002.0);
    agent.comes_to(ALL, &["server=\"stdin\"", "\"rejected\""], 2.0);
    agent.says("standard input has ended");
    agent.comes_to("log_gaps_total", &[], 0.0);
    agent.is_ready(true);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_pipe_that_stays_open_does_not_hold_up_the_end() {
    let directory = Directory::new();
    let mut command = directory.gatelog(&["run", "--listen", "127.0.0.1:0", "-"]);
    let mut agent = Agent::start(command.stdin(Stdio::piped()));
    let mut stdin = agent.stdin();
    stdin.write_all(verified("/1").as_bytes()).unwrap();
    agent.comes_to(ALL, &[], 1.0);
    assert_eq!(agent.stop(), Some(0));
    drop(stdin);
}

/// A line as containerd keeps it: in parts of 16 KiB.
fn cri(stream: &str, line: &str) -> Vec<String> {
    parts(line, |content, is_last| {
        let tag = if is_last { 'F' } else { 'P' };
        format!("2026-11-22T11:51:17.123456789Z {stream} {tag} {content}\n")
    })
}

/// The same as Docker keeps it.
fn docker(stream: &str, line: &str) -> Vec<String> {
    parts(line, |content, is_last| {
        let mut log = content.replace('\\', "\\\\").replace('"', "\\\"");
        log.push_str(if is_last { "\\n" } else { "" });
        let time = "2026-11-22T11:51:17.123456789Z";
        format!("{{\"log\":\"{log}\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n")
    })
}

fn parts(line: &str, wrapped: impl Fn(&str, bool) -> String) -> Vec<String> {
    const PART_BYTES: usize = 16 * 1024;
    let line = line.trim_end();
    let count = line.len().div_ceil(PART_BYTES);
    let part = |index: usize| {
        let end = line.len().min((index + 1) * PART_BYTES);
        wrapped(line.get(index * PART_BYTES..end).unwrap(), index + 1 == count)
    };
    (0..count).map(part).collect()
}

type WrapLine = fn(&str, &str) -> Vec<String>;

#[test]
fn lines_of_containers_agree_with_the_file() {
    for (name, wrapped) in [("cri", cri as WrapLine), ("docker", docker)] {
        let directory = Directory::new();
        for pod in ["0", "1"] {
            fs::create_dir_all(directory.at(&format!("pods/{pod}/nginx"))).unwrap();
        }
        fs::create_dir(directory.at("containers")).unwrap();
        let agent = directory.run(&["--from", "beginning", "plain.log", "containers/*.log"]);
        symlink(directory.at("pods/0/nginx/0.log"), directory.at("containers/a.log")).unwrap();
        let (mut plain, mut kept) = (String::new(), Vec::new());
        let long = "x".repeat(40_000);
        for path in ["/1", &long, "/2", &"y".repeat(100_000), "/3\\x22\\x5C", &long] {
            for line in [verified(path), expired(path)] {
                plain += &line;
                kept.extend(wrapped("stdout", &line));
            }
            // Between the parts of a line, and in parts itself.
            let mut errors = wrapped("stderr", &format!("{ERROR}, {long}"));
            errors.extend(wrapped("stderr", "nginx: [warn] told over two\n"));
            let place = kept.len().saturating_sub(2);
            kept.splice(place..place, errors);
        }
        directory.write("plain.log", &plain);
        // Rotated again and again, in the middle of split lines too.
        let log = directory.at("pods/0/nginx/0.log");
        for (index, line) in kept.iter().enumerate() {
            let mut file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
            file.write_all(line.as_bytes()).unwrap();
            if index % 8 == 7 {
                let rotated = format!("pods/0/nginx/0.log.2026112{index}");
                fs::rename(&log, directory.at(&rotated)).unwrap();
            }
            if index % 4 == 3 {
                // A file that comes and goes between two looks cannot be found through the link.
                std::thread::sleep(LOOK_INTERVAL_MAX + LOOK_INTERVAL_MIN);
            }
        }
        for verdict in ["\"verified\"", "\"rejected\""] {
            for server in ["server=\"plain.log\"", "server=\"*.log\""] {
                agent.comes_to(ALL, &[server, verdict], 6.0);
            }
        }
        let source = "source=\"*.log\"";
        agent.comes_to(LINES, &[source, "\"parsed\""], 12.0);
        agent.comes_to(LINES, &[source, "\"error_log\""], 12.0);
        agent.comes_to(LINES, &["\"unparsed\""], 0.0);
        // The container starts anew: the link is switched.
        fs::rename(directory.at("containers/a.log"), directory.at("containers/old")).unwrap();
        directory.append("pods/1/nginx/1.log", &wrapped("stdout", &verified("/new")).concat());
        symlink(directory.at("pods/1/nginx/1.log"), directory.at("containers/a.log")).unwrap();
        agent.comes_to(ALL, &["route=\"/new\""], 1.0);
        // A folder that was not there.
        fs::create_dir(directory.at("pods/2")).unwrap();
        directory.append("pods/2/b.log", &wrapped("stdout", &verified("/late")).concat());
        symlink(directory.at("pods/2/b.log"), directory.at("containers/b.log")).unwrap();
        agent.comes_to(ALL, &["route=\"/late\""], 1.0);
        agent.comes_to("log_gaps_total", &[], 0.0);
        assert!(agent.page("/readyz").0 == 200, "{name}: {}", agent.log());
        assert_eq!(agent.stop(), Some(0), "{name}");
    }
}

#[test]
fn an_error_log_alone_is_no_trouble() {
    let directory = Directory::new();
    let agent = directory.run(&["--from", "beginning", "a.log"]);
    directory.append("a.log", &cri("stderr", ERROR).concat().repeat(200));
    agent.comes_to(LINES, &["\"error_log\""], 200.0);
    agent.is_ready(true);
    directory.append("a.log", &cri("stdout", &verified("/")).concat());
    agent.comes_to(ALL, &[], 1.0);
    directory.append("a.log", &cri("stderr", ERROR).concat().repeat(200));
    agent.comes_to(LINES, &["\"error_log\""], 400.0);
    agent.is_ready(true);
    agent.comes_to(LINES, &["\"unparsed\""], 0.0);
    assert!(!agent.log().contains("fit"), "{}", agent.log());
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn parse_follows_standard_input_beside_a_file() {
    let directory = Directory::new();
    directory.write("a.log", &verified("/file"));
    let mut command = directory.gatelog(&["parse", "--follow", "a.log", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = crate::agent::collect(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(verified("/stdin").as_bytes()).unwrap();
    let both = crate::agent::wait_for(|| {
        let output = output.lock().unwrap();
        (output.contains("/file") && output.contains("/stdin")).then_some(())
    });
    assert!(both.is_some(), "within {WAIT_MAX:?}: {}", output.lock().unwrap());
    crate::agent::signal(&child, "TERM");
    let ended = crate::agent::wait_for(|| child.try_wait().unwrap());
    crate::agent::kill(&mut child);
    assert_eq!(ended.unwrap().code(), Some(0));
}
