//! Requests and their answers: statuses, headers, the `Host` rule, malformed bytes, bodies.

use hyper::body::Bytes;

use gatelog::http::{Group, Groups, Limits, Readiness};

use crate::{
    client::Answer,
    server::{CONTENT_TYPE, Fake, Server, settings},
};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:9496\r\n\r\n")
}

/// What holds for every answer of ours; for an error also its code.
#[track_caller]
fn check(answer: &Answer, status: u16, code: Option<&str>, request: &str) {
    assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{request:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{request:?}");
    if let Some(code) = code {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{request:?}");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let error = json.get("error").unwrap();
        assert_eq!(error.get("code").unwrap(), code, "{request:?}");
        assert!(!error.get("message").unwrap().as_str().unwrap().is_empty());
    }
}

#[test]
fn pages_are_served() {
    let server = Server::new();
    let metrics = server.ask(&get("/metrics"));
    check(&metrics, 200, None, "/metrics");
    assert_eq!(metrics.header("content-type"), Some(CONTENT_TYPE));
    assert_eq!(metrics.text(), "gatelog_build_info 1\n");
    let healthz = server.ask(&get("/healthz"));
    check(&healthz, 200, None, "/healthz");
    assert_eq!(healthz.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(healthz.text(), "ok\n");
    check(&server.ask(&get("/readyz")), 200, None, "/readyz");
    check(&server.ask(&get("/metrics?name[]=x")), 200, None, "a query is ignored");
    check(&server.ask(&get("http://localhost/metrics")), 200, None, "absolute form");
}

#[test]
fn not_ready_says_why() {
    let reasons = vec!["edge.log cannot be read".to_owned(), "the state is locked".to_owned()];
    let readiness = Readiness { ready: false, reasons };
    let server = Server::with(settings(Limits::default()), Fake { readiness, ..Fake::default() });
    let answer = server.ask(&get("/readyz"));
    check(&answer, 503, Some("not_ready"), "/readyz");
    assert!(answer.text().contains("edge.log cannot be read; the state is locked"));
    check(&server.ask(&get("/healthz")), 200, None, "alive although not ready");
}

#[test]
fn other_paths_and_spellings_are_not_found() {
    let server = Server::new();
    for path in [
        "/",
        "//metrics",
        "/metrics/",
        "/./metrics",
        "/x/../metrics",
        "/%6detrics",
        "/Metrics",
        "/metrics%3f",
        "/healthz/",
        "http://localhost//metrics",
        "http://localhost",
    ] {
        check(&server.ask(&get(path)), 404, Some("not_found"), path);
    }
}

#[test]
fn other_methods_are_refused() {
    let server = Server::new();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "BREW"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = server.ask(&request);
        check(&answer, 405, Some("method_not_allowed"), &request);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    let connect = "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    check(&server.ask(connect), 404, Some("not_found"), connect);
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::new();
    for path in ["/metrics", "/healthz", "/nowhere"] {
        let full = server.ask(&get(path));
        let mut client = server.connect();
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let bare = client.head().unwrap();
        // The date may have moved on in between.
        let headers = |answer: &Answer| {
            let kept = answer.headers.iter().filter(|(name, _)| name != "date").cloned();
            kept.collect::<Vec<_>>()
        };
        assert_eq!((bare.status, headers(&bare)), (full.status, headers(&full)), "{path}");
        client.send(get("/healthz"));
        assert_eq!(client.answer().text(), "ok\n", "nothing stands between the two answers");
    }
}

#[test]
fn the_host_rule_holds_on_every_path() {
    let server = Server::new();
    for path in ["/metrics", "/healthz", "/readyz", "/nowhere"] {
        for (hosts, status, code) in [
            ("", 400, "host_missing"),
            ("Host: localhost\r\nHost: localhost\r\n", 400, "host_repeated"),
            ("Host: localhost\r\nhost: evil.example\r\n", 400, "host_repeated"),
            ("Host: evil.example\r\n", 421, "host_not_served"),
            ("Host: evil.example:9496\r\n", 421, "host_not_served"),
            ("Host:\r\n", 421, "host_not_served"),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
            check(&server.ask(&request), status, Some(code), &request);
        }
    }
    for host in ["localhost", "LOCALHOST:1", "[::1]:9496", "10.0.0.7", "Gate.Internal:9496"] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
        check(&server.ask(&request), 200, None, &request);
    }
    let foreign_target = "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    check(&server.ask(foreign_target), 421, Some("host_not_served"), foreign_target);
    let old = "GET /metrics HTTP/1.0\r\n\r\n";
    check(&server.ask(old), 400, Some("host_missing"), old);
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let server = Server::new();
    let mut client = server.connect();
    client.send("GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_group_that_is_not_served_is_not_found() {
    let groups = Groups::NONE.with(Group::Metrics);
    let settings = gatelog::http::Settings { groups, ..settings(Limits::default()) };
    let server = Server::with(settings, Fake::default());
    check(&server.ask(&get("/metrics")), 200, None, "/metrics");
    check(&server.ask(&get("/healthz")), 404, Some("not_found"), "/healthz");
}

#[test]
fn malformed_bytes_get_an_error_or_a_close() {
    let server = Server::new();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), // a TLS client hello
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /met rics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: local\0host\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /m\xff\xfe HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(bytes);
        client.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
        if let Some(answer) = client.head() {
            assert!((400..500).contains(&answer.status), "{bytes:?}: {}", answer.status);
        }
    }
    check(&server.ask(&get("/healthz")), 200, None, "after all that");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = Server::new();
    let with_cookie = |bytes: usize| {
        let empty = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: \r\n\r\n".len();
        let cookie = "x".repeat(bytes - empty);
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n")
    };
    check(&server.ask(&with_cookie(8 * 1024)), 200, None, "the longest");
    for bytes in [8 * 1024 + 1, 9 * 1024] {
        let mut client = server.connect();
        client.send(with_cookie(bytes));
        // The rest of the head may be unread when the server closes, which resets.
        if let Some(answer) = client.head() {
            assert_eq!(answer.status, 431, "{bytes}");
        }
    }
    let many = "A: b\r\n".repeat(101);
    let mut client = server.connect();
    client.send(format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"));
    assert_eq!(client.head().unwrap().status, 431);
    server.await_hit("http_head_bytes", 3);
}

#[test]
fn a_small_body_is_drained_and_the_connection_kept() {
    let server = Server::new();
    let mut client = server.connect();
    for body in [
        "Content-Length: 5\r\n\r\nhello".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        format!("Content-Length: 16384\r\n\r\n{}", "x".repeat(16384)),
    ] {
        client.send(format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{body}"));
        check(&client.answer(), 200, None, &body);
    }
    client.send("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
    check(&client.answer(), 405, Some("method_not_allowed"), "POST");
    client.send(get("/healthz"));
    check(&client.answer(), 200, None, "kept alive");
}

#[test]
fn a_large_body_is_refused() {
    let server = Server::new();
    let announced = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16385\r\n\r\n";
    let mut client = server.connect();
    client.send(announced);
    let answer = client.answer();
    check(&answer, 413, Some("body_too_large"), announced);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed());
    let chunk = format!("4001\r\n{}\r\n", "x".repeat(0x4001));
    let chunked = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = server.connect();
    client.send(format!("{chunked}{chunk}"));
    check(&client.answer(), 413, Some("body_too_large"), chunked);
    server.await_hit("http_body_bytes", 2);
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let body_timeout = std::time::Duration::from_millis(200);
    let server = Server::limited(Limits { body_timeout, ..Limits::default() });
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhel";
    let mut client = server.connect();
    client.send(request);
    check(&client.answer(), 408, Some("body_timeout"), request);
    assert!(client.is_closed());
    server.await_hit("http_body_time", 1);
}

#[test]
fn a_broken_chunk_is_an_error() {
    let server = Server::new();
    let request =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    check(&server.ask(request), 400, Some("body_malformed"), request);
}

#[test]
fn a_page_that_is_late_gives_503() {
    let page_timeout = std::time::Duration::from_millis(200);
    let pages = Fake { gate: Some(tokio::sync::Semaphore::new(0)), ..Fake::default() };
    let server = Server::with(settings(Limits { page_timeout, ..Limits::default() }), pages);
    let mut client = server.connect();
    client.send(get("/metrics"));
    check(&client.answer(), 503, Some("timeout"), "/metrics");
    client.send(get("/healthz"));
    check(&client.answer(), 200, None, "the connection stays");
    server.await_hit("http_page_time", 1);
}

#[test]
fn a_panic_in_a_page_costs_one_connection() {
    let server = Server::new();
    let mut client = server.connect();
    client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: panic\r\n\r\n");
    assert!(client.is_closed());
    check(&server.ask(&get("/metrics")), 200, None, "/metrics");
}

#[test]
fn a_large_page_arrives_whole() {
    let body = Bytes::from(vec![b'x'; 8 * 1024 * 1024]);
    let pages = Fake { body: body.clone(), ..Fake::default() };
    let server = Server::with(settings(Limits::default()), pages);
    assert!(server.ask(&get("/metrics")).body == body);
}
