//! Time stamps; what is read as one comes back from its number.

use gatelog_parsers::time_stamp::{
    civil, parse_certificate_time, parse_msec, parse_time_iso8601, parse_time_local,
};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// One run.
pub fn run(text: &[u8]) {
    if let Some(millis) = parse_time_local(text) {
        let zoned = local(millis.div_euclid(1000));
        // In year 0 and 9999 the zone can lead out of the years that have four digits.
        assert!(parse_time_local(zoned.as_bytes()).is_none_or(|again| again == millis));
        if text.ends_with(b" +0000") && !text.windows(3).any(|three| three == b":60") {
            assert_eq!(zoned.as_bytes(), text);
        }
    }
    if let Some(millis) = parse_time_iso8601(text) {
        let [year, month, day, hour, minute, second] = civil(millis.div_euclid(1000));
        let fraction = millis.rem_euclid(1000);
        let again = format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z"
        );
        assert!(parse_time_iso8601(again.as_bytes()).is_none_or(|again| again == millis));
    }
    if let Some(seconds) = parse_certificate_time(text) {
        let [year, month, day, hour, minute, second] = civil(seconds);
        let month = MONTHS[usize::try_from(month - 1).unwrap()];
        let again = format!("{month} {day:2} {hour:02}:{minute:02}:{second:02} {year:04} GMT");
        assert!(parse_certificate_time(again.as_bytes()).is_none_or(|again| again == seconds));
    }
    if let Some(millis) = parse_msec(text) {
        let again = format!("{}.{:03}", millis / 1000, millis % 1000);
        assert_eq!(parse_msec(again.as_bytes()), Some(millis));
    }
    // Any number has a date.
    if let Ok(bytes) = text.try_into() {
        let seconds = i64::from_le_bytes(bytes);
        let [_, month, day, ..] = civil(seconds);
        assert!((1..=12).contains(&month) && (1..=31).contains(&day));
    }
}

fn local(seconds: i64) -> String {
    let [year, month, day, hour, minute, second] = civil(seconds);
    let month = MONTHS[usize::try_from(month - 1).unwrap()];
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}
