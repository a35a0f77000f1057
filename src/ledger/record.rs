//! Whatever takes in the events of a log: a ledger, or one that rules watch.

use gatelog_parsers::time_stamp::UnixMillis;

use super::Ledger;
use super::limit_hits::Limit;
use crate::event::Event;
use crate::event::route::Router;

/// What the events of a log are recorded in.
pub trait Record {
    /// Records an event.
    fn record(&mut self, event: &Event<'_>, router: &Router);

    /// A line of this source gave no event.
    fn unparsed(&mut self, source: &str);

    /// Counts a hit of a bound outside of an event.
    fn hit_if(&mut self, is_hit: bool, limit: Limit);

    /// No event before this time comes any more.
    fn tick(&mut self, now: UnixMillis);

    /// Nobody has listened to a source until now.
    fn wake(&mut self, source: &str, now: UnixMillis);

    /// The counts.
    fn ledger(&mut self) -> &mut Ledger;
}

impl Record for Ledger {
    fn record(&mut self, event: &Event<'_>, router: &Router) {
        Ledger::record(self, event, router);
    }

    fn unparsed(&mut self, _: &str) {}

    fn hit_if(&mut self, is_hit: bool, limit: Limit) {
        Ledger::hit_if(self, is_hit, limit);
    }

    fn tick(&mut self, _: UnixMillis) {}

    fn wake(&mut self, _: &str, _: UnixMillis) {}

    fn ledger(&mut self) -> &mut Ledger {
        self
    }
}
