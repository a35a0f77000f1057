//! Lines through everything that happens to a log, counted once each.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use gatelog::limits::LOOK_INTERVAL_MIN;

use crate::agent::{Directory, expired, verified};

const ALL: &str = "requests_total";

#[test]
fn counts_appear_after_a_line_is_written() {
    let directory = Directory::new();
    directory.write("a.log", &verified("/old"));
    let agent = directory.run(&["a.log"]);
    agent.is_ready(true);
    assert!(agent.sum(ALL, &[]).abs() < 0.5, "it begins at the end");
    directory.append("a.log", &verified("/x"));
    agent.comes_to(ALL, &["route=\"/x\"", "verdict=\"verified\""], 1.0);
    directory.append("a.log", &expired("/x"));
    agent.comes_to("verify_failures_total", &["reason=\"cert_has_expired\""], 1.0);
    agent.comes_to(ALL, &[], 2.0);
    agent.comes_to("log_lines_total", &["source=\"a.log\"", "parsed"], 2.0);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_scrape_counts_what_was_written_before_it() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let agent = directory.run(&["a.log"]);
    agent.is_ready(true);
    for lines in 1..=50 {
        directory.append("a.log", &verified("/x"));
        // Looks that were asked for are no closer to each other.
        std::thread::sleep(LOOK_INTERVAL_MIN);
        let counted = agent.sum(ALL, &[]);
        assert!((counted - f64::from(lines)).abs() < 0.5, "{lines} written, {counted} counted");
    }
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_busy_log_is_rotated_and_falls_silent() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let agent = directory.run(&["a.log"]);
    agent.is_ready(true);
    for rotation in 0..3 {
        let mut log =
            OpenOptions::new().create(true).append(true).open(directory.at("a.log")).unwrap();
        // For longer than it takes until events are not asked for.
        for _ in 0..150 {
            log.write_all(verified("/x").repeat(20).as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(4));
        }
        let rotated = directory.at(&format!("a.log.{rotation}"));
        fs::rename(directory.at("a.log"), rotated).unwrap();
        log.write_all(verified("/late").as_bytes()).unwrap();
    }
    directory.append("a.log", &verified("/new"));
    agent.comes_to(ALL, &["route=\"/x\""], 9000.0);
    agent.comes_to(ALL, &["route=\"/late\""], 3.0);
    agent.comes_to(ALL, &["route=\"/new\""], 1.0);
    agent.comes_to("log_gaps_total", &[], 0.0);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn renamed_with_late_writes() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let agent = directory.run(&["--from", "beginning", "a.log"]);
    let mut old = OpenOptions::new().append(true).open(directory.at("a.log")).unwrap();
    old.write_all(verified("/1").as_bytes()).unwrap();
    agent.comes_to(ALL, &[], 1.0);
    fs::rename(directory.at("a.log"), directory.at("a.log.1")).unwrap();
    old.write_all(verified("/late").as_bytes()).unwrap();
    directory.append("a.log", &verified("/new"));
    agent.comes_to(ALL, &["route=\"/new\"", "verified"], 1.0);
    old.write_all(verified("/later").as_bytes()).unwrap();
    agent.comes_to(ALL, &["route=\"/later\"", "verified"], 1.0);
    agent.comes_to(ALL, &[], 4.0);
    agent.says("rotated");
    agent.comes_to("log_gaps_total", &[], 0.0);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn copied_and_truncated() {
    let directory = Directory::new();
    directory.write("a.log", &verified("/1").repeat(3));
    let agent = directory.run(&["--from", "beginning", "a.log"]);
    agent.comes_to(ALL, &[], 3.0);
    fs::copy(directory.at("a.log"), directory.at("a.log.1")).unwrap();
    OpenOptions::new().write(true).open(directory.at("a.log")).unwrap().set_len(0).unwrap();
    directory.append("a.log", &verified("/two"));
    agent.comes_to(ALL, &["route=\"/two\"", "verified"], 1.0);
    agent.comes_to(ALL, &[], 4.0);
    agent.says("truncated");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn created_late_deleted_and_created_again() {
    let directory = Directory::new();
    let agent = directory.run(&["sub/a.log"]);
    assert!(agent.is_ready(false).contains("a.log: sub/a.log: does not exist yet"));
    assert!(agent.says("does not exist yet").contains("WARN"));
    fs::create_dir(directory.at("sub")).unwrap();
    directory.append("sub/a.log", &verified("/1"));
    agent.comes_to(ALL, &[], 1.0);
    agent.is_ready(true);
    fs::remove_file(directory.at("sub/a.log")).unwrap();
    agent.says("the name is gone");
    directory.append("sub/a.log", &verified("/2"));
    agent.comes_to(ALL, &[], 2.0);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn what_is_written_before_the_signal_is_counted() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let mut agent = directory.run(&["--from", "beginning", "a.log"]);
    agent.is_ready(true);
    let lines = 20_000;
    directory.append("a.log", &verified("/x").repeat(lines));
    agent.signal("TERM");
    assert_eq!(agent.ends().code(), Some(0));
    let said = agent.says("stopped");
    assert!(
        said.contains(&format!("lines_parsed={lines} lines_unparsed=0 unread_bytes=0")),
        "{said}"
    );
}

#[test]
fn several_sources_and_globs_are_told_apart() {
    let directory = Directory::new();
    directory.write("a.log", "");
    let agent = directory.run(&["a.log", "sub*/*.log"]);
    fs::create_dir(directory.at("sub1")).unwrap();
    directory.append("sub1/b.log", &verified("/b"));
    directory.append("sub1/c.log", &verified("/c"));
    directory.append("a.log", &verified("/a"));
    agent.comes_to("log_lines_total", &["source=\"*.log\"", "\"parsed\""], 2.0);
    agent.comes_to("log_lines_total", &["source=\"a.log\"", "\"parsed\""], 1.0);
    agent.comes_to(ALL, &["server=\"a.log\""], 1.0);
    assert_eq!(agent.stop(), Some(0));
}
