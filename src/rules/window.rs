//! Counts over a window that moves by the log's time, in steps.
//!
//! A step is a thirtieth of the window. What is asked is how many events lie in the window that ends
//! at an instant, and instants are multiples of the step: the answer is exact, and does not depend on
//! when it is asked, as long as the events have come.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Encode};

use crate::limits::{RULE_VALUES_MAX, RULE_WINDOW_STEPS};

/// A window and its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) step_millis: i64,
    steps: i64,
}

impl Span {
    /// A window of so many milliseconds. Steps are whole seconds, one at least.
    pub(super) fn of(window_millis: i64) -> Span {
        let step_millis = (window_millis / RULE_WINDOW_STEPS / 1000 * 1000).max(1000);
        Span { step_millis, steps: (window_millis / step_millis).max(1) }
    }

    /// The step in which a time lies.
    pub(super) fn index(self, time: UnixMillis) -> i64 {
        time.div_euclid(self.step_millis)
    }

    /// The instant at or before a time.
    pub(super) fn instant(self, time: UnixMillis) -> UnixMillis {
        self.index(time).saturating_mul(self.step_millis)
    }

    /// The first step of the window that ends at an instant.
    fn first(self, instant: UnixMillis) -> i64 {
        self.index(instant) - self.steps
    }
}

/// Events in a step: those that match, and all of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Step {
    #[n(0)]
    index: i64,
    #[n(1)]
    matching: u64,
    #[n(2)]
    all: u64,
}

/// How many events match, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) matching: u64,
    pub(super) all: u64,
}

/// Events over the steps of one window, the earliest first; steps without any are not kept.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub(super) struct Steps(#[n(0)] Vec<Step>);

impl Steps {
    /// Counts an event.
    pub(super) fn add(&mut self, span: Span, time: UnixMillis, matching: u64, all: u64) {
        let index = span.index(time);
        let place = match self.0.last() {
            Some(last) if last.index == index => Ok(self.0.len() - 1),
            Some(last) if last.index > index => {
                self.0.binary_search_by_key(&index, |step| step.index)
            }
            _ => Err(self.0.len()),
        };
        match place.map(|place| self.0.get_mut(place)) {
            Ok(Some(step)) => {
                step.matching += matching;
                step.all += all;
            }
            Ok(None) => {}
            Err(place) => {
                // Of more than a window nothing is ever asked, but for what comes late.
                let most = usize::try_from(span.steps).unwrap_or(usize::MAX).saturating_mul(2);
                if self.0.len() >= most.max(4) {
                    self.0.remove(0);
                    self.0.insert(place.saturating_sub(1), Step { index, matching, all });
                } else {
                    self.0.insert(place, Step { index, matching, all });
                }
            }
        }
    }

    /// What lies in the window that ends at an instant.
    pub(super) fn count(&self, span: Span, instant: UnixMillis) -> Counted {
        let (first, end) = (span.first(instant), span.index(instant));
        let mut counted = Counted::default();
        for step in self.0.iter().filter(|step| step.index >= first && step.index < end) {
            counted.matching += step.matching;
            counted.all += step.all;
        }
        counted
    }

    /// Whether nothing was counted, or all is forgotten.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets what no later window holds; returns whether nothing is left.
    pub(super) fn forget(&mut self, span: Span, instant: UnixMillis) -> bool {
        let first = span.first(instant);
        if self.0.first().is_some_and(|step| step.index < first) {
            self.0.retain(|step| step.index >= first);
        }
        self.0.is_empty()
    }
}

/// When each of some values was last seen: the values of a window, few of them.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub(super) struct Recent(#[n(0)] Vec<Seen>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Seen {
    /// The hash of the value.
    #[n(0)]
    value: u64,
    /// The step in which it was last seen.
    #[n(1)]
    index: i64,
    /// The step before that in which it was, so that what comes after an instant hides nothing.
    #[n(2)]
    before: i64,
    /// How often, without a pause of a window.
    #[n(3)]
    count: u64,
    /// The same, before the last step.
    #[n(4)]
    count_before: u64,
}

impl Recent {
    /// Adds a value; returns whether there was no room for it.
    pub(super) fn add(&mut self, span: Span, time: UnixMillis, value: u64) -> bool {
        let index = span.index(time);
        if let Some(seen) = self.0.iter_mut().find(|seen| seen.value == value) {
            if index > seen.index {
                if index - seen.index > span.steps {
                    seen.count = 0;
                }
                (seen.before, seen.index) = (seen.index, index);
                seen.count_before = seen.count;
            }
            seen.count += 1;
            return false;
        }
        if self.0.len() >= RULE_VALUES_MAX {
            let oldest = index - span.steps;
            self.0.retain(|seen| seen.index >= oldest);
        }
        let is_full = self.0.len() >= RULE_VALUES_MAX;
        if !is_full {
            self.0.push(Seen { value, index, before: i64::MIN, count: 1, count_before: 0 });
        }
        is_full
    }

    /// The values in the window that ends at an instant.
    pub(super) fn values(&self, span: Span, instant: UnixMillis) -> impl Iterator<Item = u64> {
        let (first, end) = (span.first(instant), span.index(instant));
        let is_within = move |index: i64| index >= first && index < end;
        let within = self.0.iter().filter(move |it| is_within(it.index) || is_within(it.before));
        within.map(|seen| seen.value)
    }

    /// All values that are remembered.
    pub(super) fn all(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|seen| seen.value)
    }

    /// How many values lie in that window.
    pub(super) fn count(&self, span: Span, instant: UnixMillis) -> u64 {
        u64::try_from(self.values(span, instant).count()).unwrap_or(u64::MAX)
    }

    /// How often the most frequent of them was seen without a pause of a window.
    pub(super) fn most(&self, span: Span, instant: UnixMillis) -> u64 {
        let (first, end) = (span.first(instant), span.index(instant));
        let within = self.0.iter().filter(|seen| seen.index >= first);
        let until = |seen: &Seen| if seen.index < end { seen.count } else { seen.count_before };
        within.map(until).max().unwrap_or(0)
    }

    /// Forgets what no later window holds.
    pub(super) fn forget(&mut self, span: Span, instant: UnixMillis) {
        let first = span.first(instant);
        self.0.retain(|seen| seen.index >= first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { step_millis: 10_000, steps: 30 };

    #[test]
    fn spans() {
        let check = |window: i64, step: i64, steps: i64| {
            assert_eq!(Span::of(window * 1000), Span { step_millis: step * 1000, steps });
        };
        check(300, 10, 30);
        check(600, 20, 30);
        check(900, 30, 30);
        check(3600, 120, 30);
        check(10, 1, 10);
        check(45, 1, 45);
        check(21_600, 720, 30);
    }

    #[test]
    fn a_window_holds_what_lies_in_it() {
        let mut steps = Steps::default();
        for (second, matching) in [(0, 1), (9, 0), (10, 1), (299, 1), (300, 1), (295, 1)] {
            steps.add(SPAN, second * 1000, matching, 1);
        }
        let check = |instant: i64, matching: u64, all: u64| {
            let counted = steps.count(SPAN, instant * 1000);
            assert_eq!((counted.matching, counted.all), (matching, all), "{instant}");
        };
        check(0, 0, 0);
        check(10, 1, 2);
        check(300, 4, 5);
        check(310, 4, 4);
        check(600, 1, 1);
        check(610, 0, 0);
        let mut later = steps.clone();
        assert!(!later.forget(SPAN, 600_000));
        assert_eq!(later.0.len(), 1);
        assert!(later.forget(SPAN, 610_000));
    }

    #[test]
    fn what_is_late_is_counted_where_it_belongs_and_steps_are_bounded() {
        let mut steps = Steps::default();
        for index in 0..1000_i64 {
            steps.add(SPAN, index * 10_000, 1, 1);
            steps.add(SPAN, (index - 3) * 10_000, 1, 1);
        }
        assert!(steps.0.len() <= 60);
        assert!(steps.0.is_sorted_by_key(|step| step.index));
        assert_eq!(steps.count(SPAN, 997 * 10_000).matching, 60);
    }

    #[test]
    fn different_values() {
        let mut recent = Recent::default();
        for (second, value) in [(0, 7), (5, 7), (20, 8), (310, 7)] {
            assert!(!recent.add(SPAN, second * 1000, value));
        }
        let count = |instant: i64| recent.count(SPAN, instant * 1000);
        assert_eq!([count(10), count(30), count(300), count(320), count(620)], [1, 2, 2, 2, 0]);
        assert_eq!(recent.most(SPAN, 320_000), 1, "a pause of a window begins anew");
        for value in 0..2 * RULE_VALUES_MAX as u64 {
            recent.add(SPAN, 330_000, value);
        }
        assert_eq!(recent.0.len(), RULE_VALUES_MAX);
        assert!(recent.add(SPAN, 330_000, u64::MAX));
        assert!(!recent.add(SPAN, 900_000, u64::MAX), "the old ones leave");
        recent.forget(SPAN, 10_000_000);
        assert_eq!(recent.count(SPAN, 910_000), 0);
    }
}
