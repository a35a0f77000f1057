//! A path or a glob, and the files that it names just now.
//!
//! The globs are those of a shell without `{}`: `*`, `?`, `[...]`, and `**` for directories; `*`
//! does not cross `/` and does not match a leading dot. A name with such characters that exists
//! literally is that file, and stays so while it is rotated away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, PatternError};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// One path or glob as the operator wrote it.
#[derive(Debug, Clone)]
pub struct Pattern {
    path: PathBuf,
    /// None for a plain path.
    glob: Option<String>,
}

/// Why a text is not a glob.
#[derive(Debug, thiserror::Error)]
#[error("{text}:{column}: invalid glob: {reason}")]
pub struct InvalidGlob {
    /// The text as written.
    pub text: String,
    /// Where in the text, in bytes from 1.
    pub column: usize,
    reason: &'static str,
}

impl Pattern {
    /// Takes a path or a glob. A path that is not UTF-8 is a plain path.
    ///
    /// # Errors
    /// A glob with a fault, for example an unclosed `[`, that does not exist literally either.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, InvalidGlob> {
        let path = path.into();
        let text = path.to_str().filter(|text| text.contains(['*', '?', '['])).map(str::to_owned);
        let Some(text) = text else { return Ok(Self { path, glob: None }) };
        if exists(&path) {
            return Ok(Self { path, glob: None });
        }
        match glob::Pattern::new(&text) {
            Ok(_) => Ok(Self { path, glob: Some(text) }),
            Err(PatternError { pos, msg }) => {
                Err(InvalidGlob { text, column: pos + 1, reason: msg })
            }
        }
    }

    /// The pattern as written.
    pub fn as_path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a glob, which may match nothing or much.
    pub fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// The directory that has to be watched for files of this pattern: the parent of a path, the
    /// part of a glob before its first wildcard.
    pub fn directory(&self) -> PathBuf {
        let wild = |part: &Path| part.to_str().is_some_and(|text| text.contains(['*', '?', '[']));
        let directory = match &self.glob {
            None => self.path.parent(),
            Some(_) => self.path.ancestors().skip(1).find(|ancestor| !wild(ancestor)),
        };
        match directory {
            Some(directory) if directory.as_os_str().is_empty() => PathBuf::from("."),
            Some(directory) => directory.to_owned(),
            None => PathBuf::from("/"),
        }
    }

    /// Whether `path` is one that this pattern names, there or not: the same path, the same file, or
    /// one that the glob matches. Relative ones belong to the working directory.
    pub fn names(&self, path: &Path) -> bool {
        let same_file = |a: &Path, b: &Path| {
            fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b))
        };
        let path = &std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let Some(text) = &self.glob else {
            // Where the working directory has no name any more, neither path gets one.
            let own = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
            return own == *path || same_file(&self.path, path);
        };
        // What stands before the pattern is a name, whatever characters it has.
        let directory = std::env::current_dir().unwrap_or_default();
        let directory = glob::Pattern::escape(&directory.to_string_lossy());
        let whole = std::path::absolute(Path::new(&directory).join(text)).unwrap_or_default();
        let pattern = whole.to_str().and_then(|whole| glob::Pattern::new(whole).ok());
        let matches = |path: &Path| {
            pattern.as_ref().is_some_and(|pattern| pattern.matches_path_with(path, OPTIONS))
        };
        matches(path) || fs::canonicalize(path).is_ok_and(|path| matches(&path))
    }

    /// The paths named just now, sorted within each directory; a plain path even if it does not
    /// exist. Directories that cannot be read are handed to `unreadable` with the reason.
    pub fn paths<F: FnMut(&Path, &io::Error)>(
        &mut self,
        mut unreadable: F,
    ) -> impl Iterator<Item = PathBuf> + use<F> {
        if self.glob.is_some() && exists(&self.path) {
            self.glob = None;
        }
        let plain = self.glob.is_none().then(|| self.path.clone());
        let matched =
            self.glob.as_deref().and_then(|text| glob::glob_with(text, OPTIONS).ok()).into_iter();
        plain.into_iter().chain(matched.flatten().filter_map(move |found| match found {
            Ok(path) => Some(path),
            Err(error) => {
                unreadable(error.path(), error.error());
                None
            }
        }))
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_the_part_before_the_wildcard() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Pattern::new(text).unwrap().directory(), Path::new(expected), "{text}");
        };
        check("/var/log/nginx/mtls.log", "/var/log/nginx");
        check("/var/log/nginx/*.log", "/var/log/nginx");
        check("/var/log/*/mtls.log", "/var/log");
        check("/var/log/ngin[xy]/a/b.log", "/var/log");
        check("mtls.log", ".");
        check("*.log", ".");
        check("*/mtls.log", ".");
        check("/*.log", "/");
        check("logs/**/mtls.log", "logs");
    }

    #[test]
    fn globs_name_what_exists_and_literal_names_win() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["b.log", "a.log", ".hidden.log", "a.txt", "x1.log"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("d.log")).unwrap();
        std::fs::write(at("d.log").join("c.log"), "").unwrap();
        let names = |pattern: &mut Pattern| -> Vec<PathBuf> { pattern.paths(|_, _| {}).collect() };
        let mut all = Pattern::new(at("*.log")).unwrap();
        assert!(all.is_glob());
        assert_eq!(names(&mut all), [at("a.log"), at("b.log"), at("d.log"), at("x1.log")]);
        assert_eq!(names(&mut Pattern::new(at("?.txt")).unwrap()), [at("a.txt")]);
        assert_eq!(names(&mut Pattern::new(at("none")).unwrap()), [at("none")]);
        assert!(names(&mut Pattern::new(at("none*")).unwrap()).is_empty());

        let mut late = Pattern::new(at("x[1].log")).unwrap();
        assert_eq!(names(&mut late), [at("x1.log")]);
        std::fs::write(at("x[1].log"), "").unwrap();
        assert_eq!(names(&mut late), [at("x[1].log")]);
        std::fs::remove_file(at("x[1].log")).unwrap();
        assert_eq!(names(&mut late), [at("x[1].log")], "a name once seen stays a name");
    }

    #[test]
    fn names_without_looking_whether_they_exist() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let found = Pattern::new(pattern).unwrap().names(Path::new(path));
            assert_eq!(found, expected, "{pattern} {path}");
        };
        check("/nowhere/a.log", "/nowhere/a.log", true);
        check("/nowhere/a.log", "/nowhere/a.log.1", false);
        check("a.none", "./a.none", true);
        check("*.none", "a.none", true);
        check("./*.none", "a.none", true);
        check("*.none", "b/a.none", false);
        check("/nowhere/*.log", "/nowhere/.a.log", false);
        check("/nowhere/*/a.log", "/nowhere/b/a.log", true);
        check("/nowhere/*/a.log", "/nowhere/b/c/a.log", false);

        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        std::fs::write(at("a.log"), "").unwrap();
        std::os::unix::fs::symlink(at("a.log"), at("link")).unwrap();
        check(&at("a.log"), &at("link"), true);
        check(&at("link"), &at("a.log"), true);
        check(&at("*.log"), &at("link"), true);
        check(&at("l*k"), &at("a.log"), false);
    }

    #[test]
    fn a_faulty_glob_names_its_column() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Pattern::new(text).unwrap_err().to_string(), expected);
        };
        check("/nowhere/a[b.log", "/nowhere/a[b.log:11: invalid glob: invalid range pattern");
        check(
            "/nowhere/***/b",
            "/nowhere/***/b:12: invalid glob: wildcards are either regular `*` or recursive `**`",
        );
    }
}
