//! What became of a file: where its lines stand that were not read, and what came after it.
//!
//! Asked in three cases that are one: a file has lost its name and another one has it; it was
//! emptied or written anew, so that what stood in it is in a copy (`copytruncate`) or nowhere; the
//! agent was not running and finds out now. What is held open is never searched for. Whatever is in
//! no file any more is a gap, if it is known to have existed.
//!
//! What cannot be known from outside: lines that were written between the copy and the truncation
//! (logrotate's manual says so too), and those that were written to a file between our last look and
//! its deletion while the agent was not running.

use std::collections::HashSet;
use std::io;
use std::iter;
use std::path::Path;
use std::sync::Arc;

use crate::limits::OPEN_FILES_MAX;
use crate::source::change::{Change, GapReason};
use crate::source::file::Follower;
use crate::source::found::{Found, FoundFiles};
use crate::source::generation::{Begin, Generation};
use crate::source::identity::{FileKey, Mark, Times, begin_alike};
use crate::source::lines::LinePosition;
use crate::source::opened::Opened;
use crate::source::packed::Packed;
use crate::source::pattern::Pattern;
use crate::source::places::{OpenPlace, Place};
use crate::source::siblings::{self, Named, Newer, Order, Sibling};

/// What happens to files for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// They are looked for again.
    Wait,
    /// Nothing will lead to them later: there is room for as many again, and then they are a gap.
    Now,
}

/// Where to look for files that came after another one.
#[derive(Debug, Clone)]
pub(super) struct After {
    /// The name of the log.
    pub(super) name: Arc<Path>,
    /// The file beside which they stand.
    pub(super) target: Arc<Path>,
    pub(super) newer: Newer,
    /// The file itself, where that is known: it is not meant.
    pub(super) own: Option<FileKey>,
    /// What it began with, and begins with now: copies of that are not meant either.
    pub(super) beginnings: Vec<Vec<u8>>,
}

impl After {
    fn is_copy(&self, head: &[u8]) -> bool {
        self.beginnings.iter().any(|beginning| begin_alike(beginning, head))
    }

    /// The place in a sibling of which nothing is read.
    fn unread(&self, opened: &Opened) -> Place {
        Place {
            name: Arc::clone(&self.name),
            target: Arc::clone(&self.target),
            key: opened.key(),
            times: opened.times(),
            head: Mark::of(opened.head()),
            anchor: Mark::default(),
            position: LinePosition::START,
        }
    }
}

/// Why what stands under a name is not what stood there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate<'a> {
    /// It was emptied or written anew.
    Rewritten {
        /// What it begins with now, unless it is open already.
        now: &'a [u8],
    },
    /// The file is gone, or its name.
    Gone,
}

/// A file of the time before the restart.
enum Again {
    /// It is there, and is read on from where it was left.
    There,
    /// It holds something else.
    Rewritten(Box<Sibling>),
    /// It is nowhere to be seen.
    Gone,
}

impl Follower {
    /// Finds the files again that were open when the state was taken, the oldest first. One about
    /// which nothing can be found out is looked for again.
    pub(super) fn take_up(&mut self, found: &FoundFiles) {
        let mut later = Vec::new();
        let live = self.pending.iter().filter(|it| !it.leaving);
        let live: HashSet<Arc<Path>> = live.map(|it| Arc::clone(&it.place.name)).collect();
        while !self.pending.is_empty() {
            let was = self.pending.remove(0);
            let is_named = |it: &Pattern| it.names(&was.place.name);
            if !self.patterns.iter().any(is_named) {
                continue;
            }
            // What came after them came after the live one, if there was one.
            let counts = |it: &OpenPlace| !it.leaving || !live.contains(&it.place.name);
            let mut later_ones = self.pending.iter().filter(|it| counts(it));
            let is_last =
                counts(&was) && !later_ones.any(|later| later.place.name == was.place.name);
            match self.find_again(&was, found, is_last) {
                Ok(Again::There) => {}
                Ok(Again::Rewritten(own)) => {
                    self.counters.truncations += 1;
                    let fate = Fate::Rewritten { now: own.opened.head() };
                    let lost_bytes = self.replaced(&was, fate, is_last);
                    let path = Arc::clone(&was.place.name);
                    self.changes.add(Change::Truncated { path, lost_bytes });
                    self.open_rewritten(&own, &was, found.of_key(&was.place.key));
                }
                Ok(Again::Gone) => {
                    self.counters.rotations += u64::from(!was.leaving);
                    let lost_bytes = self.replaced(&was, Fate::Gone, is_last);
                    if lost_bytes > 0 {
                        self.tell_lost(&was.place.name, GapReason::Deleted, Some(lost_bytes));
                    }
                }
                Err(error) => {
                    self.tell(Arc::clone(&was.place.name), error.into());
                    later.push(was);
                }
            }
        }
        self.pending = later;
    }

    /// By its key, under whatever name; else, as after a restored backup, by what stands under the
    /// name.
    fn find_again(
        &mut self,
        was: &OpenPlace,
        found: &FoundFiles,
        is_last: bool,
    ) -> io::Result<Again> {
        let Place { name, key, .. } = &was.place;
        if found.unknown.contains(name) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let named = found.of_key(key);
        if let Some(own) = find_own(&was.place, named)? {
            if !own.opened.fits(&was.place) {
                return Ok(Again::Rewritten(Box::new(own)));
            }
            self.go_on_with_own(&own, was, named, is_last);
            return Ok(Again::There);
        }
        let other = |it: &&Found| *it.path == **name && !self.is_known_key(&it.key);
        let Some(named) = found.files.iter().find(other) else { return Ok(Again::Gone) };
        match Opened::open(&named.path)? {
            Some(opened) if opened.is_copy_of(was) && opened.reaches(&was.place) => {
                let restored = Sibling { path: name.to_path_buf(), opened, order: None };
                self.go_on(&restored, was, Some(named));
                Ok(Again::There)
            }
            Some(_) | None => Ok(Again::Gone),
        }
    }

    fn go_on_with_own(
        &mut self,
        own: &Sibling,
        was: &OpenPlace,
        named: Option<&Found>,
        is_last: bool,
    ) {
        let Place { times, head, .. } = &was.place;
        self.go_on(own, was, named);
        self.counters.rotations += u64::from(named.is_none() && !was.leaving);
        if is_last && head.length_bytes == 0 {
            // It may have been written to, copied and emptied.
            let fate = Fate::Rewritten { now: own.opened.head() };
            self.open_after(was, written(times), None, fate);
        } else if is_last && named.is_none() {
            self.open_after(was, *times, own.order, Fate::Gone);
        }
    }

    /// What stood in a file is not there any more: goes on with a rotated file or copy that holds
    /// it, then with those that came after it. Returns the bytes that are lost.
    pub(super) fn replaced(&mut self, was: &OpenPlace, fate: Fate<'_>, is_last: bool) -> u64 {
        let place = &was.place;
        let (reason, than) = match fate {
            // A copy that is older than the last write holds nothing that was not in the file then.
            Fate::Rewritten { .. } => (GapReason::Truncated, written(&place.times)),
            Fate::Gone => (GapReason::Deleted, place.times),
        };
        let copy = self.last_copy(was);
        let held_bytes = copy.as_ref().map(|copy| match copy.opened.is_compressed() {
            true => u64::MAX,
            false => copy.opened.size_bytes(),
        });
        let order = copy.as_ref().and_then(|copy| copy.order);
        let on = OpenPlace { place: Place { times: than, ..place.clone() }, ..was.clone() };
        match copy {
            Some(copy) => self.go_on(&copy, &on, None),
            None => self.remember(place.clone()),
        }
        // Of a file that was empty nothing tells it from those after it.
        let searched = is_last || place.head.length_bytes == 0;
        let younger = if searched { self.open_after(was, than, order, fate) } else { 0 };
        let lost_bytes = match held_bytes {
            Some(held) => was.size_bytes.saturating_sub(held.max(place.position.byte_offset)),
            None => was.unread_bytes(),
        };
        if lost_bytes > 0 {
            self.counters.add_gap(reason, lost_bytes);
        } else if held_bytes.is_none() && younger > 0 && place.head.length_bytes > 0 {
            // It has left the series, and so may others have that came after it.
            self.counters.add_gap(reason, 0);
            self.tell_lost(&place.name, reason, None);
        }
        lost_bytes
    }

    /// The copy that holds most of what stood in a file.
    fn last_copy(&mut self, was: &OpenPlace) -> Option<Sibling> {
        let place = &was.place;
        let find = || siblings::copies_of(&place.target, was, |key| self.is_read_key(key));
        let mut copies = find();
        if copies.is_empty() {
            // A file that is renamed or compressed while the directory is read may be passed over.
            copies = find();
        }
        let mut copies = copies.into_iter();
        let last = copies.next();
        for other in copies {
            // It holds nothing that the first does not.
            self.remember(read_in(&other.opened, place));
        }
        last
    }

    /// Opens what came after a file; returns how many there are.
    pub(super) fn open_after(
        &mut self,
        was: &OpenPlace,
        than: Times,
        order: Option<Order>,
        fate: Fate<'_>,
    ) -> usize {
        let Place { name, target, key, .. } = &was.place;
        let (name, target) = (Arc::clone(name), Arc::clone(target));
        let (now, room) = match fate {
            Fate::Rewritten { now } => (vec![now.to_vec()], Room::Now),
            // Whatever has the name next leads to them again.
            Fate::Gone => (self.beginnings_of_pending(), Room::Wait),
        };
        let beginnings = iter::once(was.beginning.clone()).chain(now).collect();
        let named = order.map_or(Named::Anything, Named::NotOlder);
        let newer = Newer { than, order: named };
        let after = After { name, target, newer, own: Some(*key), beginnings };
        let count = self.open_missed(&after, room);
        if let Some(order) = order {
            // Those that only look newer, as after a restored backup, are not missed later either.
            let newer = Newer { than, order: Named::Older(order) };
            self.pass_over(&After { newer, ..after });
        }
        count
    }

    /// What the files that are still looked for begin with now: they may have been written anew, and
    /// copied, meanwhile.
    fn beginnings_of_pending(&self) -> Vec<Vec<u8>> {
        let own = self.pending.iter().filter_map(|it| find_own(&it.place, None).ok().flatten());
        own.map(|own| own.opened.head().to_vec()).collect()
    }

    /// Reads a file anew from its start.
    fn open_rewritten(&mut self, own: &Sibling, was: &OpenPlace, named: Option<&Found>) {
        // What is compressed is told where new files are opened.
        if own.opened.is_compressed() {
            return;
        }
        let name = named.map_or(&was.place.name, |named| &named.path);
        let Ok(mut generation) = Generation::new(Arc::clone(name), &own.opened, &Begin::Start)
        else {
            return;
        };
        generation.begin_anew();
        if named.is_some() {
            let (path, size_bytes) = (Arc::clone(name), own.opened.size_bytes());
            self.changes.add(Change::Appeared { path, byte_offset: 0, size_bytes });
        } else {
            generation.target = Arc::clone(&was.place.target);
            generation.leave(self.now);
            self.changes.add(Change::Missed { path: own.path.clone(), byte_offset: 0 });
        }
        self.add_generation(generation);
    }

    /// Reads a file on from a place.
    fn go_on(&mut self, sibling: &Sibling, was: &OpenPlace, named: Option<&Found>) {
        let Sibling { path, opened, .. } = sibling;
        let place = &was.place;
        if opened.is_compressed() {
            self.go_on_packed(path, opened, was);
            return;
        }
        let is_copy = named.is_none() && opened.key() != place.key;
        if is_copy && opened.size_bytes() <= place.position.byte_offset {
            // Nothing is added to a copy.
            self.remember(read_in(opened, place));
            return;
        }
        if named.is_none() && !self.has_room_now() {
            self.give_up(&place.name, opened.size_bytes() - place.position.byte_offset);
            return;
        }
        let name = named.map_or(&place.name, |named| &named.path);
        match Generation::new(Arc::clone(name), opened, &Begin::After(was)) {
            Ok(mut generation) => {
                let (byte_offset, size_bytes) = (place.position.byte_offset, opened.size_bytes());
                if named.is_some() {
                    let path = Arc::clone(name);
                    self.changes.add(Change::Appeared { path, byte_offset, size_bytes });
                } else {
                    generation.target = Arc::clone(&place.target);
                    generation.leave(self.now);
                    self.tell_missed(path, was);
                }
                self.add_generation(generation);
            }
            Err(error) => self.tell(Arc::clone(name), error.into()),
        }
    }

    fn go_on_packed(&mut self, path: &Path, opened: &Opened, was: &OpenPlace) {
        if self.has_room_now() {
            self.add_packed(Packed::new(path, opened, was));
            self.tell_missed(path, was);
        } else {
            self.give_up(&was.place.name, was.unread_bytes());
        }
    }

    fn tell_missed(&mut self, path: &Path, was: &OpenPlace) {
        let byte_offset = was.place.position.byte_offset;
        self.changes.add(Change::Missed { path: path.to_owned(), byte_offset });
    }

    /// Opens the files that had a name after the one followed before and before the one found now;
    /// returns how many there are.
    pub(super) fn open_missed(&mut self, after: &After, room: Room) -> usize {
        let missed = self.missed(after, room);
        let count = missed.len();
        for (opened, sibling) in missed.into_iter().enumerate() {
            let has_room = match room {
                Room::Wait => self.has_room(count - opened),
                Room::Now => self.has_room_now(),
            };
            match (has_room, room) {
                (true, _) => self.open_sibling(after, sibling),
                (false, Room::Wait) => {
                    self.tell_waiting(&after.name);
                    break;
                }
                (false, Room::Now) => self.give_up(&after.name, sibling.opened.size_bytes()),
            }
        }
        count
    }

    /// Newer siblings that are not known, oldest first. Copies of what is known are known from now
    /// on: later they may not be told any more.
    fn missed(&mut self, after: &After, room: Room) -> Vec<Sibling> {
        // What has the name now may not be open yet.
        let now = Opened::open(&after.name).ok().flatten();
        // A search that cannot wait does not open it either: until a look does, it may be emptied, and
        // a copy of it is then all that is left.
        let is_open = |it: &Opened| self.generations.iter().any(|open| open.key == it.key());
        let is_followed = room == Room::Wait || now.as_ref().is_none_or(is_open);
        let (now_key, now_head) = (now.as_ref().map(Opened::key), now.as_ref().map(Opened::head));
        let is_known = |key: &FileKey| {
            now_key == Some(*key) || after.own == Some(*key) || self.is_known_key(key)
        };
        let newer = siblings::newer(&after.target, &after.newer, is_known);
        let newer: Vec<Sibling> = newer.take(2 * OPEN_FILES_MAX).collect();
        let (mut missed, mut copies) = (Vec::<Sibling>::new(), Vec::new());
        for sibling in newer.into_iter().rev() {
            let head = sibling.opened.head();
            // Of several copies of one file the youngest holds all that the others do.
            let is_younger = |it: &Sibling| begin_alike(it.opened.head(), head);
            let is_copy =
                after.is_copy(head) || self.is_like_known(head) || missed.iter().any(is_younger);
            let is_like_now = now_head.is_some_and(|now| begin_alike(now, head));
            if is_copy || (is_like_now && is_followed) {
                copies.push(sibling);
            } else if !is_like_now {
                missed.push(sibling);
            }
        }
        missed.reverse();
        copies.iter().rev().for_each(|copy| self.remember(after.unread(&copy.opened)));
        missed
    }

    fn open_sibling(&mut self, after: &After, sibling: Sibling) {
        let Sibling { path, opened, .. } = sibling;
        let After { name, target, newer, .. } = after;
        let was = OpenPlace::closed(Place { times: newer.than, ..after.unread(&opened) });
        if opened.is_compressed() {
            self.add_packed(Packed::new(&path, &opened, &was));
        } else {
            match Generation::new(Arc::clone(name), &opened, &Begin::Start) {
                Ok(mut generation) => {
                    generation.target = Arc::clone(target);
                    generation.came_after(newer.than);
                    generation.leave(self.now);
                    self.add_generation(generation);
                }
                Err(error) => return self.tell(Arc::clone(name), error.into()),
            }
        }
        self.counters.rotations += 1;
        self.changes.add(Change::Missed { path, byte_offset: 0 });
    }

    /// What stands beside a file of the first look, or beside the first file of its name, is older
    /// than all that is followed: it is not missed later.
    pub(super) fn pass_over_siblings(&mut self, of: &Generation) {
        let OpenPlace { place, beginning, .. } = of.open_place();
        let Place { name, target, key, times, .. } = place;
        let newer = Newer { than: times, order: Named::Anything };
        self.pass_over(&After { name, target, newer, own: Some(key), beginnings: vec![beginning] });
    }

    fn pass_over(&mut self, after: &After) {
        for sibling in self.missed(after, Room::Wait) {
            self.remember(after.unread(&sibling.opened));
        }
    }

    /// There is no room for a file to which nothing leads later.
    fn give_up(&mut self, name: &Arc<Path>, bytes: u64) {
        self.counters.open_limit_hits += 1;
        self.counters.add_gap(GapReason::Unreadable, bytes);
        self.tell_lost(name, GapReason::Unreadable, Some(bytes));
    }

    pub(super) fn tell_lost(&mut self, path: &Arc<Path>, reason: GapReason, bytes: Option<u64>) {
        let path = Arc::clone(path);
        self.changes.add(Change::Lost { path, reason, lost_bytes: bytes });
    }

    /// Whether a file is followed, was, will be looked for, or was passed over.
    fn is_known_key(&self, key: &FileKey) -> bool {
        self.is_read_key(key) || self.remembered.iter().any(|it| it.key == *key)
    }

    /// Whether lines of a file itself are read, were, or will be.
    fn is_read_key(&self, key: &FileKey) -> bool {
        let was_read = |it: &&Place| it.position.byte_offset > 0;
        self.generations.iter().any(|it| it.key == *key)
            || self.packed.iter().any(|it| it.key == *key)
            || self.pending.iter().any(|it| it.place.key == *key)
            || self.remembered.iter().filter(was_read).any(|it| it.key == *key)
    }

    /// Whether a file that begins so is a copy of one that is known.
    fn is_like_known(&self, head: &[u8]) -> bool {
        let same = |mark: &Mark| mark.length_bytes > 0 && mark.begins(head);
        self.generations.iter().any(|it| it.begins_like(head))
            || self.packed.iter().any(|it| same(&it.place().head))
            || self.remembered.iter().any(|it| same(&it.head))
            || self
                .pending
                .iter()
                .any(|it| same(&it.place.head) || begin_alike(&it.beginning, head))
    }
}

/// The file of a place: where a pattern names it, where it was, or wherever it is beside that.
fn find_own(place: &Place, named: Option<&Found>) -> io::Result<Option<Sibling>> {
    let Place { target, key, .. } = place;
    let own = |path: &Path, opened: Option<Opened>| {
        let opened = opened.filter(|it| it.key() == *key)?;
        Some(Sibling { path: path.to_owned(), opened, order: None })
    };
    if let Some(Found { path, .. }) = named
        && let Some(own) = own(path, Opened::open(path)?)
    {
        return Ok(Some(own));
    }
    let own = own(target, Opened::open(target).ok().flatten());
    Ok(own.or_else(|| siblings::by_key(target, key)))
}

/// The place in a copy that holds nothing else than what was read. It may be shorter than what is
/// marked of the file: it is known again by its own beginning.
fn read_in(copy: &Opened, place: &Place) -> Place {
    let (key, times, head) = (copy.key(), copy.times(), Mark::of(copy.head()));
    Place { key, times, head, ..place.clone() }
}

/// Newer than the last write.
fn written(times: &Times) -> Times {
    Times { birth: times.modified, ..*times }
}
