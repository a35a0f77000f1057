//! Several logs as one, in the order of their times.
//!
//! Each log is read by a thread of its own, which hands its lines on in batches; whoever merges takes the
//! line of the earliest time. A line without a time goes with the one before it. A log is begun when its
//! first time has come, so that of a hundred rotated ones few are open at once.

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use gatelog_parsers::time_stamp::UnixMillis;

use super::context::{Context, Failure};
use super::logs::{Log, Logs, OpenLog, Read};
use crate::limits::{MERGE_BATCH_BYTES, MERGE_BATCHES_MAX};
use crate::reader::Reader;
use crate::source::Line;

/// Lines of one log, one after the other.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    end: usize,
    time: UnixMillis,
    cut: bool,
    byte_offset: u64,
    line_number: u64,
    is_stderr: bool,
}

/// A log that is being read.
struct Open {
    reader: Reader,
    batches: Receiver<Batch>,
    batch: Batch,
    /// The next line of the batch, and where it starts.
    next: usize,
    start: usize,
}

/// Reads all logs and hands on each line with the reader of its log, in the order of their times. The
/// logs say whether all of them could be read.
///
/// # Errors
/// What `on` returns.
pub(super) fn read(
    context: &Context,
    logs: &mut Logs,
    mut on: impl FnMut(&mut Reader, &Line<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let color = context.color.on(io::stderr().is_terminal());
    let mut incomplete = false;
    let result = thread::scope(|scope| {
        let mut waiting = logs.list.iter_mut().collect::<std::collections::VecDeque<&mut Log>>();
        let (mut open, mut threads) = (Vec::<Open>::new(), Vec::new());
        loop {
            let earliest = open.iter().enumerate().min_by_key(|(place, it)| (it.time(), *place));
            let earliest = earliest.map(|(place, it)| (place, it.time()));
            let is_due = waiting
                .front()
                .is_some_and(|log| earliest.is_none_or(|(_, time)| log.begins_at() <= time));
            if is_due {
                let Some(log) = waiting.pop_front() else { continue };
                let Some(times) = log.reader(context)? else { continue };
                let Some(reader) = log.reader(context)? else { continue };
                let Some(opened) = log.open(color, 1) else {
                    incomplete = true;
                    continue;
                };
                let (sender, batches) = sync_channel(MERGE_BATCHES_MAX);
                threads.push(scope.spawn(move || hand_on(opened, times, &sender)));
                let mut new = Open { reader, batches, batch: Batch::default(), next: 0, start: 0 };
                if new.advance() {
                    open.push(new);
                }
                continue;
            }
            let Some((place, _)) = earliest else { break };
            let Some(log) = open.get_mut(place) else { break };
            log.hand_on(&mut on)?;
            if !log.advance() {
                open.remove(place);
            }
        }
        for thread in threads {
            incomplete |= !thread.join().unwrap_or(false);
        }
        Ok(())
    });
    logs.incomplete |= incomplete;
    result
}

/// Reads a log to its end, or until nobody wants more of it; returns whether all could be read.
fn hand_on(log: OpenLog, mut times: Reader, sender: &SyncSender<Batch>) -> bool {
    let (mut batch, mut time) = (Batch::default(), UnixMillis::MIN);
    let complete = log.read(|read| {
        let Read::Line(line) = read else { return Ok(()) };
        time = times.time(line).unwrap_or(time);
        batch.bytes.extend_from_slice(line.bytes);
        let Line { cut, byte_offset, line_number, is_stderr, .. } = *line;
        let end = batch.bytes.len();
        batch.lines.push(Kept { end, time, cut, byte_offset, line_number, is_stderr });
        if end < MERGE_BATCH_BYTES {
            return Ok(());
        }
        // Whoever merged has stopped.
        sender.send(std::mem::take(&mut batch)).map_err(|_| Failure::ClosedPipe)
    });
    let sent = sender.send(batch).is_ok();
    complete.is_ok_and(|complete| complete) && sent
}

impl Open {
    fn time(&self) -> UnixMillis {
        self.batch.lines.get(self.next).map_or(UnixMillis::MAX, |line| line.time)
    }

    /// Makes sure that there is a next line; false at the end of the log.
    fn advance(&mut self) -> bool {
        while self.next >= self.batch.lines.len() {
            let Ok(batch) = self.batches.recv() else { return false };
            (self.batch, self.next, self.start) = (batch, 0, 0);
        }
        true
    }

    fn hand_on(
        &mut self,
        on: &mut impl FnMut(&mut Reader, &Line<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(kept) = self.batch.lines.get(self.next) else { return Ok(()) };
        let bytes = self.batch.bytes.get(self.start..kept.end).unwrap_or_default();
        let Kept { cut, byte_offset, line_number, is_stderr, end, .. } = *kept;
        let line = Line { bytes, cut, byte_offset, line_number, is_stderr };
        on(&mut self.reader, &line)?;
        self.next += 1;
        self.start = end;
        Ok(())
    }
}
