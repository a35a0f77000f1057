//! The time stamps nginx writes, to milliseconds or seconds since 1970, UTC.
//!
//! `$time_local` and `$time_iso8601` (`ngx_times.c`), `$msec`, and the validity of a certificate as
//! OpenSSL's `ASN1_TIME_print` gives it. Own code, since general parsers take four times as long.

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = i64;

/// The years that RFC 3339 can write, 0000 to 9999 in UTC. A stamp beyond them is none.
const MILLIS_RANGE: std::ops::Range<UnixMillis> = -62_167_219_200_000..253_402_300_800_000;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// `22/Nov/2026:11:51:17 +0000`.
pub fn parse_time_local(text: &[u8]) -> Option<UnixMillis> {
    let text: &[u8; 26] = text.try_into().ok()?;
    let [d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4, b':', clock @ .., b' ', s, z1, z2, z3, z4] =
        text
    else {
        return None;
    };
    let days = days_from_civil(four(*y1, *y2, *y3, *y4)?, month([*m1, *m2, *m3])?, two(*d1, *d2)?)?;
    let zone = zone_seconds(*s, two(*z1, *z2)?, two(*z3, *z4)?)?;
    in_range((days * 86_400 + clock_seconds(clock)? - zone) * 1000)
}

/// `2026-11-22T11:51:17+00:00`, also with a fraction and with `Z` (RFC 3339).
pub fn parse_time_iso8601(text: &[u8]) -> Option<UnixMillis> {
    let (head, tail) = text.split_at_checked(19)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b' ', clock @ ..] = head else {
        return None;
    };
    let days = days_from_civil(four(*y1, *y2, *y3, *y4)?, two(*m1, *m2)?, two(*d1, *d2)?)?;
    let (millis, zone) = fraction_millis(tail)?;
    let zone = match zone {
        [b'Z'] => 0,
        [s, a, b, b':', c, d] => zone_seconds(*s, two(*a, *b)?, two(*c, *d)?)?,
        _ => return None,
    };
    in_range((days * 86_400 + clock_seconds(clock)? - zone) * 1000 + millis)
}

/// `1795348277.777`: seconds, a point and up to three further digits that count.
pub fn parse_msec(text: &[u8]) -> Option<UnixMillis> {
    if let Some(time) = parse_plain_msec(text) {
        return Some(time);
    }
    let point = memchr::memchr(b'.', text).unwrap_or(text.len());
    let (whole, fraction) = text.split_at_checked(point)?;
    if whole.is_empty() || whole.len() > 12 {
        return None;
    }
    let seconds = whole.iter().try_fold(0i64, |sum, &byte| Some(sum * 10 + digit(byte)?))?;
    let (millis, rest) = fraction_millis(fraction)?;
    if rest.is_empty() { in_range(seconds * 1000 + millis) } else { None }
}

/// As nginx has written it since 2001: ten digits, a point, three digits.
fn parse_plain_msec(text: &[u8]) -> Option<UnixMillis> {
    let text = <&[u8; 14]>::try_from(text).ok()?;
    let [eight @ .., s9, s10, b'.', m1, m2, m3] = text else { return None };
    let last = [*s9, *s10, *m1, *m2, *m3].map(|byte| i64::from(byte.wrapping_sub(b'0')));
    if last.iter().any(|digit| *digit > 9) {
        return None;
    }
    let last = last.iter().fold(0, |sum, digit| sum * 10 + digit);
    Some(eight_digits(*eight)? * 100_000 + last)
}

/// The number of eight digits, all in one word: pairs, fours, eight.
fn eight_digits(digits: [u8; 8]) -> Option<i64> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(digits) ^ (EACH * 0x30);
    // A digit is now its value: anything greater has a bit of the upper half, or gets one by adding 6.
    if (word | word.wrapping_add(EACH * 6)) & (EACH * 0xf0) != 0 {
        return None;
    }
    let pairs = (word * 10 + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    i64::try_from((fours * 10_000 + (fours >> 32)) & 0xffff_ffff).ok()
}

/// `Nov 22 11:51:15 2027 GMT`, the day padded with a space, or a time by RFC 3339; seconds since
/// 1970.
pub fn parse_certificate_time(text: &[u8]) -> Option<i64> {
    parse_openssl_time(text)
        .or_else(|| parse_time_iso8601(text).map(|millis| millis.div_euclid(1000)))
}

fn parse_openssl_time(text: &[u8]) -> Option<i64> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let [m1, m2, m3, b' ', d1, d2, b' ', clock @ .., b' ', y1, y2, y3, y4, b' ', b'G', b'M', b'T'] =
        text
    else {
        return None;
    };
    let tens = if *d1 == b' ' { b'0' } else { *d1 };
    let days =
        days_from_civil(four(*y1, *y2, *y3, *y4)?, month([*m1, *m2, *m3])?, two(tens, *d2)?)?;
    Some(days * 86_400 + clock_seconds(clock)?)
}

/// Year, month (1 to 12), day, hour, minute, second of a time in UTC; for display.
pub fn civil(unix_seconds: i64) -> [i64; 6] {
    let (days, seconds) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    // Inverse of `days_from_civil`: eras of 400 years that begin on 1 March of year 0.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    [year, month, day, seconds / 3600, seconds / 60 % 60, seconds % 60]
}

fn in_range(time: UnixMillis) -> Option<UnixMillis> {
    MILLIS_RANGE.contains(&time).then_some(time)
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn two(a: u8, b: u8) -> Option<i64> {
    Some(digit(a)? * 10 + digit(b)?)
}

fn four(a: u8, b: u8, c: u8, d: u8) -> Option<i64> {
    Some(two(a, b)? * 100 + two(c, d)?)
}

fn month(name: [u8; 3]) -> Option<i64> {
    MONTHS.iter().zip(1..).find(|(month, _)| **month == &name).map(|(_, number)| number)
}

/// `11:51:17`; a leap second is taken as the next second.
fn clock_seconds(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = text else { return None };
    let (hour, minute, second) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

fn zone_seconds(sign: u8, hours: i64, minutes: i64) -> Option<i64> {
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// The milliseconds of a leading `.` and digits, and what follows them.
fn fraction_millis(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = digits.split_at_checked(count)?;
    let padded = fraction.iter().chain(b"000").take(3);
    let millis = padded.fold(0, |sum, &byte| sum * 10 + i64::from(byte - b'0'));
    (count > 0).then_some((millis, rest))
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (H. Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_795_348_277_000; // date -d '2026-11-22 11:51:17Z' +%s

    #[test]
    fn stamps() {
        type Parse = fn(&[u8]) -> Option<i64>;
        let check = |parse: Parse, text: &str, expected: Option<i64>| {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        };
        let local: Parse = parse_time_local;
        check(local, "22/Nov/2026:11:51:17 +0000", Some(T));
        check(local, "22/Nov/2026:12:51:17 +0100", Some(T));
        check(local, "22/Nov/2026:06:21:17 -0530", Some(T));
        check(local, "29/Feb/2024:00:00:00 +0000", Some(1_709_164_800_000));
        check(local, "29/Feb/2026:00:00:00 +0000", None);
        check(local, "32/Jan/2026:00:00:00 +0000", None);
        check(local, "22/nov/2026:11:51:17 +0000", None);
        check(local, "22/Nov/2026:24:00:00 +0000", None);
        check(local, "22/Nov/2026:11:51:17 +000", None);
        check(local, "22/Nov/2026:11:51:17 +0000 ", None);
        let iso: Parse = parse_time_iso8601;
        check(iso, "2026-11-22T11:51:17+00:00", Some(T));
        check(iso, "2026-11-22T11:51:17Z", Some(T));
        check(iso, "2026-11-22T11:51:17.777Z", Some(T + 777));
        check(iso, "2026-11-22T11:51:17.7+00:00", Some(T + 700));
        check(iso, "2026-11-22T11:51:17.+00:00", None);
        check(iso, "2026-11-22T11:51:17", None);
        check(iso, "2026-13-22T11:51:17Z", None);
        let msec: Parse = parse_msec;
        check(msec, "1795348277.777", Some(T + 777));
        check(msec, "1795348277", Some(T));
        check(msec, "1795348277.7779", Some(T + 777));
        check(msec, "1795348277.", None);
        check(msec, "9876543210.123", Some(9_876_543_210_123));
        for at in 0..14 {
            for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut text = *b"1795348277.777";
                text[at] = byte;
                assert!((at, byte) == (10, b'.') || parse_plain_msec(&text).is_none());
            }
        }
        check(msec, "1795348277.77x", None);
        check(msec, ".5", None);
        check(msec, "9999999999999.000", None);
        let certificate: Parse = parse_certificate_time;
        check(certificate, "Nov 22 11:51:17 2026 GMT", Some(T / 1000));
        check(certificate, "Nov  2 11:51:17 2026 GMT", Some(T / 1000 - 20 * 86_400));
        check(certificate, "Nov 22 11:51:17 2026 UTC", None);
        check(certificate, "2026-11-22T11:51:17Z", Some(T / 1000));
        check(certificate, "2026-11-22T11:51:17.999Z", Some(T / 1000));
        check(certificate, "Feb 30 11:51:17 2026 GMT", None);
        check(certificate, "Dec 31 23:59:59 9999 GMT", Some(253_402_300_799));
    }

    #[test]
    fn years_that_rfc_3339_can_write() {
        let first = parse_time_iso8601(b"0000-01-01T00:00:00Z").unwrap();
        let last = parse_time_iso8601(b"9999-12-31T23:59:59.999Z").unwrap();
        assert_eq!(MILLIS_RANGE, first..last + 1);
        assert_eq!(parse_time_local(b"31/Dec/9999:23:59:59 +0000"), Some(last - 999));
        assert_eq!(parse_time_local(b"31/Dec/9999:23:59:59 -0001"), None);
        assert_eq!(parse_time_iso8601(b"0000-01-01T00:00:00+00:01"), None);
        assert_eq!(parse_msec(b"253402300799.999"), Some(last));
        assert_eq!(parse_msec(b"253402300800.000"), None);
    }

    proptest! {
        #[test]
        fn civil_inverts_days_from_civil(seconds in -62_135_596_800i64..253_402_300_799) {
            let [year, month, day, hour, minute, second] = civil(seconds);
            let days = days_from_civil(year, month, day).unwrap();
            prop_assert_eq!(days * 86_400 + hour * 3600 + minute * 60 + second, seconds);
        }

        #[test]
        fn never_panics(text: Vec<u8>) {
            parse_time_local(&text);
            parse_time_iso8601(&text);
            parse_msec(&text);
            parse_certificate_time(&text);
        }
    }
}
