//! Sources that carry the same requests, as lines of the agent's own log: once for each pair, and again
//! at most hourly while it goes on.

use std::time::Duration;

use crate::clock::Monotonic;
use crate::ledger::twins::{Pair, Twins};

/// Shortest time between two messages about one pair.
const TOLD_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct TwinLog {
    /// As many as there are pairs of sources at most.
    told: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    first: String,
    other: String,
    requests: u64,
    at: Monotonic,
}

impl TwinLog {
    /// Says what is new.
    pub(super) fn say(&mut self, twins: &Twins, now: Monotonic) {
        for pair in twins.pairs() {
            let Pair { first, other, requests } = pair;
            let is_it = |told: &&mut Told| told.first == first && told.other == other;
            match self.told.iter_mut().find(is_it) {
                Some(told) if told.requests == requests || now.since(told.at) < TOLD_INTERVAL => {}
                Some(told) => {
                    say_one(pair);
                    (told.requests, told.at) = (requests, now);
                }
                None => {
                    say_one(pair);
                    let (first, other) = (first.to_owned(), other.to_owned());
                    self.told.push(Told { first, other, requests, at: now });
                }
            }
        }
    }
}

fn say_one(Pair { first, other, requests }: Pair<'_>) {
    tracing::warn!(
        source = first,
        other,
        requests,
        "both carry the same requests, which count twice: follow only one of them"
    );
}
