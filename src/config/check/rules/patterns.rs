//! `where`: patterns over the fields of events or the labels of alerts, and what they can never match.

use toml::Spanned;

use super::super::Check;
use super::dn;
use super::label_names::LabelNames;
use super::texts::inside_of;
use crate::config::nearest::nearest;
use crate::config::problem::Problem;
use crate::config::raw::Text;
use crate::config::raw::{OneOrMany, RawWhere};
use crate::config::written::WrittenPattern;
use crate::limits::{WHERE_LABELS_MAX, WHERE_PATTERN_BYTES_MAX, WHERE_PATTERNS_MAX};
use crate::rules::filter::glob_matches;
use crate::rules::{Field, Filter, LabelFilter, Severity};

/// Hex digits of a fingerprint.
const FINGERPRINT_DIGITS: usize = 40;

/// Fewest of them that stand for one.
const FINGERPRINT_DIGITS_MIN: usize = 8;

impl Check<'_> {
    /// The `where` of a rule.
    pub(super) fn filter(
        &mut self,
        raw: Option<&RawWhere>,
        place: &str,
        names: &LabelNames,
    ) -> Filter {
        let place = &inside_of("where", place);
        let mut filter = Filter::default();
        let Some(raw) = raw else { return filter };
        for (key, value) in raw.get_ref() {
            let Some(field) = Field::from_name(key.get_ref()) else { continue };
            let mut patterns = Vec::new();
            for text in self.pattern_texts(raw, (key, value), place, field == Field::Known) {
                patterns.extend(self.field_pattern(field, &text, place, names));
            }
            if patterns.is_empty() {
                continue;
            }
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let added = filter.add(field, &patterns);
            self.or_problem(added, value.span(), || too_long(key, place));
        }
        filter
    }

    /// The `where` of what is about alerts.
    pub(in super::super) fn alert_filter(
        &mut self,
        raw: Option<&RawWhere>,
        place: &str,
        names: &LabelNames,
    ) -> LabelFilter {
        let place = &inside_of("where", place);
        let mut filter = LabelFilter::default();
        let Some(raw) = raw else { return filter };
        for (key, value) in raw.get_ref() {
            let label = key.get_ref().as_str();
            if raw.get_ref().len() > WHERE_LABELS_MAX {
                let title = format!("too many labels{place}");
                self.problem(raw.span(), title, format!("expected at most {WHERE_LABELS_MAX}"));
                break;
            }
            if !names.all().any(|known| known == label) {
                let title = format!("no alert has the label `{label}`{place}");
                self.unknown(key, title, "label", names.all());
                continue;
            }
            let texts =
                self.pattern_texts(raw, (key, value), place, label == Field::Known.as_str());
            let closed = match label {
                "alertname" => Some(names.alertnames()),
                "severity" => Some(Severity::ALL.map(Severity::as_str).to_vec()),
                _ => Field::from_name(label).and_then(|field| names.values_of(field)),
            };
            let mut patterns = Vec::new();
            for text in &texts {
                if closed.as_deref().is_none_or(|values| self.can_match(label, text, values, place))
                {
                    patterns.push(text.get_ref().as_str());
                }
            }
            if patterns.is_empty() {
                continue;
            }
            let added = filter.add(label, &patterns);
            self.or_problem(added, value.span(), || too_long(key, place));
        }
        filter
    }

    /// The patterns for one key, within their bounds. `flag`: a boolean stands for its name.
    fn pattern_texts(
        &mut self,
        table: &RawWhere,
        (key, value): (&Text, &Spanned<OneOrMany>),
        place: &str,
        flag: bool,
    ) -> Vec<Text> {
        let key = key.get_ref();
        let Some(written) = self.texts(value, key, place, flag) else { return Vec::new() };
        if written.is_empty() && !self.is_lost(table.span().start, key) {
            let title = format!("`{key}`{place} is empty");
            let label = "expected at least one pattern: this matches nothing";
            self.problem(value.span(), title, label);
        }
        let written = Spanned::new(value.span(), written);
        let texts = self.list(Some(&written), key, place, WHERE_PATTERNS_MAX).iter();
        texts.filter(|text| self.is_short(text, key, place)).cloned().collect()
    }

    /// One text or several, each with its place. `flag`: a boolean stands for its name.
    pub(in super::super) fn texts(
        &mut self,
        value: &Spanned<OneOrMany>,
        key: &str,
        place: &str,
        flag: bool,
    ) -> Option<Vec<Text>> {
        Some(match value.get_ref() {
            OneOrMany::One(text) => vec![Spanned::new(value.span(), text.clone())],
            OneOrMany::Many(texts) => texts.clone(),
            OneOrMany::Flag(is_on) if flag => vec![Spanned::new(value.span(), is_on.to_string())],
            OneOrMany::Flag(_) => {
                let title = format!("`{key}`{place} has the wrong type");
                let label = "expected a string or an array of strings, found a boolean";
                self.problem(value.span(), title, label);
                return None;
            }
        })
    }

    fn is_short(&mut self, pattern: &Text, key: &str, place: &str) -> bool {
        let is_short = pattern.get_ref().len() <= WHERE_PATTERN_BYTES_MAX;
        if !is_short {
            let title = format!("a pattern of `{key}`{place} is too long");
            let label = format!("expected at most {WHERE_PATTERN_BYTES_MAX} bytes");
            self.problem(pattern.span(), title, label);
        }
        is_short
    }

    /// A pattern as the filter takes it, if an event can ever match it.
    fn field_pattern(
        &mut self,
        field: Field,
        text: &Text,
        place: &str,
        names: &LabelNames,
    ) -> Option<String> {
        let name = field.as_str();
        let pattern = text.get_ref();
        let (not, plain) = match pattern.strip_prefix('!') {
            Some(plain) => ("!", plain),
            None => ("", pattern.as_str()),
        };
        if let Some(mut values) = names.values_of(field) {
            if matches!(field, Field::Reason | Field::Class | Field::Owner) {
                // What did not fail, or is nobody's, has none.
                values.push("");
            }
            return self.can_match(name, text, &values, place).then(|| pattern.clone());
        }
        let written = match field {
            Field::Fingerprint => fingerprint(plain),
            Field::RemoteAddr if plain.contains('/') => {
                Err("expected an address, or a glob such as `10.0.*`")
            }
            Field::SubjectDn | Field::IssuerDn
                if !plain.contains('*')
                    && !plain.is_empty()
                    && !self.dn(text, plain, name, place) =>
            {
                return None;
            }
            _ => Ok(plain.to_owned()),
        };
        let title = || format!("`{name}`{place} can never be `{plain}`");
        let glob = self.or_problem(written, text.span(), title)?;
        if not.is_empty() && field != Field::Source {
            self.note_pattern(field, glob.clone(), text, format!("`{name}`{place}"));
        }
        Some(format!("{not}{glob}"))
    }

    /// Keeps a pattern with its place, for who has a log to compare it with. That of none is in every log.
    pub(super) fn note_pattern(&mut self, field: Field, glob: String, text: &Text, whose: String) {
        if !glob.is_empty() {
            let span_bytes = text.span();
            self.patterns.push(WrittenPattern { field, glob, whose, span_bytes });
        }
    }

    /// Whether a pattern matches one of the only values; says so if not.
    fn can_match(&mut self, name: &str, text: &Text, values: &[&str], place: &str) -> bool {
        let pattern = text.get_ref();
        let plain = pattern.strip_prefix('!').unwrap_or(pattern);
        let can = if plain.contains('*') {
            values.iter().any(|value| glob_matches(plain, value.as_bytes()))
        } else {
            values.contains(&plain)
        };
        if !can {
            let title = format!("`{name}`{place} can never be `{plain}`");
            self.unknown(text, title, "value", values.iter().copied().filter(|it| !it.is_empty()));
        }
        can
    }

    /// A word that is none of those that are known.
    fn unknown<'w>(
        &mut self,
        word: &Text,
        title: String,
        what: &str,
        known: impl Iterator<Item = &'w str> + Clone,
    ) {
        let near = nearest(word.get_ref().trim_start_matches('!'), known.clone());
        let label = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected a {what} that there is"),
        };
        let known: Vec<&str> = known.collect();
        let problem = Problem::new(word.span(), title, label);
        self.problems.push(problem.note("known", known.join(", ")));
    }

    /// Whether nginx could log this name; says so if not. `plain` is the end of `text`.
    pub(super) fn dn(&mut self, text: &Text, plain: &str, key: &str, place: &str) -> bool {
        let Err(error) = dn::as_logged(plain) else { return true };
        let start = text.get_ref().len() - plain.len();
        let at = start + error.at_bytes.start..start + error.at_bytes.end;
        let span = self.inside(text, at);
        self.problem(span, format!("`{key}`{place} is no name as nginx logs it"), error.expected);
        false
    }
}

fn too_long(key: &Text, place: &str) -> String {
    format!("`{}`{place} is too long", key.get_ref())
}

/// A fingerprint as events have it, of what people write: colons, capitals, its first digits.
fn fingerprint(plain: &str) -> Result<String, &'static str> {
    let digits = plain.replace(':', "").to_ascii_lowercase();
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits.is_empty() || (digits.contains('*') && is_hex(&digits.replace('*', ""))) {
        return Ok(digits);
    }
    match digits.len() {
        _ if !is_hex(&digits) => Err("expected hex digits"),
        FINGERPRINT_DIGITS => Ok(digits),
        FINGERPRINT_DIGITS_MIN..FINGERPRINT_DIGITS => Ok(format!("{digits}*")),
        _ => Err("expected SHA-1, 40 hex digits, or its first 8 or more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let whole = "b2b279f3".repeat(5);
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(fingerprint(text).ok().as_deref(), expected, "{text}");
        };
        check(&whole, Some(&whole));
        check(&whole.to_uppercase(), Some(&whole));
        check("B2:B2:79:F3", Some("b2b279f3*"));
        check("b2*", Some("b2*"));
        check("", Some(""));
        check("b2b279f", None);
        check("zzzzzzzz", None);
        check("b2*z", None);
        check(&"a".repeat(64), None);
    }
}
