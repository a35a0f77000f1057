//! `[[silence]]`: alerts that are not told for some time.

use gatelog_parsers::time_stamp::{UnixMillis, parse_time_iso8601};
use toml::Spanned;

use super::super::Check;
use super::label_names::LabelNames;
use crate::config::raw::Text;
use crate::config::raw::rules::RawSilence;
use crate::limits::{ANNOTATION_BYTES_MAX, SILENCES_MAX};
use crate::rules::{Silence, Silences};

const PLACE: &str = " in `[[silence]]`";

impl Check<'_> {
    pub(super) fn silences(&mut self, raw: &[Spanned<RawSilence>], names: &LabelNames) -> Silences {
        self.at_most(raw, "[[silence]]", SILENCES_MAX);
        let silences = raw.iter().take(SILENCES_MAX);
        Silences(silences.filter_map(|table| self.silence(table, names)).collect())
    }

    fn silence(&mut self, table: &Spanned<RawSilence>, names: &LabelNames) -> Option<Silence> {
        let raw = table.get_ref();
        let start = table.span().start;
        let is_empty = raw.filter.as_ref().is_none_or(|filter| filter.get_ref().is_empty());
        if is_empty && !self.is_lost(start, "where") {
            let label = "expected which alerts, such as `where = { alertname = \"log_silent\" }`";
            self.problem(table.span(), format!("no `where`{PLACE}"), label);
        }
        if raw.until.is_none() && !self.is_lost(start, "until") {
            let label = "expected its end, such as `until = \"2026-12-01T06:00:00Z\"`";
            self.problem(table.span(), format!("no `until`{PLACE}"), label);
        }
        let filter = self.alert_filter(raw.filter.as_ref(), PLACE, names);
        let from = self.time(raw.from.as_ref(), "from");
        let until = self.time(raw.until.as_ref(), "until");
        if let (Some(from), Some(until), Some(text)) = (from, until, &raw.until)
            && until <= from
        {
            let title = format!("`until`{PLACE} is not after `from`");
            self.problem(text.span(), title, "expected a later time");
        }
        let comment = raw.comment.as_ref().and_then(|text| self.comment(text));
        Some(Silence { filter, from, until: until?, comment })
    }

    fn time(&mut self, text: Option<&Text>, key: &str) -> Option<UnixMillis> {
        let text = text?;
        let time = parse_time_iso8601(text.get_ref().as_bytes())
            .ok_or("expected a time like `2026-12-01T06:00:00Z` or with an offset");
        self.or_problem(time, text.span(), || format!("`{key}`{PLACE} is no time"))
    }

    fn comment(&mut self, text: &Text) -> Option<String> {
        let fits = text.get_ref().len() <= ANNOTATION_BYTES_MAX;
        if !fits {
            let label = format!("expected at most {ANNOTATION_BYTES_MAX} bytes");
            self.problem(text.span(), format!("`comment`{PLACE} is too long"), label);
        }
        fits.then(|| text.get_ref().clone())
    }
}
