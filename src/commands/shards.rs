//! One large log counted by several threads, each with a reader and a ledger of its own.
//!
//! Which thread reads which block depends on their number alone, so that the same log gives the same
//! counts each time, also where a bound is hit. Where the cuts lie is `source::blocks`'; this is the
//! shell of threads around it.

use std::fs::File;
use std::io;
use std::thread;

use indicatif::ProgressBar;

use super::context::Failure;
use super::logs;
use crate::event::route::Router;
use crate::ledger::Ledger;
use crate::limits::{BLOCK_BYTES, READ_THREADS_MAX};
use crate::reader::Reader;
use crate::source::{Blocks, LineBuffer, Stream};

/// What one thread counts.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) reader: Reader,
    pub(super) ledger: Ledger,
    /// Bytes of its blocks, as far as the file still had them.
    pub(super) read_bytes: u64,
}

/// As many threads as this process may use processors.
pub(super) fn threads_default() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(READ_THREADS_MAX))
}

/// Counts the stream's file by at most so many threads. `None`, with nothing counted, when one has to
/// read it alone: it is small, a pipe or compressed; or a part could not be read, and then it is for
/// one who reads in order to say how far that goes.
///
/// # Errors
/// Those of `shard`, which makes an empty one.
pub(super) fn count(
    stream: &Stream,
    threads: usize,
    router: &Router,
    shard: impl Fn() -> Result<Option<Shard>, Failure>,
) -> Result<Option<Vec<Shard>>, Failure> {
    let Some((file, size_bytes)) = stream.plain_file() else { return Ok(None) };
    let blocks = Blocks::new(size_bytes, BLOCK_BYTES);
    let threads = usize::try_from(blocks.count()).unwrap_or(usize::MAX).min(threads);
    if threads < 2 {
        return Ok(None);
    }
    let mut shards = Vec::with_capacity(threads);
    for _ in 0..threads {
        shards.extend(shard()?);
    }
    let progress = logs::progress(stream);
    let read = read(file, blocks, &mut shards, router, &progress);
    progress.finish_and_clear();
    Ok(read.is_ok().then_some(shards))
}

/// Reads all blocks, a thread for each shard.
fn read(
    file: &File,
    blocks: Blocks,
    shards: &mut [Shard],
    router: &Router,
    progress: &ProgressBar,
) -> io::Result<()> {
    let threads = shards.len();
    thread::scope(|scope| {
        let start = |(index, shard)| {
            let read = move || read_share(file, blocks, (index, threads), shard, router, progress);
            thread::Builder::new().name(format!("reader {index}")).spawn_scoped(scope, read)
        };
        let started: Vec<_> = shards.iter_mut().enumerate().map(start).collect();
        started.into_iter().try_for_each(|thread| match thread?.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

fn read_share(
    file: &File,
    blocks: Blocks,
    (index, threads): (usize, usize),
    shard: &mut Shard,
    router: &Router,
    progress: &ProgressBar,
) -> io::Result<()> {
    let mut buffer = LineBuffer::new();
    for block in blocks.share(index, threads) {
        let read_bytes = block.read(file, &mut buffer, &mut |line| {
            shard.reader.count(&line, &mut shard.ledger, router);
        })?;
        shard.read_bytes += read_bytes;
        progress.inc(read_bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use gatelog_parsers::line::LineParser;
    use gatelog_parsers::log_format::LogFormat;
    use gatelog_parsers::recognise::MTLS_EXTENDED;

    use super::*;
    use crate::event::Judge;
    use crate::event::judge::JudgeSettings;
    use crate::event::route::Patterns;
    use crate::event::server::Servers;
    use crate::ledger::distinct::Seed;
    use crate::reader::{LineCounts, TimeRange};
    use crate::show::report_json::ReportJson;
    use crate::show::summary::Summary;

    fn shard() -> Shard {
        let parser = LineParser::new(&LogFormat::parse(MTLS_EXTENDED.as_bytes()).unwrap());
        let servers = Servers::new("edge".to_owned(), Vec::new(), Vec::new());
        let judge = Judge::new(&parser, servers, JudgeSettings::default());
        let reader = Reader::new(parser, judge, TimeRange::default());
        Shard { reader, ledger: Ledger::new(Seed::new(7), 500), read_bytes: 0 }
    }

    /// What a number of threads counts in blocks of this size, and the bytes that they read.
    fn counted(file: &File, size: u64, block: u64, threads: usize) -> io::Result<(String, u64)> {
        let router = Router::new(Patterns::default());
        let blocks = Blocks::new(size, NonZeroU64::new(block).unwrap());
        let mut shards: Vec<Shard> = (0..threads).map(|_| shard()).collect();
        read(file, blocks, &mut shards, &router, &ProgressBar::hidden())?;
        let (mut whole, mut lines) = (shard().ledger, LineCounts::default());
        for shard in &shards {
            whole.merge(&shard.ledger);
            lines.merge(shard.reader.counts());
        }
        let report = ReportJson::new(&Summary::new(&whole), lines, None);
        let read_bytes = shards.iter().map(|shard| shard.read_bytes).sum();
        Ok((serde_json::to_string(&report).unwrap(), read_bytes))
    }

    #[test]
    fn any_blocks_and_any_threads_give_the_same_counts() {
        let log = std::fs::read("tests/corpus/nginx-mtls-extended.log").unwrap();
        // One DN is longer than is kept: beyond a bound, the hits depend on the split.
        let is_kept = |line: &&[u8]| memchr::memmem::find(line, b"dn-long").is_none();
        let lines = log.split_inclusive(|&byte| byte == b'\n').filter(is_kept);
        let log = [lines.collect::<Vec<_>>().concat(), b"\0\r\nno line, no end".to_vec()].concat();
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &log).unwrap();
        let (file, size) = (path.as_file(), log.len() as u64);
        let whole = counted(file, size, size, 1).unwrap();
        assert_eq!(whole.1, size);
        assert!(whole.0.contains(r#""unparsed":2"#), "{}", whole.0);
        for block in [100, 751, 4096, 100_000] {
            for threads in [1, 2, 3, 7] {
                let found = counted(file, size, block, threads).unwrap();
                assert_eq!(found, whole, "{block} bytes, {threads} threads");
            }
        }
        // A file that has shrunk has fewer bytes than it should, whoever misses them.
        let (_, read_bytes) = counted(file, size + 1000, 4096, 3).unwrap();
        assert_eq!(read_bytes, size);
    }

    #[test]
    fn a_part_that_cannot_be_read_is_an_error() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let unreadable = std::fs::OpenOptions::new().append(true).open(path.path()).unwrap();
        assert!(counted(&unreadable, 1000, 100, 3).is_err());
    }
}
