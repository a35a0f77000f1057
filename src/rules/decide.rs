//! Whether a rule's condition holds for a group at an instant.

use gatelog_parsers::time_stamp::UnixMillis;

use super::builtin::Condition;
use super::group::{Group, Past, Status};
use super::rule::{Kind, Rule};
use super::set::Active;
use super::traits::Traits;
use super::window::{Recent, Span, Steps};
use crate::ledger::{KNOWN_MILLIS, Ledger};

/// The spans of a rule's windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) window: Span,
    pub(super) longer: Option<Span>,
}

impl Spans {
    pub(super) fn of(active: &Active) -> Spans {
        let longer = match active.special.condition {
            Condition::OrLonger { window_millis, .. } | Condition::InEither { window_millis } => {
                Some(Span::of(window_millis))
            }
            _ => None,
        };
        Spans { window: Span::of(active.rule.window_millis), longer }
    }
}

/// The moment of a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) at: UnixMillis,
    pub(super) has_learnt: bool,
}

/// The value that is compared, if the condition holds.
pub(super) fn decide(
    active: &Active,
    spans: Spans,
    group: &Group,
    moment: Moment<'_>,
) -> Option<f64> {
    let Active { rule, special, .. } = active;
    if special.learns && !moment.has_learnt {
        return None;
    }
    match special.condition {
        Condition::LockedOut { claims, forget_millis } => {
            locked_out(spans.window, group, moment.at, claims, forget_millis)
        }
        Condition::Lockout { sources } => lockout(spans.window, group, moment.at, sources),
        Condition::Unparsed { share } => unparsed(rule, spans.window, group, moment.at, share),
        Condition::OfOneClient => {
            let most = group.recent.most(spans.window, moment.at);
            reached(most, threshold(rule))
        }
        Condition::MoreWhereShared { threshold: shared } => {
            let is_shared = group.seen.traits().has(Traits::SHARED_ADDRESS);
            let most = if is_shared { shared } else { threshold(rule) };
            reached(group.recent.count(spans.window, moment.at), most)
        }
        Condition::OrLonger { threshold: more, min_connections, .. } => {
            let counted = group.counts.count(spans.window, moment.at).matching;
            let longer =
                spans.longer.map_or(0, |span| group.longer.count(span, moment.at).matching);
            let is_met = group.seen.connections >= min_connections;
            let found = reached(counted, threshold(rule)).or_else(|| reached(longer, more));
            found.filter(|_| is_met)
        }
        Condition::Kind | Condition::InEither { .. } | Condition::Digest => {
            of_kind(rule, spans, group, moment)
        }
    }
}

fn of_kind(rule: &Rule, spans: Spans, group: &Group, moment: Moment<'_>) -> Option<f64> {
    let Moment { at, .. } = moment;
    match &rule.kind {
        Kind::Ratio { .. } => {
            let short = || ratio(rule, spans.window, &group.counts, &group.recent, group, moment);
            let long = |span| ratio(rule, span, &group.longer, &group.longer_recent, group, moment);
            short().or_else(|| spans.longer.and_then(long))
        }
        Kind::Count { threshold } => {
            reached(group.counts.count(spans.window, at).matching, *threshold)
        }
        Kind::FirstSeen { .. } => reached(group.counts.count(spans.window, at).matching, 1),
        Kind::Distinct { threshold, .. } => {
            reached(group.recent.count(spans.window, at), *threshold)
        }
        Kind::Absent { times_usual_gap } => absent(rule, group, at, *times_usual_gap),
        // That is asked of the certificates: see `digest`.
        Kind::Expiring { .. } => None,
    }
}

/// The number that a rule counts to.
fn threshold(rule: &Rule) -> u64 {
    match rule.kind {
        Kind::Count { threshold } | Kind::Distinct { threshold, .. } => threshold,
        _ => 1,
    }
}

fn reached(count: u64, threshold: u64) -> Option<f64> {
    (count >= threshold.max(1)).then(|| number(count))
}

/// A count as a value; those that a float cannot hold do not come about.
pub(super) fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}

/// In one window, whose counts and clients these are.
fn ratio(
    rule: &Rule,
    span: Span,
    counts: &Steps,
    clients: &Recent,
    group: &Group,
    moment: Moment<'_>,
) -> Option<f64> {
    let Kind::Ratio { threshold, min_requests, min_clients, times_baseline, .. } = rule.kind else {
        return None;
    };
    let counted = counts.count(span, moment.at);
    let found = share(counted.matching, counted.all);
    if counted.all < min_requests.max(1) || counted.matching == 0 || found < threshold {
        return None;
    }
    if let Some(Past::Usual(usual)) = group.past.as_deref()
        && found < times_baseline * usual.share()
    {
        return None;
    }
    if min_clients > 0 {
        let clients = clients.count(span, moment.at);
        // A single client has an alert of its own.
        let is_half = || clients > 1 && 2 * clients >= known_clients(group, moment);
        if clients < min_clients && !is_half() {
            return None;
        }
    }
    Some(found)
}

/// Known clients that the route of a group has let in.
fn known_clients(group: &Group, moment: Moment<'_>) -> u64 {
    let since = Some(moment.at.saturating_sub(KNOWN_MILLIS));
    let certificates = moment.ledger.certificates.iter();
    let known = certificates
        .filter(|(_, entry)| entry.is_known(since) && entry.routes_let_in.has(group.seen.route));
    u64::try_from(known.count()).unwrap_or(u64::MAX)
}

fn locked_out(
    span: Span,
    group: &Group,
    at: UnixMillis,
    claims: u64,
    forget_millis: i64,
) -> Option<f64> {
    let last = group.seen.last?;
    let holds = match group.status {
        Status::Inactive => group.counts.count(span, at).matching >= claims,
        Status::Pending { .. } | Status::Firing { .. } => last >= at - forget_millis,
    };
    holds.then(|| number(group.seen.count))
}

/// How long nobody must have been let in for a route to look shut; the rule's `for` comes on top.
const SHUT_MILLIS: i64 = 60_000;

fn lockout(span: Span, group: &Group, at: UnixMillis, sources: u64) -> Option<f64> {
    let Some(Past::Admitted(admitted)) = group.past.as_deref() else { return None };
    let is_shut = admitted.last.is_some_and(|last| last < at - SHUT_MILLIS);
    reached(group.recent.count(span, at), sources).filter(|_| is_shut)
}

fn unparsed(rule: &Rule, span: Span, group: &Group, at: UnixMillis, least: f64) -> Option<f64> {
    let counted = group.counts.count(span, at);
    let found = share(counted.matching, counted.all);
    (counted.matching >= threshold(rule) && found >= least).then_some(found)
}

/// In seconds.
fn absent(rule: &Rule, group: &Group, at: UnixMillis, times: f64) -> Option<f64> {
    let Some(Past::Gaps(gaps)) = group.past.as_deref() else { return None };
    let silent = at - gaps.last?;
    if silent < rule.window_millis {
        return None;
    }
    let seconds = number(u64::try_from(silent / 1000).unwrap_or(0));
    // Once it is called silent, only a line is a sign of life, not another hour's usual pause.
    if times > 0.0 && !group.status.is_firing() {
        let usual = number(u64::try_from(gaps.usual(at)? / 1000).unwrap_or(0));
        if seconds < times * usual {
            return None;
        }
    }
    Some(seconds)
}
