//! A log as nginx writes it, at a steady rate, while logrotate works on it in either way.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gatelog::clock::{Clock, Monotonic};
use generate_log::{Format, Generator, Sizes};

/// Old files that are kept: more than are made while an agent is dead.
const KEPT: u32 = 60;
/// Time between two writes.
const STEP: Duration = Duration::from_millis(5);
/// nginx writes to the renamed file until it is told to reopen.
const LATE: Duration = Duration::from_millis(30);
/// Whoever copies and truncates must not be written to in between: the writer waits.
const COPY_PAUSE: Duration = Duration::from_millis(20);

/// How the log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    Rename,
    CopyTruncate,
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// All lines, in the order in which they were written.
    pub(crate) lines: Vec<u8>,
    pub(crate) count: u64,
    pub(crate) rotations: u64,
}

/// A thread that writes.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Written>,
}

impl Writer {
    /// Writes so many lines a second to `log`, and rotates it each time that much time has passed,
    /// in turn by each of the ways.
    pub(crate) fn start(
        log: PathBuf,
        lines_per_second: u64,
        rotate_every: Duration,
        ways: Vec<Rotation>,
    ) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let clock = Clock::system();
            let mut log = Log::new(log);
            let mut ways = ways.into_iter().cycle();
            let mut rotated = clock.monotonic();
            while !stopped.load(Ordering::Relaxed) {
                let due = due(&clock, lines_per_second);
                log.write(due.saturating_sub(log.written.count));
                if clock.monotonic().since(rotated) >= rotate_every {
                    log.rotate(ways.next().unwrap(), &clock, lines_per_second);
                    rotated = clock.monotonic();
                }
                std::thread::sleep(STEP);
            }
            log.written
        });
        Writer { stop, thread }
    }

    pub(crate) fn stop(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// How many lines there should be by now.
fn due(clock: &Clock, lines_per_second: u64) -> u64 {
    let milliseconds = clock.monotonic().since(Monotonic::default()).as_millis();
    u64::try_from(milliseconds).unwrap() * lines_per_second / 1000
}

struct Log {
    path: PathBuf,
    file: File,
    generator: Generator,
    written: Written,
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

impl Log {
    fn new(path: PathBuf) -> Log {
        let sizes = Sizes { certificates: 60, paths: 40, ..Sizes::default() };
        let generator = Generator::new(1, sizes, Format::Extended);
        Log { file: append(&path), path, generator, written: Written::default() }
    }

    fn write(&mut self, count: u64) {
        let lines = self.generator.lines(usize::try_from(count).unwrap());
        self.file.write_all(&lines).unwrap();
        self.written.lines.extend_from_slice(&lines);
        self.written.count += count;
    }

    fn rotated(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn rotate(&mut self, way: Rotation, clock: &Clock, lines_per_second: u64) {
        for number in (1..KEPT).rev() {
            let older = self.rotated(number + 1);
            drop(fs::rename(self.rotated(number), older));
        }
        match way {
            Rotation::Rename => {
                fs::rename(&self.path, self.rotated(1)).unwrap();
                let renamed = clock.monotonic();
                while clock.monotonic().since(renamed) < LATE {
                    self.write(due(clock, lines_per_second).saturating_sub(self.written.count));
                    std::thread::sleep(STEP);
                }
                self.file = append(&self.path);
            }
            Rotation::CopyTruncate => {
                fs::copy(&self.path, self.rotated(1)).unwrap();
                std::thread::sleep(COPY_PAUSE);
                self.file.set_len(0).unwrap();
            }
        }
        self.written.rotations += 1;
    }
}
