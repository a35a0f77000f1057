//! Unix seconds in the ways nginx and OpenSSL write them, in UTC.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds of a day.
pub const DAY_SECONDS: u64 = 86_400;

struct Date {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Date {
    /// By Howard Hinnant's `civil_from_days`, for dates from 1970 on.
    fn new(seconds: u64) -> Date {
        let days = seconds / DAY_SECONDS + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let of_day = seconds % DAY_SECONDS;
        Date {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    fn month_name(&self) -> &'static str {
        let name = usize::try_from(self.month - 1).ok().and_then(|index| MONTHS.get(index));
        name.copied().unwrap_or_default()
    }
}

/// `$time_local`: `22/Nov/2026:11:51:17 +0000`.
pub fn time_local(seconds: u64) -> String {
    let date = Date::new(seconds);
    let Date { year, day, hour, minute, second, .. } = date;
    let month = date.month_name();
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// `$time_iso8601`: `2026-11-22T11:51:17+00:00`.
pub fn time_iso8601(seconds: u64) -> String {
    let Date { year, month, day, hour, minute, second } = Date::new(seconds);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

/// `$ssl_client_v_end`: `Nov 22 11:51:15 2026 GMT`, the day padded with a space.
pub fn validity(seconds: u64) -> String {
    let date = Date::new(seconds);
    let Date { year, day, hour, minute, second, .. } = date;
    format!("{} {day:2} {hour:02}:{minute:02}:{second:02} {year} GMT", date.month_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_nginx_writes_them() {
        assert_eq!(time_local(1_795_348_277), "22/Nov/2026:11:51:17 +0000");
        assert_eq!(time_iso8601(1_795_348_277), "2026-11-22T11:51:17+00:00");
        assert_eq!(validity(1_795_348_275), "Nov 22 11:51:15 2026 GMT");
        assert_eq!(validity(951_782_400), "Feb 29 00:00:00 2000 GMT");
        assert_eq!(validity(951_868_800), "Mar  1 00:00:00 2000 GMT");
        assert_eq!(validity(1_798_761_599), "Dec 31 23:59:59 2026 GMT");
    }
}
