//! Numbers that may have a fraction.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

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
