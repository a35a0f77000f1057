//! The rules that are on, with what they need to know of clients.

use super::builtin::{self, Builtin, Special};
use super::identity::{Identities, Rotations};
use super::rule::Rule;

/// What an engine works by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    /// In the order in which they are decided at one instant.
    pub(super) rules: Vec<Active>,
    /// What the operator knows about clients.
    pub(super) identities: Identities,
    /// Moves between issuers that were announced.
    pub(super) rotations: Rotations,
    /// How much of the log must have passed before anything is compared with the past, in milliseconds.
    pub(super) learning_millis: i64,
    /// How long an event may come after later ones, in milliseconds.
    pub(super) lateness_millis: i64,
}

/// A rule that is on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Active {
    pub(super) rule: Rule,
    pub(super) special: Special,
    /// Its words are gatelog's.
    pub(super) is_builtin: bool,
}

/// What a rule set is made of.
#[derive(Clone, Debug)]
pub struct Ingredients {
    /// Built-in rules, as they were adjusted; those that are off are left out.
    pub builtin: Vec<Builtin>,
    /// The operator's own.
    pub rules: Vec<Rule>,
    /// What the operator knows about clients.
    pub identities: Identities,
    /// Moves between issuers that were announced.
    pub rotations: Rotations,
    /// In milliseconds.
    pub learning_millis: i64,
    /// In milliseconds.
    pub lateness_millis: i64,
}

impl RuleSet {
    /// The built-in ones that are on first, then the operator's.
    pub fn new(ingredients: Ingredients) -> RuleSet {
        let Ingredients { builtin, rules, identities, rotations, learning_millis, .. } =
            ingredients;
        let builtin = builtin.into_iter().filter(|it| it.is_on);
        let builtin =
            builtin.map(|Builtin { rule, special, .. }| Active { rule, special, is_builtin: true });
        let own = rules.into_iter().map(|rule| {
            let special = Special::default();
            Active { rule, special, is_builtin: false }
        });
        RuleSet {
            rules: builtin.chain(own).collect(),
            identities,
            rotations,
            learning_millis,
            lateness_millis: ingredients.lateness_millis,
        }
    }

    /// The built-in rules as they are without a configuration.
    pub fn builtin(learning_millis: i64, lateness_millis: i64) -> RuleSet {
        RuleSet::new(Ingredients {
            builtin: builtin::rules(),
            rules: Vec::new(),
            identities: Identities::default(),
            rotations: Rotations::default(),
            learning_millis,
            lateness_millis,
        })
    }

    /// The rules that are on, in the order in which they are decided.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|active| &active.rule)
    }
}
