//! The labels that alerts can have.

use std::collections::BTreeSet;

use crate::config::raw::FreeTable;
use crate::config::raw::RawConfig;
use crate::config::raw::Text;
use crate::rules::Field;
use crate::rules::builtin::NAMES;

/// Labels that gatelog sets whatever the rule: `owner` where the identity has one.
pub(super) const OF_ANY: [&str; 3] = ["alertname", "severity", "owner"];

/// What a file makes known of labels and their values.
pub(in super::super) struct LabelNames {
    /// Those that identities give.
    of_identities: BTreeSet<String>,
    /// Those that some alert can have.
    all: BTreeSet<String>,
    /// The values of `alertname`.
    alertnames: Vec<String>,
    /// The values of `owner`.
    owners: BTreeSet<String>,
}

impl LabelNames {
    pub(in super::super) fn of(raw: &RawConfig) -> LabelNames {
        let identities = raw.identity.as_deref().unwrap_or_default();
        let rules = raw.rule.as_deref().unwrap_or_default();
        let adjusted = raw.rules.as_ref().map_or(&[][..], |rules| &rules.adjusted);
        let of_identities: BTreeSet<String> =
            identities.iter().flat_map(|it| keys(it.get_ref().labels.as_ref())).collect();
        let mut all = of_identities.clone();
        all.extend(rules.iter().flat_map(|it| keys(it.get_ref().labels.as_ref())));
        all.extend(adjusted.iter().flat_map(|(_, it)| keys(it.get_ref().labels.as_ref())));
        all.extend(OF_ANY.into_iter().chain(Field::ALL.map(Field::as_str)).map(str::to_owned));
        let own = rules.iter().filter_map(|rule| rule.get_ref().name.as_ref());
        let own = own.map(|name| name.get_ref().clone());
        let alertnames = NAMES.into_iter().map(str::to_owned).chain(own).collect();
        let owners = identities.iter().filter_map(|it| it.get_ref().owner.as_ref());
        let owners = owners.map(|owner| owner.get_ref().clone()).collect();
        LabelNames { of_identities, all, alertnames, owners }
    }

    /// Those that alerts of one rule can have, if it names these.
    pub(super) fn of_rule<'a>(&'a self, named: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let of_identities = self.of_identities.iter().map(String::as_str);
        OF_ANY.into_iter().chain(named).chain(of_identities).collect()
    }

    /// Those that some alert can have.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> + Clone {
        self.all.iter().map(String::as_str)
    }

    /// The values that a field can have, where they are few or stand in this file.
    pub(super) fn values_of(&self, field: Field) -> Option<Vec<&str>> {
        match field {
            Field::Owner => Some(self.owners.iter().map(String::as_str).collect()),
            _ => field.closed_values(),
        }
    }

    /// Names of rules.
    pub(super) fn alertnames(&self) -> Vec<&str> {
        self.alertnames.iter().map(String::as_str).collect()
    }
}

fn keys(table: Option<&FreeTable<Text>>) -> impl Iterator<Item = String> {
    table.into_iter().flat_map(|table| table.get_ref().keys().map(|key| key.get_ref().clone()))
}
