//! The writer in nginx's place, and the scraper that notes when lines are seen.

use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gatelog::clock::{Clock, Monotonic};

use crate::Result;
use crate::agent::Pages;

/// `access_log ... buffer=64k`.
const BUFFER_BYTES: usize = 64 * 1024;

/// Time between two scrapes that look for lines.
const SCRAPE_PAUSE: Duration = Duration::from_millis(2);

/// Most bytes of the given log that are kept; they are written again from the start.
const LOG_BYTES_MAX: u64 = 256 << 20;

/// The lines to write, and how far they are written.
pub(crate) struct Load {
    log: Vec<u8>,
    /// Byte offset of the next line in `log`.
    next: usize,
    rate: u32,
    file: Option<File>,
    written: u64,
}

/// What is written at once.
struct Buffer {
    bytes: std::ops::Range<usize>,
    lines: u64,
}

/// One write.
pub(crate) struct Written {
    /// When it returned.
    pub(crate) at: Duration,
    pub(crate) lines: u64,
    /// All lines written until then.
    pub(crate) lines_after: u64,
}

impl Load {
    /// Takes the lines of a log, which are written at `rate` lines a second.
    pub(crate) fn read(path: &Path, rate: u32) -> Result<Load> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut log = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut log)?;
        let end = memchr::memrchr(b'\n', &log).ok_or("the log has no line")? + 1;
        log.truncate(end);
        Ok(Load { log, next: 0, rate, file: None, written: 0 })
    }

    /// Begins a new file; nothing is written to it yet.
    pub(crate) fn open(&mut self, path: &Path) -> Result<()> {
        self.file = Some(File::create(path)?);
        Ok(())
    }

    /// Lines written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The lines, again and again.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.log.split_inclusive(|byte| *byte == b'\n').cycle()
    }

    /// Writes at the full rate for a time; the times of the writes are the clock's.
    pub(crate) fn write_for(&mut self, time: Duration, clock: &Clock) -> Result<Vec<Written>> {
        let start = clock.monotonic().since_start();
        let mut writes = Vec::new();
        let mut lines_due = 0;
        while clock.monotonic().since_start() < start + time {
            let buffer = self.next_buffer(BUFFER_BYTES, u64::MAX);
            // The buffer is full when as many lines have come as fit.
            lines_due += buffer.lines;
            sleep_until(clock, start + Duration::from_secs(lines_due) / self.rate);
            writes.push(self.write(&buffer, clock)?);
        }
        Ok(writes)
    }

    /// Writes a line at a time, with pauses that never fall in step with anything else.
    pub(crate) fn write_single_lines(
        &mut self,
        time: Duration,
        clock: &Clock,
    ) -> Result<Vec<Written>> {
        let start = clock.monotonic().since_start();
        let mut writes = Vec::new();
        while clock.monotonic().since_start() < start + time {
            let buffer = self.next_buffer(BUFFER_BYTES, 1);
            writes.push(self.write(&buffer, clock)?);
            let step = writes.len() as u64;
            std::thread::sleep(Duration::from_micros(15_000 + step.wrapping_mul(7_919) % 25_000));
        }
        Ok(writes)
    }

    /// The next whole lines that fit into a buffer.
    fn next_buffer(&mut self, bytes_max: usize, lines_max: u64) -> Buffer {
        let start = if self.next >= self.log.len() { 0 } else { self.next };
        let rest = self.log.get(start..).unwrap_or_default();
        let mut buffer = Buffer { bytes: start..start, lines: 0 };
        for newline in memchr::memchr_iter(b'\n', rest) {
            // A line longer than the buffer is written alone, as nginx does.
            let is_full = newline + 1 > bytes_max && buffer.lines > 0;
            if buffer.lines >= lines_max || is_full {
                break;
            }
            buffer.bytes.end = start + newline + 1;
            buffer.lines += 1;
        }
        self.next = buffer.bytes.end;
        buffer
    }

    fn write(&mut self, buffer: &Buffer, clock: &Clock) -> Result<Written> {
        let bytes = self.log.get(buffer.bytes.clone()).unwrap_or_default();
        self.file.as_mut().ok_or("no file is open")?.write_all(bytes)?;
        self.written += buffer.lines;
        let at = clock.monotonic().since_start();
        Ok(Written { at, lines: buffer.lines, lines_after: self.written })
    }
}

fn sleep_until(clock: &Clock, moment: Duration) {
    let due = Monotonic::from_start(moment);
    std::thread::sleep(due.since(clock.monotonic()));
}

/// What a page told, when it had come.
pub(crate) struct SeenPage {
    pub(crate) at: Duration,
    pub(crate) lines: u64,
}

/// A scraper that runs until it is told to end.
pub(crate) struct Seen {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<SeenPage>>>,
}

impl Seen {
    /// Begins to scrape; times are counted from the making of `clock`.
    pub(crate) fn begin(address: SocketAddr, clock: Clock) -> Seen {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut pages = Pages::connect(address)?;
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let lines = pages.page("/metrics")?.lines();
                seen.push(SeenPage { at: clock.monotonic().since_start(), lines });
                std::thread::sleep(SCRAPE_PAUSE);
            }
            Ok(seen)
        });
        Seen { stop, thread }
    }

    pub(crate) fn end(self) -> Result<Vec<SeenPage>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_panic| "the scraper has ended early")?
    }
}
