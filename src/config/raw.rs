//! The configuration as written: what TOML and the types of keys allow, nothing checked, nothing filled in.
//!
//! One struct a table, one field a key, in the order of `config/gatelog.toml`. A new key is added here and in
//! `check`; that it is explained in the example file is tested. Everything that a check may point at is
//! [`Spanned`]: bytes from the start of the file, the quotes of strings included.

mod free;
mod number;
mod receiver;
pub(super) mod rule_tests;
pub(super) mod rules;

use serde::Deserialize;
use serde::de::value::Error as ValueError;
use serde::de::{Deserializer, Error as _, Visitor};
use toml::Spanned;

pub(super) use free::{FreeTable, OneOrMany, RawWhere};
pub(super) use number::Number;
pub(super) use receiver::RawReceiver;
use rules::{RawIdentity, RawRotation, RawRule, RawRules, RawSilence};

/// Text with its place.
pub(super) type Text = Spanned<String>;

/// A list of texts, with the place of the list and of each.
pub(super) type Texts = Spanned<Vec<Text>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) state_dir: Option<Text>,
    pub(super) lateness: Option<Text>,
    pub(super) sandbox: Option<bool>,
    pub(super) http: Option<RawHttp>,
    pub(super) metrics: Option<RawMetrics>,
    pub(super) source: Option<Vec<Spanned<RawSource>>>,
    pub(super) routes: Option<RawRoutes>,
    pub(super) server: Option<Vec<Spanned<RawServer>>>,
    pub(super) rules: Option<RawRules>,
    pub(super) rule: Option<Vec<Spanned<RawRule>>>,
    pub(super) identity: Option<Vec<Spanned<RawIdentity>>>,
    pub(super) rotation: Option<Vec<Spanned<RawRotation>>>,
    pub(super) silence: Option<Vec<Spanned<RawSilence>>>,
    pub(super) receiver: Option<Vec<Spanned<RawReceiver>>>,
}

/// `[http]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) listen: Option<Text>,
    pub(super) open: Option<Texts>,
    pub(super) hosts: Option<Texts>,
}

/// `[metrics]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetrics {
    pub(super) listen: Option<Text>,
}

/// `[[source]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) name: Option<Text>,
    pub(super) paths: Option<Texts>,
    pub(super) listen: Option<Text>,
    pub(super) kind: Option<Text>,
    pub(super) wrap: Option<Text>,
    pub(super) format: Option<Text>,
    pub(super) nginx_conf: Option<Text>,
    pub(super) from: Option<Text>,
    pub(super) scope: Option<Text>,
    pub(super) client_address: Option<Text>,
    pub(super) time_zone: Option<Text>,
}

/// `[routes]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoutes {
    pub(super) variable: Option<Text>,
    pub(super) patterns: Option<Texts>,
    pub(super) public: Option<Texts>,
    pub(super) limit: Option<Spanned<i64>>,
}

/// `[[server]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub(super) name: Option<Text>,
    pub(super) ssl_verify_client: Option<Text>,
    pub(super) refused_statuses: Option<Spanned<Vec<Spanned<i64>>>>,
    pub(super) refused_upstreams: Option<Texts>,
    pub(super) public: Option<Texts>,
}

/// The keys of a table, as serde knows them: the names of the struct's fields.
pub(super) fn keys_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // The lister always ends with an error: it has no values to give.
    let _no_value = T::deserialize(KeyLister { keys: &mut keys });
    keys
}

/// Takes the field names that a derived `Deserialize` asks for, and stops.
struct KeyLister<'a> {
    keys: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for KeyLister<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ValueError> {
        *self.keys = fields;
        Err(ValueError::custom("only the keys are wanted"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_fields() {
        assert_eq!(keys_of::<RawHttp>(), ["listen", "open", "hosts"]);
        assert_eq!(keys_of::<RawMetrics>(), ["listen"]);
        assert_eq!(keys_of::<u8>(), [""; 0]);
    }
}
