//! House rules that no lint knows, read off the sources: every bound has its name in one place, is used
//! where it bounds, and something counts when it is hit.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file that is longer holds more than one idea. Tests are lists and may be longer.
const LINES_MAX: usize = 600;

/// Files of Rust below a folder, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What stands before the tests of a file.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap()
}

/// The code without comments, imports and tests.
fn statements(text: &str) -> String {
    let mut statements = String::new();
    let mut in_import = false;
    for line in without_tests(text).lines() {
        in_import |= line.starts_with("use ") || line.starts_with("pub use ");
        if !in_import && !line.trim_start().starts_with("//") {
            statements.push_str(line);
            statements.push('\n');
        }
        in_import &= !line.ends_with(';');
    }
    statements
}

/// Whether a name stands in a text as a word.
fn names(text: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(start, _)| {
        let (before, rest) = text.split_at(start);
        let after = rest.strip_prefix(name).unwrap_or_default();
        !before.ends_with(is_name) && !after.starts_with(is_name)
    })
}

/// The words behind `start` at the beginning of a line.
fn declared<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let rest = text.lines().filter_map(|line| line.strip_prefix(start));
    rest.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()).collect()
}

#[test]
fn every_bound_is_used_where_it_bounds() {
    let sources = sources("src");
    let limits = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/limits");
    let is_elsewhere = |path: &Path| !path.with_extension("").starts_with(&limits);
    let (others, bounds): (Vec<_>, Vec<_>) =
        sources.iter().partition(|(path, _)| is_elsewhere(path));
    let bounds: Vec<&str> =
        bounds.into_iter().flat_map(|(_, text)| declared(text, "pub const ")).collect();
    assert!(bounds.len() > 50, "{bounds:?}");
    let is_used = |name: &str| others.iter().any(|(_, text)| names(&statements(text), name));
    let unused: Vec<_> = bounds.into_iter().filter(|name| !is_used(name)).collect();
    assert!(unused.is_empty(), "bounds that bound nothing: {unused:?}");
}

/// Limits that lines can hit: each is hit somewhere, and each is on the page.
#[test]
fn every_hit_is_counted_and_shown() {
    let limits = read("src/ledger/limit_hits.rs");
    let limits = limits.split_once("\nlimits! {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    let limits: Vec<(&str, &str)> = limits
        .lines()
        .filter_map(|line| line.trim_start().split_once(" \""))
        .filter(|(variant, _)| variant.chars().all(char::is_alphanumeric))
        .map(|(variant, rest)| (variant, rest.split('"').next().unwrap()))
        .collect();
    assert!(limits.len() > 10, "{limits:?}");
    let sources = sources("src");
    let page = read("tests/snapshots/metrics-page.snap");
    for (variant, name) in limits {
        let hit = format!("Limit::{variant}");
        let is_hit = sources.iter().any(|(_, text)| names(without_tests(text), &hit));
        assert!(is_hit, "nothing hits {hit}");
        let series = format!("gatelog_limit_hits_total{{limit=\"{name}\"}}");
        assert!(page.contains(&series), "{series} is not on the page");
    }
}

/// The hits of the other limits are named where they are counted.
#[test]
fn the_page_shows_no_limit_twice() {
    let page = read("tests/snapshots/metrics-page.snap");
    let limits = page.lines().filter(|line| line.starts_with("gatelog_limit_hits_total{"));
    let limits: Vec<_> = limits.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(limits.is_sorted_by(|a, b| a < b), "{limits:?}");
}

/// Maps of what clients send are hashbrown's with a seeded state, which `HashMap::new` has not; std's
/// hash costs 13% a line.
#[test]
fn the_ledger_has_seeded_maps_only() {
    for folder in ["src/ledger", "src/event"] {
        for (path, text) in sources(folder) {
            let text = without_tests(&text);
            for unseeded in
                ["collections::HashMap", "collections::HashSet", "HashMap::new()", "HashSet::new()"]
            {
                assert!(!text.contains(unseeded), "{}: {unseeded}", path.display());
            }
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let is_map =
                    ["HashMap<", "HashSet<", "LruCache<"].iter().any(|map| line.contains(map));
                assert!(!is_map || line.contains("RandomState"), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn files_hold_one_idea() {
    for folder in ["src", "parsers/src", "benches"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{}: {lines} lines", path.display());
        }
    }
}
