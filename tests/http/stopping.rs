//! Starting and stopping: addresses, guards, the grace.

use std::{
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use gatelog::http::{
    BindError, Group, Groups, LimitHits, Limits, ServeError, Settings, bind, serve,
};

use crate::server::{Fake, Server, await_that, runtime, settings};

const GET_METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET_HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn gated() -> Fake {
    Fake { gate: Some(tokio::sync::Semaphore::new(0)), ..Fake::default() }
}

#[test]
fn an_address_in_use_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = other.local_addr().unwrap();
    let settings = Settings { listen, key: "metrics.listen", ..settings(Limits::default()) };
    let error = runtime().block_on(bind(&settings)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "metrics.listen: cannot listen on {listen}: the address is already in use, perhaps by \
             another agent"
        )
    );
}

#[test]
fn an_open_address_needs_open_groups() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let closed = Settings { listen, ..settings(Limits::default()) };
    let error = runtime().block_on(bind(&closed)).unwrap_err();
    assert!(matches!(error, BindError::Guard { .. }));
    assert!(error.to_string().contains("http.open = [\"metrics\", \"health\"]"), "{error}");
    // A listener opened elsewhere is held to the same.
    let error = runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
        let (pages, hits) = (Arc::new(Fake::default()), Arc::new(LimitHits::default()));
        serve(listener, closed.clone(), pages, hits, std::future::ready(())).await
    });
    assert!(matches!(error, Err(ServeError::Guard(_))));
    let open = Settings { open: Group::ALL.into_iter().collect(), ..closed.clone() };
    runtime().block_on(bind(&open)).unwrap();
    let some = Settings { open: Groups::NONE.with(Group::Health), ..closed };
    let error = runtime().block_on(bind(&some)).unwrap_err();
    assert!(error.to_string().contains("http.open = [\"metrics\"]"), "{error}");
}

#[test]
fn stopping_lets_a_running_answer_finish() {
    let mut server = Server::with(settings(Limits::default()), gated());
    let mut running = server.connect();
    running.send(GET_METRICS);
    let mut idle = server.connect();
    idle.send(GET_HEALTHZ);
    assert_eq!(idle.answer().status, 200);
    let mut unfinished = server.connect();
    unfinished.send("GET /metrics HTTP/1.1\r\n");
    await_that("the answer runs", || server.pages.begun() == 1);
    server.ask_stop();
    assert!(idle.is_closed(), "an idle connection is closed at once");
    assert!(unfinished.is_closed(), "an unfinished one too");
    await_that("new connections are refused", || TcpStream::connect(server.address).is_err());
    server.pages.open_gate();
    let answer = running.answer();
    assert_eq!((answer.status, answer.text()), (200, "gatelog_build_info 1\n"));
    assert_eq!(answer.header("connection"), Some("close"), "and says that it is the last");
    assert!(running.is_closed());
    server.join();
    assert_eq!(server.hit("http_shutdown_grace"), 0);
}

#[test]
fn stopping_ends_with_the_grace() {
    let shutdown_grace = Duration::from_millis(200);
    let mut server =
        Server::with(settings(Limits { shutdown_grace, ..Limits::default() }), gated());
    let mut running = server.connect();
    running.send(GET_METRICS);
    await_that("the answer runs", || server.pages.begun() == 1);
    server.ask_stop();
    server.join();
    assert!(running.is_closed());
    assert_eq!(server.hit("http_shutdown_grace"), 1);
    assert_eq!(Arc::strong_count(&server.pages), 1, "nothing that was started is left");
}

#[test]
fn stopping_with_nothing_to_do_is_quick() {
    let mut server = Server::new();
    let _idle: Vec<_> = (0..100).map(|_| server.connect()).collect();
    server.ask_stop();
    server.join();
}
