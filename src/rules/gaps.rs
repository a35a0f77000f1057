//! The pauses of a log by the hour of the day: what tells a quiet night from a log that fell silent.

use gatelog_parsers::time_stamp::UnixMillis;
use minicbor::{Decode, Encode};

const HOUR_MILLIS: i64 = 3_600_000;

/// Hours of a day.
const HOURS: i64 = 24;

/// The longest pauses of each hour, on the days before.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub(super) struct Gaps {
    #[n(0)]
    pub(super) last: Option<UnixMillis>,
    /// By hour of the day, in UTC; as long as the latest hour that was seen.
    #[n(1)]
    hours: Vec<Hour>,
}

#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
#[cbor(array)]
struct Hour {
    /// The day that `longest` is of.
    #[n(0)]
    day: i64,
    /// The longest pause of that day that touched this hour, in milliseconds.
    #[n(1)]
    longest: i64,
    /// The longest of the days before, each counting less; none before there was one.
    #[n(2)]
    usual: Option<i64>,
}

impl Gaps {
    /// Takes in that there was an event.
    pub(super) fn add(&mut self, time: UnixMillis) {
        let Some(last) = self.last else {
            self.last = Some(time);
            self.touch(time.div_euclid(HOUR_MILLIS), 0);
            return;
        };
        if time <= last {
            return;
        }
        self.last = Some(time);
        let (first, end) = (last.div_euclid(HOUR_MILLIS), time.div_euclid(HOUR_MILLIS));
        // Of a pause of more than a day every hour knows.
        for hour in first.max(end - HOURS)..=end {
            self.touch(hour, time - last);
        }
    }

    /// Takes in that nobody has listened before.
    pub(super) fn wake(&mut self, time: UnixMillis) {
        self.last = self.last.map(|last| last.max(time));
    }

    fn touch(&mut self, hour: i64, pause: i64) {
        let place = usize::try_from(hour.rem_euclid(HOURS)).unwrap_or(0);
        if self.hours.len() <= place {
            self.hours.resize(place + 1, Hour { day: i64::MIN, ..Hour::default() });
        }
        let Some(known) = self.hours.get_mut(place) else { return };
        let day = hour.div_euclid(HOURS);
        if known.day != day {
            if known.day != i64::MIN {
                let faded = known.usual.unwrap_or(0) / 4 * 3;
                known.usual = Some(known.longest.max(faded));
            }
            (known.day, known.longest) = (day, 0);
        }
        known.longest = known.longest.max(pause);
    }

    /// The usual longest pause at the hours between the last event and an instant, in milliseconds; none
    /// where one of them was never seen on an earlier day.
    pub(super) fn usual(&self, instant: UnixMillis) -> Option<i64> {
        let last = self.last?;
        let (first, end) = (last.div_euclid(HOUR_MILLIS), instant.div_euclid(HOUR_MILLIS));
        let mut longest = 0;
        for hour in first.max(end - HOURS)..=end {
            let place = usize::try_from(hour.rem_euclid(HOURS)).ok()?;
            let known = self.hours.get(place)?;
            let day = hour.div_euclid(HOURS);
            // Of an hour that has begun today the days before are in `usual` already.
            let before = if known.day == day {
                known.usual?
            } else if known.day == i64::MIN {
                return None;
            } else {
                known.longest.max(known.usual.unwrap_or(0) / 4 * 3)
            };
            longest = longest.max(before);
        }
        Some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;

    #[test]
    fn what_is_usual_is_known_after_a_day() {
        let mut gaps = Gaps::default();
        let at = |hour: i64, minute: i64| hour * HOUR_MILLIS + minute * 60_000;
        // Every minute by day, every hour by night.
        for hour in 0..24 {
            for minute in 0..60 {
                if (6..22).contains(&hour) || minute == 0 {
                    gaps.add(at(hour, minute));
                }
            }
        }
        assert_eq!(gaps.usual(at(23, 59)), None, "the first day");
        gaps.add(at(24, 0));
        assert_eq!(gaps.usual(at(24, 30)), Some(HOUR_MILLIS));
        for hour in 25..36 {
            for minute in 0..60 {
                gaps.add(at(hour, minute));
            }
        }
        assert_eq!(gaps.usual(at(36, 10)), Some(60_000));
        assert_eq!(gaps.usual(at(36, 10) + 12 * HOUR_MILLIS), Some(HOUR_MILLIS), "into the night");
        assert_eq!(gaps.usual(at(36, 10) + 3 * DAY_MILLIS), Some(HOUR_MILLIS));
        gaps.add(at(12, 0));
        assert_eq!(gaps.last, Some(at(35, 59)), "what is late changes nothing");
    }
}
