//! What only all lines of all logs together tell.

use super::unmatched::Unmatched;
use crate::config::Config;
use crate::event::Event;
use crate::ledger::distinct::Seed;
use crate::ledger::twins::Twins;
use crate::show::words;

/// What the logs have in common, and what none of them has.
#[derive(Debug)]
pub(super) struct Across {
    unmatched: Unmatched,
    twins: Twins,
    seed: Seed,
}

impl Across {
    pub(super) fn new(config: &Config) -> Result<Across, regex::Error> {
        let unmatched = Unmatched::new(config)?;
        // nginx draws what is hashed by it, not the client.
        Ok(Across { unmatched, twins: Twins::default(), seed: Seed::new(0) })
    }

    pub(super) fn see(&mut self, event: &Event<'_>) {
        self.unmatched.see(event);
        if let Some(request_id) = event.request_id {
            self.twins.see(request_id, event.source, &self.seed);
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let twins = self.twins.pairs().map(|pair| words::twins(&pair));
        twins.chain(self.unmatched.warnings()).collect()
    }
}
