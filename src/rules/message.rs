//! What an alert says: whom, since when, how many, what the reason means, whose move it is, what to do,
//! and when it will resolve.

use super::alert::{Alert, State};
use super::builtin::Condition;
use super::engine::Engine;
use super::field::Field;
use super::group::{Group, Past, Status, text};
use super::rule::{Kind, Rule};
use super::traits::Traits;
use super::watched::Watched;
use crate::event::advice::{Facts, Side, advice, failed_open_advice, side};
use crate::event::reason::Reason;
use crate::ledger::Ledger;
use crate::ledger::certificates::CertificateUse;
use crate::ledger::routes::RouteUse;
use crate::show::time;
use crate::show::words::{client_name, counted};
use gatelog_parsers::time_stamp::UnixMillis;

/// What the sentences are made of.
struct Words<'a> {
    rule: &'a Rule,
    group: &'a Group,
    at: UnixMillis,
    value: f64,
    entry: Option<&'a CertificateUse>,
    route: Option<&'a RouteUse>,
    owner: Option<&'a str>,
}

/// An alert's texts.
struct Texts {
    summary: String,
    description: String,
    side: Option<Side>,
    advice: String,
}

impl Engine {
    /// The alert of a group as it is told at an instant.
    pub(super) fn alert(
        &self,
        watched: &Watched,
        group: &Group,
        state: State,
        at: UnixMillis,
        ledger: &Ledger,
    ) -> Alert {
        let rule = &watched.active.rule;
        let (starts_at, value) = match group.status {
            Status::Firing { since, value, .. } => (since, value),
            Status::Pending { since } => (since, super::decide::number(group.seen.count)),
            Status::Inactive => (at, super::decide::number(group.seen.count)),
        };
        let entry = group.seen.certificate.and_then(|key| ledger.certificates.find(&key));
        let identity = entry.and_then(|entry| self.set.identities.of(&entry.subject_dn));
        let words = Words {
            rule,
            group,
            at,
            value,
            entry,
            route: ledger.routes.of(group.seen.route).filter(|_| group.seen.count > 0),
            owner: identity.and_then(|identity| identity.owner.as_deref()),
        };
        let texts = words.texts(watched, &group.values);
        let mut by: Vec<(String, String)> = labels_of(rule, group);
        by.sort();
        let severity = match group.seen.traits().has(Traits::PUBLIC_CA) {
            true if &*rule.name == "issuer_first_admitted" => super::rule::Severity::Page,
            _ => rule.severity,
        };
        let mut labels = by.clone();
        labels.extend(rule.labels.iter().cloned());
        labels.extend(identity.iter().flat_map(|identity| identity.labels.iter().cloned()));
        labels.extend(words.owner.map(|owner| ("owner".to_owned(), owner.to_owned())));
        labels.push(("alertname".to_owned(), rule.name.to_string()));
        labels.push(("severity".to_owned(), severity.as_str().to_owned()));
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort();
        labels.dedup_by(|a, b| a.0 == b.0);
        Alert {
            rule: rule.name.clone(),
            severity,
            state,
            time: at,
            starts_at,
            ends_at: (state == State::Resolved).then_some(at),
            reason: words.reason(state, watched),
            annotations: annotations(rule, &labels, value, texts),
            labels,
            group: by,
            value,
        }
    }
}

fn labels_of(rule: &Rule, group: &Group) -> Vec<(String, String)> {
    let names = rule.by.iter().map(|field| field.as_str().to_owned());
    names.zip(group.values.iter().cloned()).filter(|(_, value)| !value.is_empty()).collect()
}

fn annotations(
    rule: &Rule,
    labels: &[(String, String)],
    value: f64,
    texts: Texts,
) -> Vec<(String, String)> {
    let Texts { summary, description, side, advice } = texts;
    let own = [
        ("summary", summary),
        ("description", description),
        ("side", side.map_or(String::new(), |side| side.as_str().to_owned())),
        ("advice", advice.clone()),
    ];
    let mut annotations: Vec<(String, String)> =
        own.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let value = shown(value);
    for (name, template) in &rule.annotations {
        let text = template.render(labels, &value, &advice);
        annotations.retain(|(known, _)| known != name);
        annotations.push((name.clone(), text));
    }
    annotations.retain(|(_, text)| !text.is_empty());
    annotations.sort();
    annotations
}

/// A value as it is written in messages.
pub(super) fn shown(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Words<'_> {
    fn name(&self) -> String {
        self.entry.map_or_else(|| "(unknown)".to_owned(), |entry| client_name(&entry.subject_dn))
    }

    /// The name, with quotes where it is nothing but a claim.
    fn who(&self) -> String {
        match self.entry {
            Some(entry) if !entry.is_proven() => format!("\"{}\"", self.name()),
            _ => self.name(),
        }
    }

    fn server(&self) -> &str {
        self.route.map_or("(unknown)", |route| &route.server)
    }

    fn route(&self) -> &str {
        self.route.map_or("(unknown)", |route| &route.route)
    }

    fn tries(&self) -> String {
        counted(self.group.seen.count, "request")
    }

    fn from(&self) -> String {
        match self.group.seen.addresses.count() {
            0 => String::new(),
            1 => format!(" from {}", self.group.seen.remote_addr),
            n => format!(" from {}", counted(n, "address")),
        }
    }

    fn since(&self) -> String {
        let first = self.group.seen.first.unwrap_or(self.at);
        let clock = time::short(first.div_euclid(1000), self.at.div_euclid(1000));
        format!("since {clock} UTC ({})", time::age((self.at - first).div_euclid(1000)))
    }

    fn when(&self, moment: Option<UnixMillis>) -> String {
        moment.map_or("never".to_owned(), |it| {
            time::short(it.div_euclid(1000), self.at.div_euclid(1000))
        })
    }

    fn fingerprint(&self) -> String {
        let hex = self.group.seen.certificate.and_then(|key| key.fingerprint_sha1());
        hex.map(|hex| hex.chars().take(8).collect()).unwrap_or_default()
    }

    fn cause(&self) -> Reason {
        self.group.seen.reason().unwrap_or(Reason::Other)
    }

    /// When the certificate ends, as a sentence.
    fn end(&self) -> String {
        let Some(end) = self.entry.and_then(|entry| entry.not_after_seconds) else {
            return String::new();
        };
        let now = self.at.div_euclid(1000);
        let day = time::short(end, now);
        match end < now {
            true => format!(" Its certificate expired at {day} UTC, {} ago.", time::age(now - end)),
            false => format!(" Its certificate ends {} UTC.", time::day(end)),
        }
    }

    fn facts(&self) -> Facts {
        let traits = self.group.seen.traits();
        let ahead = self.entry.and_then(|entry| entry.not_after_seconds);
        Facts {
            known_clients_refused: u64::from(traits.has(Traits::KNOWN)),
            certificate_known: traits.has(Traits::KNOWN),
            claims_known_subject: traits.has(Traits::CLAIMS),
            known_address: traits.has(Traits::CLIENT),
            own_end_ahead: ahead.map(|end| end > self.at.div_euclid(1000)),
            ..Facts::default()
        }
    }

    /// The side of the refusals, and what to do.
    fn refusal(&self) -> (Option<Side>, String) {
        let mut facts = self.facts();
        if matches!(&*self.rule.name, "verification_infrastructure" | "clock_skew") {
            facts.known_clients_refused = self.group.recent.all().count() as u64;
            facts.known_subjects_refused = facts.known_clients_refused;
        }
        let side = side(self.cause(), &facts);
        (Some(side), advice(self.cause(), side, &facts).to_owned())
    }

    fn texts(&self, watched: &Watched, values: &[String]) -> Texts {
        let (summary, description) = match &*self.rule.name {
            name if watched.active.is_builtin => self.of_builtin(name),
            _ => (self.of_own(values), String::new()),
        };
        let refused = || match self.group.seen.reason {
            Some(_) => self.refusal(),
            None => (None, String::new()),
        };
        let operator = |advice: &str| (Some(Side::Operator), advice.to_owned());
        let is_suspected = self.group.seen.traits().has(Traits::SUSPECTED);
        let (side, advice) = match &*self.rule.name {
            _ if !watched.active.is_builtin => refused(),
            "certificate_failed_open" => operator(failed_open_advice(is_suspected)),
            "route_lockout" | "route_failure_ratio" => refused(),
            name => match fixed_advice(name) {
                Some(advice) => operator(advice),
                None => refused(),
            },
        };
        let owner = self.owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
        let advice = match side {
            Some(side) if !advice.is_empty() => format!("{}{owner}: {advice}", side.prefix()),
            _ => advice,
        };
        Texts { summary, description, side, advice }
    }

    /// A rule of the operator: its name, and whom it is about.
    fn of_own(&self, values: &[String]) -> String {
        let whom: Vec<&str> =
            values.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        let whom =
            if whom.is_empty() { String::new() } else { format!(" for {}", whom.join(", ")) };
        format!("{}{whom}: {}", self.rule.name, self.measured())
    }

    /// What was compared, and with what.
    fn measured(&self) -> String {
        let within = time::age(self.rule.window_millis / 1000);
        let value = shown(self.value);
        match &self.rule.kind {
            Kind::Ratio { threshold, .. } => format!(
                "{:.1}% of requests match within {within}, {:.1}% is the threshold",
                self.value * 100.0,
                threshold * 100.0
            ),
            Kind::Count { threshold } => {
                format!("{value} matching requests, {threshold} within {within} is the threshold")
            }
            Kind::Distinct { of, threshold } => {
                let of = of.as_str();
                format!(
                    "{value} different values of {of} within {within}, {threshold} is the threshold"
                )
            }
            Kind::FirstSeen { of } => {
                format!("a value of {} that was not seen before", of.as_str())
            }
            Kind::Expiring { .. } => format!("{value} certificates in use end soon"),
            Kind::Absent { .. } => {
                format!("nothing for {value} s, {within} is the threshold")
            }
        }
    }

    fn reason(&self, state: State, watched: &Watched) -> String {
        let measured = match watched.active.special.condition {
            Condition::LockedOut { .. } => format!("{} refused", self.tries()),
            Condition::Lockout { .. } => {
                format!(
                    "{} sources that were let in are refused, none is let in",
                    shown(self.value)
                )
            }
            Condition::Unparsed { .. } => format!("{:.1}% of lines do not fit", self.value * 100.0),
            _ => self.measured(),
        };
        match (state, watched.active.special.condition) {
            (State::Pending, _) => {
                format!(
                    "{measured}; fires when it lasts {}",
                    time::age(self.rule.for_millis / 1000)
                )
            }
            (State::Firing, _) => measured,
            (State::Resolved, Condition::LockedOut { .. }) => match self.group.seen.last {
                None => "verified again".to_owned(),
                Some(last) => {
                    format!("no try since {} UTC", time::rfc3339(last.div_euclid(1000)))
                }
            },
            (State::Resolved, _) => {
                let kept = self.rule.keep_firing_for_millis / 1000;
                match kept {
                    0 => "the condition does not hold any more".to_owned(),
                    _ => format!("the condition has not held for {}", time::age(kept)),
                }
            }
        }
    }

    /// Summary and description of a built-in rule.
    fn of_builtin(&self, name: &str) -> (String, String) {
        match name {
            "known_client_locked_out" => self.locked_out(),
            "verification_infrastructure"
            | "clock_skew"
            | "route_lockout"
            | "route_failure_ratio" => self.broad(name),
            "certificate_failed_open"
            | "retired_admitted"
            | "expired_admitted"
            | "issuer_first_admitted"
            | "subject_changed_issuer"
            | "certificate_shared"
            | "certificate_long_lived"
            | "tls_deprecated" => self.admitted(name),
            "certificate_expiring" | "log_silent" | "log_unparsed" | "misdirected_requests" => {
                self.of_operation(name)
            }
            _ => self.knocking(name),
        }
    }

    fn locked_out(&self) -> (String, String) {
        let (who, route, server) = (self.name(), self.route(), self.server());
        let word = self.cause().short_word();
        let summary = format!("{who} is locked out of {route} on {server}: {word}.");
        let is_known = self.group.seen.traits().has(Traits::KNOWN);
        let proof = if is_known {
            let last = self.entry.and_then(|entry| entry.let_in.last);
            format!(
                "Last let in {}; this same certificate was verified here before, so it is the real client.",
                self.when(last)
            )
        } else {
            "Its certificate is new here, but it comes from an address of that client.".to_owned()
        };
        let description = format!(
            "{} refused{}, {}.{} {proof} Resolves when {who} is verified again.",
            self.tries(),
            self.from(),
            self.since(),
            self.end(),
        );
        (summary, description)
    }

    fn broad(&self, name: &str) -> (String, String) {
        let (route, server, word) = (self.route(), self.server(), self.cause().short_word());
        let clients = counted(self.group.recent.all().count() as u64, "known client");
        let summary = match name {
            "verification_infrastructure" => {
                format!("{clients} refused on {server}, our side: {word}.")
            }
            "clock_skew" => {
                format!("{clients} refused on {server} as not valid yet: a clock is off.")
            }
            "route_lockout" => {
                format!("Everyone is refused on {route} of {server}: {word}.")
            }
            _ => format!(
                "{:.0}% of connections to {route} on {server} fail, mostly: {word}.",
                self.value * 100.0
            ),
        };
        let tail = match name {
            "route_lockout" => "Nobody was let in for 5 minutes. Resolves when somebody is.",
            "route_failure_ratio" => "Resolves when the share falls below 10%.",
            _ => "This replaces single alerts. Resolves when none has come for 10 minutes.",
        };
        let refused = format!("{} refused{}, {}.", self.tries(), self.from(), self.since());
        (summary, format!("{refused} {tail}"))
    }

    fn admitted(&self, name: &str) -> (String, String) {
        let (who, route, server) = (self.who(), self.route(), self.server());
        let issuer = self.entry.map_or_else(String::new, |entry| text(&entry.issuer_dn));
        let summary = match name {
            "certificate_failed_open" => {
                let is_suspected = self.group.seen.traits().has(Traits::SUSPECTED);
                let got = if is_suspected { "may have got in (suspected)" } else { "got in" };
                let word = self.cause().short_word();
                format!("A bad certificate {got}: {} on {route} of {server}, {word}.", self.tries())
            }
            "retired_admitted" => match self.group.seen.traits().has(Traits::RETIRED) {
                true => format!("{who} was let in on {server}, though it is declared retired."),
                false => format!(
                    "{who} was let in on {server}, though it was refused as revoked before."
                ),
            },
            "expired_admitted" => {
                format!("{who} was let in on {server} after its certificate ended.")
            }
            "issuer_first_admitted" => {
                let kind = match self.group.seen.traits().has(Traits::PUBLIC_CA) {
                    true => "a public CA that anybody can get a certificate of",
                    false => "an issuer never seen here",
                };
                format!("A certificate of {kind} was let in on {server}: {issuer}.")
            }
            "subject_changed_issuer" => {
                format!("{who} came with a certificate of another issuer: {issuer}.")
            }
            "certificate_shared" => {
                format!(
                    "The certificate of {who} is used from {} new networks within an hour.",
                    shown(self.value)
                )
            }
            "certificate_long_lived" => {
                format!("The certificate of {who} lives for more than 398 days.")
            }
            _ => format!("{who} uses TLS 1.0 or 1.1."),
        };
        let description = format!(
            "{} let in{} on {route}, {}. Certificate {}.{}",
            self.tries(),
            self.from(),
            self.since(),
            self.fingerprint(),
            self.end(),
        );
        (summary, description)
    }

    fn knocking(&self, name: &str) -> (String, String) {
        let (who, route, server) = (self.who(), self.route(), self.server());
        let word = self.cause().short_word();
        let (addr, tries) = (&self.group.seen.remote_addr, self.tries());
        let summary = match name {
            "revoked_certificate_used" => {
                format!("Revoked certificate still knocking: {who} on {server}.")
            }
            "policy_denied_known" => {
                format!("{who} is forbidden on {route} of {server} by policy.")
            }
            "address_tries_certificates" => {
                format!(
                    "{addr} tries certificates on {server}: {} different ones, none known.",
                    shown(self.value)
                )
            }
            "address_refused_repeatedly" => {
                format!("{addr} is refused without a certificate, {tries} on {server}.")
            }
            _ => {
                let claims = self.group.seen.traits().has(Traits::CLAIMS);
                let claim = if claims { " claims a known name and" } else { "" };
                format!("{who}{claim} is refused again and again on {server}: {word}.")
            }
        };
        let let_in = match self.entry.and_then(|entry| entry.let_in.last) {
            Some(last) => format!("Last let in {}.", self.when(Some(last))),
            None => "Never let in here; the name is the client's own word.".to_owned(),
        };
        let let_in = if self.entry.is_some() { let_in } else { String::new() };
        let tail = match self.rule.keep_firing_for_millis / 3_600_000 {
            24.. => "Next message in 24 h at the earliest.",
            _ => "Resolves an hour after the last such refusal.",
        };
        let description = format!(
            "{tries}{} at {route}, {}, all refused. {let_in} {tail}",
            self.from(),
            self.since(),
        );
        (summary, description.replace("  ", " "))
    }

    fn of_operation(&self, name: &str) -> (String, String) {
        let source = self.group.values.first().map_or("", String::as_str);
        let last = match self.group.past.as_deref() {
            Some(Past::Gaps(gaps)) => gaps.last.unwrap_or(self.at),
            _ => self.at,
        };
        let minutes = time::age((self.at - last).div_euclid(1000));
        match name {
            "log_silent" => (
                format!("{source} has fallen silent: no line for {minutes}."),
                "More than 5 times the usual pause at this hour. Resolves with the next line."
                    .to_owned(),
            ),
            "log_unparsed" => (
                format!(
                    "{:.1}% of the lines of {source} do not fit its format.",
                    self.value * 100.0
                ),
                format!(
                    "{} not understood, {}.",
                    counted(self.group.seen.count, "line"),
                    self.since()
                ),
            ),
            "misdirected_requests" => (
                format!("{} reached the wrong server (421) at {}.", self.tries(), self.server()),
                format!("{}{}, {}.", self.tries(), self.from(), self.since()),
            ),
            _ => {
                let certificates = counted(self.group.seen.count, "certificate");
                let first = self.entry.map(|entry| (self.name(), entry.not_after_seconds));
                let first = first.and_then(|(name, end)| Some((name, time::day(end?))));
                let first = first.map_or(String::new(), |(name, day)| {
                    format!(" The first is that of {name}, on {day}.")
                });
                (
                    format!("{certificates} in use end soon, without a successor.{first}"),
                    "Used in the last 24 h; no newer certificate of the same subject was verified. \
                     Told once a day."
                        .to_owned(),
                )
            }
        }
    }
}

/// What to do where it does not depend on a refusal's reason.
fn fixed_advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "retired_admitted" => {
            "take the client off nginx's list, or its certificate onto the CRL, now."
        }
        "expired_admitted" => {
            "end its resumed sessions: reload nginx, or shorten `ssl_session_timeout`."
        }
        "issuer_first_admitted" => {
            "if nobody added this CA on purpose, take it out of what nginx trusts."
        }
        "subject_changed_issuer" => "if this is no planned move, ask its owner who issued it.",
        "certificate_shared" => "ask its owner whether the key was copied; if so, revoke it.",
        "address_tries_certificates" | "address_refused_repeatedly" => {
            "block the address, keep the evidence."
        }
        "misdirected_requests" => {
            "give the servers of one certificate one `ssl_client_certificate`."
        }
        "certificate_expiring" => "ask their owners to renew them.",
        "log_silent" => "look whether nginx runs and writes this log, and whether it was moved.",
        "log_unparsed" => "run `gatelog check` on it: the log_format may have changed.",
        "certificate_long_lived" => "have it issued for a year at most.",
        "tls_deprecated" => "have the client updated before TLS 1.2 is demanded.",
        _ => return None,
    })
}

/// A field that certificates have beyond any request.
pub(super) fn of_certificate(
    field: Field,
    key: &str,
    entry: &CertificateUse,
    owner: &str,
) -> String {
    let attribute = |kind| {
        let found = gatelog_parsers::distinguished_name::attribute(&entry.subject_dn, kind);
        text(&found.unwrap_or_default())
    };
    match field {
        Field::SubjectDn => text(&entry.subject_dn),
        Field::IssuerDn => text(&entry.issuer_dn),
        Field::Cn => attribute("CN"),
        Field::O => attribute("O"),
        Field::Fingerprint => key.to_owned(),
        Field::Owner => owner.to_owned(),
        _ => String::new(),
    }
}
