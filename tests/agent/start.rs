//! How it starts, what stops it from starting, and what it says of logs it cannot use.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use crate::agent::{Agent, Directory, WAIT_MAX, combined, verified};

#[test]
fn wrong_usage_exits_with_2() {
    let directory = Directory::new();
    directory.write("combined.log", &combined("/", 200));
    directory.write("a.log", &verified("/"));
    directory.write("bad.toml", "[http]\nlisten = \"nowhere\"\n");
    directory.write("empty.toml", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let check = |arguments: &[&str], expected: &[&str]| {
        let (code, error) = directory.fails(&[&["run"], arguments].concat());
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        for text in expected {
            assert!(error.contains(text), "{arguments:?}: {error}");
        }
    };
    check(&[], &["error: nothing to follow: name a log"]);
    check(&["--config", "empty.toml"], &["nothing to follow"]);
    check(&["--config", "bad.toml"], &["bad.toml:2:10", "`listen` in `[http]` is no address"]);
    check(
        &["combined.log"],
        &["`combined` has no $ssl_client_verify", "client_verify=$ssl_client_verify"],
    );
    check(&["--log-format", "combined", "none.log"], &["has no $ssl_client_verify"]);
    check(&["--log-format", "nope", "a.log"], &["no log_format `nope`"]);
    check(&["--nginx-conf", "none.conf", "a.log"], &["none.conf"]);
    check(&["--listen", &taken, "a.log"], &["http.listen", "already in use"]);
    check(&["--listen", "0.0.0.0:0", "a.log"], &["http.open", "nothing guards it"]);
}

#[test]
fn a_log_that_no_format_fits_is_said_once() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let agent = directory.run(&["a.log"]);
    agent.is_ready(true);
    directory.append("a.log", &"what is this\n".repeat(150));
    agent.comes_to("log_lines_total", &["unparsed"], 150.0);
    assert!(agent.is_ready(false).contains("a.log: no known log_format fits its lines"));
    agent.says("no known log_format fits");
    directory.append("a.log", "nor this\n");
    agent.comes_to("log_lines_total", &["unparsed"], 151.0);
    assert_eq!(agent.log().matches("no known log_format fits").count(), 1);
    directory.append("a.log", &verified("/"));
    agent.comes_to("log_lines_total", &["\"parsed\""], 1.0);
    agent.is_ready(true);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_format_that_gives_no_verdict_is_said_when_it_comes_and_may_change() {
    let directory = Directory::new();
    let agent = directory.run(&["a.log"]);
    directory.append("a.log", &combined("/", 200));
    agent.comes_to("log_lines_total", &["unparsed"], 1.0);
    assert!(agent.is_ready(false).contains("`combined` has no $ssl_client_verify"));
    agent.says("lines tell no verdict");
    agent.says("client_verify=$ssl_client_verify");
    // The operator adds what is missing and reloads nginx.
    directory.append("a.log", &verified("/").repeat(300));
    agent.comes_to("requests_total", &[], 201.0);
    agent.comes_to("log_lines_total", &[], 301.0);
    agent.is_ready(true);
    assert_eq!(agent.log().matches("lines tell no verdict").count(), 1);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn an_unknown_gate_is_said_once_for_each_server() {
    let directory = Directory::new();
    directory.write("a.log", &verified("/").repeat(3));
    let agent = directory.run(&["--from", "beginning", "a.log"]);
    let said = agent.says("ssl_verify_client unknown");
    assert!(said.contains("WARN") && said.contains("server=\"a.log\""), "{said}");
    agent.comes_to("requests_total", &[], 3.0);
    assert_eq!(agent.log().matches("ssl_verify_client unknown").count(), 1);
    agent.stop();
    let conf = "events {}\nhttp { server { listen 443 ssl; ssl_verify_client on; \
                access_log a.log combined; } }\n";
    directory.write("nginx.conf", conf);
    let agent = directory.run(&["--nginx-conf", "nginx.conf", "--from", "beginning", "a.log"]);
    agent.comes_to("requests_total", &[], 3.0);
    assert!(!agent.log().contains("ssl_verify_client unknown"), "{}", agent.log());
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn metrics_may_have_a_listener_of_their_own() {
    let directory = Directory::new();
    directory.write("a.log", "");
    directory.write("g.toml", "[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let agent = directory.run(&["--config", "g.toml", "a.log"]);
    agent.is_ready(true);
    assert_eq!(agent.page("/metrics").0, 200);
    assert_eq!(agent.page("/").0, 404);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn systemd_is_told() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let socket = UnixDatagram::bind(directory.at("notify")).unwrap();
    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let mut command = directory.gatelog(&["run", "--listen", "127.0.0.1:0", "a.log"]);
    command.env("NOTIFY_SOCKET", directory.at("notify"));
    command.env("WATCHDOG_USEC", "200000").env("JOURNAL_STREAM", "8:1");
    let agent = Agent::start(&mut command);
    let receive = || {
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let until = |expected: &str| {
        let mut received = receive();
        while received == "WATCHDOG=1\n" && expected != received {
            received = receive();
        }
        assert!(received.starts_with(expected), "{received:?} instead of {expected:?}");
    };
    until("READY=1\n");
    assert_eq!(agent.page("/readyz").0, 200);
    until("WATCHDOG=1\n");
    until("WATCHDOG=1\n");
    agent.signal("HUP");
    until("RELOADING=1\nMONOTONIC_USEC=");
    until("READY=1\n");
    assert!(agent.log().starts_with("INFO  gatelog "), "no time stamps: {}", agent.log());
    assert_eq!(agent.stop(), Some(0));
    until("STOPPING=1\n");
    fs::remove_file(directory.at("notify")).unwrap();
}
