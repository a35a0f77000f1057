//! What only all lines of all logs together tell.

use super::unmatched::Unmatched;
use super::unseen::Unseen;
use crate::commands::context::{Context, Failure};
use crate::event::Event;
use crate::ledger::distinct::Seed;
use crate::ledger::twins::Twins;
use crate::show::words;

/// What the logs have in common, and what none of them has.
#[derive(Debug)]
pub(super) struct Across<'a> {
    unmatched: Unmatched,
    unseen: Unseen<'a>,
    twins: Twins,
    seed: Seed,
}

impl<'a> Across<'a> {
    pub(super) fn new(context: &'a Context) -> Result<Across<'a>, Failure> {
        let unmatched = Unmatched::new(&context.config)?;
        let unseen = Unseen::new(context)?;
        // nginx draws what is hashed by it, not the client.
        Ok(Across { unmatched, unseen, twins: Twins::default(), seed: Seed::new(0) })
    }

    pub(super) fn see(&mut self, event: &Event<'_>) {
        self.unmatched.see(event);
        self.unseen.see(event);
        if let Some(request_id) = event.request_id {
            self.twins.see(request_id, event.source, &self.seed);
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let twins = self.twins.pairs().map(|pair| words::twins(&pair));
        twins.chain(self.unmatched.warnings()).collect()
    }

    /// Those that have a place in the configuration, safe to show.
    pub(super) fn placed_warnings(&self, color: bool) -> Option<String> {
        self.unseen.warnings(color)
    }
}
