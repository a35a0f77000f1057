//! The tables that a configuration can have, and the keys of each.

use toml::de::DeTable;

use super::raw::rule_tests::{RawExpect, RawRuleTest, RawRuleTests};
use super::raw::rules::{
    RawAdjustment, RawAnnotations, RawIdentity, RawRotation, RawRule, RawRules, RawSilence,
};
use super::raw::{
    RawConfig, RawHttp, RawMetrics, RawReceiver, RawRoutes, RawServer, RawSource, keys_of,
};
use crate::rules::builtin::NAMES;
use crate::rules::field::Field;

/// How a table of the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The top of the file, which has no name.
    Top,
    /// `[name]`, once.
    Table,
    /// `[[name]]`, any number of times.
    Tables,
    /// `[rules.name]`, each once.
    OfRules,
    /// `[[test.name]]`, any number of times.
    OfTests,
    /// `name = { ... }` in another table.
    Inline,
    /// The same, with keys that are the user's own.
    Free,
}

/// One kind of table.
#[derive(Debug)]
pub(super) struct Section {
    /// What a table of this kind can be called: mostly one name.
    pub(super) names: &'static [&'static str],
    pub(super) shape: Shape,
    pub(super) keys: fn() -> &'static [&'static str],
    /// Keys of the design that this version does not have yet.
    pub(super) later_keys: &'static [&'static str],
    /// The tables in it.
    pub(super) inner: &'static [Section],
}

pub(super) const TOP: Section = Section {
    names: &[],
    shape: Shape::Top,
    keys: keys_of::<RawConfig>,
    later_keys: &[],
    inner: &SECTIONS,
};

const SECTIONS: [Section; 11] = [
    Section::table(&["http"], keys_of::<RawHttp>).later(&[
        "tls_cert",
        "tls_key",
        "client_ca",
        "token_file",
    ]),
    Section::table(&["metrics"], keys_of::<RawMetrics>),
    Section::tables(&["source"], keys_of::<RawSource>),
    Section::table(&["routes"], keys_of::<RawRoutes>),
    Section::tables(&["server"], keys_of::<RawServer>),
    Section::table(&["rules"], keys_of::<RawRules>).with(&[Section {
        shape: Shape::OfRules,
        ..Section::table(&NAMES, keys_of::<RawAdjustment>).with(&[LABELS, ANNOTATIONS])
    }]),
    Section::tables(&["rule"], keys_of::<RawRule>).with(&[
        Section::inline(&["where"], field_names),
        LABELS,
        ANNOTATIONS,
    ]),
    Section::tables(&["identity"], keys_of::<RawIdentity>).with(&[LABELS]),
    Section::tables(&["rotation"], keys_of::<RawRotation>),
    Section::tables(&["silence"], keys_of::<RawSilence>).with(&[Section::free(&["where"])]),
    Section::tables(&["receiver"], keys_of::<RawReceiver>).with(&[Section::free(&["where"])]),
];

/// What a file of tests can have.
pub(super) const TESTS_TOP: Section = Section {
    names: &[],
    shape: Shape::Top,
    keys: keys_of::<RawRuleTests>,
    later_keys: &[],
    inner: &[Section::tables(&["test"], keys_of::<RawRuleTest>).with(&[Section {
        shape: Shape::OfTests,
        ..Section::tables(&["expect"], keys_of::<RawExpect>).with(&[LABELS])
    }])],
};

const LABELS: Section = Section::free(&["labels"]);

const ANNOTATIONS: Section = Section::inline(&["annotations"], keys_of::<RawAnnotations>);

/// The keys of a rule's `where`.
fn field_names() -> &'static [&'static str] {
    const NAMES: [&str; Field::ALL.len()] = {
        let mut names = [""; Field::ALL.len()];
        let (mut fields, mut rest) = (Field::ALL.as_slice(), names.as_mut_slice());
        while let ([field, later @ ..], [name, behind @ ..]) = (fields, rest) {
            *name = field.as_str();
            (fields, rest) = (later, behind);
        }
        names
    };
    &NAMES
}

impl Section {
    const fn new(
        names: &'static [&'static str],
        shape: Shape,
        keys: fn() -> &'static [&'static str],
    ) -> Section {
        Section { names, shape, keys, later_keys: &[], inner: &[] }
    }

    const fn table(
        names: &'static [&'static str],
        keys: fn() -> &'static [&'static str],
    ) -> Section {
        Section::new(names, Shape::Table, keys)
    }

    const fn tables(
        names: &'static [&'static str],
        keys: fn() -> &'static [&'static str],
    ) -> Section {
        Section::new(names, Shape::Tables, keys)
    }

    const fn inline(
        names: &'static [&'static str],
        keys: fn() -> &'static [&'static str],
    ) -> Section {
        Section::new(names, Shape::Inline, keys)
    }

    const fn free(names: &'static [&'static str]) -> Section {
        Section::new(names, Shape::Free, || &[])
    }

    const fn later(self, later_keys: &'static [&'static str]) -> Section {
        Section { later_keys, ..self }
    }

    const fn with(self, inner: &'static [Section]) -> Section {
        Section { inner, ..self }
    }

    /// The tables in it, by their names.
    pub(super) fn inner(&self) -> impl Iterator<Item = (&'static str, &'static Section)> {
        let named =
            |section: &'static Section| section.names.iter().map(move |name| (*name, section));
        self.inner.iter().flat_map(named)
    }

    /// The keys that it can have, those of the tables in it included.
    pub(super) fn known(&self) -> Vec<&'static str> {
        let own = (self.keys)();
        let inner = self.inner().map(|(name, _)| name).filter(|name| !own.contains(name));
        own.iter().copied().chain(inner).collect()
    }

    /// How a table of that name begins.
    pub(super) fn header(&self, name: &str) -> String {
        match self.shape {
            Shape::Top => String::new(),
            Shape::Table => format!("`[{name}]`"),
            Shape::Tables => format!("`[[{name}]]`"),
            Shape::OfRules => format!("`[rules.{name}]`"),
            Shape::OfTests => format!("`[[test.{name}]]`"),
            Shape::Inline | Shape::Free => format!("`{name} = {{ ... }}`"),
        }
    }

    /// `in` one table of this kind, as titles end: by its `name` where it has one. `outer` is that of
    /// the table around it.
    pub(super) fn place(&self, name: &str, table: &DeTable<'_>, outer: &str) -> String {
        let called = table.get("name").and_then(|value| value.get_ref().as_str());
        match (self.shape, called) {
            (Shape::Top, _) => String::new(),
            (Shape::Tables, Some(called)) => format!(" in {name} `{called}`"),
            (Shape::Tables, None) | (Shape::Table | Shape::OfRules, _) => {
                format!(" in {}", self.header(name))
            }
            (Shape::OfTests, _) => {
                let outer = outer.strip_prefix(" in ").unwrap_or(outer);
                format!(" in {} of {outer}", self.header(name))
            }
            (Shape::Inline | Shape::Free, _) => {
                let outer = outer.strip_prefix(" in ").unwrap_or(outer);
                format!(" in `{name}` of {outer}")
            }
        }
    }

    /// The headers of all tables at any depth that know a key, as something to be looked for.
    pub(super) fn headers_with(&self, key: &str) -> Vec<String> {
        let mut headers: Vec<String> = Vec::new();
        for section in self.inner {
            let name = match (section.shape, section.names) {
                (Shape::OfRules, _) => "NAME",
                (_, [name, ..]) => name,
                (_, []) => "",
            };
            let own = (section.keys)().contains(&key).then(|| section.header(name));
            for header in own.into_iter().chain(section.headers_with(key)) {
                if !headers.contains(&header) {
                    headers.push(header);
                }
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_key_belongs() {
        let check = |key: &str, expected: &[&str]| assert_eq!(TOP.headers_with(key), expected);
        check("listen", &["`[http]`", "`[metrics]`", "`[[source]]`"]);
        check("keep_firing_for", &["`[rules.NAME]`", "`[[rule]]`"]);
        check("summary", &["`annotations = { ... }`"]);
        check("verdict", &["`where = { ... }`"]);
        check("colour", &[]);
    }

    #[test]
    fn later_keys_are_not_known_yet() {
        for section in TOP.inner.iter().chain([&TOP]) {
            for key in section.later_keys {
                assert!(!(section.keys)().contains(key), "{key}");
            }
        }
    }
}
