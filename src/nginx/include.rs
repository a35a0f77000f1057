//! Files and their includes made one tree, as nginx sees it (`ngx_conf_include`): a relative name
//! is relative to the directory of the main file, a name with `*`, `?` or `[` is a pattern as in
//! glob(3), its files are taken in the order of their bytes, and one that matches nothing is fine.
//!
//! Only blocks that can hold something of interest are entered, so `map`, `geo`, `types`,
//! `upstream`, `stream`, `mail` and the files included in them are never read. Nothing is parsed
//! twice; the tree is built with an explicit stack.
//!
//! A pattern finds file names in UTF-8 only, and `[[:alpha:]]` is not understood: such files are
//! left out.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::vec::IntoIter;

use gatelog_parsers::nginx_conf::{self, BLOCK_DEPTH_MAX, CONF_BYTES_MAX, Directive};

use super::problem::{Problem, ProblemKind, Problems};
use crate::limits::{NGINX_CONF_BYTES_MAX, NGINX_CONF_FILES_MAX, NGINX_CONF_INCLUDE_DEPTH_MAX};

/// Blocks that are entered.
const ENTERED: [&[u8]; 5] = [b"http", b"server", b"location", b"if", b"limit_except"];

/// Directives that are kept, besides the blocks entered.
const KEPT: [&[u8]; 10] = [
    b"access_log",
    b"break",
    b"error_log",
    b"error_page",
    b"listen",
    b"log_format",
    b"return",
    b"server_name",
    b"ssl",
    b"ssl_verify_client",
];

/// A directive with its file. Its own `block` is taken out; what stood there, includes resolved, is
/// `block`.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) directive: Directive,
    pub(super) path: Rc<Path>,
    pub(super) block: Vec<Node>,
}

impl Node {
    pub(super) fn is(&self, name: &str) -> bool {
        self.directive.name == name.as_bytes()
    }

    /// The text of the argument with this index, from 0.
    pub(super) fn argument(&self, index: usize) -> Option<&[u8]> {
        self.directive.arguments.get(index).map(|argument| argument.text.as_slice())
    }

    pub(super) fn arguments(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.directive.arguments.iter().map(|argument| argument.text.as_slice())
    }
}

/// What the main file and all it includes came to.
pub(super) struct Read {
    pub(super) main: Vec<Node>,
    /// Where the files are and those that an include names may appear: at most two directories for
    /// each include and each file.
    pub(super) directories: BTreeSet<PathBuf>,
}

/// Reads the main file and all it includes.
pub(super) fn read(main: &Path, problems: &mut Problems) -> Result<Read, Problem> {
    let mut reading = Reading {
        directory: super::directory(main),
        problems,
        frames: Vec::new(),
        levels: vec![Vec::new()],
        open: Vec::new(),
        directories: BTreeSet::new(),
        files: 0,
        bytes: 0,
    };
    reading.open(main, None).map_err(|(line, column, kind)| Problem {
        path: main.to_owned(),
        line,
        column,
        kind,
    })?;
    while reading.step() {}
    let main = reading.levels.pop().unwrap_or_default();
    Ok(Read { main, directories: reading.directories })
}

struct Reading<'a> {
    directory: PathBuf,
    problems: &'a mut Problems,
    frames: Vec<Frame>,
    /// The blocks that are open, from the outermost; never empty.
    levels: Vec<Vec<Node>>,
    /// The files that are open, canonical where that is known.
    open: Vec<PathBuf>,
    directories: BTreeSet<PathBuf>,
    files: usize,
    bytes: usize,
}

enum Frame {
    /// The rest of a file or of a block; at its end the block becomes that of `closes`.
    Directives { path: Rc<Path>, rest: IntoIter<Directive>, closes: Option<Node> },
    /// The rest of the files that one include named, with the place of their include.
    Files { rest: VecDeque<PathBuf>, path: Rc<Path>, place: (u32, u32) },
}

impl Reading<'_> {
    /// One directive or one file; `false` when all is read.
    fn step(&mut self) -> bool {
        match self.frames.last_mut() {
            None => return false,
            Some(Frame::Directives { path, rest, .. }) => {
                if let Some(directive) = rest.next() {
                    let path = Rc::clone(path);
                    self.directive(directive, path);
                    return true;
                }
            }
            Some(Frame::Files { rest, path, place }) => {
                if let Some(included) = rest.pop_front() {
                    let include = (Rc::clone(path), *place);
                    self.include_file(&included, &include);
                    return true;
                }
            }
        }
        match self.frames.pop() {
            Some(Frame::Directives { closes: Some(mut node), .. }) => {
                node.block = self.levels.pop().unwrap_or_default();
                self.keep(node);
            }
            Some(Frame::Directives { closes: None, .. }) => drop(self.open.pop()),
            Some(Frame::Files { .. }) | None => {}
        }
        true
    }

    fn keep(&mut self, node: Node) {
        if let Some(level) = self.levels.last_mut() {
            level.push(node);
        }
    }

    fn directive(&mut self, mut directive: Directive, path: Rc<Path>) {
        let name = directive.name.as_slice();
        if name == b"include" {
            self.include(&directive, path);
        } else if ENTERED.contains(&name) {
            let place = (directive.line, directive.column);
            let Some(block) = directive.block.take() else { return };
            if self.levels.len() > BLOCK_DEPTH_MAX {
                return self.problems.push(&path, place, ProblemKind::Depth);
            }
            let node = Node { directive, path: Rc::clone(&path), block: Vec::new() };
            self.levels.push(Vec::new());
            self.frames.push(Frame::Directives {
                path,
                rest: block.into_iter(),
                closes: Some(node),
            });
        } else if KEPT.contains(&name) && directive.block.is_none() {
            self.keep(Node { directive, path, block: Vec::new() });
        }
    }

    fn include(&mut self, include: &Directive, path: Rc<Path>) {
        let place = (include.line, include.column);
        let [argument] = include.arguments.as_slice() else {
            let found = match include.arguments.len() {
                0 => "nothing".to_owned(),
                count => format!("{count} arguments"),
            };
            return self.problems.push(
                &path,
                place,
                super::value("include", "one file name", found),
            );
        };
        let name = self.directory.join(OsStr::from_bytes(&argument.text));
        let place = (argument.line, argument.column);
        let fixed = name.ancestors().skip(1).find(|path| !is_pattern(path.as_os_str().as_bytes()));
        self.directories.extend(fixed.map(Path::to_owned));
        let rest = if is_pattern(&argument.text) { matches(&name) } else { VecDeque::from([name]) };
        self.frames.push(Frame::Files { rest, path, place });
    }

    fn include_file(&mut self, included: &Path, (path, place): &(Rc<Path>, (u32, u32))) {
        let Err((line, column, kind)) = self.open(included, Some((path, *place))) else { return };
        match kind {
            ProblemKind::Syntax(_) => self.problems.push(included, (line, column), kind),
            _ => self.problems.push(path, *place, kind),
        }
    }

    /// Reads and parses a file and puts it on the stack. An error has the place in that very file,
    /// if any.
    fn open(
        &mut self,
        path: &Path,
        include: Option<(&Rc<Path>, (u32, u32))>,
    ) -> Result<(), (u32, u32, ProblemKind)> {
        let included = path.to_owned();
        let canonical = fs::canonicalize(path).unwrap_or_else(|_| included.clone());
        let refused = if self.open.contains(&canonical) {
            Some(ProblemKind::Cycle { included })
        } else if self.open.len() == NGINX_CONF_INCLUDE_DEPTH_MAX {
            Some(ProblemKind::IncludeDepth { included })
        } else if self.files == NGINX_CONF_FILES_MAX {
            Some(ProblemKind::Files { included })
        } else {
            None
        };
        if let Some(kind) = refused {
            return Err((0, 0, kind));
        }
        self.files += 1;
        let parents = [path.parent(), canonical.parent()].into_iter().flatten();
        self.directories.extend(parents.map(Path::to_owned));
        let bytes = bytes(path).map_err(|error| match include {
            Some(_) => (0, 0, ProblemKind::Include { included: path.to_owned(), error }),
            None => (0, 0, ProblemKind::Unreadable(error)),
        })?;
        if bytes.len() > NGINX_CONF_BYTES_MAX - self.bytes {
            return Err((0, 0, ProblemKind::Bytes { included: path.to_owned() }));
        }
        self.bytes += bytes.len();
        let tree = nginx_conf::parse(&bytes)
            .map_err(|error| (error.line, error.column, ProblemKind::Syntax(error)))?;
        self.open.push(canonical);
        let path = Rc::from(path);
        self.frames.push(Frame::Directives { path, rest: tree.into_iter(), closes: None });
        Ok(())
    }
}

fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| b"*?[".contains(byte))
}

/// The content of a file, one byte more than the parser takes at most. nginx reads as much as
/// `fstat` says, so a pipe or a device is empty to it; a directory is an error.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    let mut bytes = Vec::new();
    if kind.is_file() || kind.is_dir() {
        let limit = u64::try_from(CONF_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The files that a pattern matches, in the order of their bytes. Directories that cannot be listed
/// are passed over, as glob(3) does unless asked otherwise.
fn matches(pattern: &Path) -> VecDeque<PathBuf> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let Some(text) = pattern.to_str() else { return VecDeque::new() };
    let Ok(found) = glob::glob_with(&translated(text), options) else {
        // An open `[` is an ordinary byte to glob(3).
        return if pattern.exists() {
            VecDeque::from([pattern.to_owned()])
        } else {
            VecDeque::new()
        };
    };
    let mut paths: Vec<_> = found.flatten().take(NGINX_CONF_FILES_MAX + 1).collect();
    paths.sort_by(|left, right| left.as_os_str().as_bytes().cmp(right.as_os_str().as_bytes()));
    VecDeque::from(paths)
}

/// A glob(3) pattern in the words of the glob crate, to which `**` means a tree and a backslash
/// nothing.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' => {
                while characters.next_if_eq(&'*').is_some() {}
                out.push('*');
            }
            '\\' => match characters.next() {
                Some(special @ ('*' | '?' | '[')) => out.extend(['[', special, ']']),
                Some(plain) => out.push(plain),
                None => out.push('\\'),
            },
            '[' => {
                out.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    out.push('!');
                }
            }
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn patterns_of_glob_3() {
        let check = |pattern: &str, expected: &str| assert_eq!(translated(pattern), expected);
        check("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/*.conf");
        check("a/**", "a/*");
        check("a/***/b", "a/*/b");
        check(r"a\*\?\[b", "a[*][?][[]b");
        check(r"a\b\", r"ab\");
        check("[^a]*[!b]", "[!a]*[!b]");
    }
}
