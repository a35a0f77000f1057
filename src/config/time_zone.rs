//! The zone of time stamps that carry none: `UTC`, an offset such as `+02:00`, or a name such as `Europe/Berlin`.
//!
//! Names follow the IANA database, read from this machine (`/usr/share/zoneinfo`) by jiff; offsets need none.

use jiff::tz::{Offset, TimeZone};

use crate::limits::NAME_BYTES_MAX;

/// Why a text is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeZoneError {
    /// It looks like an offset but is none, or one beyond 25:59.
    #[error("expected an offset such as `+02:00`")]
    BadOffset,
    /// No such name, or this machine has no database of them.
    #[error(
        "expected `UTC`, an offset such as `+02:00`, or a name this machine knows, such as `Europe/Berlin`"
    )]
    UnknownName,
}

/// Finds the zone that `text` names.
///
/// # Errors
///
/// Offsets that are not `+HH`, `+HHMM` or `+HH:MM` (or with `-`), and names that this machine does not know.
pub fn parse_time_zone(text: &str) -> Result<TimeZone, TimeZoneError> {
    if text.eq_ignore_ascii_case("utc") || text == "Z" {
        return Ok(TimeZone::UTC);
    }
    if let Some(digits) = text.strip_prefix('+') {
        return offset(digits, 1);
    }
    if let Some(digits) = text.strip_prefix('-') {
        return offset(digits, -1);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(TimeZoneError::UnknownName);
    }
    TimeZone::get(text).map_err(|_| TimeZoneError::UnknownName)
}

fn offset(text: &str, sign: i32) -> Result<TimeZone, TimeZoneError> {
    let (hours, minutes) = match text.len() {
        2 => (text, "00"),
        4 => text.split_at_checked(2).ok_or(TimeZoneError::BadOffset)?,
        5 => text.split_once(':').ok_or(TimeZoneError::BadOffset)?,
        _ => return Err(TimeZoneError::BadOffset),
    };
    let two_digits = |text: &str| match text.as_bytes() {
        [tens @ b'0'..=b'9', units @ b'0'..=b'9'] => {
            Some(i32::from(tens - b'0') * 10 + i32::from(units - b'0'))
        }
        _ => None,
    };
    let hours = two_digits(hours).ok_or(TimeZoneError::BadOffset)?;
    let minutes =
        two_digits(minutes).filter(|minutes| *minutes < 60).ok_or(TimeZoneError::BadOffset)?;
    let offset = Offset::from_seconds(sign * (hours * 3_600 + minutes * 60));
    offset.map(TimeZone::fixed).map_err(|_| TimeZoneError::BadOffset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_offset(text: &str, seconds: i32) {
        let zone = parse_time_zone(text).unwrap();
        assert_eq!(zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds(), seconds, "{text}");
    }

    #[test]
    fn offsets_and_utc() {
        check_offset("UTC", 0);
        check_offset("utc", 0);
        check_offset("Z", 0);
        check_offset("+00:00", 0);
        check_offset("+02:00", 7_200);
        check_offset("-0530", -19_800);
        check_offset("+14", 50_400);
        check_offset("-25:59", -93_540);
    }

    #[test]
    fn everything_else_is_refused() {
        for text in
            ["+", "+2", "+2:00", "+02:60", "+26:00", "+99", "+0x:00", "-02:000", "+ö0", "+02 00"]
        {
            assert_eq!(parse_time_zone(text), Err(TimeZoneError::BadOffset), "{text}");
        }
        for text in ["", "Nowhere/Atlantis", "../../etc/passwd", "local", "\u{0}"] {
            assert_eq!(parse_time_zone(text), Err(TimeZoneError::UnknownName), "{text}");
        }
    }
}
