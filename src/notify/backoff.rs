//! How long to wait after a failure: exponentially longer, and at random within that, so that those
//! who failed together do not come back together ("full jitter": Brooker, "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015).

use std::time::Duration;

use crate::limits::BACKOFF_FIRST;

/// The wait after so many failures in a row, from 1; `random` is from 0 to 1, and `longest` is never
/// exceeded.
pub(super) fn delay(failures: u32, random: f64, longest: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let bound = BACKOFF_FIRST.saturating_mul(1 << doublings).min(longest);
    bound.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_bound() {
        let longest = Duration::from_secs(600);
        for (failures, random, expected_millis) in [
            (0, 1.0, 1_000),
            (1, 1.0, 1_000),
            (1, 0.25, 250),
            (2, 1.0, 2_000),
            (5, 0.5, 8_000),
            (10, 1.0, 512_000),
            (11, 1.0, 600_000),
            (u32::MAX, 1.0, 600_000),
            (u32::MAX, 0.0, 0),
            (3, -1.0, 0),
            (3, 7.0, 4_000),
        ] {
            let found = delay(failures, random, longest);
            assert_eq!(found, Duration::from_millis(expected_millis), "{failures} {random}");
        }
    }
}
