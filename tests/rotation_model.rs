//! Following a log against a model of it: random writes, rotations, truncations, deletions, looks
//! and reads. `GATELOG_MODEL_CASES` asks for more sequences than the usual 200.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use gatelog::clock::Monotonic;
use gatelog::limits::{FILES_REMEMBERED_MAX, OPEN_FILES_MAX, ROTATED_IDLE_GRACE};
use gatelog::source::change::GapReason;
use gatelog::source::file::{Follower, Progress, StartAt};
use gatelog::source::pattern::Pattern;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

#[derive(Debug, Clone, Copy)]
enum Action {
    /// Whole lines to the live file.
    Append(u8),
    /// The first part of a line to the live file; what is written next ends it.
    AppendPart,
    /// A whole line to the file that was rotated last, as nginx does before it reopens.
    AppendLate,
    /// logrotate's default: `a.log` becomes `a.log.1`, and so on.
    Rename {
        create: bool,
    },
    CopyTruncate,
    /// Emptied and at once written to again, longer than before.
    TruncateRegrow,
    Delete,
    Look,
    /// One chunk.
    Read,
    ReadAll,
    /// Time passes, until rotated files are given up.
    Pass,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (1..20_u8).prop_map(Action::Append),
        2 => Just(Action::AppendPart),
        2 => Just(Action::AppendLate),
        3 => any::<bool>().prop_map(|create| Action::Rename { create }),
        1 => Just(Action::CopyTruncate),
        1 => Just(Action::TruncateRegrow),
        1 => Just(Action::Delete),
        6 => Just(Action::Look),
        2 => Just(Action::Read),
        4 => Just(Action::ReadAll),
        2 => Just(Action::Pass),
    ]
}

/// A line that was written, or part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    text: String,
    ended: bool,
}

/// What stands in one file, as far as the follower has not been deprived of it.
#[derive(Debug, Default)]
struct ModelFile {
    lines: Vec<Written>,
    /// A look has seen it, or will find it by its rotated name.
    findable: bool,
}

/// The log's directory and what must come out of it.
struct Model {
    directory: tempfile::TempDir,
    follower: Follower,
    now: Duration,
    next: u32,
    live: Option<ModelFile>,
    /// The file rotated last, with its path; none once it is over.
    late: Option<(ModelFile, PathBuf)>,
    /// Lines that must come, in the order of their file each.
    must: Vec<Vec<String>>,
    /// Lines that may have been lost: their file was truncated or deleted before they were read.
    may: Vec<String>,
    /// The follower has had a file under the live name.
    followed: bool,
    /// Bytes of lines in `may` that the follower knew to exist when they were lost.
    known_lost_bytes: u64,
    out: Vec<String>,
}

impl Model {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new(directory.path().join("a.log")).unwrap();
        let follower = Follower::new(vec![pattern], StartAt::Beginning);
        Self {
            directory,
            follower,
            now: Duration::ZERO,
            next: 0,
            live: None,
            late: None,
            must: Vec::new(),
            may: Vec::new(),
            followed: false,
            known_lost_bytes: 0,
            out: Vec::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("a.log")
    }

    fn rotated(&self, number: u32) -> PathBuf {
        self.directory.path().join(format!("a.log.{number}"))
    }

    fn text(&mut self) -> String {
        self.next += 1;
        let number = self.next;
        format!("line-{number:05}-{}", "x".repeat(usize::try_from(number % 97).unwrap()))
    }

    fn write(&mut self, text: &str, ended: bool) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path()).unwrap();
        let end = if ended { "\n" } else { "" };
        file.write_all(format!("{text}{end}").as_bytes()).unwrap();
        self.live.get_or_insert_default().add(text, ended);
    }

    fn look(&mut self) {
        self.follower.look(Monotonic::from_start(self.now));
        if let Some(live) = &mut self.live {
            live.findable = true;
            self.followed = true;
        }
    }

    fn read(&mut self, all: bool) {
        let out = &mut self.out;
        let mut line = |line: &[u8]| out.push(String::from_utf8(line.to_vec()).unwrap());
        while self.follower.read(&mut |_, it| line(it.bytes)) == Progress::Read && all {}
    }

    /// The file is over: nothing is written to it any more, and all of it has to come.
    fn close(&mut self, file: ModelFile) {
        let lines = file.lines.into_iter().map(|line| line.text).collect();
        if file.findable { self.must.push(lines) } else { self.may.extend(lines) }
    }

    /// What stands in the live file and was not read yet may be lost.
    fn lose(&mut self) {
        let Some(file) = &mut self.live else { return };
        let read: std::collections::HashSet<&String> = self.out.iter().collect();
        let lines = std::mem::take(&mut file.lines);
        let (read, unread): (Vec<Written>, Vec<Written>) =
            lines.into_iter().partition(|line| line.ended && read.contains(&line.text));
        self.may.extend(unread.into_iter().map(|line| line.text));
        self.must.push(read.into_iter().map(|line| line.text).collect());
    }

    fn truncate(&mut self) {
        let path = self.path();
        if self.live.is_none() {
            return;
        }
        let before = self.follower.counters().truncations;
        // Whole lines that the follower knows of and has not read.
        let known: u64 = self
            .follower
            .files()
            .filter(|file| file.path == path && !file.rotated)
            .map(|file| file.size_bytes - file.byte_offset)
            .sum();
        self.lose();
        File::options().write(true).truncate(true).open(&path).unwrap();
        // Looked at while it is empty, so that the loss can be told exactly.
        self.look();
        let after = self.follower.counters().truncations;
        if after > before {
            self.known_lost_bytes += known;
        }
    }

    fn rename(&mut self, create: bool) {
        let path = self.path();
        if self.live.is_none() {
            return;
        }
        for number in (1..60).rev().filter(|number| self.rotated(*number).exists()) {
            fs::rename(self.rotated(number), self.rotated(number + 1)).unwrap();
        }
        fs::rename(&path, self.rotated(1)).unwrap();
        let mut file = self.live.take().unwrap();
        // A file that no look saw is found later by its name, if one was followed before it.
        file.findable |= self.followed;
        if !file.findable {
            self.wait_for_a_later_birth();
        }
        if let Some((late, _)) = self.late.take() {
            self.close(late);
        }
        self.late = Some((file, self.rotated(1)));
        if create {
            File::create(&path).unwrap();
            self.live = Some(ModelFile::default());
        }
    }

    /// Files that come to be within one tick of the system's clock count as equally old, so the
    /// next one is made in a later tick: what was rotated before the first look is not to be found.
    fn wait_for_a_later_birth(&self) {
        let birth = |path: &PathBuf| path.metadata().unwrap().created().ok();
        let before = birth(&self.rotated(1));
        let probe = self.directory.path().join("probe");
        for _ in 0..1_000 {
            File::create(&probe).unwrap();
            let after = birth(&probe);
            fs::remove_file(&probe).unwrap();
            if after > before || after.is_none() {
                return;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn delete(&mut self) {
        let Some(file) = self.live.take() else { return };
        fs::remove_file(self.path()).unwrap();
        self.close(file);
    }

    fn step(&mut self, action: Action) {
        match action {
            Action::Append(count) => {
                for _ in 0..count {
                    let text = self.text();
                    self.write(&text, true);
                }
            }
            Action::AppendPart => {
                let text = self.text();
                self.write(&text, false);
            }
            Action::AppendLate => self.append_late(),
            Action::Rename { create } => self.rename(create),
            Action::CopyTruncate => {
                if self.live.is_some() {
                    let copy = self.directory.path().join("a.log.copy");
                    fs::copy(self.path(), copy).unwrap();
                }
                self.truncate();
            }
            Action::TruncateRegrow => self.regrow(),
            Action::Delete => self.delete(),
            Action::Look => self.look(),
            Action::Read => self.read(false),
            Action::ReadAll => self.read(true),
            Action::Pass => self.pass(),
        }
    }

    fn append_late(&mut self) {
        let text = self.text();
        if let Some((file, path)) = &mut self.late {
            let mut writer = OpenOptions::new().append(true).open(path).unwrap();
            writer.write_all(format!("{text}\n").as_bytes()).unwrap();
            file.add(&text, true);
        }
    }

    /// Written anew between two looks; all that stood there had been read.
    fn regrow(&mut self) {
        self.look();
        self.read(true);
        let Some(file) = &self.live else { return };
        let size = self.path().metadata().unwrap().len();
        let is_half = file.lines.last().is_some_and(|line| !line.ended);
        if is_half || size == 0 {
            return;
        }
        self.lose();
        File::create(self.path()).unwrap();
        while self.path().metadata().unwrap().len() <= size {
            let text = self.text();
            self.write(&text, true);
        }
    }

    /// Rotated files come to their end. What is not yet found stays open to late writes.
    fn pass(&mut self) {
        self.look();
        self.read(true);
        self.look();
        self.now += ROTATED_IDLE_GRACE;
        self.look();
        self.read(true);
        if self.late.as_ref().is_some_and(|(file, _)| file.findable) {
            let (file, _) = self.late.take().unwrap();
            self.close(file);
        }
    }

    fn check(mut self) {
        // A last live file makes sure that all rotated ones are found.
        let text = self.text();
        self.write(&text, true);
        self.pass();
        self.pass();
        if let Some((late, _)) = self.late.take() {
            self.close(late);
        }
        self.delete();
        self.pass();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (index, line) in self.out.iter().enumerate() {
            let before = places.insert(line, index);
            assert_eq!(before, None, "repeated: {line}");
        }
        for file in &self.must {
            let found: Vec<usize> = file
                .iter()
                .map(|line| places.remove(line.as_str()).unwrap_or_else(|| lost(line)))
                .collect();
            assert!(found.is_sorted(), "out of order: {file:?}");
        }
        for line in &self.may {
            places.remove(line.as_str());
        }
        assert!(places.is_empty(), "never written: {places:?}");
        let gap = self.follower.counters().gap(GapReason::Truncated);
        assert_eq!(gap.bytes, self.known_lost_bytes);
        assert_eq!(self.follower.counters().gap(GapReason::Unreadable).count, 0);
        assert_eq!(self.follower.files().count(), 0);
    }
}

#[expect(clippy::panic, reason = "a lost line ends the test")]
fn lost(line: &str) -> usize {
    panic!("lost: {line}")
}

impl ModelFile {
    fn add(&mut self, text: &str, ended: bool) {
        match self.lines.last_mut().filter(|line| !line.ended) {
            Some(unended) => {
                unended.text.push_str(text);
                unended.ended = ended;
            }
            None => self.lines.push(Written { text: text.to_owned(), ended }),
        }
    }
}

fn cases() -> u32 {
    std::env::var("GATELOG_MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// Fewer rotations than files that may be open, so that the bounds play no part.
const ACTIONS_MAX: usize = 50;
const _: () = assert!(ACTIONS_MAX < OPEN_FILES_MAX && ACTIONS_MAX < FILES_REMEMBERED_MAX);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]
    #[test]
    fn the_follower_agrees_with_the_model(
        actions in prop::collection::vec(action(), 1..ACTIONS_MAX),
    ) {
        let mut model = Model::new();
        for action in actions {
            model.step(action);
        }
        model.check();
    }
}
