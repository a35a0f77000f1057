//! From TOML text to [`RawConfig`], with everything that is wrong on the way, not only the first thing.
//!
//! A syntax error stands alone: behind it nothing can be trusted. Otherwise unknown keys and tables of the wrong
//! shape are looked for first and taken out, then serde is asked; each value of a wrong type that it meets is
//! recorded and taken out, and it is asked again. TOML is that of the crate toml 1.2 (TOML 1.1).

use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue, Deserializer};

use super::nearest::nearest;
use super::problem::Problem;
use super::raw::{
    RawConfig, RawHttp, RawMetrics, RawReceiver, RawRoutes, RawServer, RawSource, keys_of,
};
use crate::limits::CONFIG_PROBLEMS_MAX;

/// What a file says, as far as it could be understood.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) raw: RawConfig,
    pub(super) problems: Vec<Problem>,
    /// Keys that were taken out, so that nobody calls them missing.
    pub(super) lost: Vec<LostKey>,
}

/// A key that stood in the file, but not rightly.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LostKey {
    /// Where its table starts, in bytes from the start of the file.
    pub(super) table_start: usize,
    pub(super) key: String,
}

/// How a table of the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The top of the file, which has no name.
    Top,
    /// `[name]`, once.
    Table,
    /// `[[name]]`, any number of times.
    Tables,
}

/// One kind of table.
struct Section {
    name: &'static str,
    shape: Shape,
    keys: fn() -> &'static [&'static str],
    /// Keys of the design that this version does not have yet.
    later_keys: &'static [&'static str],
}

const TOP: Section = Section {
    name: "",
    shape: Shape::Top,
    keys: keys_of::<RawConfig>,
    later_keys: &["identity", "rules", "rule"],
};

const SECTIONS: [Section; 6] = [
    Section {
        name: "http",
        shape: Shape::Table,
        keys: keys_of::<RawHttp>,
        later_keys: &["tls_cert", "tls_key", "client_ca", "token_file"],
    },
    Section { name: "metrics", shape: Shape::Table, keys: keys_of::<RawMetrics>, later_keys: &[] },
    Section { name: "source", shape: Shape::Tables, keys: keys_of::<RawSource>, later_keys: &[] },
    Section { name: "routes", shape: Shape::Table, keys: keys_of::<RawRoutes>, later_keys: &[] },
    Section { name: "server", shape: Shape::Tables, keys: keys_of::<RawServer>, later_keys: &[] },
    Section {
        name: "receiver",
        shape: Shape::Tables,
        keys: keys_of::<RawReceiver>,
        later_keys: &[],
    },
];

impl Section {
    fn header(&self) -> String {
        match self.shape {
            Shape::Top => String::new(),
            Shape::Table => format!("`[{}]`", self.name),
            Shape::Tables => format!("`[[{}]]`", self.name),
        }
    }

    /// `in` one table of this kind, as titles end: by its `name` where it has one.
    fn place(&self, table: &DeTable<'_>) -> String {
        let name = table.get("name").and_then(|value| value.get_ref().as_str());
        match (self.shape, name) {
            (Shape::Top, _) => String::new(),
            (Shape::Tables, Some(name)) => format!(" in {} `{name}`", self.name),
            (Shape::Tables, None) | (Shape::Table, _) => format!(" in {}", self.header()),
        }
    }
}

/// Reads `text` as TOML.
///
/// # Errors
///
/// The one syntax error of a text that is no TOML.
pub(super) fn read(text: &str) -> Result<Document, Problem> {
    // The parser's first error need not be the first in the file: it looks at the whole file several times.
    let (root, errors) = DeTable::parse_recoverable(text);
    let start = |error: &toml::de::Error| error.span().map_or(text.len(), |span| span.start);
    if let Some(first) = errors.into_iter().min_by_key(start) {
        return Err(syntax_problem(text, &first));
    }
    let mut root = root.into_inner();
    let mut document = Document::default();
    document.check_keys(&mut root, &TOP, 0);
    for section in &SECTIONS {
        document.check_section(&mut root, section);
    }
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

impl Document {
    /// Takes out a section of the wrong shape, and looks through the keys of its tables.
    fn check_section(&mut self, root: &mut DeTable<'_>, section: &Section) {
        let Some(value) = root.get_mut(section.name) else { return };
        let span = value.span();
        match (section.shape, value.get_mut()) {
            (Shape::Table, DeValue::Table(table)) => {
                self.check_keys(table, section, span.start);
                return;
            }
            (Shape::Tables, DeValue::Array(array)) => {
                for element in array.iter_mut() {
                    let span = element.span();
                    match element.get_mut() {
                        DeValue::Table(table) => self.check_keys(table, section, span.start),
                        _ => self.wrong_shape(section, span),
                    }
                }
                retain(array, |element| element.get_ref().is_table());
                return;
            }
            _ => self.wrong_shape(section, span),
        }
        root.remove(section.name);
    }

    fn wrong_shape(&mut self, section: &Section, span: Range<usize>) {
        let expected = match section.shape {
            Shape::Top | Shape::Table => format!("expected one table: {}", section.header()),
            Shape::Tables => format!("expected an array of tables: write {}", section.header()),
        };
        let title = format!("`{}` has the wrong type", section.name);
        self.problems.push(Problem::new(span, title, expected));
    }

    /// Takes out the keys of `table` that this version does not know.
    fn check_keys(&mut self, table: &mut DeTable<'_>, section: &Section, table_start: usize) {
        let known = (section.keys)();
        let place = section.place(table);
        let is_unknown = |key: &&Spanned<DeString<'_>>| !known.contains(&key.get_ref().as_ref());
        let unknown: Vec<_> = table.keys().filter(is_unknown).cloned().collect();
        for key in unknown {
            table.remove(&key);
            let meant = nearest(key.get_ref(), known.iter().copied()).unwrap_or(key.get_ref());
            self.lost.push(LostKey { table_start, key: meant.to_owned() });
            self.problems.push(unknown_key(&key, section, &place));
        }
    }

    /// Asks serde until it has no objection. Each round takes one value out, so it ends.
    fn deserialize(&mut self, mut root: DeTable<'_>) {
        for _ in 0..=CONFIG_PROBLEMS_MAX {
            let error = match RawConfig::deserialize(Deserializer::from(Spanned::new(
                0..0,
                root.clone(),
            ))) {
                Ok(raw) => {
                    self.raw = raw;
                    return;
                }
                Err(error) => error,
            };
            let span = error.span().unwrap_or(0..0);
            let Some(taken) = take_at(&mut root, &span) else {
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

fn unknown_key(key: &Spanned<DeString<'_>>, section: &Section, place: &str) -> Problem {
    let name: &str = key.get_ref();
    if section.later_keys.contains(&name) {
        let title = format!("`{name}`{place} is not supported by this version");
        return Problem::new(key.span(), title, "");
    }
    let title = format!("unknown key `{name}`{place}");
    let elsewhere: Vec<String> = SECTIONS
        .iter()
        .filter(|other| (other.keys)().contains(&name))
        .map(Section::header)
        .collect();
    if (TOP.keys)().contains(&name) {
        return Problem::new(key.span(), title, "it belongs at the top, before the first table");
    }
    let is_near = nearest(name, (section.keys)().iter().copied()).is_some();
    if !elsewhere.is_empty() && !is_near {
        return Problem::new(
            key.span(),
            title,
            format!("it belongs in {}", elsewhere.join(" or ")),
        );
    }
    let candidates = (section.keys)().iter().chain(section.later_keys).copied();
    match nearest(name, candidates) {
        Some(near) if section.later_keys.contains(&near) => {
            let label = format!("did you mean `{near}`? this version does not support it");
            Problem::new(key.span(), title, label)
        }
        Some(near) => Problem::new(key.span(), title, format!("did you mean `{near}`?")),
        None => Problem::new(key.span(), title, "").note("known", (section.keys)().join(", ")),
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

/// Takes out the value that stands at `span`. Sections are at most one level deep and hold values, lists and free
/// tables, such as `where`.
fn take_at(root: &mut DeTable<'_>, span: &Range<usize>) -> Option<Taken> {
    for section in &SECTIONS {
        let Some(value) = root.get_mut(section.name) else { continue };
        let start = value.span().start;
        let taken = match value.get_mut() {
            DeValue::Table(table) => take_from(table, section, start, span),
            DeValue::Array(array) => array.iter_mut().find_map(|element| {
                let start = element.span().start;
                match element.get_mut() {
                    DeValue::Table(table) => take_from(table, section, start, span),
                    _ => None,
                }
            }),
            _ => None,
        };
        if taken.is_some() {
            return taken;
        }
    }
    take_from(root, &TOP, 0, span)
}

fn take_from(
    table: &mut DeTable<'_>,
    section: &Section,
    table_start: usize,
    span: &Range<usize>,
) -> Option<Taken> {
    let place = section.place(table);
    let taken = |key: &str, value: &Spanned<DeValue<'_>>| Taken {
        table_start,
        key: key.to_owned(),
        place: place.clone(),
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
        if let DeValue::Table(free) = value.get_mut()
            && let Some(taken) = take_from(free, section, table_start, span)
        {
            let place = format!(" in `{}`{place}", key.get_ref());
            return Some(Taken { place, ..taken });
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
        ("a map", _) => format!("expected a table, found {found}"),
        ("i64" | "", "a whole number") => "expected a number that fits into 64 bits".to_owned(),
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
        for section in &SECTIONS {
            let tables: Vec<_> = match root.get(section.name).unwrap().get_ref() {
                DeValue::Table(table) => vec![table],
                DeValue::Array(array) => {
                    array.iter().map(|table| table.get_ref().as_table().unwrap()).collect()
                }
                _ => panic!("{}", section.name),
            };
            for key in (section.keys)() {
                let explained = tables.iter().any(|table| table.contains_key(*key));
                assert!(explained, "`{key}` in {}", section.header());
            }
        }
    }

    #[test]
    fn what_the_example_has_behind_comment_signs_is_valid_too() {
        let text = uncommented();
        let found = super::super::parse("gatelog.toml", text.as_bytes(), &|_| None);
        let config = found.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        assert_eq!(config.servers.len(), 1);
        assert_eq!(config.routes.patterns.len(), 2);
        assert_eq!(config.routes.variable.as_deref(), Some("route"));
        assert!(config.metrics_listen.is_some() && config.sources[0].nginx_conf.is_some());
    }

    #[test]
    fn later_keys_are_not_known_yet() {
        for section in SECTIONS.iter().chain([&TOP]) {
            for key in section.later_keys {
                assert!(!(section.keys)().contains(key), "{key}");
            }
        }
    }

    #[test]
    fn more_wrong_values_than_are_shown_still_end() {
        let values = vec!["1"; 3 * CONFIG_PROBLEMS_MAX].join(",");
        let document = read(&format!("[routes]\npatterns = [{values}]\n")).unwrap();
        assert!(document.problems.len() > CONFIG_PROBLEMS_MAX);
        assert!(document.lost.iter().all(|lost| lost.key == "patterns"));
    }
}
