//! What clients hold: idle and unfinished connections, slow readers, descriptors.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use gatelog::http::Limits;
use hyper::body::Bytes;

use crate::{
    client::Client,
    server::{Fake, Server, await_that, settings},
};

const GET_METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET_HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_connection_is_kept_for_many_requests() {
    let server = Server::new();
    let mut client = server.connect();
    for _ in 0..100 {
        client.send(GET_METRICS);
        assert_eq!(client.answer().status, 200);
    }
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert!(client.is_closed());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::new();
    let mut client = server.connect();
    let nowhere = "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.send([GET_METRICS, GET_HEALTHZ, nowhere].concat().repeat(50));
    for _ in 0..50 {
        assert_eq!(client.answer().text(), "gatelog_build_info 1\n");
        assert_eq!(client.answer().text(), "ok\n");
        assert_eq!(client.answer().status, 404);
    }
}

#[test]
fn a_request_in_single_bytes_is_answered() {
    let server = Server::new();
    let mut client = server.connect();
    for _ in 0..2 {
        for byte in GET_HEALTHZ.as_bytes() {
            client.send([*byte]);
        }
        assert_eq!(client.answer().status, 200);
    }
}

/// Sends `prefix`, then one byte at a time, each well within the timeout, and never an empty line.
/// Without a limit on the total this would go on for minutes.
#[track_caller]
fn drip(server: &Server, prefix: &str, answers: usize) {
    let mut client = server.connect();
    client.send(prefix);
    for _ in 0..answers {
        assert_eq!(client.answer().status, 200);
    }
    let socket = client.stream.get_mut();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for _ in 0..10_000 {
        // Once the server has closed, either the write fails or the read ends.
        if socket.write_all(b"x").is_err() {
            return;
        }
        match socket.read(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
    panic!("still open after {prefix:?}");
}

#[test]
fn unfinished_headers_are_closed_in_total_time() {
    // The time of an idle connection is far longer here: no head may borrow it.
    let limits = Limits { head_timeout: Duration::from_millis(500), ..Limits::default() };
    let server = Server::limited(limits);
    let second = format!("{GET_HEALTHZ}GET /metrics HTTP/1.1\r\nA: ");
    for (prefix, answers) in [
        ("", 0),
        ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nA: ", 0),
        ("\r\n\r\n\r\n", 0),
        (GET_HEALTHZ, 1),
        (second.as_str(), 1),
    ] {
        drip(&server, prefix, answers);
    }
    assert_eq!(server.hit("http_head_time"), 5);
    // Neither does one that sends nothing more, before or after a first request.
    let mut silent = server.connect();
    assert!(silent.is_closed());
    let mut half = server.connect();
    half.send(&second);
    assert_eq!(half.answer().status, 200);
    assert!(half.is_closed());
    assert_eq!(server.hit("http_head_time"), 7);
    assert_eq!(server.hit("http_idle_time"), 0);
}

#[test]
fn idle_connections_are_closed() {
    let server = Server::limited(Limits { idle_timeout: SHORT, ..Limits::default() });
    let mut client = server.connect();
    client.send(GET_HEALTHZ);
    assert_eq!(client.answer().status, 200);
    assert!(client.is_closed());
    server.await_hit("http_idle_time", 1);
    assert_eq!(server.hit("http_head_time"), 0);
}

#[test]
fn metrics_answer_beside_500_idle_connections() {
    let server = Server::new();
    let mut idle: Vec<_> = (0..500).map(|_| server.connect()).collect();
    for client in idle.iter_mut().take(250) {
        client.send(GET_HEALTHZ);
        assert_eq!(client.answer().status, 200);
    }
    for client in idle.iter_mut().skip(400) {
        client.send("GET /metrics HTTP/1.1\r\nHost: lo");
    }
    assert_eq!(server.ask(GET_METRICS).status, 200);
    assert_eq!(server.hit("http_connections"), 0);
    // And every one of them is still served.
    for client in idle.iter_mut().take(400) {
        client.send(GET_HEALTHZ);
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn metrics_answer_beside_more_idle_connections_than_the_cap() {
    let server = Server::limited(Limits { connections_max: 50, ..Limits::default() });
    let mut idle: Vec<_> = (0..200).map(|_| server.connect()).collect();
    assert_eq!(server.ask(GET_METRICS).status, 200);
    server.await_hit("http_connections", 151);
    for client in idle.iter_mut().take(151) {
        assert!(client.is_closed(), "those who waited longest are gone");
    }
    for client in idle.iter_mut().skip(151) {
        client.send(GET_HEALTHZ);
        assert_eq!(client.answer().status, 200, "the others are served");
    }
}

#[test]
fn running_answers_are_not_closed_for_room() {
    let pages = Fake { gate: Some(tokio::sync::Semaphore::new(0)), ..Fake::default() };
    let server = Server::with(settings(Limits { connections_max: 2, ..Limits::default() }), pages);
    let mut busy: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut busy {
        client.send(GET_METRICS);
    }
    await_that("both answers run", || server.pages.begun() == 2);
    let mut third = server.connect();
    third.send(GET_HEALTHZ);
    server.await_hit("http_connections_busy", 1);
    server.pages.open_gate();
    server.pages.open_gate();
    for client in &mut busy {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(third.answer().status, 200);
}

/// A page that no socket buffer takes whole, and a client that asks for it and does not read.
fn stalled(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(GET_METRICS);
    assert_eq!(client.head().unwrap().status, 200);
    client
}

fn large_page() -> Fake {
    Fake { body: Bytes::from(vec![b'x'; 64 * 1024 * 1024]), ..Fake::default() }
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let limits = Limits { answer_timeout: SHORT, ..Limits::default() };
    let server = Server::with(settings(limits), large_page());
    let mut client = server.connect();
    client.send(GET_METRICS);
    server.await_hit("http_answer_time", 1);
}

#[test]
fn slow_readers_make_room_at_the_cap() {
    let server =
        Server::with(settings(Limits { connections_max: 2, ..Limits::default() }), large_page());
    let _slow = (stalled(&server), stalled(&server));
    assert_eq!(server.ask(GET_HEALTHZ).status, 200);
    server.await_hit("http_connections", 1);
}

#[test]
fn slow_readers_of_metrics_do_not_keep_others_from_them() {
    let limits = Limits { metrics_answers_max: 2, ..Limits::default() };
    let server = Server::with(settings(limits), large_page());
    let _slow: Vec<_> = (0..6).map(|_| stalled(&server)).collect();
    assert_eq!(server.hit("http_connections"), 4);
    assert_eq!(server.ask(GET_METRICS).body.len(), 64 * 1024 * 1024);
}

#[test]
fn too_many_scrapes_at_once_get_503() {
    let page_timeout = SHORT;
    let limits = Limits { metrics_answers_max: 1, page_timeout, ..Limits::default() };
    let pages = Fake { gate: Some(tokio::sync::Semaphore::new(0)), ..Fake::default() };
    let server = Server::with(settings(limits), pages);
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.send(GET_METRICS);
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 503);
    }
    server.pages.open_gate();
    assert_eq!(server.ask(GET_METRICS).status, 200, "the places are free again");
}

const CHILD: &str = "GATELOG_TEST_FEW_DESCRIPTORS";

/// Runs in a process of its own, with few descriptors; does nothing in an ordinary run.
#[test]
fn few_descriptors_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let server = Server::new();
    println!("{}", server.address);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    println!("{} {}", server.hit("http_accept"), server.hit("http_connections"));
}

#[test]
fn metrics_answer_when_descriptors_run_out() {
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 40; exec \"$0\" --exact --nocapture connections::few_descriptors_child",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The test harness speaks on the same stream, and sometimes on the same line.
    let address: SocketAddr = lines
        .find_map(|line| line.split(' ').next_back().unwrap().parse().ok())
        .expect("the child's address");
    let idle: Vec<_> = (0..100).map(|_| Client::new(address)).collect();
    let mut client = Client::new(address);
    client.send(GET_METRICS);
    assert_eq!(client.answer().status, 200);
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let counts: Vec<u64> = lines
        .find_map(|line| line.split(' ').map(|word| word.parse().ok()).collect())
        .expect("the child's counts");
    assert!(child.wait().unwrap().success());
    // Every failure closed one connection, and did not spin.
    assert!(counts[0] > 50 && counts[0] == counts[1] && counts[0] <= 101, "{counts:?}");
    drop(idle);
}
