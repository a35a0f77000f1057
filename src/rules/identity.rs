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
    /// Where the subjects without `*` stand in the list; of two that are the same, the first.
    exact: HashMap<Vec<u8>, usize>,
    /// Where the globs stand in the list.
    globs: Vec<usize>,
}

impl Identities {
    /// In the order of the configuration.
    pub fn new(list: Vec<Identity>) -> Identities {
        let is_glob = |it: &Identity| it.subject.contains('*');
        let exact = list.iter().enumerate().rev().filter(|(_, it)| !is_glob(it));
        let exact = exact.map(|(place, it)| (it.subject.as_bytes().to_vec(), place)).collect();
        let globs = list.iter().enumerate().filter(|(_, it)| is_glob(it));
        let globs = globs.map(|(place, _)| place).collect();
        Identities { list, exact, globs }
    }

    /// The identity of a subject: one that names it exactly, else the first glob that matches.
    pub fn of(&self, subject_dn: &[u8]) -> Option<&Identity> {
        if let Some(place) = self.exact.get(subject_dn) {
            return self.list.get(*place);
        }
        let mut globs = self.globs.iter().filter_map(|place| self.list.get(*place));
        globs.find(|it| glob_matches(&it.subject, subject_dn))
    }

    /// All of them, in the order of the configuration.
    pub fn as_slice(&self) -> &[Identity] {
        &self.list
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_subjects_before_globs_and_globs_in_order() {
        let subjects = [
            "*,O=payments",
            "CN=checkout-service,O=payments",
            "CN=*",
            "CN=checkout-service,O=payments",
            "CN=a.b",
        ];
        let identity = |(place, subject): (usize, &&str)| Identity {
            subject: (*subject).to_owned(),
            owner: Some(place.to_string()),
            ..Identity::default()
        };
        let identities = Identities::new(subjects.iter().enumerate().map(identity).collect());
        let check = |subject_dn: &[u8], expected: Option<&str>| {
            let found = identities.of(subject_dn);
            assert_eq!(found.and_then(|it| it.owner.as_deref()), expected, "{subject_dn:?}");
        };
        check(b"CN=checkout-service,O=payments", Some("1"));
        check(b"CN=other,O=payments", Some("0"));
        check(b"CN=other,O=Payments", Some("2"));
        check(b"CN=a.b", Some("4"));
        check(b"CN=axb", Some("2"));
        check(b"O=payments", None);
        check(b"", None);
        check(b"CN=\xff", Some("2"));
        assert_eq!(Identities::default().of(b"CN=a"), None);
    }

    #[test]
    fn announced_moves_go_one_way() {
        let rotations = Rotations(vec![("CN=a".into(), "CN=b".into())]);
        let has = |from: &[u8], to: &[u8]| rotations.has(|a, b| a == from && b == to);
        assert!(has(b"CN=a", b"CN=b"));
        assert!(!has(b"CN=b", b"CN=a") && !has(b"CN=a", b"CN=c"));
    }
}
