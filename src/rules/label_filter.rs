//! `where` on what takes alerts: which of them it is about, by their labels.

use super::filter::{FilterError, Patterns};

/// All of its conditions must hold; none is always true.
#[derive(Clone, Debug, Default)]
pub struct LabelFilter {
    conditions: Vec<(String, Patterns)>,
}

impl PartialEq for LabelFilter {
    fn eq(&self, other: &LabelFilter) -> bool {
        self.conditions().eq(other.conditions())
    }
}

impl LabelFilter {
    /// Adds a condition: the label's value matches one of the patterns, and none of those that begin
    /// with `!`; they are those of [`super::Filter::add`].
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn add(&mut self, label: &str, patterns: &[&str]) -> Result<(), FilterError> {
        self.conditions.push((label.to_owned(), Patterns::new(patterns)?));
        Ok(())
    }

    /// Its conditions as written: the label and its patterns.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.conditions.iter().map(|(label, patterns)| (label.as_str(), patterns.texts.as_slice()))
    }

    /// Whether an alert with these labels is meant. A label that it does not have is empty text.
    pub fn matches(&self, labels: &[(String, String)]) -> bool {
        self.conditions.iter().all(|(label, patterns)| {
            let found = labels.iter().find(|(name, _)| name == label);
            patterns.match_value(found.map_or(&[][..], |(_, value)| value.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lists_and_negations() {
        let labels = [("alertname", "clock_skew"), ("route", "/payments/{id}")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let check = |conditions: &[(&str, &[&str])], expected: bool| {
            let mut filter = LabelFilter::default();
            for (label, patterns) in conditions {
                filter.add(label, patterns).unwrap();
            }
            assert_eq!(filter.matches(&labels), expected, "{conditions:?}");
        };
        check(&[], true);
        check(&[("route", &["/payments/*"])], true);
        check(&[("route", &["/payments/*", "!*{id}"])], false);
        check(&[("alertname", &["other", "clock_*"]), ("route", &["*"])], true);
        check(&[("alertname", &["clock_skew"]), ("route", &["/"])], false);
        check(&[("team", &["a"])], false);
        check(&[("team", &["!a"])], true);
        check(&[("team", &[""])], true);
        assert_eq!(LabelFilter::default().add("team", &[]), Err(FilterError::Empty));
    }
}
