//! Streams of lines, each a JSON object: a file, standard output, or a syslog daemon.
//!
//! What cannot be written waits in a bounded buffer and is tried again with the next lines; lines that
//! find it full are dropped and counted. Writing may wait for a disk or a pipe, so a sink belongs to a
//! thread of its own. Nothing is synced: lines outlive the process, not the machine.

mod file;
mod syslog;

use std::fmt;
use std::io;
use std::os::fd::AsFd as _;

use crate::clock::UnixMilliseconds;
use crate::config::receiver::Sink;
use crate::limits::{LINES_BATCH_BYTES_MAX, LINES_WAITING_BYTES_MAX};
use file::LineFile;
use syslog::Syslog;

/// Where lines go, and what could not be written yet.
#[derive(Debug)]
pub struct JsonlSink {
    sink: Sink,
    output: Output,
    /// Whole lines.
    waiting: Vec<u8>,
    /// Of the first of them, how much is written already.
    begun_bytes: usize,
    failure: Option<io::Error>,
    figures: JsonlFigures,
}

/// What a sink has come to since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JsonlFigures {
    /// Lines written.
    pub written: u64,
    /// Lines left out: the buffer was full.
    pub dropped: u64,
    /// Writes that failed; what they were to write is tried again.
    pub failed: u64,
    /// Lines that wait.
    pub waiting: u64,
}

#[derive(Debug)]
enum Output {
    File(LineFile),
    Stdout,
    Syslog(Syslog),
}

/// What was written before an error, if there was one.
struct Written {
    bytes: usize,
    error: Option<io::Error>,
    /// What was begun before stands in another file: the line is written anew.
    is_elsewhere: bool,
}

impl fmt::Display for JsonlSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sink {
            Sink::File(path) => write!(f, "{}", path.display()),
            Sink::Stdout => f.write_str("standard output"),
            Sink::Syslog(path) => write!(f, "syslog at {}", path.display()),
        }
    }
}

impl JsonlSink {
    /// Opens nothing yet: that comes with the first line, and again when it fails.
    pub fn new(sink: Sink) -> JsonlSink {
        let output = match &sink {
            Sink::File(path) => Output::File(LineFile::new(path.clone())),
            Sink::Stdout => Output::Stdout,
            Sink::Syslog(path) => Output::Syslog(Syslog::new(path.clone())),
        };
        JsonlSink {
            sink,
            output,
            waiting: Vec::new(),
            begun_bytes: 0,
            failure: None,
            figures: JsonlFigures::default(),
        }
    }

    /// Takes the batch that an earlier run wrote last, or was about to when it was killed. Of a file,
    /// only what it does not end with is written: the batch must be the last that went there. Of others,
    /// nobody can know: nothing is written.
    pub fn resume(&mut self, last: &[u8], now: UnixMilliseconds) {
        let last = last.get(..LINES_BATCH_BYTES_MAX).unwrap_or(last);
        let Output::File(file) = &mut self.output else { return };
        match file.written_of(last) {
            Ok(written) => {
                let rest = last.get(written..).unwrap_or_default();
                if !rest.is_empty() {
                    self.write(rest, now);
                }
            }
            Err(error) => self.failed(error),
        }
    }

    /// Writes whole lines, each with its newline, behind what waits. Of lines for which there is no
    /// room, the last ones are dropped.
    pub fn write(&mut self, lines: &[u8], now: UnixMilliseconds) {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if self.waiting.len().saturating_add(line.len()) > LINES_WAITING_BYTES_MAX {
                self.figures.dropped += 1;
            } else {
                self.waiting.extend_from_slice(line);
                self.figures.waiting += 1;
            }
        }
        self.flush(now);
    }

    /// Tries again to write what waits.
    pub fn flush(&mut self, now: UnixMilliseconds) {
        while self.begun_bytes < self.waiting.len() {
            let Written { bytes, error, is_elsewhere } = self.write_some(now);
            if is_elsewhere {
                self.begun_bytes = 0;
            }
            self.begun_bytes = self.begun_bytes.saturating_add(bytes).min(self.waiting.len());
            self.forget_written();
            match error {
                Some(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(error) => return self.failed(error),
                None => self.recovered(),
            }
        }
    }

    fn write_some(&mut self, now: UnixMilliseconds) -> Written {
        let rest = self.waiting.get(self.begun_bytes..).unwrap_or_default();
        let written = |result: io::Result<usize>| match result {
            Ok(0) => Written {
                bytes: 0,
                error: Some(io::ErrorKind::WriteZero.into()),
                is_elsewhere: false,
            },
            Ok(bytes) => Written { bytes, error: None, is_elsewhere: false },
            Err(error) => Written { bytes: 0, error: Some(error), is_elsewhere: false },
        };
        match &mut self.output {
            Output::Stdout => {
                written(rustix::io::write(io::stdout().as_fd(), rest).map_err(io::Error::from))
            }
            Output::Syslog(syslog) => {
                let line = rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
                written(syslog.send(line, now).map(|()| line.len()))
            }
            Output::File(file) => match file.ready() {
                Err(error) => written(Err(error)),
                Ok(true) => written(file.append(&self.waiting)).elsewhere(),
                Ok(false) => written(file.append(rest)),
            },
        }
    }

    /// Whole lines that are written leave the buffer.
    fn forget_written(&mut self) {
        let begun = self.waiting.get(..self.begun_bytes).unwrap_or_default();
        let Some(last) = memchr::memrchr(b'\n', begun) else { return };
        let lines = memchr::memchr_iter(b'\n', begun).count() as u64;
        self.waiting.drain(..=last);
        self.begun_bytes -= last + 1;
        self.figures.written += lines;
        self.figures.waiting = self.figures.waiting.saturating_sub(lines);
    }

    fn failed(&mut self, error: io::Error) {
        self.figures.failed += 1;
        if self.failure.is_none() {
            tracing::error!(to = %self, %error, "lines cannot be written; trying again with the next");
        }
        self.failure = Some(error);
    }

    fn recovered(&mut self) {
        if self.failure.take().is_some() {
            tracing::info!(to = %self, "lines are written again");
        }
    }

    /// What is wrong just now.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// What it has come to.
    pub fn figures(&self) -> JsonlFigures {
        self.figures
    }
}

impl Written {
    fn elsewhere(self) -> Written {
        Written { is_elsewhere: true, ..self }
    }
}

#[cfg(test)]
mod tests;
