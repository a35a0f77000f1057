//! When things happen: milliseconds since 1970, and how busy each hour of the day is.

use generate_log::calendar::{DAY_SECONDS, time_iso8601};
use generate_log::population::START_SECONDS;
use generate_log::random::Random;

/// A second in milliseconds.
pub const SECOND: u64 = 1000;
/// A minute in milliseconds.
pub const MINUTE: u64 = 60 * SECOND;
/// An hour in milliseconds.
pub const HOUR: u64 = 60 * MINUTE;
/// A day in milliseconds.
pub const DAY: u64 = DAY_SECONDS * SECOND;

/// The first line of every log: late on a Sunday evening, so that it begins quietly.
pub const LOG_START: u64 = START_SECONDS * SECOND + 22 * HOUR;

/// The midnight that ends the history: a night and a day of ordinary traffic have been seen.
pub const HISTORY_END: u64 = START_SECONDS * SECOND + 2 * DAY;

/// How busy it is in each hour of the day, in percent of the busiest.
const ACTIVITY: [u64; 24] =
    [12, 8, 6, 5, 5, 8, 20, 45, 75, 100, 100, 95, 85, 95, 100, 100, 95, 80, 60, 45, 35, 28, 20, 15];

/// The hours in which people work.
const WORKING_HOURS: std::ops::Range<u64> = 8..18;

/// How the pace of somebody follows the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// The same at any hour.
    Even,
    /// By the hours of the table above.
    Daily,
    /// All but silent at night.
    Business,
    /// Silent outside of working hours.
    Working,
}

impl Rhythm {
    /// In percent of the busiest; 0: nothing happens in this hour.
    pub fn activity(self, at: u64) -> u64 {
        let hour = at / HOUR % 24;
        let daily = usize::try_from(hour).ok().and_then(|hour| ACTIVITY.get(hour).copied());
        let daily = daily.unwrap_or(100);
        match self {
            Rhythm::Even => 100,
            Rhythm::Daily => daily,
            Rhythm::Business => (daily * daily / 100).max(1),
            Rhythm::Working if WORKING_HOURS.contains(&hour) => 100,
            Rhythm::Working => 0,
        }
    }

    /// The moments in `from..until` at which something happens that, where it is busiest, happens every
    /// `gap` milliseconds on average.
    pub fn moments(self, random: &mut Random, gap: u64, from: u64, until: u64) -> Vec<u64> {
        let mut moments = Vec::new();
        let mut at = from + random.below(gap);
        while at < until {
            match self.activity(at) {
                0 => at = (at / HOUR + 1) * HOUR + random.below(gap),
                activity => {
                    moments.push(at);
                    // From a quarter to seven quarters of the gap. Where it grows beyond an hour, the
                    // next hour may have another.
                    let gap = gap / 4 + random.below(gap * 3 / 2);
                    at += (gap * 100 / activity).max(1);
                }
            }
        }
        moments
    }
}

/// RFC 3339, in UTC, whole seconds.
pub fn rfc_3339(at: u64) -> String {
    time_iso8601(at / SECOND).replace("+00:00", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_is_quiet() {
        let mut random = Random::new(1);
        let mut count = |rhythm: Rhythm, hour: u64| {
            let from = HISTORY_END + hour * HOUR;
            rhythm.moments(&mut random, 10 * SECOND, from, from + HOUR).len()
        };
        assert!((300..420).contains(&count(Rhythm::Even, 3)));
        assert!((300..420).contains(&count(Rhythm::Daily, 9)));
        assert!((10..30).contains(&count(Rhythm::Daily, 3)));
        assert!(count(Rhythm::Business, 3) < 8);
        assert_eq!(count(Rhythm::Working, 3), 0);
        assert!((300..420).contains(&count(Rhythm::Working, 9)));
    }

    #[test]
    fn as_others_write_it() {
        assert_eq!(rfc_3339(LOG_START), "2026-11-22T22:00:00Z");
        assert_eq!(rfc_3339(HISTORY_END + 90 * MINUTE), "2026-11-24T01:30:00Z");
    }
}
