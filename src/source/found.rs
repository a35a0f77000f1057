//! Which files the patterns of a source name just now.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::limits::{CHANGES_MAX, FILES_MATCHED_MAX};
use crate::source::change::Problem;
use crate::source::file::Follower;
use crate::source::identity::FileKey;
use crate::source::pattern::Pattern;
use crate::source::places::StoredPath;

/// A regular file that a pattern names just now.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: Arc<Path>,
    pub(super) key: FileKey,
    /// Its pattern is looked for for the first time, also before any restart.
    pub(super) is_first: bool,
}

#[derive(Debug, Default)]
pub(super) struct FoundFiles {
    pub(super) files: Vec<Found>,
    pub(super) keys: HashMap<FileKey, usize>,
    /// Names about which the system refuses to tell anything.
    pub(super) unknown: HashSet<Arc<Path>>,
}

impl FoundFiles {
    pub(super) fn of_key(&self, key: &FileKey) -> Option<&Found> {
        self.keys.get(key).and_then(|index| self.files.get(*index))
    }

    pub(super) fn has_name(&self, name: &Path) -> bool {
        self.files.iter().any(|file| *file.path == *name)
    }
}

impl Follower {
    pub(super) fn find(&mut self) -> FoundFiles {
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
        let is_first =
            self.looks == 1 && !self.known_patterns.contains(&StoredPath(as_written.clone()));
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
                    if let Entry::Vacant(vacant) = found.keys.entry(key) {
                        vacant.insert(index);
                        found.files.push(Found { path, key, is_first });
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
}

pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
