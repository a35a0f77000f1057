//! A report for a person: who, where, why, whose side, what to do; then numbers.

mod span;

use gatelog_parsers::time_stamp::UnixMillis;

use super::report_json::issuer_uses;
use super::summary::{Cause, CertificateRow, LetIn, Lockout, Summary};
use super::text_table::{Cell, Column, Narrow, Style, Table, Terminal, wrap};
use super::time;
use super::words::{clients_are, count, counted, share};
use crate::escape::escape_text;
use crate::event::advice::{Side, failed_open_advice};
use crate::event::verdict::Verdict;
use crate::ledger::RouteUse;
use crate::ledger::counts::Seen;
use crate::reader::LineCounts;

/// Rows of each table; the rest is counted in a line.
const ROWS_MAX: usize = 10;
/// Things to do that are listed.
const TODO_MAX: usize = 5;

/// What a report is made of.
#[derive(Debug)]
pub struct ReportText<'a> {
    /// The counts and what they mean.
    pub summary: &'a Summary<'a>,
    /// How many lines were read.
    pub lines: LineCounts,
    /// How the logs are named on the command line.
    pub logs: &'a str,
    /// Whether nginx's configuration was read: then what it could not tell is missing in the log.
    pub has_conf: bool,
}

impl ReportText<'_> {
    /// The report, ending in a newline.
    pub fn render(&self, terminal: &Terminal) -> String {
        let mut out = self.headline();
        out.push_str(&self.span());
        let mut now = self.lockouts("LOCKED OUT NOW", &self.summary.locked_out);
        let mut over = self.lockouts("OVER", &self.summary.over);
        let mut strangers = self.strangers();
        let mut let_in = self.let_in();
        Table::align(&mut [&mut let_in.0, &mut now.0, &mut over.0, &mut strangers.0]);
        let numbers = [self.routes(), self.certificates(terminal), self.issuers()];
        let sections = [let_in, now, over, strangers].into_iter().chain(numbers);
        for (section, after) in sections {
            if !section.is_empty() {
                out.push('\n');
                out.push_str(&section.render(terminal));
                out.push_str(&after);
            }
        }
        out.push_str(&self.todo(terminal));
        out.push_str(&self.remarks());
        out
    }

    fn now(&self) -> i64 {
        self.summary.ledger.seen.last.map_or(0, |last| last.div_euclid(1000))
    }

    /// A time of today as an hour, an earlier one as a day; `-` when not logged.
    fn at(&self, at: Option<UnixMillis>) -> String {
        at.map_or("-".to_owned(), |at| time::short(at.div_euclid(1000), self.now()))
    }

    fn headline(&self) -> String {
        let summary = self.summary;
        let mut sentences = Vec::new();
        let let_in = self.let_in_sentence();
        sentences.extend(let_in.clone());
        sentences.extend(summary.locked_out.iter().filter_map(everyone));
        let locked: Vec<_> =
            summary.locked_out.iter().filter(|lockout| everyone(lockout).is_none()).collect();
        let clients = Summary::clients_of(locked.iter().copied());
        if clients > 0 {
            sentences.push(format!("{} locked out, {}.", clients_are(clients), sides(&locked)));
        }
        let verdicts = summary.ledger.verdicts();
        if sentences.is_empty() && verdicts.denials() == 0 {
            return match verdicts.requests() {
                0 => "No request in this log.\n".to_owned(),
                _ => format!(
                    "All is well: {}, none refused.\n",
                    counted(summary.known_clients, "client")
                ),
            };
        }
        if sentences.is_empty() {
            sentences.push("No known client is locked out.".to_owned());
        }
        if let_in.is_none() {
            sentences.push("No bad certificate got in.".to_owned());
        }
        sentences.join(" ") + "\n"
    }

    /// The worst: certificates that did not verify and were let in.
    fn let_in_sentence(&self) -> Option<String> {
        let mut seen = Seen::default();
        let (mut requests, mut suspected, mut routes) = (0, 0, Vec::new());
        for (_, route) in self.summary.ledger.routes.iter() {
            let failed_open = route.verdicts.of(Verdict::FailedOpen);
            if failed_open > 0 {
                requests += failed_open;
                suspected += route.suspected;
                seen.merge(&route.failed_open);
                routes.push(&*route.route);
            }
        }
        routes.sort_unstable();
        routes.dedup();
        let place = match routes.as_slice() {
            [] => return None,
            [one] => (*one).to_owned(),
            several => counted(u64::try_from(several.len()).unwrap_or(u64::MAX), "route"),
        };
        let since = seen.first.map(|_| format!(" since {}", self.at(seen.first)));
        let what =
            format!("{} on {place}{}", counted(requests, "request"), since.unwrap_or_default());
        Some(if suspected == requests {
            format!(
                "A bad certificate may have got in: {what}; {} to tell.",
                self.what_would_tell()
            )
        } else {
            format!("A bad certificate got in: {what}.")
        })
    }

    /// What would tell a courtesy page from an admission.
    fn what_would_tell(&self) -> &'static str {
        if self.has_conf { "log $server_name and $server_port" } else { "give --nginx-conf" }
    }

    /// Certificates that did not verify and were let in, and where.
    fn let_in(&self) -> (Table, String) {
        let all = self.summary.let_in();
        let suspected = !all.is_empty() && all.iter().all(|let_in| let_in.suspected);
        let title = if suspected { "MAY HAVE GOT IN" } else { "LET IN WRONGLY" };
        let mut columns = who_columns(title);
        columns.iter_mut().filter(|c| c.title == "refused").for_each(|c| c.title = "requests");
        let mut table = Table::new(columns);
        for let_in in all.iter().take(ROWS_MAX) {
            let LetIn { row, place, seen, requests, suspected: _ } = let_in;
            table.row(vec![
                Cell::styled(name_of(row), Style::Reverse),
                Cell::styled(self.at(seen.first), Style::Dim),
                Cell::styled(age(seen.first, seen.last), Style::Dim),
                count(*requests).into(),
                place.to_string().into(),
            ]);
        }
        (table, more(all.len()))
    }

    fn lockouts(&self, title: &'static str, lockouts: &[Lockout]) -> (Table, String) {
        let mut table = Table::new(who_columns(title));
        for lockout in lockouts.iter().take(ROWS_MAX) {
            let several = lockout.clients > 1;
            let name = if several {
                format!(
                    "{} of {}",
                    count(lockout.clients),
                    counted(lockout.of_clients, "known client")
                )
            } else {
                lockout.name.clone()
            };
            let ours = lockout.cause.side != Side::Client;
            let cause = lockout.cause.reason.short_word();
            let side = lockout.cause.side.prefix().to_lowercase();
            let place = match (several, ours) {
                (false, false) => lockout.place.to_string(),
                _ => format!("{cause}, {side}: {}", lockout.place),
            };
            let until = if title == "OVER" { lockout.last } else { self.summary.ledger.seen.last };
            table.row(vec![
                Cell::styled(name, Style::Bold),
                Cell::styled(self.at(lockout.since), Style::Dim),
                Cell::styled(age(lockout.since, until), Style::Dim),
                count(lockout.refused).into(),
                place.into(),
            ]);
        }
        let more = more(lockouts.len());
        (table, more)
    }

    fn strangers(&self) -> (Table, String) {
        let refused = |row: &&CertificateRow<'_>| {
            let is_stranger = !row.uses.is_proven() && !self.summary.is_lockout(row);
            is_stranger && row.uses.verdicts.denials() > 0
        };
        let rows: Vec<_> = self.summary.certificates.iter().filter(refused).collect();
        let title = "STRANGERS, never verified here; \"names\" are their own words";
        let mut table = Table::titled(title, who_columns(""));
        for row in rows.iter().take(ROWS_MAX) {
            let fine =
                if self.summary.real_one_is_fine(row) { "; the real one is fine" } else { "" };
            table.row(vec![
                quoted(&row.name).into(),
                Cell::styled(self.at(row.uses.seen.first), Style::Dim),
                Cell::styled(age(row.uses.seen.first, row.uses.seen.last), Style::Dim),
                count(row.uses.verdicts.denials()).into(),
                format!("{}{fine}", addresses(row)).into(),
            ]);
        }
        self.missing(&mut table);
        (table, more(rows.len()))
    }

    /// Those who sent no certificate, in one row.
    fn missing(&self, table: &mut Table) {
        let ledger = self.summary.ledger;
        let (mut seen, mut refused) = (Seen::default(), 0);
        for (_, route) in ledger.routes.iter() {
            seen.merge(&route.missing);
            refused += route.verdicts.of(Verdict::Missing);
        }
        if refused == 0 {
            return;
        }
        let without = ledger.addresses.iter().filter(|(_, a)| a.verdicts.of(Verdict::Missing) > 0);
        let addresses = u64::try_from(without.count()).unwrap_or(u64::MAX);
        table.row(vec![
            "no certificate".into(),
            Cell::styled(self.at(seen.first), Style::Dim),
            Cell::styled(age(seen.first, seen.last), Style::Dim),
            count(refused).into(),
            if addresses > 0 { counted(addresses, "address").into() } else { "".into() },
        ]);
    }

    fn routes(&self) -> (Table, String) {
        let mut routes: Vec<_> = self.summary.ledger.routes.iter().collect();
        let bad =
            |route: &RouteUse| route.verdicts.denials() + route.verdicts.of(Verdict::FailedOpen);
        let quiet = routes.iter().filter(|(_, route)| bad(route) == 0);
        let (quiet_routes, quiet_requests) =
            quiet.fold((0, 0), |(n, sum), (_, route)| (n + 1, sum + route.verdicts.requests()));
        routes.retain(|(_, route)| bad(route) > 0);
        let order = |(id, route): &(_, &RouteUse)| {
            let hit = self.summary.known_on(*id).1;
            let let_in = route.verdicts.of(Verdict::FailedOpen);
            (
                std::cmp::Reverse((let_in, hit, bad(route))),
                route.server.clone(),
                route.route.clone(),
            )
        };
        routes.sort_by_cached_key(order);
        let all = routes.len();
        routes.truncate(2 * ROWS_MAX);
        let mut table = routes_table();
        let mut servers: Vec<&str> = routes.iter().map(|(_, route)| &*route.server).collect();
        let mut shown = Vec::new();
        servers.retain(|server| {
            !shown.contains(server) && {
                shown.push(*server);
                true
            }
        });
        for server in servers {
            table.line(server);
            for (id, route) in routes.iter().filter(|(_, route)| &*route.server == server) {
                table.row(self.route_cells(route, self.summary.known_on(*id)));
            }
        }
        let hidden = all - routes.len();
        let mut after = match hidden {
            0 => String::new(),
            _ => format!(
                "{} with refusals: --format json\n",
                counted(u64::try_from(hidden).unwrap_or(u64::MAX), "more route")
            ),
        };
        if quiet_routes > 0 {
            let requests = counted(quiet_requests, "request");
            let routes = counted(quiet_routes, "more route");
            after.push_str(&format!("{routes} without a refusal, {requests}\n"));
        }
        (table, after)
    }

    fn route_cells(&self, route: &RouteUse, (known, hit): (u64, u64)) -> Vec<Cell> {
        let (verdicts, connections) = (&route.verdicts, &route.connections);
        let (failures, requests) = route.failures_of_all();
        let per_connection = match self.summary.ledger.has_connections {
            true => share(connections.failures(), connections.tls_requests()),
            false => "-".to_owned(),
        };
        let failed_open = verdicts.of(Verdict::FailedOpen);
        let (mostly, style) = match route.reasons.main() {
            _ if failed_open > 0 => (format!("{} let in", count(failed_open)), Style::Reverse),
            Some((reason, _)) => (reason.short_word().to_owned(), worst_style(verdicts)),
            None => (String::new(), Style::Plain),
        };
        vec![
            format!("  {}", route.route).into(),
            count(verdicts.requests()).into(),
            count(verdicts.denials()).into(),
            share(failures, requests).into(),
            per_connection.into(),
            if hit == 0 { "0".into() } else { format!("{hit} of {known}").into() },
            Cell::styled(mostly, style),
        ]
    }

    fn certificates(&self, terminal: &Terminal) -> (Table, String) {
        let bad = |row: &&CertificateRow<'_>| {
            row.uses.verdicts.denials() + row.uses.verdicts.of(Verdict::FailedOpen) > 0
        };
        let rows: Vec<_> = self.summary.certificates.iter().filter(bad).collect();
        let mut table = Table::new(vec![
            Column::text("CERTIFICATES REFUSED", Narrow::CutEnd),
            Column::text("sha-1", Narrow::Keep),
            Column::number("refused"),
            Column::number("from").or(Narrow::Leave(0)),
            Column::text("last let in", Narrow::Keep),
            Column::text("cause", Narrow::Keep),
        ]);
        for row in rows.iter().take(ROWS_MAX) {
            table.row(self.certificate_cells(row));
            if let Some(cause) = &row.cause {
                for line in advice_lines(row, cause, terminal.columns) {
                    table.line(line);
                }
            }
        }
        (table, more(rows.len()))
    }

    fn certificate_cells(&self, row: &CertificateRow<'_>) -> Vec<Cell> {
        let style = if row.uses.is_proven() { Style::Bold } else { Style::Plain };
        let last_let_in = match row.uses.let_in.last {
            Some(_) => self.at(row.uses.let_in.last),
            None if row.uses.verdicts.of(Verdict::Verified) > 0 => "-".to_owned(),
            None => "never".to_owned(),
        };
        vec![
            Cell::styled(name_of(row), style),
            row.short_fingerprint().into(),
            count(row.uses.verdicts.denials()).into(),
            count(row.uses.addresses.count()).into(),
            Cell::styled(last_let_in, Style::Dim),
            Cell::styled(self.cause_text(row), worst_style(&row.uses.verdicts)),
        ]
    }

    /// The short word, and for an expired certificate since when.
    fn cause_text(&self, row: &CertificateRow<'_>) -> String {
        let word = row.cause.map_or("", |cause| cause.reason.short_word());
        match row.uses.not_after_seconds {
            Some(end) if word == "expired" && end <= self.now() => {
                format!("{word} {}", time::short(end, self.now()))
            }
            _ => word.to_owned(),
        }
    }

    fn issuers(&self) -> (Table, String) {
        let issuers: Vec<_> =
            issuer_uses(self.summary).into_iter().filter(|(name, _)| !name.is_empty()).collect();
        let is_clean = self.summary.ledger.verdicts().denials() == 0;
        let mut table = Table::new(vec![
            Column::text("ISSUERS", Narrow::CutEnd),
            Column::number("requests"),
            Column::number("refused"),
            Column::number("clients"),
            Column::text("last seen", Narrow::Keep),
        ]);
        // Those that vouch for known clients first: the others are whatever was sent.
        let (known, claimed): (Vec<_>, Vec<_>) =
            issuers.into_iter().partition(|(_, uses)| uses.known > 0);
        let all = known.len() + claimed.len();
        for (name, uses) in known.iter().chain(&claimed).take(if is_clean { 0 } else { ROWS_MAX }) {
            let shown = escape_text(name);
            let shown = if uses.known > 0 { shown.into_owned() } else { quoted(&shown) };
            table.row(vec![
                shown.into(),
                count(uses.requests).into(),
                count(uses.denials).into(),
                count(uses.known).into(),
                Cell::styled(self.at(uses.last_seen), Style::Dim),
            ]);
        }
        (table, more(if is_clean { 0 } else { all }))
    }

    fn todo(&self, terminal: &Terminal) -> String {
        let logs = self.logs;
        let mut todo: Vec<(String, String)> = Vec::new();
        if let Some(advice) = self.let_in_advice() {
            todo.push((advice, format!("gatelog parse --verdict failed_open {logs}")));
        }
        for lockout in &self.summary.locked_out {
            let Lockout { cause, name, fingerprint, .. } = lockout;
            let (who, filter) = match cause.side {
                Side::Operator | Side::Clock => {
                    ("us".to_owned(), format!("--reason {}", cause.reason))
                }
                Side::Client | Side::Stranger if fingerprint == "-" => {
                    (name.clone(), format!("--reason {}", cause.reason))
                }
                Side::Client | Side::Stranger => {
                    (name.clone(), format!("--fingerprint {fingerprint}"))
                }
            };
            let advice = cause.advice.trim_end_matches('.');
            let command = format!("gatelog parse {filter} {logs}");
            if todo.iter().all(|(_, known)| *known != command) {
                todo.push((format!("{who}: {advice}"), command));
            }
        }
        if todo.is_empty() {
            return String::new();
        }
        let all = todo.len();
        let mut out = "\nWHAT TO DO NEXT\n".to_owned();
        for (number, (what, command)) in (1..).zip(todo.into_iter().take(TODO_MAX)) {
            for line in wrap(&format!("{number}  {what}"), terminal.columns, "   ") {
                out.push_str(&format!("{line}\n"));
            }
            out.push_str(&format!("   {command}\n"));
        }
        if all > TODO_MAX {
            out.push_str(&format!("{} more: --format json\n", all - TODO_MAX));
        }
        out
    }

    /// What to do about certificates that were let in and do not verify.
    fn let_in_advice(&self) -> Option<String> {
        let let_in = self.summary.let_in();
        if !let_in.is_empty() && self.has_conf && let_in.iter().all(|l| l.suspected) {
            let what = self.what_would_tell();
            return Some(format!("us: {what}, or gatelog cannot tell which server answered"));
        }
        let server = &let_in.first()?.place.server;
        let servers = let_in.iter().filter(|l| l.place.server != *server).count();
        let more = if servers > 0 { " and others" } else { "" };
        let advice = failed_open_advice(let_in.iter().all(|l| l.suspected));
        let advice = advice.trim_start_matches("now: ").trim_end_matches('.');
        Some(format!("us, on {server}{more}: {advice}"))
    }

    fn remarks(&self) -> String {
        let mut out = String::new();
        let hits = self.summary.ledger.limits.iter().filter(|(_, hits)| *hits > 0);
        let hits: Vec<_> =
            hits.map(|(limit, hits)| format!("{} {}", limit.shown(), count(hits))).collect();
        if !hits.is_empty() {
            out.push_str(&format!("Beyond what is kept apart: {}\n", hits.join(", ")));
        }
        if self.lines.unparsed > 0 {
            let lines = counted(self.lines.unparsed, "line");
            out.push_str(&format!("{lines} did not fit: gatelog check {}\n", self.logs));
        }
        if out.is_empty() { out } else { format!("\n{out}") }
    }
}

/// A proven name as it is, a claimed one in quotes.
fn name_of(row: &CertificateRow<'_>) -> String {
    match (row.uses.is_proven(), row.claims) {
        (true, _) => row.name.clone(),
        (false, true) => format!("{} claims", quoted(&row.name)),
        (false, false) => quoted(&row.name),
    }
}

/// Everyone on a server, by one fault of ours.
fn everyone(lockout: &Lockout) -> Option<String> {
    let all = lockout.clients > 1 && lockout.clients == lockout.of_clients;
    let Lockout { place, cause, .. } = lockout;
    let ours = cause.side.prefix();
    all.then(|| format!("Everyone is refused on {place}. {ours}: {}.", cause.reason.short_word()))
}

/// `both on their side`, `1 on their side, 2 on ours`.
fn sides(lockouts: &[&Lockout]) -> String {
    let clients = |theirs: bool| {
        let is_theirs = |lockout: &Lockout| (lockout.cause.side == Side::Client) == theirs;
        Summary::clients_of(lockouts.iter().copied().filter(|lockout| is_theirs(lockout)))
    };
    let side = |n: u64, side: &str| match n {
        1 => format!("on {side} side"),
        2 => format!("both on {side} side"),
        _ => format!("all on {side} side"),
    };
    match (clients(true), clients(false)) {
        (theirs, 0) => side(theirs, "their"),
        (0, ours) => side(ours, "our"),
        (theirs, ours) => format!("{theirs} on their side, {ours} on ours"),
    }
}

fn who_columns(title: &'static str) -> Vec<Column> {
    vec![
        Column::text(title, Narrow::CutEnd),
        Column::number("since"),
        Column::number("for"),
        Column::number("refused"),
        Column::text("where", Narrow::CutMiddle),
    ]
}

fn routes_table() -> Table {
    Table::new(vec![
        Column::text("ROUTES", Narrow::CutMiddle),
        Column::number("requests"),
        Column::number("refused"),
        Column::number("fail/req").or(Narrow::Leave(1)),
        Column::number("fail/conn"),
        Column::number("known hit"),
        Column::text("mostly", Narrow::Keep),
    ])
}

fn worst_style(verdicts: &crate::ledger::counts::VerdictCounts) -> Style {
    let bad = [
        (Verdict::Rejected, Style::Red),
        (Verdict::Missing, Style::Magenta),
        (Verdict::Forbidden, Style::Yellow),
    ];
    if verdicts.of(Verdict::FailedOpen) > 0 {
        return Style::Reverse;
    }
    let most = bad.into_iter().max_by_key(|(verdict, _)| verdicts.of(*verdict));
    most.map_or(Style::Plain, |(_, style)| style)
}

fn addresses(row: &CertificateRow<'_>) -> String {
    match (row.uses.addresses.count(), &row.uses.first_address) {
        (0 | 1, Some((_, addr))) => escape_text(addr).into_owned(),
        (0, None) => String::new(),
        (n, _) => counted(n, "address"),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn age(since: Option<UnixMillis>, until: Option<UnixMillis>) -> String {
    let seconds = |(since, until): (i64, i64)| until.saturating_sub(since).div_euclid(1000);
    since.zip(until).map_or("-".to_owned(), |times| time::age(seconds(times)))
}

fn more(all: usize) -> String {
    match all.saturating_sub(ROWS_MAX) {
        0 => String::new(),
        hidden => format!("{hidden} more: --format json\n"),
    }
}

/// The reason by name, whose side, what to do.
fn advice_lines(row: &CertificateRow<'_>, cause: &Cause, columns: usize) -> Vec<String> {
    let side = match cause.side {
        Side::Operator if !row.known && !row.claims => "Our side, if it should pass",
        side => side.prefix(),
    };
    wrap(&format!("  {}. {side}: {}", cause.reason, cause.advice), columns, "  ")
}
