//! Tables whose keys are the user's, such as `where`, and values that are one text or several.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;

use super::Text;

/// Any keys, each with its place.
pub(in crate::config) type FreeTable<T> = Spanned<BTreeMap<Text, T>>;

/// Patterns by what they are about: `where`.
pub(in crate::config) type RawWhere = FreeTable<Spanned<OneOrMany>>;

/// `"a"` or `["a", "b"]`; in a `where` also `true` or `false`.
#[derive(Debug)]
pub(in crate::config) enum OneOrMany {
    One(String),
    Many(Vec<Text>),
    Flag(bool),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneOrMany, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<OneOrMany, E> {
        Ok(OneOrMany::Flag(flag))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
    }
}
