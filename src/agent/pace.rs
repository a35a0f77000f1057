//! When to look at the files next, and whether the file system's events are worth their price.
//!
//! A quiet log is looked at when an event says so. A busy one is looked at at regular intervals
//! and its events are not asked for: each would wake three threads only to say what is known. Which
//! of the two it is follows from how often a look finds something new.

use std::time::Duration;

use crate::clock::Monotonic;
use crate::limits::{LOOK_INTERVAL_BUSY, LOOK_INTERVAL_MAX, LOOK_INTERVAL_MIN};

/// Heat of a look that finds something new. Heat is lost as time passes, so that a log stays busy
/// while every other look finds something, and becomes quiet within [`HEAT_MAX`] when it stops.
const HEAT_OF_LOOK: Duration = LOOK_INTERVAL_BUSY.saturating_mul(2);

/// Most heat kept, at which a log is busy: some looks in a row at the shortest interval, or more when
/// lines are rarer. To begin and to end a watch costs as much as some dozens of events; it happens
/// at most once within this time.
const HEAT_MAX: Duration = LOOK_INTERVAL_BUSY.saturating_mul(10);

const _: () = assert!(HEAT_OF_LOOK.as_millis() < HEAT_MAX.as_millis());

/// The state.
#[derive(Debug)]
pub(super) struct Pace {
    last_look: Monotonic,
    heat: Duration,
    busy: bool,
    /// Something may have changed since the last look.
    woken: bool,
}

impl Pace {
    /// Quiet; the last look counts as made just now.
    pub(super) fn new(now: Monotonic) -> Pace {
        Pace { last_look: now, heat: Duration::ZERO, busy: false, woken: false }
    }

    /// Something may have changed.
    pub(super) fn wake(&mut self) {
        self.woken = true;
    }

    /// Whether events are not needed just now.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether a look may be made that is asked for.
    pub(super) fn may_look(&self, now: Monotonic) -> bool {
        now.since(self.last_look) >= LOOK_INTERVAL_MIN
    }

    /// How long until the next look.
    pub(super) fn rest(&self, now: Monotonic) -> Duration {
        let interval = match (self.busy, self.woken) {
            (true, _) => LOOK_INTERVAL_BUSY,
            (false, true) => LOOK_INTERVAL_MIN,
            (false, false) => LOOK_INTERVAL_MAX,
        };
        interval.saturating_sub(now.since(self.last_look))
    }

    /// A look is made, and `found` says whether anything was new since the one before.
    pub(super) fn look(&mut self, now: Monotonic, found: bool) {
        self.heat = self.heat.saturating_sub(now.since(self.last_look));
        if found {
            self.heat = (self.heat + HEAT_OF_LOOK).min(HEAT_MAX);
        }
        if self.heat == HEAT_MAX {
            self.busy = true;
        } else if self.heat.is_zero() {
            self.busy = false;
        }
        self.last_look = now;
        self.woken = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks as the thread does while something is written at each of these milliseconds, and
    /// returns those at which events are asked for no more, or again.
    fn turns(writes_ms: impl IntoIterator<Item = u64>, end_ms: u64) -> Vec<u64> {
        let at = |ms| Monotonic::from_start(Duration::from_millis(ms));
        let mut pace = Pace::new(at(0));
        let mut writes = writes_ms.into_iter().peekable();
        let mut turns = Vec::new();
        let mut unseen = false;
        for ms in 0..end_ms {
            if writes.next_if_eq(&ms).is_some() {
                unseen = true;
                if !pace.is_busy() {
                    pace.wake();
                }
            }
            if pace.rest(at(ms)).is_zero() {
                let was_busy = pace.is_busy();
                pace.look(at(ms), unseen);
                unseen = false;
                if pace.is_busy() != was_busy {
                    turns.push(ms);
                }
            }
        }
        turns
    }

    #[test]
    fn steady_writing_needs_no_events() {
        let every = |step: usize, until: u64| (0..until).step_by(step);
        assert_eq!(turns(every(1, 5_000), 5_000).len(), 1);
        assert_eq!(turns(every(4, 5_000), 5_000).len(), 1);
        assert!(turns(every(4, 5_000), 5_000)[0] < 250);
        assert_eq!(turns(every(30, 5_000), 5_000).len(), 1);
        assert!(turns(every(250, 5_000), 5_000).is_empty());
        assert!(turns(every(1_000, 5_000), 5_000).is_empty());
        assert!(turns([], 5_000).is_empty());
    }

    #[test]
    fn a_log_that_falls_silent_is_watched_again() {
        let turns = turns((0..2_000).step_by(4), 5_000);
        assert_eq!(turns.len(), 2);
        let quiet_after = turns[1] - 2_000;
        let heat_max = u64::try_from(HEAT_MAX.as_millis()).unwrap();
        assert!(quiet_after <= heat_max + 100, "{quiet_after}");
    }

    #[test]
    fn the_next_look_comes_in_time() {
        let at = |ms| Monotonic::from_start(Duration::from_millis(ms));
        let mut pace = Pace::new(at(1_000));
        assert_eq!(pace.rest(at(1_000)), LOOK_INTERVAL_MAX);
        pace.wake();
        assert_eq!(pace.rest(at(1_000)), LOOK_INTERVAL_MIN);
        assert_eq!(pace.rest(at(2_000)), Duration::ZERO);
        pace.look(at(2_000), true);
        assert_eq!(pace.rest(at(2_000)), LOOK_INTERVAL_MAX);
        (0..20).for_each(|_| pace.look(at(2_000), true));
        assert!(pace.is_busy());
        assert_eq!(pace.rest(at(2_000)), LOOK_INTERVAL_BUSY);
        pace.wake();
        assert_eq!(pace.rest(at(2_010)), LOOK_INTERVAL_BUSY - Duration::from_millis(10));
        pace.look(at(2_000), false);
        pace.look(at(9_000), false);
        assert!(!pace.is_busy());
    }
}
