//! From TOML text to a file as written, such as [`RawConfig`](super::raw::RawConfig), with everything that is wrong on the way, not only the first thing.
//!
//! A syntax error stands alone: behind it nothing can be trusted. Otherwise unknown keys and tables of the wrong
//! shape are looked for first and taken out, then serde is asked; each value of a wrong type that it meets is
//! recorded and taken out, and it is asked again. TOML is that of the crate toml 1.2 (TOML 1.1).

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer};

use super::nearest::nearest;
use super::problem::Problem;
use super::sections::{Section, Shape};
use crate::limits::CONFIG_PROBLEMS_MAX;

/// What a file says, as far as it could be understood.
#[derive(Debug)]
pub(super) struct Document<T> {
    pub(super) raw: T,
    pub(super) problems: Vec<Problem>,
    /// Keys that were taken out, so that nobody calls them missing.
    pub(super) lost: Vec<LostKey>,
    /// What such a file can have.
    top: &'static Section,
}

/// A key that stood in the file, but not rightly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LostKey {
    /// Where its table starts, in bytes from the start of the file.
    pub(super) table_start: usize,
    pub(super) key: String,
}

/// Reads `text` as TOML, of a file that can have what `top` says.
///
/// # Errors
///
/// The one syntax error of a text that is no TOML.
pub(super) fn read<T: DeserializeOwned + Default>(
    text: &str,
    top: &'static Section,
) -> Result<Document<T>, Problem> {
    // The parser's first error need not be the first in the file: it looks at the whole file several times.
    let (root, errors) = DeTable::parse_recoverable(text);
    let start = |error: &toml::de::Error| error.span().map_or(text.len(), |span| span.start);
    if let Some(first) = errors.into_iter().min_by_key(start) {
        return Err(syntax_problem(text, &first));
    }
    let mut root = root.into_inner();
    let (problems, lost) = (Vec::new(), Vec::new());
    let mut document = Document { raw: T::default(), problems, lost, top };
    document.check_table(&mut root, top, 0, "");
    document.deserialize(root);
    Ok(document)
}

fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(text.len()..text.len());
    // Its parts are only to be had as one sentence: "unclosed table, expected `]`".
    let (what, expected) = match error.message().split_once(", expected ") {
        Some((what, expected)) => (what, format!("expected {expected}")),
        None => (error.message(), String::new()),
    };
    // The parser takes a bare word for a string without quotes, but asks for "literal string".
    let expected = match what {
        "string values must be quoted" => "expected a value; put text into quotes".to_owned(),
        _ => expected,
    };
    let title = match text.get(span.clone()) {
        Some(key) if what == "duplicate key" => format!("duplicate key `{key}`"),
        _ => format!("this is not TOML: {what}"),
    };
    Problem::new(span, title, expected)
}

impl<T: DeserializeOwned> Document<T> {
    /// Takes out of a table, and of those in it, the keys that are not known and tables of the wrong shape.
    fn check_table(
        &mut self,
        table: &mut DeTable<'_>,
        section: &Section,
        table_start: usize,
        place: &str,
    ) {
        if section.shape != Shape::Free {
            self.check_keys(table, section, table_start, place);
        }
        for (name, inner) in section.inner() {
            if !self.check_inner(table, (name, inner), place) {
                table.remove(name);
                self.lost.push(LostKey { table_start, key: name.to_owned() });
            }
        }
    }

    /// Looks through the tables of one name in another; false when they have the wrong shape.
    fn check_inner(
        &mut self,
        table: &mut DeTable<'_>,
        (name, section): (&str, &Section),
        outer: &str,
    ) -> bool {
        let Some(value) = table.get_mut(name) else { return true };
        let span = value.span();
        match (section.shape, value.get_mut()) {
            (Shape::Tables | Shape::OfTests, DeValue::Array(array)) => {
                for element in array.iter_mut() {
                    let span = element.span();
                    match element.get_mut() {
                        DeValue::Table(table) => {
                            let place = section.place(name, table, outer);
                            self.check_table(table, section, span.start, &place);
                        }
                        _ => self.wrong_shape(name, section, outer, span),
                    }
                }
                retain(array, |element| element.get_ref().is_table());
            }
            (Shape::Tables | Shape::OfTests, _) => {
                self.wrong_shape(name, section, outer, span);
                return false;
            }
            (_, DeValue::Table(table)) => {
                let place = section.place(name, table, outer);
                self.check_table(table, section, span.start, &place);
            }
            _ => {
                self.wrong_shape(name, section, outer, span);
                return false;
            }
        }
        true
    }

    fn wrong_shape(&mut self, name: &str, section: &Section, outer: &str, span: Range<usize>) {
        let header = section.header(name);
        let expected = match section.shape {
            Shape::Tables | Shape::OfTests => {
                format!("expected an array of tables: write {header}")
            }
            Shape::Inline | Shape::Free => format!("expected a table: {header}"),
            Shape::Top | Shape::Table | Shape::OfRules => format!("expected one table: {header}"),
        };
        let title = format!("`{name}`{outer} has the wrong type");
        self.problems.push(Problem::new(span, title, expected));
    }

    /// Takes out the keys of `table` that this version does not know.
    fn check_keys(
        &mut self,
        table: &mut DeTable<'_>,
        section: &Section,
        table_start: usize,
        place: &str,
    ) {
        let known = section.known();
        let is_unknown = |key: &&Spanned<DeString<'_>>| !known.contains(&key.get_ref().as_ref());
        let unknown: Vec<_> = table.keys().filter(is_unknown).cloned().collect();
        for key in unknown {
            table.remove(&key);
            let meant = nearest(key.get_ref(), known.iter().copied()).unwrap_or(key.get_ref());
            self.lost.push(LostKey { table_start, key: meant.to_owned() });
            self.problems.push(unknown_key(&key, section, place, self.top));
        }
    }

    /// Asks serde until it has no objection. Each round takes one value out, so it ends.
    fn deserialize(&mut self, mut root: DeTable<'_>) {
        for _ in 0..=CONFIG_PROBLEMS_MAX {
            let error = match T::deserialize(Deserializer::from(Spanned::new(0..0, root.clone()))) {
                Ok(raw) => {
                    self.raw = raw;
                    return;
                }
                Err(error) => error,
            };
            let span = error.span().unwrap_or(0..0);
            let Some(taken) = take_at(&mut root, self.top, 0, "", &span) else {
                // Not a type that is wrong, but something we did not think of: let serde say it and stop.
                self.problems.push(Problem::new(span, error.message(), ""));
                return;
            };
            let title = format!("`{}`{} has the wrong type", taken.key, taken.place);
            let label = wrong_type(error.message(), taken.found);
            self.problems.push(Problem::new(span, title, label));
            self.lost.push(LostKey { table_start: taken.table_start, key: taken.key });
        }
    }
}

fn unknown_key(
    key: &Spanned<DeString<'_>>,
    section: &Section,
    place: &str,
    top: &Section,
) -> Problem {
    let name: &str = key.get_ref();
    if section.later_keys.contains(&name) {
        let title = format!("`{name}`{place} is not supported by this version");
        return Problem::new(key.span(), title, "");
    }
    let title = format!("unknown key `{name}`{place}");
    let elsewhere = top.headers_with(name);
    if (top.keys)().contains(&name) {
        return Problem::new(key.span(), title, "it belongs at the top, before the first table");
    }
    let is_near = nearest(name, section.known()).is_some();
    if !elsewhere.is_empty() && !is_near {
        return Problem::new(
            key.span(),
            title,
            format!("it belongs in {}", elsewhere.join(" or ")),
        );
    }
    let candidates = section.known().into_iter().chain(section.later_keys.iter().copied());
    match nearest(name, candidates) {
        Some(near) if section.later_keys.contains(&near) => {
            let label = format!("did you mean `{near}`? this version does not support it");
            Problem::new(key.span(), title, label)
        }
        Some(near) => Problem::new(key.span(), title, format!("did you mean `{near}`?")),
        None => Problem::new(key.span(), title, "").note("known", section.known().join(", ")),
    }
}

/// A value that was taken out of a table, or out of a list in a table.
struct Taken {
    table_start: usize,
    key: String,
    /// As titles end: ` in ...`.
    place: String,
    found: &'static str,
}

/// Takes out the value that stands at `span`, of a table or of those in it.
fn take_at(
    table: &mut DeTable<'_>,
    section: &Section,
    table_start: usize,
    place: &str,
    span: &Range<usize>,
) -> Option<Taken> {
    for (name, inner) in section.inner() {
        let Some(value) = table.get_mut(name) else { continue };
        let start = value.span().start;
        let take = |table: &mut DeTable<'_>, start| {
            let place = inner.place(name, table, place);
            take_at(table, inner, start, &place, span)
        };
        let taken = match value.get_mut() {
            DeValue::Table(table) => take(table, start),
            DeValue::Array(array) => array.iter_mut().find_map(|element| {
                let start = element.span().start;
                match element.get_mut() {
                    DeValue::Table(table) => take(table, start),
                    _ => None,
                }
            }),
            _ => None,
        };
        if taken.is_some() {
            return taken;
        }
    }
    take_from(table, table_start, place, span)
}

fn take_from(
    table: &mut DeTable<'_>,
    table_start: usize,
    place: &str,
    span: &Range<usize>,
) -> Option<Taken> {
    let taken = |key: &str, value: &Spanned<DeValue<'_>>| Taken {
        table_start,
        key: key.to_owned(),
        place: place.to_owned(),
        found: value.get_ref().type_str(),
    };
    for (key, value) in table.iter_mut() {
        if value.span() == *span {
            let taken = taken(key.get_ref(), value);
            table.remove(taken.key.as_str());
            return Some(taken);
        }
        if let DeValue::Array(array) = value.get_mut()
            && let Some(element) = array.iter().find(|element| element.span() == *span)
        {
            let taken = taken(key.get_ref(), element);
            retain(array, |element| element.span() != *span);
            return Some(taken);
        }
    }
    None
}

fn retain<'i>(array: &mut DeArray<'i>, keep: impl Fn(&Spanned<DeValue<'i>>) -> bool) {
    *array = std::mem::replace(array, DeArray::new()).into_iter().filter(keep).collect();
}

/// Says in our words what serde says in Rust's: "invalid type: integer `5`, expected a string".
fn wrong_type(message: &str, found: &str) -> String {
    let expected = message.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
    let found = match found {
        "integer" => "a whole number",
        "float" => "a number with a fraction",
        "boolean" => "a boolean",
        "datetime" => "a date or time",
        "array" => "an array",
        "table" => "a table",
        _ => "a string",
    };
    match (expected, found) {
        ("i64" | "a number" | "", "a whole number") => {
            "expected a number that fits into 64 bits".to_owned()
        }
        ("i64", _) => format!("expected a whole number, found {found}"),
        ("a sequence", "an array" | "a table") => {
            format!("expected an array of values, found {found}")
        }
        ("a sequence", _) => format!("expected an array, found {found}: put it into `[` and `]`"),
        (expected, _) => format!("expected {expected}, found {found}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawConfig;
    use super::super::sections::{TESTS_TOP, TOP};
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/gatelog.toml");

    /// The example with every `# key = value` and `# [[table]]` switched on.
    fn uncommented() -> String {
        let is_word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let mut lines: Vec<String> = Vec::new();
        for line in EXAMPLE.lines() {
            let off = line.strip_prefix("# ").unwrap_or_default();
            let key = off.split_once(" = ").map(|(key, _)| key).filter(|key| is_word(key));
            match key {
                Some(key) => {
                    // `patterns = []` is the default below its example.
                    lines.retain(|line| line != &format!("{key} = []"));
                    lines.push(off.to_owned());
                }
                None if off.starts_with('[') => lines.push(off.to_owned()),
                None if lines
                    .iter()
                    .any(|other| other.split(" = ").next() == line.strip_suffix(" = []")) => {}
                None => lines.push(line.to_owned()),
            }
        }
        lines.join("\n")
    }

    #[test]
    fn the_example_explains_every_key() {
        let text = uncommented();
        let root = DeTable::parse(&text).unwrap();
        let root = root.get_ref();
        for key in (TOP.keys)() {
            assert!(root.contains_key(*key), "`{key}`");
        }
        assert_explained(&[root], &TOP);
    }

    /// Whether each key of the tables in some tables stands in one of them.
    fn assert_explained(outer: &[&DeTable<'_>], section: &Section) {
        for inner in section.inner {
            let mut tables = Vec::new();
            let names = inner.names.iter();
            for value in names.flat_map(|name| outer.iter().filter_map(|outer| outer.get(*name))) {
                match value.get_ref() {
                    DeValue::Table(table) => tables.push(table),
                    DeValue::Array(array) => {
                        tables.extend(array.iter().filter_map(|table| table.get_ref().as_table()));
                    }
                    _ => panic!("{:?}", inner.names),
                }
            }
            assert!(!tables.is_empty(), "{:?}", inner.names);
            for key in (inner.keys)() {
                let is_there = tables.iter().any(|table| table.contains_key(*key));
                // Not all that can be in a `where` makes sense in one.
                let is_told = inner.shape == Shape::Inline && EXAMPLE.contains(key);
                assert!(is_there || is_told, "`{key}` in {:?}", inner.names);
            }
            assert_explained(&tables, inner);
        }
    }

    #[test]
    fn what_the_example_has_behind_comment_signs_is_valid_too() {
        let text = uncommented();
        let found = super::super::parse("gatelog.toml", text.as_bytes(), &|_| None);
        let config = found.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        assert_eq!(config.servers.len(), 1);
        assert_eq!((config.rules.rules.len(), config.rules.adjusted.len()), (4, 2));
        assert_eq!((config.identities.as_slice().len(), config.silences.0.len()), (1, 1));
        assert_eq!(config.routes.patterns.len(), 2);
        assert_eq!(config.routes.variable.as_deref(), Some("route"));
        assert!(config.metrics_listen.is_some() && config.sources[0].nginx_conf.is_some());
    }

    #[test]
    fn the_example_of_tests_explains_every_key() {
        let text = include_str!("../../config/gatelog.test.toml").replace("# log = ", "log = ");
        assert_explained(&[DeTable::parse(&text).unwrap().get_ref()], &TESTS_TOP);
    }

    #[test]
    fn more_wrong_values_than_are_shown_still_end() {
        let values = vec!["1"; 3 * CONFIG_PROBLEMS_MAX].join(",");
        let text = format!("[routes]\npatterns = [{values}]\n");
        let document = read::<RawConfig>(&text, &TOP).unwrap();
        assert!(document.problems.len() > CONFIG_PROBLEMS_MAX);
        assert!(document.lost.iter().all(|lost| lost.key == "patterns"));
    }
}
