//! From when to when the report goes, how many requests there were, and what share of them failed.

use super::ReportText;
use crate::ledger::Ledger;
use crate::show::time;
use crate::show::words::{count, counted, share};

impl ReportText<'_> {
    /// Two or three lines; none without a request.
    pub(super) fn span(&self) -> String {
        let ledger = self.summary.ledger;
        let verdicts = ledger.verdicts();
        if verdicts.requests() == 0 {
            return String::new();
        }
        let mut text = match (ledger.seen.first, ledger.seen.last) {
            (Some(first), Some(last)) => time::span(first.div_euclid(1000), last.div_euclid(1000)),
            _ => String::new(),
        };
        text.push_str(&format!(
            "{} over TLS, {} refused.\n",
            counted(verdicts.tls_requests(), "request"),
            count(verdicts.denials())
        ));
        let partial: u64 = ledger.routes.iter().map(|(_, route)| route.partial.requests()).sum();
        if partial < verdicts.requests() {
            text.push_str(&format!("Failed verification: {}.\n", shares(ledger)));
        }
        if partial > 0 {
            let requests = counted(partial, "request");
            text.push_str(&format!("{requests} of denial logs, which tell no share.\n"));
        }
        text
    }
}

/// `3.1% of connections, 0.24% of requests`
fn shares(ledger: &Ledger) -> String {
    let routes = || ledger.routes.iter().map(|(_, route)| route);
    let add = |(f, all), (failures, requests): (u64, u64)| (f + failures, all + requests);
    let mut shares = Vec::new();
    if ledger.has_connections {
        let connections =
            routes().map(|r| (r.connections.failures(), r.connections.tls_requests()));
        shares.push(format!("{} of connections", of(connections.fold((0, 0), add))));
    }
    let requests = routes().map(|route| route.failures_of_all());
    shares.push(format!("{} of requests", of(requests.fold((0, 0), add))));
    shares.join(", ")
}

/// A share after a sentence's colon: `4.7%`, and of few `3 of 7`.
fn of((part, whole): (u64, u64)) -> String {
    let share = share(part, whole);
    if share == "-" { "none".to_owned() } else { share }
}
