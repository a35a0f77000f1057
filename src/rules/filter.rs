//! `where`: which events a rule is about.

use std::borrow::Cow;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::field::Field;

/// All of its conditions must hold; none is always true.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    conditions: Vec<(Field, Patterns)>,
}

/// The values that one field or label may have.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    /// As written, to tell filters apart.
    pub(super) texts: Vec<String>,
    wanted: Option<RegexSet>,
    unwanted: Option<RegexSet>,
}

/// Why a list of patterns is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It would never match.
    #[error("expected at least one pattern")]
    Empty,
    /// All patterns together are too large.
    #[error("the patterns are too long together")]
    TooLarge,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        let texts = |filter: &Filter| -> Vec<(Field, Vec<String>)> {
            filter.conditions.iter().map(|(field, it)| (*field, it.texts.clone())).collect()
        };
        texts(self) == texts(other)
    }
}

impl Filter {
    /// Adds a condition: the field's value matches one of the patterns, and none of those that begin
    /// with `!`. In a pattern `*` stands for any text, `/` and nothing included; everything else for
    /// itself.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn add(&mut self, field: Field, patterns: &[&str]) -> Result<(), FilterError> {
        self.conditions.push((field, Patterns::new(patterns)?));
        Ok(())
    }

    /// The fields that it asks for.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.conditions.iter().map(|(field, _)| *field)
    }

    /// Its conditions as written: the field and its patterns.
    pub fn conditions(&self) -> impl Iterator<Item = (Field, &[String])> {
        self.conditions.iter().map(|(field, patterns)| (*field, patterns.texts.as_slice()))
    }

    /// Whether an event with these values is meant. A field that the event does not have is empty text.
    pub fn matches<'v>(&self, value: impl FnMut(Field) -> Cow<'v, [u8]>) -> bool {
        self.matches_where(|_| true, value)
    }

    /// Whether the conditions on some fields hold, whatever the others ask for.
    pub fn matches_where<'v>(
        &self,
        is_asked: impl Fn(Field) -> bool,
        mut value: impl FnMut(Field) -> Cow<'v, [u8]>,
    ) -> bool {
        let mut asked = self.conditions.iter().filter(|(field, _)| is_asked(*field));
        asked.all(|(field, patterns)| patterns.match_value(&value(*field)))
    }

    /// Whether one field's value alone does not rule an event out.
    pub fn allows(&self, field: Field, value: &[u8]) -> bool {
        let of_field = self.conditions.iter().filter(|(known, _)| *known == field);
        of_field.into_iter().all(|(_, patterns)| patterns.match_value(value))
    }
}

impl Patterns {
    /// See [`Filter::add`].
    pub(super) fn new(patterns: &[&str]) -> Result<Patterns, FilterError> {
        if patterns.is_empty() {
            return Err(FilterError::Empty);
        }
        let (unwanted, wanted): (Vec<&str>, Vec<&str>) =
            patterns.iter().partition(|pattern| pattern.starts_with('!'));
        let unwanted: Vec<&str> =
            unwanted.iter().filter_map(|pattern| pattern.strip_prefix('!')).collect();
        Ok(Patterns {
            texts: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
            wanted: set(&wanted)?,
            unwanted: set(&unwanted)?,
        })
    }

    pub(super) fn match_value(&self, value: &[u8]) -> bool {
        self.wanted.as_ref().is_none_or(|set| set.is_match(value))
            && !self.unwanted.as_ref().is_some_and(|set| set.is_match(value))
    }
}

fn set(globs: &[&str]) -> Result<Option<RegexSet>, FilterError> {
    if globs.is_empty() {
        return Ok(None);
    }
    let expressions = globs.iter().map(|glob| expression(glob));
    let set = RegexSetBuilder::new(expressions).unicode(false).build();
    set.map(Some).map_err(|_| FilterError::TooLarge)
}

/// The regular expression of a glob in which only `*` means something.
fn expression(glob: &str) -> String {
    let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
    format!("(?s-u)^{}$", parts.join(".*"))
}

/// Whether a text matches a glob as a filter takes it. Nothing is compiled: for globs that are many, and
/// asked rarely.
pub fn glob_matches(glob: &str, text: &[u8]) -> bool {
    let Some((first, rest)) = glob.split_once('*') else { return glob.as_bytes() == text };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = text.strip_prefix(first.as_bytes());
    let Some(mut inner) = inner.and_then(|text| text.strip_suffix(last.as_bytes())) else {
        return false;
    };
    middle.split('*').all(|part| match memchr::memmem::find(inner, part.as_bytes()) {
        Some(at) => {
            inner = inner.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_lists_and_negations() {
        let check = |patterns: &[&str], value: &str, expected: bool| {
            let mut filter = Filter::default();
            filter.add(Field::Route, patterns).unwrap();
            let found = filter.matches(|_| Cow::Borrowed(value.as_bytes()));
            assert_eq!(found, expected, "{patterns:?} {value}");
            assert_eq!(filter.allows(Field::Route, value.as_bytes()), expected);
            assert!(filter.allows(Field::Server, b"any"));
            if let [glob] = patterns
                && !glob.starts_with('!')
            {
                assert_eq!(glob_matches(glob, value.as_bytes()), expected, "{glob} {value}");
            }
        };
        check(&["/payments/*"], "/payments/{id}/capture", true);
        check(&["/payments/*"], "/payments", false);
        check(&["*"], "", true);
        check(&["a", "b"], "b", true);
        check(&["a", "b"], "ab", false);
        check(&["!a*"], "abc", false);
        check(&["!a*"], "bc", true);
        check(&["*c", "!a*"], "abc", false);
        check(&["*c", "!a*"], "bc", true);
        check(&["a.c"], "abc", false);
        check(&["{id}[0-9]+?"], "{id}[0-9]+?", true);
        check(&["a*"], "a\nb", true);
        check(&["a*b*c"], "axxbyybc", true);
        check(&["a*b*c"], "axxcbyb", false);
        check(&["ab*ba"], "aba", false);
        check(&["a**"], "a", true);
        check(&["*b*b*"], "abc", false);
        check(&["*a*bc*d"], "xabxbcxd", true);
    }

    #[test]
    fn all_conditions_must_hold() {
        let mut filter = Filter::default();
        filter.add(Field::Verdict, &["rejected", "missing"]).unwrap();
        filter.add(Field::Known, &["true"]).unwrap();
        let check = |verdict: &'static str, known: &'static str, expected: bool| {
            let value = |field| match field {
                Field::Verdict => Cow::Borrowed(verdict.as_bytes()),
                _ => Cow::Borrowed(known.as_bytes()),
            };
            assert_eq!(filter.matches(value), expected, "{verdict} {known}");
        };
        check("rejected", "true", true);
        check("rejected", "false", false);
        check("verified", "true", false);
        assert_eq!(filter.add(Field::Cn, &[]), Err(FilterError::Empty));
        assert!(Filter::default().matches(|_| Cow::Borrowed(b"")));
    }

    #[test]
    fn bytes_that_are_no_text_match_too() {
        let mut filter = Filter::default();
        filter.add(Field::Cn, &["a*z"]).unwrap();
        assert!(filter.matches(|_| Cow::Borrowed(b"a\xff\x00z")));
    }
}
