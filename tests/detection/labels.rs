//! `labels.tsv`: what the generator says should be found in its logs.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The columns before those that are labels of alerts.
const OWN_COLUMNS: [&str; 6] = ["incident", "start", "end", "rule", "severity", "messages"];

/// One line: a message that must come, or, without a rule, something that nobody may speak of.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// The incident.
    pub(crate) incident: String,
    /// When there is reason for the message.
    pub(crate) start: Timestamp,
    /// When it must have come.
    pub(crate) end: Timestamp,
    /// Who should find it; `-`: nobody.
    pub(crate) rule: String,
    /// How urgent it is.
    pub(crate) severity: String,
    /// How many messages in all.
    pub(crate) messages: usize,
    /// What it is about, by the names of an alert's labels; what is not known of it is left out.
    pub(crate) about: BTreeMap<String, String>,
}

impl Label {
    /// The first `CN` of the subject, if it is about one.
    pub(crate) fn cn(&self) -> Option<&str> {
        let rest = self.about.get("subject_dn")?.strip_prefix("CN=")?;
        rest.split(',').next()
    }
}

/// Reads all lines.
pub(crate) fn parse(text: &str) -> Vec<Label> {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    assert!(columns.starts_with(&OWN_COLUMNS), "{columns:?}");
    let label = |line: &str| {
        let values: Vec<&str> = line.split('\t').collect();
        assert_eq!(values.len(), columns.len(), "{line}");
        let pairs = columns.iter().zip(&values).skip(OWN_COLUMNS.len());
        let about = pairs.filter(|(_, value)| !value.is_empty());
        Label {
            incident: values[0].to_owned(),
            start: values[1].parse().unwrap(),
            end: values[2].parse().unwrap(),
            rule: values[3].to_owned(),
            severity: values[4].to_owned(),
            messages: values[5].parse().unwrap(),
            about: about.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    };
    lines.map(label).collect()
}
