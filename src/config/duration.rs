//! Durations as people write them in the configuration and on the command line: `250ms`, `5s`, `1m`, `24h`, `7d`.
//!
//! One whole number and one unit, nothing else: `1h30m` and `0.5s` are refused with the way to write them.
//! Which durations make sense for a key is left to the check of that key.

use std::fmt;
use std::time::Duration;

/// The units, smallest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It does not start with a digit.
    #[error("expected a whole number and a unit of ms, s, m, h or d, such as `5m`")]
    NoNumber,
    /// The unit is missing or is none of ours.
    #[error("expected a unit of ms, s, m, h or d behind the number")]
    UnknownUnit,
    /// A fraction, as in `0.5s`.
    #[error("expected a whole number; write a fraction in a smaller unit, such as `500ms`")]
    Fraction,
    /// Several parts, as in `1h30m`.
    #[error("expected one number and one unit; write `1h30m` as `90m`")]
    SeveralParts,
    /// More milliseconds than 64 bits hold.
    #[error("expected a shorter duration")]
    TooLong,
}

/// Parses `text` as one whole number and a unit.
///
/// # Errors
///
/// Any other text, and numbers that do not fit into 64 bits of milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(digits_end).unwrap_or((text, ""));
    if digits.is_empty() {
        return Err(DurationError::NoNumber);
    }
    let Some((_, unit_milliseconds)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
        return Err(match unit {
            _ if unit.starts_with(['.', ',']) => DurationError::Fraction,
            _ if unit.contains(|c: char| c.is_ascii_digit()) => DurationError::SeveralParts,
            _ => DurationError::UnknownUnit,
        });
    };
    let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
    let milliseconds = number.checked_mul(unit_milliseconds).ok_or(DurationError::TooLong)?;
    Ok(Duration::from_millis(milliseconds))
}

/// Shows a duration as [`parse_duration`] reads it, in the largest unit that needs no fraction; what is below
/// a millisecond is dropped.
#[derive(Debug, Clone, Copy)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        if milliseconds == 0 {
            return f.write_str("0s");
        }
        let (unit, unit_milliseconds) = UNITS
            .into_iter()
            .rev()
            .find(|(_, length)| milliseconds.is_multiple_of(u128::from(*length)))
            .unwrap_or(("ms", 1));
        write!(f, "{}{unit}", milliseconds / u128::from(unit_milliseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_durations() {
        for (text, milliseconds, shown) in [
            ("0s", 0, "0s"),
            ("0ms", 0, "0s"),
            ("250ms", 250, "250ms"),
            ("1000ms", 1_000, "1s"),
            ("5s", 5_000, "5s"),
            ("005s", 5_000, "5s"),
            ("90s", 90_000, "90s"),
            ("5m", 300_000, "5m"),
            ("24h", 86_400_000, "1d"),
            ("25h", 90_000_000, "25h"),
            ("7d", 604_800_000, "7d"),
            ("18446744073709551615ms", u64::MAX, "18446744073709551615ms"),
            ("213503982334d", 18_446_744_073_657_600_000, "213503982334d"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(DurationText(duration).to_string(), shown);
            assert_eq!(parse_duration(shown).unwrap(), duration);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, expected) in [
            ("", DurationError::NoNumber),
            ("m", DurationError::NoNumber),
            ("-5s", DurationError::NoNumber),
            ("+5s", DurationError::NoNumber),
            (" 5s", DurationError::NoNumber),
            ("٥s", DurationError::NoNumber),
            ("5", DurationError::UnknownUnit),
            ("5 s", DurationError::UnknownUnit),
            ("5s ", DurationError::UnknownUnit),
            ("5M", DurationError::UnknownUnit),
            ("5w", DurationError::UnknownUnit),
            ("5us", DurationError::UnknownUnit),
            ("0.5s", DurationError::Fraction),
            ("1,5h", DurationError::Fraction),
            ("1h30m", DurationError::SeveralParts),
            ("1h 30m", DurationError::SeveralParts),
            ("18446744073709551616ms", DurationError::TooLong),
            ("213503982335d", DurationError::TooLong),
        ] {
            assert_eq!(parse_duration(text), Err(expected), "{text:?}");
        }
    }
}
