//! Rotated files beside a log: the one that was followed, copies of it, and those that no look ever
//! saw under their live name.
//!
//! When a log is rotated twice between two looks, the file in the middle already has its rotated
//! name. It is found here by that name, in the two families that logrotate writes (`mtls.log.1`,
//! `mtls.log-20261122`, each also before the extension, compressed or not), by being newer than the
//! file that was followed, and by not being a copy of one.

use std::fs::{DirEntry, Metadata};
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

use crate::limits::OPEN_FILES_MAX;
use crate::source::identity::{FileKey, Times};
use crate::source::opened::Opened;
use crate::source::places::OpenPlace;

/// Entries of the log's directory that are looked through; a rotated file beyond them is not found.
const ENTRIES_SEARCHED_MAX: usize = 4096;

/// A file beside a log.
#[derive(Debug)]
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) opened: Opened,
    /// None for a name that no rotation gives.
    pub(super) order: Option<Order>,
}

/// The place of a rotated file among its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// `.1`, `.2`: it grows with age.
    Count(i64),
    /// `-20261122`: it falls with age.
    Date(i64),
}

impl Order {
    /// Larger for younger files.
    fn rank(self) -> i64 {
        match self {
            Self::Count(number) => -number,
            Self::Date(number) => number,
        }
    }

    /// Whether this one is younger; none where the names do not tell.
    fn is_younger_than(self, other: Self) -> Option<bool> {
        match (self, other) {
            (Self::Count(_), Self::Count(_)) | (Self::Date(_), Self::Date(_)) => {
                Some(self.rank() > other.rank())
            }
            (Self::Count(_) | Self::Date(_), _) => None,
        }
    }
}

/// What makes a sibling newer than the file followed before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newer {
    /// Not older than these.
    pub(super) than: Times,
    /// What the name must say.
    pub(super) order: Named,
}

/// What the name of a sibling says about its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Anything,
    /// Not older than the sibling of this name.
    NotOlder(Order),
    /// Older than it.
    Older(Order),
}

/// The file of this key, whatever its name is.
pub(super) fn by_key(live: &Path, key: &FileKey) -> Option<Sibling> {
    let mut entries = entries(live).filter(|entry| entry.ino() == key.inode);
    let entry = entries.find(|it| it.metadata().is_ok_and(|found| FileKey::of(&found) == *key))?;
    let opened = Opened::open(&entry.path()).ok().flatten().filter(|it| it.key() == *key)?;
    let order = name_order(live, &entry).map(|(order, _)| order);
    Some(Sibling { path: entry.path(), opened, order })
}

/// The rotated siblings that are copies of what was read up to a place: those that go so far before
/// those that do not, then the youngest first, for it holds all that the others do. `is_known` tells
/// files that are not meant.
pub(super) fn copies_of(
    live: &Path,
    was: &OpenPlace,
    is_known: impl Fn(&FileKey) -> bool,
) -> Vec<Sibling> {
    let unknown = |it: &Rotated| !is_known(&FileKey::of(&it.metadata));
    let opened = rotated(live).into_iter().filter(unknown).filter_map(Rotated::open);
    let mut copies: Vec<Sibling> =
        opened.filter(|it| it.opened.is_copy_of(was)).take(OPEN_FILES_MAX).collect();
    copies.sort_by_key(|it| {
        let rank = it.order.map(Order::rank);
        (!it.opened.reaches(&was.place), std::cmp::Reverse(rank))
    });
    copies
}

/// The rotated siblings of `live` that are newer than the file followed before under that name,
/// oldest first. `is_known` tells files that are followed or were; they are not opened.
pub(super) fn newer<F: Fn(&FileKey) -> bool>(
    live: &Path,
    newer: &Newer,
    is_known: F,
) -> impl Iterator<Item = Sibling> + use<F> {
    let mut rotated = rotated(live);
    rotated.retain(|it| it.is_newer(newer) && !is_known(&FileKey::of(&it.metadata)));
    let is_counted = |it: &Rotated| matches!(it.order, Order::Count(_));
    if rotated.iter().all(is_counted) {
        rotated.sort_by_key(|it| it.order.rank());
    } else {
        rotated.sort_by_key(|it| (it.age(), it.order.rank()));
    }
    rotated.into_iter().filter_map(Rotated::open)
}

/// A file with a rotated name.
struct Rotated {
    path: PathBuf,
    metadata: Metadata,
    order: Order,
    is_packed: bool,
}

impl Rotated {
    fn is_newer(&self, newer: &Newer) -> bool {
        let times = Times::of(&self.metadata);
        let is_named = match newer.order {
            Named::Anything => true,
            Named::NotOlder(other) => self.order.is_younger_than(other) != Some(false),
            Named::Older(other) => self.order.is_younger_than(other) == Some(false),
        };
        is_named
            && times.not_before(&newer.than)
            // A compressed file is always younger than what it holds, but keeps its last write.
            && (!self.is_packed || times.modified >= newer.than.modified)
    }

    /// When what it holds was written, roughly.
    fn age(&self) -> Option<i64> {
        let Times { birth, modified } = Times::of(&self.metadata);
        if self.is_packed { modified } else { birth.or(modified) }
    }

    /// None when it has gone, or is being compressed just now.
    fn open(self) -> Option<Sibling> {
        let opened = Opened::open(&self.path).ok().flatten()?;
        let is_whole = !self.is_packed || opened.is_compressed();
        is_whole.then_some(Sibling { path: self.path, opened, order: Some(self.order) })
    }
}

fn rotated(live: &Path) -> Vec<Rotated> {
    let named = |entry: DirEntry| {
        let (order, is_packed) = name_order(live, &entry)?;
        let metadata = entry.metadata().ok().filter(Metadata::is_file)?;
        Some(Rotated { path: entry.path(), metadata, order, is_packed })
    };
    let mut rotated: Vec<Rotated> = entries(live).filter_map(named).collect();
    // A file is compressed under its own name first, and only then deleted.
    let plain: std::collections::HashSet<PathBuf> =
        rotated.iter().filter(|it| !it.is_packed).map(|it| it.path.clone()).collect();
    rotated.retain(|it| !it.is_packed || !plain.contains(&it.path.with_extension("")));
    rotated
}

fn entries(live: &Path) -> impl Iterator<Item = DirEntry> {
    let directory = live.parent().map(|directory| match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    });
    let entries = directory.and_then(|directory| directory.read_dir().ok());
    entries.into_iter().flatten().take(ENTRIES_SEARCHED_MAX).filter_map(Result::ok)
}

fn name_order(live: &Path, entry: &DirEntry) -> Option<(Order, bool)> {
    rotation_order(live.file_name()?.to_str()?, entry.file_name().to_str()?)
}

/// The place of a rotated file among its siblings and whether it is compressed, if `name` is a
/// rotated name of `live_name`.
fn rotation_order(live_name: &str, name: &str) -> Option<(Order, bool)> {
    let packed = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end));
    let name = packed.unwrap_or(name);
    let middle = name.strip_prefix(live_name).or_else(|| {
        let (stem, extension) = live_name.rsplit_once('.')?;
        name.strip_prefix(stem)?.strip_suffix(extension)?.strip_suffix('.')
    })?;
    let rotated = middle.strip_prefix(['.', '-', '_'])?;
    if !rotated.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | 'T')) {
        return None;
    }
    let digits: String = rotated.chars().filter(char::is_ascii_digit).take(18).collect();
    let number: i64 = digits.parse().ok()?;
    let order = if digits.len() <= 4 { Order::Count(number) } else { Order::Date(number) };
    Some((order, packed.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_those_of_logrotate() {
        let check = |name: &str, expected: Option<i64>| {
            let found = rotation_order("mtls.log", name);
            assert_eq!(found.map(|(order, _)| order.rank()), expected, "{name}");
            let packed = name.ends_with(".gz") || name.ends_with(".zst");
            assert!(found.is_none_or(|(_, is_packed)| is_packed == packed), "{name}");
        };
        check("mtls.log.1", Some(-1));
        check("mtls.log.12", Some(-12));
        check("mtls.log.2.gz", Some(-2));
        check("mtls.log.3.zst", Some(-3));
        check("mtls.log-20261122", Some(20_261_122));
        check("mtls.log-20261122.gz", Some(20_261_122));
        check("mtls.log-2026-11-22T10", Some(2_026_112_210));
        check("mtls.1.log", Some(-1));
        check("mtls-20261122.log", Some(20_261_122));
        check("mtls.log", None);
        check("mtls.log.", None);
        check("mtls.log.gz", None);
        check("mtls.log1", None);
        check("mtls.log.bak", None);
        check("mtls.log.1~", None);
        check("mtls.log.403.txt", None);
        check("other.log.1", None);
        check("mtls-extended.log", None);
        assert_eq!(rotation_order("access", "access.1"), Some((Order::Count(1), false)));
        assert_eq!(rotation_order("access", "access-1"), Some((Order::Count(1), false)));
        assert_eq!(Order::Count(1).is_younger_than(Order::Count(2)), Some(true));
        assert_eq!(Order::Date(1).is_younger_than(Order::Date(2)), Some(false));
        assert_eq!(Order::Date(1).is_younger_than(Order::Count(2)), None);
    }

    #[test]
    fn only_newer_unknown_files_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let write = |name: &str| {
            std::fs::write(at(name), name).unwrap();
            Times::of(&at(name).metadata().unwrap())
        };
        let newer_than = |previous: &Times, known: &str| -> Vec<PathBuf> {
            let known = at(known).metadata().ok().map(|found| FileKey::of(&found));
            let than = Newer { than: *previous, order: Named::Anything };
            let found = newer(&at("a.log"), &than, |key| Some(*key) == known);
            found.map(|sibling| sibling.path).collect()
        };
        let first = write("a.log.3");
        write("a.log.2");
        write("a.log.1");
        write("a.log");
        write("a.log.bak");
        std::fs::create_dir(at("a.log.7")).unwrap();
        assert_eq!(newer_than(&first, "a.log.3"), [at("a.log.2"), at("a.log.1")]);
        let later = |time: Option<i64>| time.map(|time| time + 60_000_000_000);
        let future = Times { birth: later(first.birth), modified: later(first.modified) };
        assert!(newer_than(&future, "").is_empty());
        let all = |live: &Path, order: Named| {
            newer(live, &Newer { than: first, order }, |_| false).count()
        };
        assert_eq!(all(&at("a.log"), Named::Anything), 3);
        assert_eq!(all(&at("a.log"), Named::NotOlder(Order::Count(2))), 1);
        assert_eq!(all(&at("a.log"), Named::Older(Order::Count(2))), 2);
        assert_eq!(all(&at("a.log"), Named::NotOlder(Order::Date(2))), 3);
        assert_eq!(all(Path::new("/"), Named::Anything), 0);
        assert_eq!(all(&at("none/a.log"), Named::Anything), 0);
        // While it is compressed, both are there.
        write("a.log.1.gz");
        assert_eq!(all(&at("a.log"), Named::Anything), 3);
        std::fs::remove_file(at("a.log.1")).unwrap();
        assert_eq!(all(&at("a.log"), Named::Anything), 2, "not compressed, or not yet");
    }
}
