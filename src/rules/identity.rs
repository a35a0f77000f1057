//! What the operator knows about clients, by the subjects of their certificates.

use std::collections::HashMap;

use regex::bytes::RegexSet;

use super::filter::{FilterError, set};

/// A client, or several whose subjects are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// RFC 2253 text as nginx logs it, or a glob over it in which `*` stands for any text.
    pub subject: String,
    /// Whom to ask.
    pub owner: Option<String>,
    /// It must not be let in any more.
    pub retired: bool,
    /// Labels of alerts about it; their order is that of their names.
    pub labels: Vec<(String, String)>,
}

impl Identity {
    fn is_glob(&self) -> bool {
        self.subject.contains('*')
    }
}

/// All of them, to be found by subject.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    list: Vec<Identity>,
    /// Where the subjects without `*` stand in `list`.
    exact: HashMap<Vec<u8>, usize>,
    /// Where the globs stand in `list`, in its order; that of `globs` is the same.
    glob_indices: Vec<usize>,
    globs: Option<RegexSet>,
}

impl PartialEq for Identities {
    fn eq(&self, other: &Identities) -> bool {
        self.list == other.list
    }
}

impl Identities {
    /// Of two with the same subject the first counts.
    ///
    /// # Errors
    /// [`FilterError::TooLarge`] when the globs are too long together.
    pub fn new(list: Vec<Identity>) -> Result<Identities, FilterError> {
        let mut exact = HashMap::new();
        let mut glob_indices = Vec::new();
        let mut globs = Vec::new();
        for (index, identity) in list.iter().enumerate() {
            if identity.is_glob() {
                glob_indices.push(index);
                globs.push(identity.subject.as_str());
            } else {
                exact.entry(identity.subject.clone().into_bytes()).or_insert(index);
            }
        }
        let globs = set(&globs)?;
        Ok(Identities { list, exact, glob_indices, globs })
    }

    /// The identity of a subject: the one that names it, else the first whose glob matches.
    pub fn of(&self, subject_dn: &[u8]) -> Option<&Identity> {
        let index = self.exact.get(subject_dn).or_else(|| {
            let first = self.globs.as_ref()?.matches(subject_dn).iter().next()?;
            self.glob_indices.get(first)
        })?;
        self.list.get(*index)
    }

    /// All of them, as they were given.
    pub fn as_slice(&self) -> &[Identity] {
        &self.list
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
        let identity = |(index, subject): (usize, &&str)| Identity {
            subject: (*subject).to_owned(),
            owner: Some(index.to_string()),
            ..Identity::default()
        };
        let list: Vec<Identity> = subjects.iter().enumerate().map(identity).collect();
        let identities = Identities::new(list).unwrap();
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
        assert_eq!(identities.as_slice().len(), 5);
        assert_eq!(Identities::default().of(b"CN=a"), None);
    }
}
