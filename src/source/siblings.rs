//! Rotated files that no look ever saw under their live name.
//!
//! When a log is rotated twice between two looks, the file in the middle already has its rotated
//! name. It is found here by that name, in the two families that logrotate writes (`mtls.log.1`,
//! `mtls.log-20261122`, each also before the extension), by being newer than the file that was
//! followed, and by not being a copy of one. Compressed ones are named, not read.

use std::path::{Path, PathBuf};

use crate::source::generation::{Opened, Times};
use crate::source::identity::FileKey;

/// Entries of the log's directory that are looked through; a rotated file beyond them is not found.
const ENTRIES_SEARCHED_MAX: usize = 4096;

/// A rotated file that was not followed.
#[derive(Debug)]
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) opened: Opened,
    order: i64,
}

/// The rotated siblings of `live` that are newer than `previous`, the file followed before under
/// that name, oldest first. `is_known` tells files that are followed or were.
pub(super) fn missed(
    live: &Path,
    previous: &Times,
    is_known: impl Fn(&FileKey, &[u8]) -> bool,
) -> Vec<Sibling> {
    let (Some(directory), Some(live_name)) = (live.parent(), live.file_name()) else {
        return Vec::new();
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let mut missed: Vec<Sibling> = entries
        .take(ENTRIES_SEARCHED_MAX)
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let order = rotation_order(live_name.to_str()?, entry.file_name().to_str()?)?;
            let times = Times::of(&entry.metadata().ok().filter(std::fs::Metadata::is_file)?);
            if !times.not_before(previous) {
                return None;
            }
            let opened = Opened::open(&entry.path()).ok().flatten()?;
            // A compressed file is always younger than what it holds, but keeps its last write.
            let newer = !opened.is_compressed() || times.modified > previous.modified;
            let unknown = !is_known(&opened.key(), opened.head());
            (newer && unknown).then(|| Sibling { path: entry.path(), opened, order })
        })
        .collect();
    missed.sort_by_key(|sibling| (sibling.opened.times().birth, sibling.order));
    missed
}

/// The place of a rotated file among its siblings, older ones first, if `name` is a rotated name of
/// `live_name`.
fn rotation_order(live_name: &str, name: &str) -> Option<i64> {
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
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
    // A count grows with age, a date falls.
    Some(if digits.len() <= 4 { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_those_of_logrotate() {
        let check = |name: &str, expected: Option<i64>| {
            assert_eq!(rotation_order("mtls.log", name), expected, "{name}");
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
        assert_eq!(rotation_order("access", "access.1"), Some(-1));
        assert_eq!(rotation_order("access", "access-1"), Some(-1));
    }

    #[test]
    fn only_newer_unknown_files_are_missed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let write = |name: &str| {
            std::fs::write(at(name), name).unwrap();
            Times::of(&at(name).metadata().unwrap())
        };
        let newer_than = |previous: &Times, known: &str| -> Vec<PathBuf> {
            missed(&at("a.log"), previous, |_, head| head == known.as_bytes())
                .into_iter()
                .map(|sibling| sibling.path)
                .collect()
        };
        let first = write("a.log.3");
        write("a.log.2");
        write("a.log.1");
        write("a.log");
        write("a.log.bak");
        std::fs::create_dir(at("a.log.7")).unwrap();
        assert_eq!(newer_than(&first, "a.log.3"), [at("a.log.2"), at("a.log.1")]);
        let later = |times: Option<std::time::SystemTime>| {
            times.map(|time| time + std::time::Duration::from_secs(60))
        };
        let future = Times { birth: later(first.birth), modified: later(first.modified) };
        assert!(newer_than(&future, "").is_empty());
        assert!(missed(Path::new("/"), &first, |_, _| false).is_empty());
        assert!(missed(&at("none/a.log"), &first, |_, _| false).is_empty());
    }
}
