//! Times as gatelog writes them: RFC 3339 in UTC for programs, short for people.

use gatelog_parsers::time_stamp::{UnixMillis, civil};

/// `2026-11-22T11:51:17Z`.
pub fn rfc3339(unix_seconds: i64) -> String {
    let [year, month, day, hour, minute, second] = civil(unix_seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-11-22T11:51:17.777Z`.
pub fn rfc3339_millis(time: UnixMillis) -> String {
    let [year, month, day, hour, minute, second] = civil(time.div_euclid(1000));
    let millis = time.rem_euclid(1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `22 Nov 2026`.
pub fn day(unix_seconds: i64) -> String {
    let [year, month, day, ..] = civil(unix_seconds);
    let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month));
    format!("{day} {} {year}", month.unwrap_or(&"?"))
}

/// `11:51:17`.
pub fn clock_seconds(unix_seconds: i64) -> String {
    let [_, _, _, hour, minute, second] = civil(unix_seconds);
    format!("{hour:02}:{minute:02}:{second:02}")
}

/// The hour and minute if it is the day of `now_seconds`, else the day: `11:51`, `20 Nov`.
pub fn short(unix_seconds: i64, now_seconds: i64) -> String {
    let [year, month, day_of_month, hour, minute, _] = civil(unix_seconds);
    if civil(now_seconds).starts_with(&[year, month, day_of_month]) {
        return format!("{hour:02}:{minute:02}");
    }
    let day = day(unix_seconds);
    day.rsplit_once(' ').map_or(day.clone(), |(day, _)| day.to_owned())
}

/// `22 Nov 2026 00:00:03 to 23:59:58 UTC. `, the second day too if it is another one.
pub fn span(first: i64, last: i64) -> String {
    let last_day = if day(first) == day(last) { String::new() } else { format!("{} ", day(last)) };
    format!("{} {} to {last_day}{} UTC. ", day(first), clock_seconds(first), clock_seconds(last))
}

/// An age in one unit, days with their hours: `14 min`, `5 h`, `1 d 13 h`.
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3600 => format!("{} min", seconds / 60),
        seconds @ ..86_400 => format!("{} h", seconds / 3600),
        seconds if seconds % 86_400 < 3600 => format!("{} d", seconds / 86_400),
        seconds => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_795_348_277;

    #[test]
    fn shown() {
        assert_eq!(rfc3339(T), "2026-11-22T11:51:17Z");
        assert_eq!(rfc3339_millis(T * 1000 + 7), "2026-11-22T11:51:17.007Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(day(T), "22 Nov 2026");
        assert_eq!(clock_seconds(T), "11:51:17");
        assert_eq!(short(T, T + 3600), "11:51");
        assert_eq!(short(T, T + 86_400), "22 Nov");
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (86_399, "23 h"),
            (86_400, "1 d"),
            (86_400 + 13 * 3600, "1 d 13 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(age(seconds), expected);
        }
    }
}
