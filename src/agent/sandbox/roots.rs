//! The directories that a sandbox leaves open, each with all that is in it.
//!
//! To the kernel a rule belongs to the directory itself, not to its name: one that is removed and made
//! again is another one. So a root is remembered by its file key as well.

use std::fs;
use std::path::{Path, PathBuf};

use crate::setup::needs::{Need, When, target};
use crate::source::identity::FileKey;

/// Steps from a path that does not exist to the nearest directory above it that does; a path of more
/// names than `PATH_MAX` has room for (linux/limits.h) is no path.
const STEPS_MAX: usize = 4096 / 2;

/// A directory that is open with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Absolute, links resolved.
    pub(super) path: PathBuf,
    key: FileKey,
}

/// Directories of which none lies in another, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roots(Vec<Root>);

/// What stands for a directory that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The directory, links resolved.
    There(PathBuf),
    /// The nearest one above it: in it the needed one may appear.
    Above(PathBuf),
}

impl Roots {
    /// The roots that hold these directories; ones that do not exist are left out.
    pub(super) fn new(directories: impl IntoIterator<Item = PathBuf>) -> Roots {
        let mut found: Vec<Root> =
            directories.into_iter().filter_map(|path| Root::of(&path)).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let mut roots: Vec<Root> = Vec::new();
        for root in found {
            // By name: what lies in another one comes right behind it and its like.
            if roots.last().is_none_or(|last| !root.path.starts_with(&last.path)) {
                roots.push(root);
            }
        }
        Roots(roots)
    }

    /// The directories that `needs` ask for. For a log that is not there yet it is the nearest
    /// directory above it that exists; for what else is not there it is nothing.
    pub(super) fn of_needs<'a>(needs: impl IntoIterator<Item = &'a Need>) -> Roots {
        Roots::new(needs.into_iter().filter_map(|need| match (place(&need.directory), need.when) {
            (Place::There(directory), _) | (Place::Above(directory), When::Always) => {
                Some(directory)
            }
            (Place::Above(_), When::Reload | When::Found) => None,
        }))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Root> {
        self.0.iter()
    }

    /// Whether what must be open is open: as it was at the start, not as a name.
    pub(super) fn hold(&self, need: &Need) -> bool {
        match (place(&need.directory), need.when) {
            (_, When::Found) | (Place::Above(_), When::Reload) => true,
            (Place::There(directory) | Place::Above(directory), When::Reload | When::Always) => {
                self.hold_directory(&directory)
            }
        }
    }

    /// Whether the file to which a path leads lies in one of them.
    pub(super) fn hold_file(&self, path: &Path) -> bool {
        let target = target(path);
        match place(target.parent().unwrap_or(Path::new("/"))) {
            Place::There(directory) | Place::Above(directory) => self.hold_directory(&directory),
        }
    }

    /// `directory` is absolute, without links.
    pub(super) fn hold_directory(&self, directory: &Path) -> bool {
        directory.ancestors().any(|above| {
            Root::of(above).is_some_and(|above| self.0.iter().any(|r| r.key == above.key))
        })
    }
}

impl Root {
    fn of(directory: &Path) -> Option<Root> {
        let path = directory.canonicalize().ok()?;
        let metadata = path.metadata().ok().filter(fs::Metadata::is_dir)?;
        Some(Root { path, key: FileKey::of(&metadata) })
    }
}

/// Where a directory is, or will be: links are followed, those that lead to nothing yet as well.
pub(super) fn place(directory: &Path) -> Place {
    let mut path = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    for step in 0..STEPS_MAX {
        if let Some(root) = Root::of(&path) {
            return if step == 0 { Place::There(root.path) } else { Place::Above(root.path) };
        }
        let target = target(&path);
        let above = path.parent().unwrap_or(Path::new("/")).to_owned();
        path = if target == path { above } else { target };
    }
    Place::Above(PathBuf::from("/"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Scene(tempfile::TempDir);

    impl Scene {
        fn new(directories: &[&str]) -> Scene {
            let scene = Scene(tempfile::tempdir().unwrap());
            directories.iter().for_each(|name| fs::create_dir_all(scene.at(name)).unwrap());
            scene
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().canonicalize().unwrap().join(name)
        }

        fn need(&self, directory: &str, when: When) -> Need {
            Need { directory: self.at(directory), path: self.at(directory).join("x"), when }
        }
    }

    #[track_caller]
    fn check(roots: &Roots, scene: &Scene, expected: &[&str]) {
        let expected: Vec<PathBuf> = expected.iter().map(|name| scene.at(name)).collect();
        assert_eq!(roots.iter().map(|root| root.path.clone()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn one_that_lies_in_another_is_no_root() {
        let scene = Scene::new(&["a/b/c", "a-b", "ab", "z"]);
        let roots = |names: &[&str]| Roots::new(names.iter().map(|name| scene.at(name)));
        check(&roots(&["a/b", "a", "a-b", "a/b/c", "ab", "a"]), &scene, &["a", "a-b", "ab"]);
        check(&roots(&["a/b", "z", "none"]), &scene, &["a/b", "z"]);
        check(&roots(&[]), &scene, &[]);
        check(&roots(&["a/../z/."]), &scene, &["z"]);
    }

    #[test]
    fn what_does_not_exist_yet_is_awaited_in_the_nearest_directory() {
        let scene = Scene::new(&["logs", "data", "etc"]);
        symlink(scene.at("data/late"), scene.at("logs/link")).unwrap();
        symlink(scene.at("data"), scene.at("logs/data")).unwrap();
        symlink("circle", scene.at("circle")).unwrap();
        let check_one = |name: &str, when: When, expected: &[&str]| {
            check(&Roots::of_needs([&scene.need(name, when)]), &scene, expected);
        };
        check_one("logs", When::Always, &["logs"]);
        check_one("logs/a/b/c", When::Always, &["logs"]);
        check_one("logs/a/b/c", When::Reload, &[]);
        check_one("logs/data/a", When::Always, &["data"]);
        check_one("logs/link", When::Always, &["data"]);
        check_one("logs/link", When::Found, &[]);
        check_one("logs/data", When::Found, &["data"]);
        check_one("logs/link/a", When::Always, &["data"]);
        check_one("etc", When::Reload, &["etc"]);
        assert!(matches!(place(&scene.at("circle/a")), Place::Above(_)));
        assert_eq!(place(Path::new("/none/a")), Place::Above(PathBuf::from("/")));
        assert_eq!(place(Path::new("/")), Place::There(PathBuf::from("/")));
    }

    #[test]
    fn what_is_open_is_known_by_more_than_its_name() {
        let scene = Scene::new(&["logs/sub", "data"]);
        symlink(scene.at("data/a.log"), scene.at("logs/a.log")).unwrap();
        symlink("b.log", scene.at("logs/link.log")).unwrap();
        let roots = Roots::of_needs([&scene.need("logs", When::Always)]);
        let check = |name: &str, when: When, expected: bool| {
            assert_eq!(roots.hold(&scene.need(name, when)), expected, "{name}");
        };
        check("logs", When::Always, true);
        check("logs/sub", When::Reload, true);
        check("logs/sub/late", When::Always, true);
        check("data", When::Always, false);
        check("data", When::Reload, false);
        check("data/late", When::Always, false);
        check("data/late", When::Reload, true);
        check("data", When::Found, true);
        check("", When::Always, false);
        let file = |name: &str| roots.hold_file(&scene.at(name));
        assert!(file("logs/b.log") && file("logs/sub/b.log") && file("logs/link.log"));
        assert!(!file("logs/a.log") && !file("data/a.log"));

        fs::rename(scene.at("logs"), scene.at("old")).unwrap();
        fs::create_dir(scene.at("logs")).unwrap();
        check("logs", When::Always, false);
        check("old", When::Always, true);
    }
}
