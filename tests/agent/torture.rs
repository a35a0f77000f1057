//! Rotation after rotation of a busy log, each line counted once. `GATELOG_ROTATIONS` asks for more
//! than a few; what was written and counted is printed.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::Duration;

use gatelog::clock::Clock;

use crate::agent::{Agent, Directory, verified, wait_for};

const LINES_PER_SECOND: u32 = 20_000;

/// Time between two rotations.
const PERIOD: Duration = Duration::from_millis(250);

/// How long nginx writes on to the renamed file.
const LATE: Duration = Duration::from_millis(30);

/// Rotated files that are kept.
const KEPT: u32 = 4;

fn rotations() -> u32 {
    std::env::var("GATELOG_ROTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// Writes as nginx does with a buffer: several lines at once, at a steady rate.
struct Writer {
    clock: Clock,
    written: u32,
}

impl Writer {
    fn new() -> Self {
        Self { clock: Clock::system(), written: 0 }
    }

    fn write_for(&mut self, log: &mut File, time: Duration) {
        let end = self.clock.monotonic().since_start() + time;
        loop {
            let now = self.clock.monotonic().since_start();
            let due = (now.as_secs_f64() * f64::from(LINES_PER_SECOND)).floor();
            let mut lines = String::new();
            while f64::from(self.written) < due {
                lines.push_str(&verified(&format!("/n/{}", self.written)));
                self.written += 1;
            }
            log.write_all(lines.as_bytes()).unwrap();
            if now >= end {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn shift(directory: &Directory) {
    let at = |number: u32| directory.at(&format!("a.log.{number}"));
    for number in (1..KEPT).rev().filter(|number| at(*number).exists()) {
        fs::rename(at(number), at(number + 1)).unwrap();
    }
}

fn open(directory: &Directory) -> File {
    OpenOptions::new().create(true).append(true).open(directory.at("a.log")).unwrap()
}

/// Waits for all to be counted, and says what was.
#[track_caller]
fn expect_all(agent: Agent, written: u32) -> String {
    let counted = || agent.sum("requests_total", &["route=\"/n/{id}\""]);
    // A build for tests is slow: it is waited for as long as it goes on.
    let mut before = -1.0;
    while wait_for(|| (counted() > before).then_some(())).is_some() {
        before = counted();
        if before >= f64::from(written) {
            break;
        }
    }
    let (counted, gaps) = (counted(), agent.sum("log_gaps_total", &[]));
    let rotations = rotations();
    let said = format!("{rotations} rotations, {written} lines, {counted} counted, {gaps} gaps");
    assert!((counted - f64::from(written)).abs() < 0.5 && gaps.abs() < 0.5, "{said}");
    assert_eq!(agent.stop(), Some(0));
    said
}

#[test]
fn torture_renamed_with_late_writes() {
    let directory = Directory::new();
    let mut log = open(&directory);
    let agent = directory.run(&["--from", "beginning", "a.log"]);
    agent.is_ready(true);
    let mut writer = Writer::new();
    for _ in 0..rotations() {
        writer.write_for(&mut log, PERIOD - LATE);
        shift(&directory);
        fs::rename(directory.at("a.log"), directory.at("a.log.1")).unwrap();
        writer.write_for(&mut log, LATE);
        log = open(&directory);
    }
    writer.write_for(&mut log, LATE);
    println!("renamed, 30 ms of late writes: {}", expect_all(agent, writer.written));
}

#[test]
fn torture_copied_and_truncated_while_the_writer_pauses() {
    let directory = Directory::new();
    let mut log = open(&directory);
    let agent = directory.run(&["--from", "beginning", "a.log"]);
    agent.is_ready(true);
    let mut writer = Writer::new();
    for _ in 0..rotations() {
        writer.write_for(&mut log, PERIOD);
        shift(&directory);
        fs::copy(directory.at("a.log"), directory.at("a.log.1")).unwrap();
        log.set_len(0).unwrap();
    }
    writer.write_for(&mut log, LATE);
    println!("copied, a pause, truncated: {}", expect_all(agent, writer.written));
}
