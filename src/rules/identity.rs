//! What the operator knows about clients: `[[identity]]`, and about moves from one issuer to another.

use std::collections::HashMap;

use super::filter::glob_matches;

/// One client, or all that a glob names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The subject, RFC 2253; `*` stands for any text.
    pub subject: String,
    /// Who is to be asked.
    pub owner: Option<String>,
    /// It should not be let in any more.
    pub is_retired: bool,
    /// Labels of alerts about it.
    pub labels: Vec<(String, String)>,
}

/// All identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    list: Vec<Identity>,
    exact: HashMap<Vec<u8>, usize>,
}

impl Identities {
    /// In the order of the configuration.
    pub fn new(list: Vec<Identity>) -> Identities {
        let exact = list.iter().enumerate().rev().filter(|(_, it)| !it.subject.contains('*'));
        let exact = exact.map(|(place, it)| (it.subject.as_bytes().to_vec(), place)).collect();
        Identities { list, exact }
    }

    /// The identity of a subject: one that names it exactly, else the first glob that matches.
    pub fn of(&self, subject_dn: &[u8]) -> Option<&Identity> {
        if let Some(place) = self.exact.get(subject_dn) {
            return self.list.get(*place);
        }
        let mut globs = self.list.iter().filter(|it| it.subject.contains('*'));
        globs.find(|it| glob_matches(&it.subject, subject_dn))
    }

    /// Whether there is any that should not be let in.
    pub fn has_retired(&self) -> bool {
        self.list.iter().any(|it| it.is_retired)
    }

    /// Whether this one should not be let in.
    pub fn is_retired(&self, subject_dn: &[u8]) -> bool {
        self.of(subject_dn).is_some_and(|it| it.is_retired)
    }
}

/// Moves of subjects from one issuer to another that were announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotations(pub Vec<(String, String)>);

impl Rotations {
    /// Whether one of them is meant, by its issuers.
    pub fn has(&self, is_meant: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        self.0.iter().any(|(from, to)| is_meant(from.as_bytes(), to.as_bytes()))
    }
}
