//! The clock: the only place that reads the time of day and the monotonic time.
//!
//! Everything else is handed a [`UnixMilliseconds`] or a [`Monotonic`], so that tests script the
//! time. Windows and alerts move by the time stamps of the log; the clock serves ticks, timeouts
//! and ages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time of day: milliseconds since 1970-01-01T00:00:00Z. It may step back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMilliseconds(pub i64);

/// A moment that never steps back, counted from the making of its [`Clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The moment `elapsed` after the clock was made.
    pub const fn from_start(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Time since the clock was made.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Time since `earlier`; zero when `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The system's clock, or one that a test moves by hand. Cheap to clone; clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System { start: Instant },
    Manual(ManualClock),
}

impl Clock {
    /// The system's clock.
    #[expect(clippy::disallowed_methods, reason = "this module is the one place that reads it")]
    pub fn system() -> Self {
        Self(Kind::System { start: Instant::now() })
    }

    /// The time of day.
    #[expect(clippy::disallowed_methods, reason = "this module is the one place that reads it")]
    pub fn now(&self) -> UnixMilliseconds {
        match &self.0 {
            Kind::System { .. } => unix_milliseconds(SystemTime::now()),
            Kind::Manual(manual) => {
                UnixMilliseconds(manual.time.unix_milliseconds.load(Ordering::Relaxed))
            }
        }
    }

    /// The moment on the monotonic clock, for intervals.
    pub fn monotonic(&self) -> Monotonic {
        match &self.0 {
            Kind::System { start } => Monotonic(start.elapsed()),
            Kind::Manual(manual) => Monotonic(Duration::from_millis(
                manual.time.monotonic_milliseconds.load(Ordering::Relaxed),
            )),
        }
    }
}

/// A clock that stands still until it is moved; [`ManualClock::clock`] gives the view to hand in.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<ManualTime>,
}

#[derive(Debug)]
struct ManualTime {
    unix_milliseconds: AtomicI64,
    monotonic_milliseconds: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`, with the monotonic time at zero.
    pub fn new(now: UnixMilliseconds) -> Self {
        Self {
            time: Arc::new(ManualTime {
                unix_milliseconds: AtomicI64::new(now.0),
                monotonic_milliseconds: AtomicU64::new(0),
            }),
        }
    }

    /// A [`Clock`] that shows this time.
    pub fn clock(&self) -> Clock {
        Clock(Kind::Manual(self.clone()))
    }

    /// Moves both times on by `step`, in whole milliseconds.
    pub fn advance(&self, step: Duration) {
        let milliseconds = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
        self.time.monotonic_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
        let wall = i64::try_from(milliseconds).unwrap_or(i64::MAX);
        self.time.unix_milliseconds.fetch_add(wall, Ordering::Relaxed);
    }

    /// Sets the time of day alone, as a correction by the operator or NTP does.
    pub fn set(&self, now: UnixMilliseconds) {
        self.time.unix_milliseconds.store(now.0, Ordering::Relaxed);
    }
}

/// A moment of the system as milliseconds since 1970; saturates some 292 million years away.
pub fn unix_milliseconds(time: SystemTime) -> UnixMilliseconds {
    UnixMilliseconds(match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_milliseconds_on_both_sides_of_1970() {
        let check = |time: SystemTime, expected: i64| {
            assert_eq!(unix_milliseconds(time), UnixMilliseconds(expected));
        };
        check(UNIX_EPOCH, 0);
        check(UNIX_EPOCH + Duration::from_micros(1_999), 1);
        check(UNIX_EPOCH + Duration::from_secs(1_795_305_600), 1_795_305_600_000);
        check(UNIX_EPOCH - Duration::from_millis(250), -250);
    }

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let manual = ManualClock::new(UnixMilliseconds(1_000));
        let clock = manual.clock();
        let start = clock.monotonic();
        manual.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now(), UnixMilliseconds(2_500));
        assert_eq!(clock.monotonic().since(start), Duration::from_millis(1_500));
        manual.set(UnixMilliseconds(-7));
        assert_eq!(clock.now(), UnixMilliseconds(-7));
        assert_eq!(clock.clone().monotonic().since_start(), Duration::from_millis(1_500));
        assert_eq!(start.since(clock.monotonic()), Duration::ZERO);
    }

    #[test]
    fn the_system_clock_goes_forward() {
        let clock = Clock::system();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.now() > UnixMilliseconds(1_600_000_000_000));
    }
}
