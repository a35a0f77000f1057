//! Following files as they grow, are rotated, truncated, deleted and made again.
//!
//! Owns the open files of one source and the place in each: whole lines only, each exactly once.
//! The caller decides when to look and when to read; what an event said plays no part in it. A
//! checkpoint over restarts would be what [`Follower`] remembers of files it closed, handed in at
//! the start.
//!
//! What cannot be known from outside: bytes written between the copy and the truncation of a
//! `copytruncate` rotation (logrotate's manual says so too), and a file that came and went between
//! two looks. A file that is written anew is noticed by its size or by what stands in its first KiB
//! and before the place of reading. Patterns should not match the copies that `copytruncate` makes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Monotonic;
use crate::limits::{CHANGES_MAX, FILES_MATCHED_MAX, FILES_REMEMBERED_MAX, OPEN_FILES_MAX};
use crate::source::change::{Change, Changes, Counters, GapReason, Problem};
use crate::source::generation::{Check, Generation, Opened, Place, Remembered, Stage, Times};
use crate::source::identity::{FileKey, Mark};
use crate::source::lines::{Line, LineBuffer};
use crate::source::pattern::Pattern;
use crate::source::siblings;

/// Where to begin in a file that exists at the first look. Later ones are read from their start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With all that it holds.
    Beginning,
    /// With the first line that is not over yet.
    End,
}

/// What one [`Follower::read`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Something was read or finished; there may be more.
    Read,
    /// Nothing is left that the last look knew of.
    Idle,
}

/// One open file, for status pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStatus<'a> {
    /// The name it has or last had.
    pub path: &'a Path,
    /// Everything before it was handed out.
    pub byte_offset: u64,
    /// As last seen.
    pub size_bytes: u64,
    /// It was renamed or deleted and is kept open for late writes.
    pub rotated: bool,
}

/// Follows the files of one source.
#[derive(Debug)]
pub struct Follower {
    patterns: Vec<Pattern>,
    start: StartAt,
    /// Oldest first; at most [`OPEN_FILES_MAX`].
    generations: Vec<Generation>,
    /// Closed files, the latest last; at most [`FILES_REMEMBERED_MAX`].
    remembered: VecDeque<Remembered>,
    /// Files of the first look that could not be opened then; at most [`FILES_MATCHED_MAX`].
    existed: HashSet<FileKey>,
    /// Compressed files that a pattern matches just now; at most [`FILES_MATCHED_MAX`].
    compressed: HashSet<FileKey>,
    /// Problems told, with the look that last met them. Older ones are forgotten, so that there are
    /// no more than patterns, matched files and directories.
    told: HashMap<Arc<Path>, (String, u64)>,
    changes: Changes,
    counters: Counters,
    buffer: LineBuffer,
    /// Count of looks.
    looks: u64,
    /// Index of the live file that is read next, so that none waits for a busy one.
    turn: usize,
}

/// A regular file that a pattern names just now.
#[derive(Debug)]
struct Found {
    path: Arc<Path>,
    key: FileKey,
}

#[derive(Debug, Default)]
struct FoundFiles {
    files: Vec<Found>,
    keys: HashMap<FileKey, usize>,
    /// Names about which the system refuses to tell anything.
    unknown: HashSet<Arc<Path>>,
}

impl Follower {
    /// A follower of the files that `patterns` name; nothing is looked at yet.
    pub fn new(patterns: Vec<Pattern>, start: StartAt) -> Self {
        Self {
            patterns,
            start,
            generations: Vec::new(),
            remembered: VecDeque::new(),
            existed: HashSet::new(),
            compressed: HashSet::new(),
            told: HashMap::new(),
            changes: Changes::default(),
            counters: Counters::default(),
            buffer: LineBuffer::new(),
            looks: 0,
            turn: 0,
        }
    }

    /// Looks at the file system: which files the patterns name, which were renamed, truncated or
    /// deleted, which are new. To be called on every wake-up, and regularly without one.
    pub fn look(&mut self, now: Monotonic) -> Changes {
        self.looks += 1;
        let found = self.find();
        for index in 0..self.generations.len() {
            self.revisit(index, &found, now);
        }
        self.open_new(&found, now);
        self.search_free_names(&found, now);
        let looks = self.looks;
        self.told.retain(|_, (_, met)| *met + 1 >= looks);
        self.compressed.retain(|key| found.keys.contains_key(key));
        std::mem::take(&mut self.changes)
    }

    /// Reads at most one chunk, rotated files first, and calls `line` for each line that became
    /// whole, or is the last of a file that is over.
    pub fn read(&mut self, line: &mut impl FnMut(&Arc<Path>, Line<'_>)) -> Progress {
        while let Some(index) = self.next_readable() {
            let Some(generation) = self.generations.get_mut(index) else { break };
            let checked = generation.check();
            let is_over = generation.is_over();
            if !self.take_check(index, checked) {
                continue;
            }
            let Some(generation) = self.generations.get_mut(index) else { break };
            if is_over && (generation.failing || !generation.is_readable()) {
                self.finish(index, line);
                return Progress::Read;
            }
            if !generation.is_readable() {
                continue;
            }
            match generation.read(&mut self.buffer, line) {
                Ok(0) => {}
                Ok(new_bytes) => {
                    self.counters.read_bytes += new_bytes;
                    return Progress::Read;
                }
                Err(error) => {
                    let path = Arc::clone(&generation.name);
                    self.tell(path, error.into());
                }
            }
        }
        Progress::Idle
    }

    /// Bytes known to exist that were not handed out, unfinished lines included.
    pub fn unread_bytes(&self) -> u64 {
        self.generations.iter().map(Generation::unread_bytes).sum()
    }

    /// The open files, oldest first.
    pub fn files(&self) -> impl Iterator<Item = FileStatus<'_>> {
        self.generations.iter().map(|generation| FileStatus {
            path: &generation.name,
            byte_offset: generation.position().byte_offset,
            size_bytes: generation.size_bytes(),
            rotated: generation.is_leaving(),
        })
    }

    /// What was read and lost so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The directories to watch for this source: those of the patterns, those of the files found,
    /// and where links lead. They may not exist yet.
    pub fn directories(&self) -> HashSet<PathBuf> {
        let parent = |path: &Path| match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut directories: HashSet<PathBuf> =
            self.patterns.iter().map(Pattern::directory).collect();
        for generation in self.generations.iter().filter(|generation| !generation.is_leaving()) {
            directories.insert(parent(&generation.name));
            if let Ok(target) = generation.name.canonicalize() {
                directories.insert(parent(&target));
            }
        }
        directories
    }

    fn find(&mut self) -> FoundFiles {
        let mut found = FoundFiles::default();
        let mut patterns = std::mem::take(&mut self.patterns);
        for pattern in &mut patterns {
            self.find_pattern(pattern, &mut found);
        }
        self.patterns = patterns;
        found
    }

    fn find_pattern(&mut self, pattern: &mut Pattern, found: &mut FoundFiles) {
        let is_glob = pattern.is_glob();
        let as_written: Arc<Path> = pattern.as_path().into();
        let mut unreadable = Vec::new();
        let mut paths = pattern.paths(|path, error| {
            unreadable.push((Arc::from(path), io::Error::from(error.kind())));
        });
        let mut matched = false;
        for path in paths.by_ref() {
            let path: Arc<Path> = path.into();
            matched = true;
            match path.metadata() {
                Ok(metadata) if metadata.is_file() => {
                    if found.files.len() >= FILES_MATCHED_MAX {
                        self.counters.match_limit_hits += 1;
                        self.tell(Arc::clone(&as_written), Problem::TooManyMatched);
                        break;
                    }
                    let key = FileKey::of(&metadata);
                    let index = found.files.len();
                    if let std::collections::hash_map::Entry::Vacant(vacant) = found.keys.entry(key)
                    {
                        vacant.insert(index);
                        found.files.push(Found { path, key });
                    }
                }
                Ok(metadata) if is_glob && metadata.is_dir() => {}
                Ok(_) => self.tell(path, Problem::NotRegular),
                Err(error) if is_missing(&error) => matched = is_glob,
                Err(error) => {
                    found.unknown.insert(Arc::clone(&path));
                    self.tell(path, error.into());
                }
            }
        }
        drop(paths);
        for (path, error) in unreadable.into_iter().take(CHANGES_MAX) {
            self.tell(path, error.into());
        }
        if !matched && self.looks == 1 {
            self.tell(as_written, Problem::Missing);
        }
    }

    /// Brings what is known of an open file up to date.
    fn revisit(&mut self, index: usize, found: &FoundFiles, now: Monotonic) {
        let Some(generation) = self.generations.get_mut(index) else { return };
        generation.resting = false;
        let was_leaving = generation.is_leaving();
        if let Some(named) = found.keys.get(&generation.key).and_then(|at| found.files.get(*at)) {
            generation.name = Arc::clone(&named.path);
            generation.stage = Stage::Live;
        } else if !found.unknown.contains(&generation.name) {
            generation.leave(now);
        }
        let checked = generation.check();
        generation.settle(now);
        if generation.is_leaving() && !was_leaving {
            let path = Arc::clone(&generation.name);
            let deleted = generation.is_deleted();
            self.counters.rotations += 1;
            if found.files.iter().any(|file| file.path == path) {
                self.changes.add(Change::Rotated { path });
            } else {
                self.changes.add(Change::Gone { path, deleted });
            }
        }
        if !matches!(checked, Ok(Check::Compressed)) {
            self.take_check(index, checked);
        }
    }

    /// Draws the consequences of a check; false when the file is not followed any more.
    fn take_check(&mut self, index: usize, checked: io::Result<Check>) -> bool {
        let Some(generation) = self.generations.get_mut(index) else { return false };
        let path = Arc::clone(&generation.name);
        match checked {
            Ok(Check::Same) => true,
            Ok(Check::Truncated { lost_bytes }) => {
                self.counters.truncations += 1;
                if lost_bytes > 0 {
                    self.counters.add_gap(GapReason::Truncated, lost_bytes);
                }
                self.changes.add(Change::Truncated { path, lost_bytes });
                true
            }
            Ok(Check::Compressed) => {
                self.compressed.insert(generation.key);
                self.generations.remove(index);
                self.tell(path, Problem::Compressed);
                false
            }
            Err(error) => {
                generation.resting = true;
                generation.failing = true;
                self.tell(path, error.into());
                true
            }
        }
    }

    fn open_new(&mut self, found: &FoundFiles, now: Monotonic) {
        let followed: HashSet<FileKey> = self.generations.iter().map(|known| known.key).collect();
        let mut new: Vec<&Found> = found
            .files
            .iter()
            .filter(|file| !followed.contains(&file.key) && !self.compressed.contains(&file.key))
            .collect();
        new.sort_by_key(|file| file.key.birth);
        for file in new {
            if self.looks == 1 {
                self.existed.insert(file.key);
            }
            if let Some(previous) = self.previous_times(&file.path) {
                self.open_missed(&file.path, &previous, Some(file.key), now);
            }
            if !self.has_room() {
                self.tell_waiting(&file.path);
                continue;
            }
            if let Err(problem) = self.open(&file.path) {
                self.tell(Arc::clone(&file.path), problem);
            }
        }
        let keys = &found.keys;
        self.existed.retain(|key| keys.contains_key(key));
    }

    /// While a rotated file is still open and nothing has its name, a file may have come and been
    /// rotated again.
    fn search_free_names(&mut self, found: &FoundFiles, now: Monotonic) {
        let taken: HashSet<&Arc<Path>> = found.files.iter().map(|file| &file.path).collect();
        let leaving = self.generations.iter().filter(|it| it.is_leaving());
        let free: HashSet<Arc<Path>> = leaving
            .map(|it| Arc::clone(&it.name))
            .filter(|name| !taken.contains(name) && !found.unknown.contains(name))
            .collect();
        for name in free {
            if let Some(previous) = self.previous_times(&name) {
                self.open_missed(&name, &previous, None, now);
            }
        }
    }

    /// Times of the file that was followed before under a name.
    fn previous_times(&self, path: &Arc<Path>) -> Option<Times> {
        let open = self.generations.iter().rev().find(|known| known.name == *path);
        let closed = || self.remembered.iter().rev().find(|known| known.name == *path);
        open.map(Generation::times).or_else(|| closed().map(|known| known.times))
    }

    /// Opens the files that had a name between the one followed before and the one found now.
    fn open_missed(
        &mut self,
        path: &Arc<Path>,
        previous: &Times,
        now_at: Option<FileKey>,
        now: Monotonic,
    ) {
        let missed = siblings::missed(path, previous, |key, head| {
            let same = |mark: &Mark| mark.length_bytes > 0 && mark.begins(head);
            Some(*key) == now_at
                || self.generations.iter().any(|it| it.key == *key || same(&it.head()))
                || self.remembered.iter().any(|it| it.key == *key || same(&it.head))
        });
        for sibling in missed {
            let compressed = sibling.opened.is_compressed();
            if compressed {
                self.counters.add_gap(GapReason::Compressed, 0);
                self.remember(sibling.opened.unread(Arc::clone(path)));
            } else if !self.has_room() {
                self.tell_waiting(path);
                return;
            } else {
                match Generation::new(Arc::clone(path), sibling.opened, &Place::Start) {
                    Ok(mut generation) => {
                        generation.leave(now);
                        self.generations.push(generation);
                        self.counters.rotations += 1;
                    }
                    Err(error) => {
                        self.tell(Arc::clone(path), error.into());
                        continue;
                    }
                }
            }
            self.changes.add(Change::Missed { path: sibling.path, compressed });
        }
    }

    fn open(&mut self, path: &Arc<Path>) -> Result<(), Problem> {
        let opened = match Opened::open(path) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Err(Problem::NotRegular),
            // Renamed or deleted since it was found: the next look will tell.
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let key = opened.key();
        if self.generations.iter().any(|known| known.key == key) {
            return Ok(());
        }
        if opened.is_compressed() {
            self.compressed.insert(key);
            return Err(Problem::Compressed);
        }
        let closed = self.remembered.iter().position(|closed| opened.continues(closed));
        let closed = closed.and_then(|index| self.remembered.remove(index));
        let place = match &closed {
            Some(closed) => Place::After(closed),
            None if self.existed.contains(&key) && self.start == StartAt::End => Place::End,
            None => Place::Start,
        };
        let generation = Generation::new(Arc::clone(path), opened, &place)?;
        self.existed.remove(&key);
        self.changes.add(Change::Appeared {
            path: Arc::clone(path),
            byte_offset: generation.position().byte_offset,
            size_bytes: generation.size_bytes(),
        });
        self.generations.push(generation);
        Ok(())
    }

    /// Whether one more file may be opened; if not, the oldest rotated one that is read need not
    /// wait for late writes any longer.
    fn has_room(&mut self) -> bool {
        let room = self.generations.len() < OPEN_FILES_MAX;
        if !room && !self.generations.iter().any(Generation::is_over) {
            self.generations.iter_mut().any(Generation::hurry);
        }
        room
    }

    fn tell_waiting(&mut self, path: &Arc<Path>) {
        if !self.told.contains_key(path) {
            self.counters.open_limit_hits += 1;
        }
        self.tell(Arc::clone(path), Problem::TooManyOpen);
    }

    /// The next file to read from: rotated ones in their order, then the live ones in turn.
    fn next_readable(&mut self) -> Option<usize> {
        let wants = |generation: &Generation| {
            generation.is_readable() || (generation.is_over() && !generation.resting)
        };
        let rotated = self.generations.iter().position(|it| it.is_leaving() && wants(it));
        if rotated.is_some() {
            return rotated;
        }
        let count = self.generations.len();
        let turn = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|index| self.generations.get(*index).is_some_and(wants))?;
        self.turn = turn + 1;
        Some(turn)
    }

    /// Closes a file that is over, after its last line; not if it turns out to hold more.
    fn finish(&mut self, index: usize, line: &mut impl FnMut(&Arc<Path>, Line<'_>)) {
        let Some(generation) = self.generations.get_mut(index) else { return };
        match generation.finish(&mut self.buffer, line) {
            Ok(0) => {}
            // It was written to just now.
            Ok(new_bytes) => {
                self.counters.read_bytes += new_bytes;
                return;
            }
            Err(error) => {
                self.counters.add_gap(GapReason::Unreadable, generation.unread_bytes());
                let path = Arc::clone(&generation.name);
                self.tell(path, error.into());
            }
        }
        let closed = self.generations.remove(index).remember();
        self.remember(closed);
    }

    fn remember(&mut self, closed: Remembered) {
        if self.remembered.len() >= FILES_REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        self.remembered.push_back(closed);
    }

    fn tell(&mut self, path: Arc<Path>, problem: Problem) {
        let text = problem.to_string();
        let told = self.told.insert(Arc::clone(&path), (text.clone(), self.looks));
        if told.is_none_or(|(before, _)| before != text) {
            self.changes.add(Change::Problem { path, problem });
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
