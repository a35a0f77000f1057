//! A ledger and the rules that watch it: what events are recorded in where somebody wants alerts.

use std::sync::Arc;

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::decode;

use super::alert::Alert;
use super::engine::Engine;
use super::rule::Rule;
use super::set::RuleSet;
use crate::event::Event;
use crate::event::route::Router;
use crate::ledger::image::Refused;
use crate::ledger::limit_hits::Limit;
use crate::ledger::{Ledger, Record};

/// A ledger and the rules that watch it.
#[derive(Debug)]
pub struct Watch {
    /// The counts.
    pub ledger: Ledger,
    engine: Engine,
}

impl Watch {
    /// Of a ledger that was counted without rules, or is new.
    pub fn new(mut ledger: Ledger, set: Arc<RuleSet>) -> Watch {
        ledger.keep_prior(true);
        let engine = Engine::for_ledger(set, &ledger);
        Watch { ledger, engine }
    }

    /// Decides what can be decided when no event before `now` comes any more.
    pub fn tick(&mut self, now: UnixMillis) {
        if self.engine.is_due(now) {
            if let Some(journal) = self.ledger.journal() {
                journal.add_tick(now);
            }
            self.engine.tick(now, &self.ledger);
            self.take_hits();
        }
    }

    /// Nobody has listened to a source until now: its silence says nothing.
    pub fn wake(&mut self, source: &str, now: UnixMillis) {
        if let Some(journal) = self.ledger.journal() {
            journal.add_wake(source, now);
        }
        self.engine.wake(source, now);
    }

    /// The changes of alerts since this was last called, in the order of their times.
    pub fn take_changes(&mut self) -> Vec<Alert> {
        self.engine.take_changes()
    }

    /// Puts others in the place of the changes that were not taken yet.
    pub fn replace_changes(&mut self, changes: Vec<Alert>) {
        self.engine.changes = changes;
    }

    /// How many alerts of each rule are pending and firing.
    pub fn alert_counts(&self) -> impl Iterator<Item = (&Rule, u64, u64)> {
        self.engine.counts()
    }

    /// All alerts that are pending or firing now.
    pub fn alerts(&self) -> Vec<Alert> {
        self.engine.alerts(&self.ledger)
    }

    /// Hands out the image of both, part by part; see [`Ledger::image`].
    ///
    /// # Errors
    /// When `take` wants no more.
    pub fn image(&self, take: impl FnMut(Vec<u8>) -> Result<(), Refused>) -> Result<(), Refused> {
        self.ledger.image_with(|put| self.engine.store(put), take)
    }

    /// Both of what an image held: the ledger, and what stands beside it. Without that, from before there
    /// were rules, it is a ledger that was counted without them.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn restore(
        mut ledger: Ledger,
        beside: &[Vec<u8>],
        set: Arc<RuleSet>,
    ) -> Result<Watch, decode::Error> {
        if beside.is_empty() {
            return Ok(Watch::new(ledger, set));
        }
        ledger.keep_prior(true);
        Ok(Watch { ledger, engine: Engine::restore(set, beside)? })
    }

    /// Goes on with other rules; what those that are still the same remember stays.
    pub fn set_rules(&mut self, set: Arc<RuleSet>) {
        if self.engine.is_by(&set) {
            return;
        }
        let mut items = Vec::new();
        let stored = self.engine.store(|item| {
            items.push(item.to_vec());
            Ok(())
        });
        let restored = stored.ok().and_then(|()| Engine::restore(Arc::clone(&set), &items).ok());
        let before = self.engine.take_changes();
        let mut engine = restored.unwrap_or_else(|| Engine::for_ledger(set, &self.ledger));
        engine.changes.splice(0..0, before);
        self.engine = engine;
    }

    /// A hit that a replay of the journal makes again is not written in it.
    fn take_hits(&mut self) {
        for limit in self.engine.take_hits() {
            self.ledger.limits.hit(limit);
        }
    }
}

impl Record for Watch {
    fn record(&mut self, event: &Event<'_>, router: &Router) {
        let recorded = self.ledger.record(event, router);
        self.engine.see(event, recorded, &self.ledger);
        self.take_hits();
    }

    fn unparsed(&mut self, source: &str) {
        if let Some(journal) = self.ledger.journal() {
            journal.add_unparsed(source);
        }
        self.engine.see_unparsed(source, &self.ledger);
        self.take_hits();
    }

    fn hit_if(&mut self, is_hit: bool, limit: Limit) {
        self.ledger.hit_if(is_hit, limit);
    }

    fn tick(&mut self, now: UnixMillis) {
        Watch::tick(self, now);
    }

    fn wake(&mut self, source: &str, now: UnixMillis) {
        Watch::wake(self, source, now);
    }

    fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}
