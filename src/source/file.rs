//! Following files as they grow, are rotated, truncated, deleted and made again.
//!
//! Owns the open files of one source and the place in each: whole lines only, each exactly once.
//! The caller decides when to look and when to read; what an event said plays no part in it. What it
//! knows can be taken at any time ([`Follower::state`]) and be handed in after a restart, however long
//! that took ([`Follower::resume`]).
//!
//! A file that is written anew is noticed by its size or by what stands in its first KiB and before
//! the place of reading; where its lines went is found out by `succession`. What came and went
//! between two looks without a trace cannot be known. Patterns should not match the copies that
//! `copytruncate` makes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Monotonic;
use crate::limits::{FILES_MATCHED_MAX, FILES_REMEMBERED_MAX, OPEN_FILES_MAX};
use crate::source::change::{Change, Changes, Counters, GapReason, Problem};
use crate::source::found::{Found, FoundFiles, is_missing};
use crate::source::generation::{Begin, Check, Generation, Stage};
use crate::source::identity::{FileKey, Times};
use crate::source::lines::{Line, LineBuffer};
use crate::source::opened::Opened;
use crate::source::packed::{Packed, Step};
use crate::source::pattern::Pattern;
use crate::source::places::{
    ClosedPlaces, FollowerState, OpenPlace, OpenPlaces, Place, StoredPath,
};
use crate::source::siblings::{Named, Newer};
use crate::source::succession::{After, Fate, Room};

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
    pub(super) patterns: Vec<Pattern>,
    /// Patterns that were looked for before a restart.
    pub(super) known_patterns: HashSet<StoredPath>,
    start: StartAt,
    /// Files that were open before a restart, until they are found again; at most twice
    /// [`OPEN_FILES_MAX`], as all that are open.
    pub(super) pending: Vec<OpenPlace>,
    /// Oldest first.
    pub(super) generations: Vec<Generation>,
    /// Oldest first.
    pub(super) packed: Vec<Packed>,
    /// Closed files, the latest last; at most [`FILES_REMEMBERED_MAX`].
    pub(super) remembered: VecDeque<Place>,
    /// Files of the first look that could not be opened then; at most [`FILES_MATCHED_MAX`].
    existed: HashSet<FileKey>,
    /// How often [`Self::closed_places`] has changed.
    closed_revision: u64,
    /// Compressed files that a pattern matches just now; at most [`FILES_MATCHED_MAX`].
    compressed: HashSet<FileKey>,
    /// Problems told, with the look that last met them. Older ones are forgotten, so that there are
    /// no more than patterns, matched files and directories.
    told: HashMap<Arc<Path>, (String, u64)>,
    pub(super) changes: Changes,
    pub(super) counters: Counters,
    buffer: LineBuffer,
    /// Count of looks.
    pub(super) looks: u64,
    /// The time of the last one.
    pub(super) now: Monotonic,
    /// Files opened so far.
    sequence: u64,
    /// Index of the live file that is read next, so that none waits for a busy one.
    turn: usize,
}

/// The file that is read next, by its index.
enum Next {
    Plain(usize),
    Packed(usize),
}

impl Follower {
    /// A follower of the files that `patterns` name; nothing is looked at yet.
    pub fn new(patterns: Vec<Pattern>, start: StartAt) -> Self {
        Self {
            patterns,
            known_patterns: HashSet::new(),
            start,
            pending: Vec::new(),
            generations: Vec::new(),
            packed: Vec::new(),
            remembered: VecDeque::new(),
            existed: HashSet::new(),
            closed_revision: 0,
            compressed: HashSet::new(),
            told: HashMap::new(),
            changes: Changes::default(),
            counters: Counters::default(),
            buffer: LineBuffer::new(),
            looks: 0,
            now: Monotonic::default(),
            sequence: 0,
            turn: 0,
        }
    }

    /// A follower that goes on where another one was when its state was taken. The first look finds
    /// out what has become of the files meanwhile. `start` is for files of patterns that the other one
    /// did not have.
    pub fn resume(patterns: Vec<Pattern>, start: StartAt, state: FollowerState) -> Self {
        let FollowerState { open, closed } = state;
        let ClosedPlaces { places, existed, patterns: known } = closed;
        let places = places.into_iter().filter(Place::is_plausible);
        let open_places = open.places.into_iter().filter(OpenPlace::is_plausible);
        let mut follower = Self::new(patterns, start);
        follower.pending = open_places.take(2 * OPEN_FILES_MAX).collect();
        follower.counters = open.counters;
        follower.remembered = places.take(FILES_REMEMBERED_MAX).collect();
        follower.existed = existed.into_iter().take(FILES_MATCHED_MAX).collect();
        follower.known_patterns = known.into_iter().collect();
        follower
    }

    /// What is to be handed to [`Self::resume`]: the lines handed out so far are those before it.
    pub fn state(&self) -> FollowerState {
        FollowerState { open: self.open_places(), closed: self.closed_places() }
    }

    /// The part of [`Self::state`] that changes with every line.
    pub fn open_places(&self) -> OpenPlaces {
        let plain = self.generations.iter().map(|it| (it.sequence, it.open_place()));
        let packed = self.packed.iter().map(|it| (it.sequence, it.open_place()));
        let mut open: Vec<(u64, OpenPlace)> = plain.chain(packed).collect();
        open.sort_by_key(|(sequence, _)| *sequence);
        let open = open.into_iter().map(|(_, place)| place);
        let places = self.pending.iter().cloned().chain(open).collect();
        OpenPlaces { places, counters: self.counters }
    }

    /// The part of [`Self::state`] that changes when [`Self::closed_revision`] does.
    pub fn closed_places(&self) -> ClosedPlaces {
        let patterns = self.patterns.iter().map(|it| StoredPath(it.as_path().into()));
        ClosedPlaces {
            places: self.remembered.iter().cloned().collect(),
            existed: self.existed.iter().copied().collect(),
            patterns: match self.looks {
                0 => self.known_patterns.iter().cloned().collect(),
                _ => patterns.collect(),
            },
        }
    }

    /// Another number when [`Self::closed_places`] has changed, as it does when a file is closed.
    pub fn closed_revision(&self) -> u64 {
        self.closed_revision
    }

    /// Looks at the file system: which files the patterns name, which were renamed, truncated or
    /// deleted, which are new. To be called on every wake-up, and regularly without one.
    pub fn look(&mut self, now: Monotonic) -> Changes {
        self.looks += 1;
        self.now = now;
        let found = self.find();
        if self.looks == 1 {
            self.closed_revision += 1;
        }
        self.take_up(&found);
        let mut checks: Vec<(usize, io::Result<Check>)> = (0..self.generations.len())
            .filter_map(|index| Some((index, self.revisit(index, &found, now)?)))
            .collect();
        // A copy belongs to the file of which it is one, before it is taken for a missed file.
        checks.sort_by_key(|(_, checked)| !matches!(checked, Ok(Check::Rewritten { .. })));
        for (index, checked) in checks {
            self.take_check(index, checked);
        }
        self.packed.iter_mut().for_each(|packed| packed.look(now));
        self.open_new(&found);
        self.search_free_names(&found);
        let looks = self.looks;
        self.told.retain(|_, (_, met)| *met + 1 >= looks);
        self.compressed.retain(|key| found.keys.contains_key(key));
        std::mem::take(&mut self.changes)
    }

    /// Reads at most one chunk, rotated files first, and calls `line` for each line that became
    /// whole, or is the last of a file that is over.
    pub fn read(&mut self, line: &mut impl FnMut(&Arc<Path>, Line<'_>)) -> Progress {
        while let Some(next) = self.next_readable() {
            let index = match next {
                Next::Plain(index) => index,
                Next::Packed(index) => {
                    self.read_packed(index, line);
                    return Progress::Read;
                }
            };
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
                    self.counters.add_read(new_bytes);
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

    /// Bytes known to exist that were not handed out, unfinished lines included; of a compressed file,
    /// those that it takes.
    pub fn unread_bytes(&self) -> u64 {
        let plain: u64 = self.generations.iter().map(Generation::unread_bytes).sum();
        plain + self.packed.iter().map(Packed::unread_bytes).sum::<u64>()
    }

    /// The open files: compressed ones, then the others, each oldest first.
    pub fn files(&self) -> impl Iterator<Item = FileStatus<'_>> {
        let packed = self.packed.iter().map(|packed| FileStatus {
            path: &packed.path,
            byte_offset: packed.place().position.byte_offset,
            size_bytes: packed.size_bytes(),
            rotated: true,
        });
        packed.chain(self.generations.iter().map(|generation| FileStatus {
            path: &generation.name,
            byte_offset: generation.position().byte_offset,
            size_bytes: generation.size_bytes(),
            rotated: generation.is_leaving(),
        }))
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

    /// Brings what is known of an open file up to date, and checks it. That it is compressed now is
    /// told when it is to be read.
    fn revisit(
        &mut self,
        index: usize,
        found: &FoundFiles,
        now: Monotonic,
    ) -> Option<io::Result<Check>> {
        let generation = self.generations.get_mut(index)?;
        generation.resting = false;
        let was_leaving = generation.is_leaving();
        if let Some(named) = found.of_key(&generation.key) {
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
            if found.has_name(&path) {
                self.changes.add(Change::Rotated { path });
            } else {
                self.changes.add(Change::Gone { path, deleted });
            }
        }
        (!matches!(checked, Ok(Check::Compressed))).then_some(checked)
    }

    /// Draws the consequences of a check; false when it is not (or not now) the file to read.
    fn take_check(&mut self, index: usize, checked: io::Result<Check>) -> bool {
        let Some(generation) = self.generations.get_mut(index) else { return false };
        let path = Arc::clone(&generation.name);
        match checked {
            Ok(Check::Same) => true,
            Ok(Check::Begun { written_before: written }) => {
                let was = generation.open_place();
                let than = Times { birth: written, modified: written };
                self.open_after(&was, than, None, Fate::Rewritten { now: &[] }) == 0
            }
            Ok(Check::Rewritten { was }) => {
                self.counters.truncations += 1;
                let lost_bytes = self.replaced(&was, Fate::Rewritten { now: &[] }, true);
                self.changes.add(Change::Truncated { path, lost_bytes });
                false
            }
            Ok(Check::Shortened { lost_bytes }) => {
                self.counters.truncations += 1;
                self.counters.add_gap(GapReason::Truncated, lost_bytes);
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

    fn open_new(&mut self, found: &FoundFiles) {
        let open = self.generations.iter().map(|known| known.key);
        let pending = self.pending.iter().map(|known| known.place.key);
        let followed: HashSet<FileKey> = open.chain(pending).collect();
        let mut new: Vec<&Found> = found
            .files
            .iter()
            .filter(|file| !followed.contains(&file.key) && !self.compressed.contains(&file.key))
            .collect();
        new.sort_by_key(|file| file.key.birth);
        let existed_before = self.existed.len();
        for file in new {
            if file.is_first {
                self.existed.insert(file.key);
            }
            let previous = self.after_previous(&file.path);
            if let Some(after) = &previous {
                self.open_missed(after, Room::Wait);
            }
            if !self.has_room(1) {
                self.tell_waiting(&file.path);
                continue;
            }
            let is_oldest = file.is_first || previous.is_none();
            if let Err(problem) = self.open(&file.path, is_oldest) {
                self.tell(Arc::clone(&file.path), problem);
            }
        }
        let keys = &found.keys;
        self.existed.retain(|key| keys.contains_key(key));
        if self.existed.len() != existed_before {
            self.closed_revision += 1;
        }
    }

    /// While a rotated file is still open and nothing has its name, a file may have come and been
    /// rotated again.
    fn search_free_names(&mut self, found: &FoundFiles) {
        let leaving = self.generations.iter().filter(|it| it.is_leaving());
        let free: HashSet<Arc<Path>> = leaving
            .map(|it| Arc::clone(&it.name))
            .filter(|name| !found.has_name(name) && !found.unknown.contains(name))
            .collect();
        for name in free {
            if let Some(after) = self.after_previous(&name) {
                self.open_missed(&after, Room::Wait);
            }
        }
    }

    /// Where to look for files that had a name between the one followed before and the one found
    /// now.
    fn after_previous(&self, name: &Arc<Path>) -> Option<After> {
        let plain = self.generations.iter().map(|it| (it.sequence, it.place()));
        let packed = self.packed.iter().map(|it| (it.sequence, it.place().clone()));
        let open = plain.chain(packed).filter(|(_, known)| known.name == *name);
        let open = open.max_by_key(|(sequence, _)| *sequence).map(|(_, place)| place);
        let closed = || self.remembered.iter().rev().find(|known| known.name == *name).cloned();
        let Place { name, target, times, .. } = open.or_else(closed)?;
        Some(After {
            name,
            target,
            newer: Newer { than: times, order: Named::Anything },
            own: None,
            beginnings: Vec::new(),
        })
    }

    fn open(&mut self, path: &Arc<Path>, is_oldest: bool) -> Result<(), Problem> {
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
        let closed = closed.and_then(|index| self.remembered.remove(index)).map(OpenPlace::closed);
        let begin = match &closed {
            Some(closed) => Begin::After(closed),
            None if self.existed.contains(&key) && self.start == StartAt::End => Begin::End,
            None => Begin::Start,
        };
        let generation = Generation::new(Arc::clone(path), &opened, &begin)?;
        self.closed_revision += u64::from(closed.is_some());
        if is_oldest {
            self.pass_over_siblings(&generation);
        }
        self.existed.remove(&key);
        self.changes.add(Change::Appeared {
            path: Arc::clone(path),
            byte_offset: generation.position().byte_offset,
            size_bytes: generation.size_bytes(),
        });
        self.add_generation(generation);
        Ok(())
    }

    pub(super) fn add_generation(&mut self, mut generation: Generation) {
        self.sequence += 1;
        generation.sequence = self.sequence;
        self.generations.push(generation);
    }

    pub(super) fn add_packed(&mut self, mut packed: Packed) {
        self.sequence += 1;
        packed.sequence = self.sequence;
        self.packed.push(packed);
    }

    /// Whether one more file may be opened. If not so many as are wanted may, the oldest rotated ones
    /// that are read, as many as it takes, need not wait for late writes any longer.
    pub(super) fn has_room(&mut self, wanted: usize) -> bool {
        let open = self.generations.len() + self.packed.len();
        let over = self.generations.iter().filter(|it| it.is_over()).count();
        for _ in over..(open + wanted).saturating_sub(OPEN_FILES_MAX) {
            self.generations.iter_mut().any(Generation::hurry);
        }
        open < OPEN_FILES_MAX
    }

    /// Whether one more file may be opened that cannot wait.
    pub(super) fn has_room_now(&self) -> bool {
        self.generations.len() + self.packed.len() < 2 * OPEN_FILES_MAX
    }

    pub(super) fn tell_waiting(&mut self, path: &Arc<Path>) {
        if !self.told.contains_key(path) {
            self.counters.open_limit_hits += 1;
        }
        self.tell(Arc::clone(path), Problem::TooManyOpen);
    }

    /// The next file to read from: rotated ones in their order, then the live ones in turn.
    fn next_readable(&mut self) -> Option<Next> {
        let wants = |generation: &Generation| {
            generation.is_readable() || (generation.is_over() && !generation.resting)
        };
        let indexed = |(index, it): (usize, &Generation)| (it.sequence, Next::Plain(index));
        let mut leaving = self.generations.iter().enumerate();
        let leaving = leaving.find(|(_, it)| it.is_leaving() && wants(it)).map(indexed);
        let mut packed = self.packed.iter().enumerate().filter(|(_, it)| it.is_readable());
        let packed = packed.next().map(|(index, it)| (it.sequence, Next::Packed(index)));
        let rotated = leaving.into_iter().chain(packed).min_by_key(|(sequence, _)| *sequence);
        if let Some((_, next)) = rotated {
            return Some(next);
        }
        let count = self.generations.len();
        let turn = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|index| self.generations.get(*index).is_some_and(wants))?;
        self.turn = turn + 1;
        Some(Next::Plain(turn))
    }

    fn read_packed(&mut self, index: usize, line: &mut impl FnMut(&Arc<Path>, Line<'_>)) {
        let Some(packed) = self.packed.get_mut(index) else { return };
        let fault = match packed.read(line) {
            Step::CutOff => return,
            Step::Read(new_bytes) => {
                self.counters.add_read(new_bytes);
                return;
            }
            Step::End(new_bytes) => {
                self.counters.add_read(new_bytes);
                // A copy that was made before all was written that was seen.
                if let Some(lost_bytes) = packed.lost_bytes() {
                    self.counters.add_gap(GapReason::Truncated, lost_bytes);
                    let path = Arc::clone(&packed.path);
                    self.tell_lost(&path, GapReason::Truncated, Some(lost_bytes));
                }
                None
            }
            Step::Broken(error) => Some(error),
        };
        let packed = self.packed.remove(index);
        if let Some(error) = fault {
            let lost_bytes = packed.lost_bytes();
            self.counters.add_gap(GapReason::Unreadable, lost_bytes.unwrap_or_default());
            self.tell(Arc::clone(&packed.path), error.into());
            self.tell_lost(&packed.path, GapReason::Unreadable, lost_bytes);
        }
        self.remember(packed.place().clone());
    }

    /// Closes a file that is over, after its last line; not if it turns out to hold more.
    fn finish(&mut self, index: usize, line: &mut impl FnMut(&Arc<Path>, Line<'_>)) {
        let Some(generation) = self.generations.get_mut(index) else { return };
        match generation.finish(&mut self.buffer, line) {
            Ok(0) => {}
            // It was written to just now.
            Ok(new_bytes) => {
                self.counters.add_read(new_bytes);
                return;
            }
            Err(error) => {
                self.counters.add_gap(GapReason::Unreadable, generation.unread_bytes());
                let path = Arc::clone(&generation.name);
                self.tell(path, error.into());
            }
        }
        let closed = self.generations.remove(index).place();
        self.remember(closed);
    }

    pub(super) fn remember(&mut self, closed: Place) {
        self.closed_revision += 1;
        if self.remembered.len() >= FILES_REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        self.remembered.push_back(closed);
    }

    pub(super) fn tell(&mut self, path: Arc<Path>, problem: Problem) {
        let text = problem.to_string();
        let told = self.told.insert(Arc::clone(&path), (text.clone(), self.looks));
        if told.is_none_or(|(before, _)| before != text) {
            self.changes.add(Change::Problem { path, problem });
        }
    }
}
