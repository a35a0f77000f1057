//! A directory, a follower in it, and a time that a test moves.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatelog::clock::Monotonic;
use gatelog::limits::{LINE_BYTES_MAX, ROTATED_IDLE_GRACE};
use gatelog::source::change::{Change, GapReason};
use gatelog::source::file::{Follower, Progress, StartAt};
use gatelog::source::pattern::Pattern;

/// A follower in a directory of its own, with a time that only moves when it is told to.
pub(crate) struct Scene {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) follower: Follower,
    patterns: Vec<PathBuf>,
    pub(crate) now: Duration,
    pub(crate) lines: Vec<String>,
    pub(crate) changes: Vec<String>,
}

impl Scene {
    pub(crate) fn new(patterns: &[&str], start: StartAt) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), patterns, start)
    }

    pub(crate) fn in_directory(
        directory: tempfile::TempDir,
        patterns: &[&str],
        start: StartAt,
    ) -> Self {
        let patterns: Vec<PathBuf> = patterns.iter().map(|it| directory.path().join(it)).collect();
        let follower = Follower::new(parsed(&patterns), start);
        let (lines, changes) = (Vec::new(), Vec::new());
        Self { directory, follower, patterns, now: Duration::ZERO, lines, changes }
    }

    /// The state as it is stored.
    pub(crate) fn state(&self) -> Vec<u8> {
        minicbor::to_vec(self.follower.state()).unwrap()
    }

    /// As after a kill: what is known is what was stored.
    pub(crate) fn resume(&mut self, state: &[u8]) {
        let state = minicbor::decode(state).unwrap();
        self.follower = Follower::resume(parsed(&self.patterns), StartAt::End, state);
        self.now = Duration::ZERO;
        self.changes.clear();
    }

    /// `gzip`: the packed file keeps the last write of the one that it takes the place of.
    pub(crate) fn gzip(&self, name: &str) {
        let (from, to) = (self.at(name), self.at(&format!("{name}.gz")));
        let modified = from.metadata().unwrap().modified().unwrap();
        let file = fs::File::create(to).unwrap();
        let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packer.write_all(&fs::read(&from).unwrap()).unwrap();
        let file = packer.finish().unwrap();
        file.set_times(fs::FileTimes::new().set_modified(modified)).unwrap();
        fs::remove_file(from).unwrap();
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        append(&self.at(name), text);
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    pub(crate) fn look(&mut self) {
        let changes = self.follower.look(Monotonic::from_start(self.now));
        assert_eq!(changes.dropped, 0);
        let root = format!("{}/", self.directory.path().display());
        self.changes.extend(changes.list.iter().map(|change| {
            let (what, path) = match change {
                Change::Appeared { path, byte_offset, .. } => {
                    (format!("appeared at {byte_offset}"), path.to_path_buf())
                }
                Change::Rotated { path } => ("rotated".to_owned(), path.to_path_buf()),
                Change::Gone { path, deleted } => {
                    (if *deleted { "deleted" } else { "renamed" }.to_owned(), path.to_path_buf())
                }
                Change::Truncated { path, lost_bytes } => {
                    (format!("truncated, lost {lost_bytes}"), path.to_path_buf())
                }
                Change::Missed { path, byte_offset } => {
                    (format!("missed, from {byte_offset}"), path.clone())
                }
                Change::Lost { path, reason, lost_bytes } => {
                    (format!("lost {}, {lost_bytes:?}", reason.name()), path.to_path_buf())
                }
                Change::Problem { path, problem } => (problem.to_string(), path.to_path_buf()),
                _ => panic!("unknown change"),
            };
            format!("{}: {what}", path.display().to_string().replace(&root, ""))
        }));
    }

    pub(crate) fn read_all(&mut self) {
        let lines = &mut self.lines;
        while self.follower.read(&mut |_, line| {
            assert!(line.bytes.len() <= LINE_BYTES_MAX);
            lines.push(String::from_utf8_lossy(line.bytes).into_owned());
        }) == Progress::Read
        {}
    }

    /// One round as the agent makes it.
    pub(crate) fn round(&mut self) {
        self.look();
        self.read_all();
    }

    /// Time enough for a rotated file to be given up: once to see that it is idle, once to close
    /// it.
    pub(crate) fn pass_grace(&mut self) {
        self.round();
        self.now += ROTATED_IDLE_GRACE;
        self.round();
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, lines: &[&str]) {
        assert_eq!(self.lines, lines);
        self.lines.clear();
    }

    #[track_caller]
    pub(crate) fn expect_changes(&mut self, changes: &[&str]) {
        assert_eq!(self.changes, changes);
        self.changes.clear();
    }

    pub(crate) fn gap(&self, reason: GapReason) -> (u64, u64) {
        let gap = self.follower.counters().gap(reason);
        (gap.count, gap.bytes)
    }

    pub(crate) fn open_files(&self) -> usize {
        self.follower.files().count()
    }
}

fn parsed(patterns: &[PathBuf]) -> Vec<Pattern> {
    patterns.iter().map(|pattern| Pattern::new(pattern).unwrap()).collect()
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
