//! `where` of what is about alerts, not events: which labels they have.

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
    /// Adds a condition on one label, with patterns as [`super::Filter::add`] takes them. A label that
    /// an alert does not have is empty text, as it is to Prometheus.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn add(&mut self, label: &str, patterns: &[&str]) -> Result<(), FilterError> {
        self.conditions.push((label.to_owned(), Patterns::new(patterns)?));
        Ok(())
    }

    /// Its conditions as written: the label and its patterns.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.conditions.iter().map(|(label, patterns)| (label.as_str(), patterns.texts()))
    }

    /// Whether an alert with these labels is meant.
    pub fn matches(&self, labels: &[(String, String)]) -> bool {
        self.conditions.iter().all(|(name, patterns)| {
            let value = labels.iter().find(|(known, _)| known == name);
            patterns.match_value(value.map_or(&[], |(_, value)| value.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_match() {
        let labels = [("alertname", "clock_skew"), ("severity", "page"), ("server", "api.example")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let check = |conditions: &[(&str, &[&str])], expected: bool| {
            let mut filter = LabelFilter::default();
            for (label, patterns) in conditions {
                filter.add(label, patterns).unwrap();
            }
            assert_eq!(filter.matches(&labels), expected, "{conditions:?}");
        };
        check(&[], true);
        check(&[("severity", &["page"])], true);
        check(&[("severity", &["ticket", "page"]), ("server", &["api.*"])], true);
        check(&[("severity", &["page"]), ("server", &["!api.*"])], false);
        check(&[("team", &["payments"])], false);
        check(&[("team", &[""])], true);
        check(&[("team", &["!payments"])], true);
    }

    #[test]
    fn filters_are_the_same_when_they_are_written_the_same() {
        let filter = |patterns: &[&str]| {
            let mut filter = LabelFilter::default();
            filter.add("server", patterns).unwrap();
            filter
        };
        assert_eq!(filter(&["a*"]), filter(&["a*"]));
        assert_ne!(filter(&["a*"]), filter(&["a"]));
        assert_eq!(LabelFilter::default().add("server", &[]), Err(FilterError::Empty));
    }
}
