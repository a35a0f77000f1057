//! Times in which some alerts are not told to anybody.

use gatelog_parsers::time_stamp::UnixMillis;

use super::label_filter::LabelFilter;

/// Alerts that are meant, and how long they are silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Which alerts.
    pub filter: LabelFilter,
    /// Its first millisecond; `None`: it has always been in force.
    pub from: Option<UnixMillis>,
    /// The first millisecond after it.
    pub until: UnixMillis,
    /// Why.
    pub comment: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silences(pub Vec<Silence>);

impl Silences {
    /// The index of the first that an alert with these labels falls under at this time.
    pub fn silences(&self, labels: &[(String, String)], now: UnixMillis) -> Option<usize> {
        self.0.iter().position(|silence| silence.is_on(now) && silence.filter.matches(labels))
    }
}

impl Silence {
    /// Whether it is in force.
    pub fn is_on(&self, now: UnixMillis) -> bool {
        self.from.is_none_or(|from| from <= now) && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_and_labels() {
        let silence = |alertname: &str, from, until| {
            let mut filter = LabelFilter::default();
            filter.add("alertname", &[alertname]).unwrap();
            Silence { filter, from, until, comment: None }
        };
        let silences = Silences(vec![
            silence("log_*", Some(100), 200),
            silence("log_silent", None, 150),
            silence("*", Some(300), 301),
        ]);
        let check = |alertname: &str, now, expected| {
            let labels = [("alertname".to_owned(), alertname.to_owned())];
            assert_eq!(silences.silences(&labels, now), expected, "{alertname} {now}");
        };
        check("log_silent", i64::MIN, Some(1));
        check("log_silent", 99, Some(1));
        check("log_silent", 100, Some(0));
        check("log_silent", 199, Some(0));
        check("log_silent", 200, None);
        check("clock_skew", 150, None);
        check("clock_skew", 300, Some(2));
        check("clock_skew", 301, None);
    }
}
