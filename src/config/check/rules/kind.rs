//! `kind`, and the keys that each kind has of its own.

use std::ops::Range;

use toml::Spanned;

use super::super::Check;
use super::texts::inside_of;
use super::values::{Fraction, millis};
use crate::config::raw::Number;
use crate::config::raw::rules::RawRule;
use crate::limits::{RULE_THRESHOLD_MAX, RULE_TIMES_MAX, RULE_VALUES_MAX, RULE_WITHIN_MAX};
use crate::rules::rule::Per;
use crate::rules::{Field, Kind};

/// The kinds, before their keys are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Ratio,
    Count,
    Distinct,
    FirstSeen,
    Expiring,
    Absent,
}

impl Named {
    const ALL: [Named; 6] = [
        Named::Ratio,
        Named::Count,
        Named::Distinct,
        Named::FirstSeen,
        Named::Expiring,
        Named::Absent,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Named::Ratio => "ratio",
            Named::Count => "count",
            Named::Distinct => "distinct",
            Named::FirstSeen => "first_seen",
            Named::Expiring => "expiring",
            Named::Absent => "absent",
        }
    }
}

/// A key that not every kind has: where it stands in a rule, and whose it is.
type OwnKey = (&'static str, Option<Range<usize>>, &'static [Named]);

fn own_keys(raw: &RawRule) -> [OwnKey; 9] {
    const COUNTING: &[Named] = &[Named::Ratio, Named::Count, Named::Distinct];
    [
        ("per", span(raw.per.as_ref()), &[Named::Ratio]),
        ("of", span(raw.of.as_ref()), &[Named::Distinct, Named::FirstSeen]),
        ("threshold", span(raw.threshold.as_ref()), COUNTING),
        ("min_requests", span(raw.min_requests.as_ref()), &[Named::Ratio]),
        ("min_clients", span(raw.min_clients.as_ref()), &[Named::Ratio]),
        ("times_baseline", span(raw.times_baseline.as_ref()), &[Named::Ratio]),
        ("within", span(raw.within.as_ref()), &[Named::Expiring]),
        ("share_of_lifetime", span(raw.share_of_lifetime.as_ref()), &[Named::Expiring]),
        ("times_usual_gap", span(raw.times_usual_gap.as_ref()), &[Named::Absent]),
    ]
}

fn span<T>(value: Option<&Spanned<T>>) -> Option<Range<usize>> {
    value.map(Spanned::span)
}

/// More values than are told apart are never reached.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const VALUES_MAX: u32 = RULE_VALUES_MAX as u32;

/// What is known of a certificate without an event.
const OF_CERTIFICATES: [Field; 6] =
    [Field::SubjectDn, Field::Cn, Field::O, Field::IssuerDn, Field::Fingerprint, Field::Owner];

impl Check<'_> {
    /// What a rule compares; `by` is the rule's.
    pub(super) fn kind(
        &mut self,
        table: &Spanned<RawRule>,
        by: &[Field],
        place: &str,
    ) -> Option<Kind> {
        let raw = table.get_ref();
        let Some(text) = &raw.kind else {
            let names = Named::ALL.map(Named::as_str).join(", ");
            self.missing(table, "kind", place, &format!("one of {names}"));
            return None;
        };
        let choices = Named::ALL.map(|kind| (kind.as_str(), Some(kind)));
        let kind = self.choice(text, "kind", place, &choices)?;
        self.refuse_others(raw, kind, place);
        match kind {
            Named::Ratio => self.ratio(table, place),
            Named::Count => {
                let threshold = self.count_threshold(table, kind, place);
                Some(Kind::Count { threshold: threshold? })
            }
            Named::Distinct => {
                let of = self.of(table, by, place);
                let threshold = self.count_threshold(table, kind, place);
                Some(Kind::Distinct { of: of?, threshold: threshold? })
            }
            Named::FirstSeen => Some(Kind::FirstSeen { of: self.of(table, by, place)? }),
            Named::Expiring => self.expiring(table, place),
            Named::Absent => {
                let times = self.times(raw.times_usual_gap.as_ref(), "times_usual_gap", place);
                Some(Kind::Absent { times_usual_gap: times })
            }
        }
    }

    fn refuse_others(&mut self, raw: &RawRule, kind: Named, place: &str) {
        for (key, span, kinds) in own_keys(raw) {
            let Some(span) = span.filter(|_| !kinds.contains(&kind)) else { continue };
            let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let title = format!("`{key}`{place} does nothing in kind {}", kind.as_str());
            self.problem(span, title, format!("it belongs to kind {}", names.join(" or ")));
        }
    }

    fn ratio(&mut self, table: &Spanned<RawRule>, place: &str) -> Option<Kind> {
        let raw = table.get_ref();
        let is_empty = raw.filter.as_ref().is_none_or(|filter| filter.get_ref().is_empty());
        if is_empty && !self.lost_in(table, "where") {
            let title = format!("no `where`{place}, which is of kind ratio");
            let label = "expected which events are to have a share: that of all is always 1";
            self.problem(table.span(), title, label);
        }
        let per = raw.per.as_ref().map(|text| {
            let choices = [("request", Some(Per::Request)), ("connection", Some(Per::Connection))];
            self.choice(text, "per", place, &choices)
        });
        if raw.threshold.is_none() {
            self.missing(table, "threshold", place, "a share, such as `threshold = 0.05`");
        }
        let threshold = self.fraction(raw.threshold.as_ref(), "threshold", place, Fraction::Share);
        let mut least = |number: Option<&Spanned<i64>>, key, default, most: u32| {
            let Some(number) = number else { return default };
            let range = default..=u64::from(most);
            self.whole(*number.get_ref(), number.span(), key, place, range).unwrap_or(default)
        };
        let min_requests = least(raw.min_requests.as_ref(), "min_requests", 1, RULE_THRESHOLD_MAX);
        let min_clients = least(raw.min_clients.as_ref(), "min_clients", 0, VALUES_MAX);
        let times_baseline = self.times(raw.times_baseline.as_ref(), "times_baseline", place);
        Some(Kind::Ratio {
            per: per.flatten().unwrap_or(Per::Request),
            threshold: threshold?,
            min_requests,
            min_clients,
            times_baseline,
        })
    }

    fn expiring(&mut self, table: &Spanned<RawRule>, place: &str) -> Option<Kind> {
        let raw = table.get_ref();
        if raw.within.is_none() {
            self.missing(table, "within", place, "`within = \"14d\"`");
        }
        self.only_of_certificates(raw, place);
        let range = 1..=millis(RULE_WITHIN_MAX);
        let within = self.millis(raw.within.as_ref(), "within", place, range);
        let share = raw.share_of_lifetime.as_ref();
        let share = self.fraction(share, "share_of_lifetime", place, Fraction::Share);
        Some(Kind::Expiring { within_millis: within?, share_of_lifetime: share.unwrap_or(1.0) })
    }

    /// Refuses what is about events, where certificates are asked for.
    fn only_of_certificates(&mut self, raw: &RawRule, place: &str) {
        let filter = raw.filter.iter().flat_map(|filter| filter.get_ref().keys());
        let by = raw.by.iter().flat_map(|by| by.get_ref());
        for (key, text) in filter.map(|text| ("where", text)).chain(by.map(|text| ("by", text))) {
            let field = Field::from_name(text.get_ref());
            if field.is_some_and(|field| !OF_CERTIFICATES.contains(&field)) {
                let place = inside_of(key, place);
                let title =
                    format!("`{}`{place} is nothing that a certificate has", text.get_ref());
                let names = OF_CERTIFICATES.map(Field::as_str).join(", ");
                self.problem(text.span(), title, format!("kind expiring knows {names}"));
            }
        }
    }

    /// `threshold` of a kind that counts.
    fn count_threshold(
        &mut self,
        table: &Spanned<RawRule>,
        kind: Named,
        place: &str,
    ) -> Option<u64> {
        let Some(threshold) = &table.get_ref().threshold else {
            self.missing(table, "threshold", place, "a whole number, such as `threshold = 10`");
            return None;
        };
        match threshold.get_ref() {
            Number::Whole(number) => {
                let most = if kind == Named::Distinct { VALUES_MAX } else { RULE_THRESHOLD_MAX };
                let range = 1..=u64::from(most);
                self.whole(*number, threshold.span(), "threshold", place, range)
            }
            Number::Fraction(_) => {
                let title = format!("`threshold`{place} has a fraction");
                let label = format!("expected a whole number: kind {} counts", kind.as_str());
                self.problem(threshold.span(), title, label);
                None
            }
        }
    }

    fn of(&mut self, table: &Spanned<RawRule>, by: &[Field], place: &str) -> Option<Field> {
        let Some(text) = &table.get_ref().of else {
            self.missing(table, "of", place, "a field, such as `of = \"remote_addr\"`");
            return None;
        };
        let of = self.field(text, "of", place)?;
        if by.contains(&of) {
            let title = format!("`of`{place} is in `by` too");
            self.problem(text.span(), title, "expected another field: a group has one value of it");
            return None;
        }
        Some(of)
    }

    fn times(&mut self, number: Option<&Spanned<Number>>, key: &str, place: &str) -> f64 {
        self.fraction(number, key, place, Fraction::Times(RULE_TIMES_MAX)).unwrap_or_default()
    }

    /// Says that a key is not there, unless it was and is no good.
    fn missing(&mut self, table: &Spanned<RawRule>, key: &str, place: &str, expected: &str) {
        if !self.lost_in(table, key) {
            self.problem(
                table.span(),
                format!("no `{key}`{place}"),
                format!("expected {expected}"),
            );
        }
    }

    fn lost_in(&self, table: &Spanned<RawRule>, key: &str) -> bool {
        self.is_lost(table.span().start, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_called_as_they_are() {
        let of = Field::Cn;
        let kinds = [
            Kind::Ratio {
                per: Per::Request,
                threshold: 1.0,
                min_requests: 1,
                min_clients: 0,
                times_baseline: 0.0,
            },
            Kind::Count { threshold: 1 },
            Kind::Distinct { of, threshold: 1 },
            Kind::FirstSeen { of },
            Kind::Expiring { within_millis: 1, share_of_lifetime: 1.0 },
            Kind::Absent { times_usual_gap: 0.0 },
        ];
        assert_eq!(kinds.map(|kind| kind.name()), Named::ALL.map(Named::as_str));
    }
}
