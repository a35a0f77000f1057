//! Following a log against a model of it: random writes, rotations, truncations, deletions, looks,
//! reads and kills. `GATELOG_MODEL_CASES` asks for more sequences than the usual 200.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use gatelog::clock::Monotonic;
use gatelog::limits::{FILES_REMEMBERED_MAX, OPEN_FILES_MAX, ROTATED_IDLE_GRACE};
use gatelog::source::file::{Follower, Progress, StartAt};
use gatelog::source::pattern::Pattern;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

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
    /// The first half of `copytruncate`: the copy becomes `a.log.1`.
    Copy,
    /// The second half, or somebody empties the log.
    Truncate,
    /// Both at once.
    CopyTruncate,
    /// Emptied and at once written to again, longer than before.
    TruncateRegrow,
    /// `delaycompress`: the youngest rotated file but one becomes `.gz`.
    Compress,
    Delete {
        recreate: bool,
    },
    Look,
    /// One chunk.
    Read,
    ReadAll,
    /// Time passes, until rotated files are given up.
    Pass,
    /// What was counted is stored with the places.
    Commit,
    /// The agent ends at once; it is started again when it is to look next.
    Kill,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (1..20_u8).prop_map(Action::Append),
        2 => Just(Action::AppendPart),
        2 => Just(Action::AppendLate),
        3 => any::<bool>().prop_map(|create| Action::Rename { create }),
        1 => Just(Action::Copy),
        1 => Just(Action::Truncate),
        2 => Just(Action::CopyTruncate),
        1 => Just(Action::TruncateRegrow),
        2 => Just(Action::Compress),
        1 => any::<bool>().prop_map(|recreate| Action::Delete { recreate }),
        6 => Just(Action::Look),
        2 => Just(Action::Read),
        4 => Just(Action::ReadAll),
        2 => Just(Action::Pass),
        4 => Just(Action::Commit),
        3 => Just(Action::Kill),
    ]
}

/// Where a line can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// In a file with a name.
    Named,
    /// In a file that was deleted while the follower had it open.
    Held,
    Nowhere,
}

/// A line that was written, or part of one.
#[derive(Debug, Clone)]
struct Written {
    text: String,
    ended: bool,
    stored: Stored,
    /// It may be missing.
    may_be_lost: bool,
}

/// What stood in one file from its start until it was truncated or came to its end.
#[derive(Debug, Default)]
struct Content {
    lines: Vec<Written>,
    /// A look has seen it, or will find it by its rotated name.
    findable: bool,
    /// The follower has its file open, or knew it when the state was taken.
    opened: bool,
    /// What stands in the latest copy.
    copied: Vec<String>,
}

/// What is stored, as by an agent.
#[derive(Debug, Clone)]
struct Commit {
    state: Vec<u8>,
    out: usize,
    followed: bool,
    opened: usize,
}

/// The log's directory and what must come out of it.
struct Model {
    directory: tempfile::TempDir,
    /// None while the agent is not running.
    follower: Option<Follower>,
    now: Duration,
    next: u32,
    contents: Vec<Content>,
    live: Option<usize>,
    /// The file rotated last, with its number; none once it is over.
    late: Option<(usize, u32)>,
    /// Parts of lines that stand at the end of a copy.
    parts: HashSet<String>,
    /// The follower has had a file under the live name.
    followed: bool,
    committed: Commit,
    /// Something was done that may lose lines, whether it did or not.
    lossy: bool,
    out: Vec<String>,
}

impl Model {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new(directory.path().join("a.log")).unwrap();
        let follower = Follower::new(vec![pattern], StartAt::Beginning);
        let state = minicbor::to_vec(follower.state()).unwrap();
        Self {
            directory,
            follower: Some(follower),
            now: Duration::ZERO,
            next: 0,
            contents: Vec::new(),
            live: None,
            late: None,
            parts: HashSet::new(),
            followed: false,
            committed: Commit { state, out: 0, followed: false, opened: 0 },
            lossy: false,
            out: Vec::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("a.log")
    }

    fn rotated(&self, number: u32) -> PathBuf {
        self.directory.path().join(format!("a.log.{number}"))
    }

    fn packed(&self, number: u32) -> PathBuf {
        self.directory.path().join(format!("a.log.{number}.gz"))
    }

    fn text(&mut self) -> String {
        self.next += 1;
        let number = self.next;
        format!("line-{number:05}-{}", "x".repeat(usize::try_from(number % 97).unwrap()))
    }

    fn live(&mut self) -> &mut Content {
        let live = *self.live.get_or_insert(self.contents.len());
        if live == self.contents.len() {
            self.contents.push(Content::default());
        }
        self.contents.get_mut(live).unwrap()
    }

    fn write(&mut self, text: &str, ended: bool) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path()).unwrap();
        let end = if ended { "\n" } else { "" };
        file.write_all(format!("{text}{end}").as_bytes()).unwrap();
        self.live().add(text, ended);
    }

    fn follower(&mut self) -> &mut Follower {
        let pattern = Pattern::new(self.path()).unwrap();
        let state = &self.committed.state;
        self.follower.get_or_insert_with(|| {
            let state = minicbor::decode(state).unwrap();
            Follower::resume(vec![pattern], StartAt::Beginning, state)
        })
    }

    fn look(&mut self) {
        let now = Monotonic::from_start(self.now);
        self.follower().look(now);
        if let Some(live) = self.live {
            let content = self.contents.get_mut(live).unwrap();
            content.findable = true;
            content.opened = true;
            self.followed = true;
        }
        // What is followed now is known, and so are the rotated ones before it.
        let seen = self.contents.iter_mut().filter(|content| content.findable);
        seen.for_each(|content| content.opened = true);
    }

    fn read(&mut self, all: bool) {
        if self.follower.is_none() {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        let mut line = |line: &[u8]| out.push(String::from_utf8(line.to_vec()).unwrap());
        while self.follower().read(&mut |_, it| line(it.bytes)) == Progress::Read && all {}
        self.out = out;
    }

    fn commit(&mut self) {
        let Some(follower) = &self.follower else { return };
        self.committed = Commit {
            state: minicbor::to_vec(follower.state()).unwrap(),
            out: self.out.len(),
            followed: self.followed,
            opened: self.contents.iter().filter(|content| content.opened).count(),
        };
    }

    /// Nothing is known any more but what was committed, and what was deleted is gone.
    fn kill(&mut self) {
        if self.follower.take().is_none() {
            return;
        }
        self.out.truncate(self.committed.out);
        self.followed = self.committed.followed;
        for (index, content) in self.contents.iter_mut().enumerate() {
            content.opened &= index < self.committed.opened;
            // Without a file that was followed, nothing tells what is rotated from what is old.
            content.findable &= self.followed;
            let held = content.lines.iter_mut().filter(|line| line.stored == Stored::Held);
            held.for_each(|line| {
                line.stored = Stored::Nowhere;
                // It has left the series, as far as can be seen.
                self.lossy = true;
            });
        }
        self.lose_what_is_nowhere();
    }

    /// Lines that stand nowhere and were not read are lost, and so are those that nothing leads to.
    fn lose_what_is_nowhere(&mut self) {
        let read: HashSet<&String> = self.out.iter().collect();
        for content in &mut self.contents {
            for line in &mut content.lines {
                let is_gone = line.stored == Stored::Nowhere;
                if is_gone && !(line.ended && read.contains(&line.text)) {
                    line.may_be_lost = true;
                    self.lossy = true;
                }
            }
        }
    }

    /// A copy of no more than a part of a line cannot be told from other lines.
    fn copy(&mut self) {
        let Some(live) = self.live else { return };
        let lines = &self.contents.get(live).unwrap().lines;
        if lines.first().is_some_and(|line| !line.ended) {
            return;
        }
        self.shift();
        fs::copy(self.path(), self.rotated(1)).unwrap();
        let content = self.live();
        let lines = content.lines.iter().map(|line| line.text.clone()).collect::<Vec<String>>();
        let part = content.lines.last().filter(|line| !line.ended).map(|line| line.text.clone());
        content.copied = lines;
        self.parts.extend(part);
    }

    fn truncate(&mut self) {
        let Some(live) = self.live.take() else { return };
        let content = self.contents.get_mut(live).unwrap();
        for (index, line) in content.lines.iter_mut().enumerate() {
            // A line that was half written when the copy was made is not whole in it.
            if content.copied.get(index) != Some(&line.text) {
                line.stored = Stored::Nowhere;
            }
        }
        content.findable |= self.followed;
        // It has left the series, as far as can be seen.
        self.lossy |= content.copied.is_empty();
        self.lose_what_is_nowhere();
        File::options().write(true).truncate(true).open(self.path()).unwrap();
        self.live();
    }

    /// All rotated files make room for another one.
    fn shift(&mut self) {
        for number in (1..60).rev() {
            for (from, to) in [
                (self.rotated(number), self.rotated(number + 1)),
                (self.packed(number), self.packed(number + 1)),
            ] {
                if from.exists() {
                    fs::rename(from, to).unwrap();
                }
            }
        }
        if let Some((_, number)) = &mut self.late {
            *number += 1;
        }
    }

    fn rename(&mut self, create: bool) {
        let Some(live) = self.live else { return };
        self.shift();
        fs::rename(self.path(), self.rotated(1)).unwrap();
        self.live = None;
        let followed = self.followed;
        let content = self.contents.get_mut(live).unwrap();
        // A file that no look saw is found later by its name, if one was followed before it.
        content.findable |= followed;
        if !content.findable {
            self.wait_for_a_later_birth();
        }
        self.late = Some((live, 1));
        if create {
            File::create(self.path()).unwrap();
            self.live();
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

    /// The youngest that is not the first.
    fn compress(&mut self) {
        let Some(number) = (2..60).find(|number| self.rotated(*number).exists()) else { return };
        let (from, to) = (self.rotated(number), self.packed(number));
        let modified = from.metadata().unwrap().modified().unwrap();
        let mut packer =
            flate2::write::GzEncoder::new(File::create(to).unwrap(), flate2::Compression::fast());
        packer.write_all(&fs::read(&from).unwrap()).unwrap();
        let file = packer.finish().unwrap();
        file.set_times(fs::FileTimes::new().set_modified(modified)).unwrap();
        fs::remove_file(from).unwrap();
        if self.late.is_some_and(|(_, late)| late == number) {
            self.late = None;
        }
    }

    fn delete(&mut self, recreate: bool) {
        let Some(live) = self.live.take() else { return };
        fs::remove_file(self.path()).unwrap();
        let is_running = self.follower.is_some();
        let read: HashSet<&String> = self.out.iter().collect();
        let content = self.contents.get_mut(live).unwrap();
        let is_held = is_running && content.opened;
        for (index, line) in content.lines.iter_mut().enumerate() {
            if content.copied.get(index) != Some(&line.text) {
                line.stored = if is_held { Stored::Held } else { Stored::Nowhere };
            }
            // A copy is not looked for, where the file itself was never seen.
            line.may_be_lost |= !is_held && !read.contains(&line.text);
        }
        self.lossy |= !is_held || !content.copied.is_empty();
        self.lose_what_is_nowhere();
        if recreate {
            File::create(self.path()).unwrap();
            self.live();
        }
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
            Action::Copy => self.copy(),
            Action::Truncate => self.truncate(),
            Action::CopyTruncate => {
                self.copy();
                self.truncate();
            }
            Action::TruncateRegrow => self.regrow(),
            Action::Compress => self.compress(),
            Action::Delete { recreate } => self.delete(recreate),
            Action::Look => self.look(),
            Action::Read => self.read(false),
            Action::ReadAll => self.read(true),
            Action::Pass => self.pass(),
            Action::Commit => self.commit(),
            Action::Kill => self.kill(),
        }
    }

    fn append_late(&mut self) {
        let text = self.text();
        if let Some((late, number)) = self.late {
            let path = self.rotated(number);
            let mut writer = OpenOptions::new().append(true).open(path).unwrap();
            writer.write_all(format!("{text}\n").as_bytes()).unwrap();
            self.contents.get_mut(late).unwrap().add(&text, true);
        }
    }

    /// Written anew between two looks; all that stood there had been read.
    fn regrow(&mut self) {
        self.look();
        self.read(true);
        let Some(live) = self.live else { return };
        let size = self.path().metadata().unwrap().len();
        let content = self.contents.get(live).unwrap();
        let is_half = content.lines.last().is_some_and(|line| !line.ended);
        if is_half || size == 0 {
            return;
        }
        self.truncate();
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
        if self.late.is_some_and(|(late, _)| self.contents.get(late).unwrap().findable) {
            self.late = None;
        }
    }

    fn check(mut self) {
        // A last live file makes sure that all rotated ones are found.
        let text = self.text();
        self.write(&text, true);
        self.pass();
        self.pass();
        self.late = None;
        self.delete(false);
        self.pass();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (index, line) in self.out.iter().enumerate() {
            let before = places.insert(line, index);
            assert_eq!(before, None, "repeated: {line}");
        }
        for content in &self.contents {
            let mut before = None;
            for line in &content.lines {
                let found = places.remove(line.text.as_str());
                let may_be_lost = line.may_be_lost || !content.findable;
                assert!(found.is_some() || may_be_lost, "lost: {}", line.text);
                assert!(found.is_none() || before < found, "out of order: {}", line.text);
                before = found.or(before);
            }
        }
        places.retain(|line, _| !self.parts.contains(*line));
        assert!(places.is_empty(), "never written: {places:?}");
        let follower = self.follower.unwrap();
        let gaps: u64 = follower.counters().gaps().map(|(_, gap)| gap.count).sum();
        assert!(self.lossy || gaps == 0, "nothing was lost: {:?}", follower.counters());
        assert_eq!(follower.files().count(), 0);
    }
}

impl Content {
    fn add(&mut self, text: &str, ended: bool) {
        match self.lines.last_mut().filter(|line| !line.ended) {
            Some(unended) => {
                unended.text.push_str(text);
                unended.ended = ended;
            }
            None => self.lines.push(Written {
                text: text.to_owned(),
                ended,
                stored: Stored::Named,
                may_be_lost: false,
            }),
        }
    }
}

/// How many sequences, and which: without the variable the same ones each time. With it, others each
/// time: 36 runs of 10,000 in a row, 360,000 sequences, had no difference when this was written. What
/// depends on the tick of the clock that files are dated by differs from run to run.
fn cases() -> (u32, RngSeed) {
    let asked = std::env::var("GATELOG_MODEL_CASES").ok().and_then(|text| text.parse().ok());
    asked.map_or((200, RngSeed::Fixed(20_261_124)), |cases| (cases, RngSeed::Random))
}

/// Fewer rotations than files that may be open, so that the bounds play no part.
const ACTIONS_MAX: usize = 50;
const _: () = assert!(ACTIONS_MAX < OPEN_FILES_MAX && ACTIONS_MAX < FILES_REMEMBERED_MAX);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases().0,
        rng_seed: cases().1,
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
