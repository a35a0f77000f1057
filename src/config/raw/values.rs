//! Values that can be written in more than one way, and tables whose keys are the user's own.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;

use super::Text;

/// A table whose keys are the user's own, by key.
pub(in crate::config) type FreeTable<T> = Spanned<BTreeMap<Text, T>>;

/// A table of patterns: `where`.
pub(in crate::config) type RawWhere = FreeTable<Spanned<OneOrMore>>;

/// `"a"` or `["a", "b"]`; a boolean where a field has one.
#[derive(Debug)]
pub(in crate::config) enum OneOrMore {
    One(String),
    More(Vec<Text>),
    Flag(bool),
}

/// `0.05` or `5`.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Number {
    /// As a fraction; a whole number only as far as 32 bits hold it, which is more than any share or
    /// factor can be.
    pub(in crate::config) fn fraction(self) -> Option<f64> {
        match self {
            Number::Whole(number) => i32::try_from(number).ok().map(f64::from),
            Number::Fraction(number) => Some(number),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

struct OneOrMoreVisitor;

impl<'de> Visitor<'de> for OneOrMoreVisitor {
    type Value = OneOrMore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMore, E> {
        Ok(OneOrMore::One(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<OneOrMore, E> {
        Ok(OneOrMore::Flag(flag))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMore::More(texts))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        Ok(Number::Whole(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
        Ok(Number::Fraction(number))
    }
}
