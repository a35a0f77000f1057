//! Durations and numbers of rules, each within its range.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;

use super::super::Check;
use crate::config::duration::{DurationText, parse_duration};
use crate::config::raw::Number;
use crate::config::raw::Text;

/// What a fraction may be.
#[derive(Clone, Copy)]
pub(super) enum Fraction {
    /// Of something: above 0, at most 1.
    Share,
    /// So many times something: 0 to so many.
    Times(u32),
}

impl Check<'_> {
    /// A duration in milliseconds.
    pub(super) fn millis(
        &mut self,
        text: Option<&Text>,
        key: &str,
        place: &str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let text = text?;
        let title = || format!("`{key}`{place} is no duration");
        let duration = self.or_problem(parse_duration(text.get_ref()), text.span(), title)?;
        let found = millis(duration);
        if range.contains(&found) {
            return Some(found);
        }
        let why = if key == "window" { "impossible" } else { "out of range" };
        let title = format!("`{key}`{place} is {why}");
        let (least, most) = (shown(*range.start()), shown(*range.end()));
        self.problem(text.span(), title, format!("expected {least} to {most}"));
        None
    }

    /// A whole number.
    pub(super) fn whole(
        &mut self,
        number: i64,
        span: Range<usize>,
        key: &str,
        place: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let found = u64::try_from(number).ok().filter(|number| range.contains(number));
        if found.is_none() {
            let title = format!("`{key}`{place} is out of range");
            self.problem(span, title, format!("expected {} to {}", range.start(), range.end()));
        }
        found
    }

    pub(super) fn fraction(
        &mut self,
        number: Option<&Spanned<Number>>,
        key: &str,
        place: &str,
        kind: Fraction,
    ) -> Option<f64> {
        let number = number?;
        let value = number.get_ref().fraction();
        let found = value.filter(|value| match kind {
            Fraction::Share => *value > 0.0 && *value <= 1.0,
            Fraction::Times(most) => (0.0..=f64::from(most)).contains(value),
        });
        if found.is_none() {
            let label = match (kind, value) {
                (Fraction::Share, Some(percent)) if percent > 1.0 && percent <= 100.0 => {
                    format!("expected more than 0, at most 1; {percent}% is `{}`", percent / 100.0)
                }
                (Fraction::Share, _) => "expected more than 0, at most 1".to_owned(),
                (Fraction::Times(most), _) => format!("expected 0 to {most}"),
            };
            self.problem(number.span(), format!("`{key}`{place} is out of range"), label);
        }
        found
    }
}

/// A duration that the configuration can say, in milliseconds; what is longer than 64 bits hold is out of
/// every range anyway.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn shown(millis: i64) -> DurationText {
    DurationText(Duration::from_millis(u64::try_from(millis).unwrap_or_default()))
}
